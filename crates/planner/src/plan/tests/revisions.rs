//! Which version is asked for, and what became of it before.

use tidegate_api::{Percent, Phase, Verdict};

use super::{
    cluster::user_route,
    lab::Lab,
    specs::{by_pods, routed},
};

/// `v2` failed and is gone.
fn failed() -> Lab {
    let mut lab = Lab::in_stage(&routed(), "canary");
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.finish();
    assert_eq!(lab.phase(), Phase::Reverted);
    lab.verdicts.clear();
    lab
}

#[test]
fn a_version_that_comes_in_mid_flight_starts_when_the_one_before_is_gone() {
    for (spec, routes) in [(routed(), true), (by_pods(), false)] {
        for stage in ["canary", "quarter", "full"] {
            let mut lab = Lab::in_stage(&spec, stage);
            lab.cluster.push("v3");
            lab.decide();
            assert_eq!(lab.phase(), Phase::Reverting);
            assert_eq!(lab.cluster.pods_of("v3"), 0);
            if routes {
                assert_eq!(lab.cluster.canary_weight(), Percent::ZERO);
            }
            lab.until(|lab| lab.phase() == Phase::Progressing);
            assert_eq!(lab.cluster.pods_of("v2"), 0);
            assert_eq!(lab.stage(), "canary");
            lab.finish();
            assert_eq!(lab.phase(), Phase::Stable);
            assert_eq!(lab.cluster.pods_of("v3"), 10);
            assert!(lab.status().failed.is_empty(), "a version that was not judged did not fail");
        }
    }
}

#[test]
fn back_to_stable_is_instant_and_needs_no_analysis() {
    for stage in ["canary", "quarter", "full"] {
        let mut lab = Lab::in_stage(&routed(), stage);
        lab.verdicts.insert("errors".to_owned(), Verdict::NoData);
        lab.cluster.push("v1");
        lab.decide();
        assert_eq!(lab.cluster.canary_weight(), Percent::ZERO);
        lab.finish();
        assert_eq!(lab.phase(), Phase::Stable);
        assert!(lab.steps.contains(&"BackToStable".to_owned()));
        assert_eq!((lab.cluster.pods_of("v1"), lab.cluster.pods_of("v2")), (10, 0));
        assert_eq!(lab.cluster.routes["checkout"]["spec"], user_route());
    }
}

#[test]
fn a_version_that_was_turned_back_without_failing_may_try_again() {
    let mut lab = Lab::in_stage(&routed(), "quarter");
    lab.cluster.push("v1");
    lab.finish();
    lab.cluster.push("v2");
    lab.finish();
    assert_eq!(lab.cluster.pods_of("v2"), 10);
}

#[test]
fn a_failed_version_stays_failed() {
    let mut lab = failed();
    lab.pass(24 * 3600);
    assert_eq!(lab.phase(), Phase::Reverted);
    assert!(lab.status().message.contains("stays off"));
    assert_eq!(lab.cluster.pods_of("v2"), 0);
}

#[test]
fn a_failed_version_does_not_take_the_place_of_a_stable_one_that_somebody_deleted_and_a_fix_does() {
    let mut lab = failed();
    lab.until(|lab| lab.status().message.contains("stays off"));
    let stable = lab.status().stable.map(|stable| stable.replica_set).unwrap_or_default();
    lab.cluster.replica_sets.remove(&stable);
    lab.cluster.pods.remove(&stable);
    lab.until(|lab| lab.status().message.contains("was deleted, so that nothing serves"));
    assert_eq!(lab.cluster.pods_of("v2"), 0);
    lab.cluster.push("v3");
    lab.finish();
    assert_eq!(lab.cluster.pods_of("v3"), 10);
}

#[test]
fn a_failed_version_stays_failed_after_other_versions() {
    let mut lab = failed();
    lab.cluster.push("v3");
    lab.finish();
    assert_eq!(lab.cluster.pods_of("v3"), 10);
    lab.cluster.push("v2");
    lab.finish();
    assert_eq!(lab.phase(), Phase::Reverted);
    assert_eq!((lab.cluster.pods_of("v2"), lab.cluster.pods_of("v3")), (0, 10));
    lab.cluster.push("v1");
    lab.finish();
    assert_eq!(lab.cluster.pods_of("v1"), 10);
    lab.cluster.push("v2");
    lab.finish();
    assert_eq!(lab.phase(), Phase::Reverted);
}

#[test]
fn the_fix_for_a_failed_version_goes() {
    let mut lab = failed();
    lab.cluster.push("v2.1");
    lab.finish();
    assert_eq!(lab.phase(), Phase::Stable);
    assert_eq!(lab.cluster.pods_of("v2.1"), 10);
}

#[test]
fn going_back_to_stable_after_a_failure_ends_it() {
    let mut lab = failed();
    lab.cluster.push("v1");
    lab.finish();
    assert_eq!(lab.phase(), Phase::Stable);
    assert_eq!(lab.cluster.pods_of("v1"), 10);
}

#[test]
fn a_failed_version_that_comes_in_mid_flight_is_not_started() {
    let mut lab = failed();
    lab.cluster.push("v3");
    lab.until(|lab| lab.stage() == "quarter");
    lab.cluster.push("v2");
    lab.finish();
    assert_eq!(lab.phase(), Phase::Reverted);
    assert_eq!((lab.cluster.pods_of("v1"), lab.cluster.pods_of("v2"), lab.cluster.pods_of("v3")), (10, 0, 0));
}

#[test]
fn more_failures_than_are_listed_keep_the_status_small() {
    let mut lab = failed();
    for number in 3..20 {
        lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
        lab.cluster.push(&format!("v{number}"));
        lab.finish();
        assert_eq!(lab.phase(), Phase::Reverted);
    }
    assert_eq!(lab.status().failed.len(), 10);
}

#[test]
fn a_version_that_comes_while_the_one_before_is_promoted_waits_for_it() {
    let mut lab = Lab::in_stage(&routed(), "full");
    lab.until(|lab| lab.phase() == Phase::Promoting);
    lab.cluster.push("v3");
    lab.finish();
    assert_eq!(lab.phase(), Phase::Stable);
    assert_eq!((lab.cluster.pods_of("v2"), lab.cluster.pods_of("v3")), (0, 10));
}

#[test]
fn a_version_that_comes_while_another_is_turned_back_waits_for_that() {
    let mut lab = Lab::in_stage(&routed(), "full");
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.decide();
    lab.verdicts.clear();
    lab.cluster.push("v3");
    lab.finish();
    assert_eq!((lab.cluster.pods_of("v1"), lab.cluster.pods_of("v2"), lab.cluster.pods_of("v3")), (0, 0, 10));
}
