//! Approvals that come before their gate is asked, on a toy cluster.

use serde_json::{Value, json};
use tidegate_api::{GateState, Phase, Verdict};

use super::{lab::Lab, specs::with};

const APPROVE: &str = "tidegate.dev/approve";

/// A person says yes in front of the start.
fn signed_off(changes: &Value) -> Value {
    let mut spec = with(changes);
    spec["gates"] = json!({"start": [{"name": "sign-off", "approval": {}}]});
    spec
}

/// Nothing starts for a year.
fn closed() -> Value {
    json!({"schedule": {"timeZone": "UTC", "freeze": ["2000-01-01/2100-01-01"]}})
}

fn open() -> Value {
    json!({"schedule": null})
}

/// The name that the version of an image gets.
fn version_of(image: &str, spec: &Value) -> String {
    let mut lab = Lab::adopted(&with(&json!({"workload": spec["workload"]})));
    lab.cluster.push(image);
    lab.until(|lab| lab.status().canary.is_some());
    lab.status().canary.unwrap().revision
}

fn approve(lab: &mut Lab, image: &str) {
    let version = version_of(image, &signed_off(&json!({})));
    lab.cluster.annotate(APPROVE, &format!("{version}/sign-off by jane"));
    lab.settle();
}

#[test]
fn an_approval_may_come_while_its_version_waits_for_anything_else() {
    for (waits, goes_on) in [
        (closed(), open()),
        (json!({"paused": true}), json!({"paused": false})),
        (json!({"replicas": 0}), json!({"replicas": 10})),
    ] {
        let mut lab = Lab::adopted(&signed_off(&json!({})));
        lab.cluster.edit(&waits);
        lab.finish();
        lab.cluster.push("v2");
        lab.settle();
        approve(&mut lab, "v2");
        assert_eq!((lab.phase(), lab.told("CommandIgnored")), (Phase::Stable, 0), "{waits}");
        lab.cluster.edit(&goes_on);
        lab.finish();
        assert_eq!((lab.told("Promoted"), lab.cluster.pods_of("v2")), (1, 10), "{waits}: {}", lab.status().message);
    }
}

#[test]
fn an_approval_may_come_while_the_version_before_is_on_its_way_back() {
    let mut lab = Lab::adopted(&signed_off(&json!({})));
    lab.cluster.push("v2");
    approve(&mut lab, "v2");
    lab.until(|lab| lab.stage() == "canary" && lab.status().stage.is_some_and(|stage| stage.since.is_some()));
    lab.cluster.push("v3");
    approve(&mut lab, "v3");
    lab.finish();
    assert_eq!((lab.told("CommandIgnored"), lab.cluster.pods_of("v3")), (0, 10), "{}", lab.status().message);
}

#[test]
fn an_approval_that_came_while_a_version_waited_counts_for_one_rollout_alone() {
    let mut lab = Lab::adopted(&signed_off(&closed()));
    lab.cluster.push("v2");
    approve(&mut lab, "v2");
    lab.cluster.edit(&open());
    lab.until(|lab| lab.stage() == "canary");
    let version = lab.status().canary.unwrap().revision;
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.finish();
    assert_eq!(lab.phase(), Phase::Reverted);
    lab.verdicts.clear();
    lab.cluster.edit(&closed());
    lab.cluster.annotate("tidegate.dev/retry", &version);
    lab.settle();
    lab.cluster.edit(&open());
    lab.settle();
    let gate = lab.status().gates.first().map(|gate| gate.state);
    assert_eq!((lab.phase(), gate), (Phase::Stable, Some(GateState::Waiting)), "{}", lab.status().message);
}

#[test]
fn an_approval_for_a_version_that_nobody_asks_for_yet_does_nothing_and_one_that_is_not_asked_for_any_more_waits_at_no_gate()
 {
    let mut lab = Lab::adopted(&signed_off(&json!({})));
    approve(&mut lab, "v2");
    assert_eq!(lab.told("CommandIgnored"), 1);
    lab.cluster.push("v2");
    lab.settle();
    assert_eq!((lab.phase(), lab.status().gates.len()), (Phase::Stable, 1), "it has to come again");
    lab.cluster.edit(&closed());
    lab.cluster.push("v3");
    lab.settle();
    assert_eq!(lab.status().gates, [], "nobody is asked about a version that another has taken the place of");
}

#[test]
fn each_approval_becomes_an_event_and_the_second_of_a_person_is_told_once() {
    let mut lab = Lab::adopted(&signed_off(&json!({})));
    lab.cluster.edit(&json!({"gates": {"start": [{"name": "sign-off", "approval": {"count": 2}}]}}));
    lab.cluster.push("v2");
    lab.settle();
    let version = lab.status().gates[0].revision.clone();
    let write = |lab: &mut Lab, people: &[&str]| {
        let entries: Vec<_> = people.iter().map(|who| format!("{version}/sign-off by {who}")).collect();
        lab.cluster.annotate(APPROVE, &entries.join("; "));
        lab.settle();
    };
    write(&mut lab, &["jane"]);
    assert_eq!((lab.told("Approved"), lab.told("CommandIgnored"), lab.phase()), (1, 0, Phase::Stable));
    let told = lab.status().history[0].message.clone();
    assert!(told.starts_with("jane (by their own account) approves of version "), "{told}");
    for _ in 0..2 {
        write(&mut lab, &["jane", "jane at noon"]);
        assert_eq!((lab.told("Approved"), lab.told("CommandIgnored"), lab.phase()), (1, 1, Phase::Stable));
    }
    let told = lab.status().history[0].message.clone();
    assert!(told.ends_with("is ignored: jane has approved already, and counts once"), "{told}");
    write(&mut lab, &["jane", "jane at noon", "joe"]);
    assert_eq!((lab.phase(), lab.told("GatePassed"), lab.told("CommandIgnored")), (Phase::Progressing, 1, 1));
    let told = lab.status().history.into_iter().find(|step| step.reason == "GatePassed").unwrap().message;
    assert!(told.contains("approved by jane and joe"), "{told}");
}

#[test]
fn an_approval_that_is_written_twice_in_the_same_words_counts_once_and_stays() {
    let mut lab = Lab::adopted(&signed_off(&json!({})));
    lab.cluster.edit(&json!({"gates": {"start": [{"name": "sign-off", "approval": {"count": 2}}]}}));
    lab.cluster.push("v2");
    lab.settle();
    let version = lab.status().gates[0].revision.clone();
    let jane = format!("{version}/sign-off by jane");
    for _ in 0..2 {
        lab.cluster.annotate(APPROVE, &format!("{jane}; {jane}"));
        lab.settle();
        assert_eq!((lab.told("Approved"), lab.told("CommandIgnored"), lab.phase()), (1, 0, Phase::Stable));
    }
    lab.cluster.annotate(APPROVE, &format!("{jane}; {jane}; {version}/sign-off by joe"));
    lab.settle();
    assert_eq!((lab.phase(), lab.told("GatePassed")), (Phase::Progressing, 1));
}

#[test]
fn whoever_takes_an_approval_back_and_gives_it_again_counts_again() {
    let mut lab = Lab::adopted(&signed_off(&json!({})));
    lab.cluster.edit(&json!({"gates": {"start": [{"name": "sign-off", "approval": {"count": 2}}]}}));
    lab.cluster.push("v2");
    lab.settle();
    let version = lab.status().gates[0].revision.clone();
    for text in ["jane", "joe", "jane at noon"] {
        lab.cluster.annotate(APPROVE, &format!("{version}/sign-off by {text}"));
        lab.settle();
        assert_eq!(lab.status().gates[0].approvals.len(), 1);
    }
    assert_eq!((lab.told("Approved"), lab.told("CommandIgnored")), (3, 0));
}
