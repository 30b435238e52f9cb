//! A version is judged on after its promotion.

use serde_json::{Value, json};
use tidegate_api::{Phase, Verdict};

use super::{lab::Lab, specs::with};

fn watched(on_failure: &str) -> Value {
    with(&json!({"watch": {"for": "24h", "onFailure": on_failure}}))
}

/// `v2` was promoted, `v1` before it.
fn promoted(spec: &Value) -> Lab {
    let mut lab = Lab::adopted(spec);
    lab.cluster.push("v2");
    lab.until(|lab| lab.phase() == Phase::Stable && lab.told("Promoted") == 1);
    lab.settle();
    lab
}

fn fails(lab: &mut Lab) {
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.settle();
}

fn told(lab: &Lab) -> [usize; 3] {
    ["Watched", "WatchFailed", "Reverted"].map(|reason| lab.told(reason))
}

#[test]
fn a_version_is_watched_when_its_rollout_is_over_and_is_let_go_when_nothing_spoke_against_it() {
    let mut lab = promoted(&watched("Revert"));
    let watch = lab.status().watch.unwrap();
    assert_eq!((lab.phase(), watch.until.is_some(), lab.status().stage), (Phase::Stable, true, None));
    assert!(lab.status().message.contains(", and is watched until "), "{}", lab.status().message);
    assert!(lab.cluster.carries_weight("checkout"), "the routes say what their user wrote");
    lab.pass(86_401);
    assert_eq!((told(&lab), lab.status().watch, lab.status().checks), ([1, 0, 0], None, vec![]));
    assert_eq!(counted(&lab), (1, 0));
    fails(&mut lab);
    assert_eq!(told(&lab), [1, 0, 0], "nobody looks any more");
}

/// How many releases succeeded, and how many failed.
fn counted(lab: &Lab) -> (u32, u32) {
    lab.status().releases.map(|releases| (releases.promoted, releases.failed)).unwrap_or_default()
}

#[test]
fn one_that_fails_stays_and_is_told_once() {
    let mut lab = promoted(&watched("Notify"));
    fails(&mut lab);
    lab.pass(3600);
    assert_eq!((told(&lab), lab.cluster.pods_of("v2"), counted(&lab)), ([0, 1, 0], 10, (0, 1)));
    assert!(lab.status().message.ends_with("it failed after its promotion: errors: as scripted"));
    lab.pass(86_400);
    assert_eq!((told(&lab), lab.status().watch), ([0, 1, 0], None), "it is not told to be well");
}

#[test]
fn where_the_spec_says_so_the_version_before_comes_back_and_the_one_that_failed_stays_off() {
    let mut lab = promoted(&watched("Revert"));
    fails(&mut lab);
    lab.finish();
    assert_eq!((lab.cluster.pods_of("v1"), lab.cluster.pods_of("v2"), lab.phase()), (10, 0, Phase::Reverted));
    assert_eq!(counted(&lab), (0, 1), "the version that came back is no release");
    assert_eq!((lab.told("Promoted"), lab.told("CameBack")), (1, 1));
    assert_eq!((told(&lab), lab.told("RolloutStarted")), ([0, 1, 0], 1));
    assert!(lab.status().message.contains("failed (errors: as scripted) and stays off"), "{}", lab.status().message);
    assert_eq!(lab.status().watch, None, "what came back was watched before");
}

#[test]
fn a_version_before_that_somebody_deleted_cannot_come_back_and_that_is_told() {
    let mut lab = promoted(&watched("Revert"));
    let former = lab.status().former[0].replica_set.clone();
    lab.cluster.remove_replica_set(&former);
    fails(&mut lab);
    assert_eq!((lab.cluster.pods_of("v2"), told(&lab)), (10, [0, 1, 0]));
    assert!(lab.status().history[0].message.ends_with("so that nothing can come back"));
}

#[test]
fn another_version_ends_the_watch_and_so_does_a_spec_without_it() {
    let mut lab = promoted(&watched("Revert"));
    lab.cluster.push("v3");
    lab.settle();
    assert_eq!((lab.phase(), lab.status().watch), (Phase::Progressing, None));
    let mut lab = promoted(&watched("Revert"));
    lab.cluster.edit(&json!({"watch": null}));
    fails(&mut lab);
    assert_eq!((told(&lab), lab.status().watch), ([0, 0, 0], None));
}

#[test]
fn a_version_that_is_pushed_while_the_one_before_comes_back_starts_when_that_serves() {
    let mut lab = promoted(&watched("Revert"));
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.until(|lab| lab.told("WatchFailed") == 1);
    lab.cluster.push("v3");
    lab.verdicts.clear();
    lab.until(|lab| lab.told("RolloutStarted") == 2);
    let stable = lab.status().stable.unwrap();
    assert_eq!((stable.images.as_slice(), lab.told("Superseded")), (["v1".to_owned()].as_slice(), 0));
    lab.finish();
    assert_eq!((lab.cluster.pods_of("v3"), lab.phase()), (10, Phase::Stable));
}

#[test]
fn a_version_that_waits_to_start_keeps_nobody_from_looking_at_the_one_that_serves() {
    let waits = [
        json!({"paused": true}),
        json!({"gates": {"start": [{"name": "go", "approval": {"groups": ["owners"]}}]}}),
        json!({"schedule": {"timeZone": "UTC", "freeze": ["2000-01-01/2100-01-01"]}}),
    ];
    for wait in waits {
        let mut lab = promoted(&watched("Revert"));
        lab.cluster.edit(&wait);
        lab.cluster.push("v3");
        lab.settle();
        assert_eq!((told(&lab), lab.told("RolloutStarted")), ([0, 0, 0], 1), "{wait}");
        assert!(lab.status().message.contains(" waits"), "{wait}: {}", lab.status().message);
        fails(&mut lab);
        lab.verdicts.clear();
        lab.pass(600);
        assert_eq!((lab.cluster.pods_of("v1"), told(&lab)[1], lab.told("RolloutStarted")), (10, 1, 1), "{wait}");
        assert_eq!(
            (lab.cluster.pods_of("v2"), lab.cluster.pods_of("v3"), lab.phase()),
            (0, 0, Phase::Stable),
            "{wait}"
        );
    }
}

#[test]
fn one_that_only_tells_goes_on_being_told_while_another_version_waits() {
    let mut lab = promoted(&watched("Notify"));
    lab.cluster.edit(&json!({"paused": true}));
    lab.cluster.push("v3");
    fails(&mut lab);
    lab.pass(86_400);
    assert_eq!((told(&lab), lab.cluster.pods_of("v2"), lab.status().watch), ([0, 1, 0], 10, None));
}

#[test]
fn a_crash_at_any_write_changes_nothing_about_the_end() {
    let tries = promoted(&watched("Revert"));
    for write in 0..40 {
        let mut lab = tries.clone();
        lab.dies_at = Some(lab.writes + write);
        fails(&mut lab);
        lab.finish();
        assert_eq!((lab.cluster.pods_of("v1"), lab.phase()), (10, Phase::Reverted), "killed at write {write}");
    }
}
