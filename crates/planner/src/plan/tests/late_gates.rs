//! Gates that are answered, or run out of time, while a pause or the schedule keeps the version where it is, on a toy cluster.

use serde_json::{Value, json};
use tidegate_api::{GateState, Percent, Phase};

use super::{
    lab::Lab,
    specs::{staged, with},
};
use crate::plan::Reply;

const MINUTE: i64 = 60;

/// What keeps everything where it is, and what lets it go on.
fn obstacles() -> [(Value, Value); 2] {
    let frozen = json!({"timeZone": "UTC", "freeze": ["2000-01-01/2100-01-01"]});
    [(json!({"schedule": frozen}), json!({"schedule": null})), (json!({"paused": true}), json!({"paused": false}))]
}

/// A person, or a service, has half an hour.
fn hasty(asks: &str) -> Value {
    let asked = if asks == "approval" { json!({}) } else { json!({"endpoint": "board"}) };
    json!([{"name": "sign-off", asks: asked, "timeout": "30m", "onTimeout": "Revert"}])
}

/// The canary stage has passed, and waits for its gate.
fn waiting(asks: &str) -> Lab {
    let mut spec = staged();
    spec["stages"][0]["after"] = hasty(asks);
    let mut lab = Lab::in_stage(&spec, "canary");
    lab.until(|lab| !lab.status().gates.is_empty());
    lab
}

/// A new version waits in front of its start.
fn in_front(asks: &str) -> Lab {
    let mut lab = Lab::adopted(&with(&json!({"gates": {"start": hasty(asks)}})));
    lab.cluster.push("v2");
    lab.settle();
    lab
}

fn answer(lab: &mut Lab, asks: &str) {
    if asks == "approval" {
        let version = lab.status().gates[0].revision.clone();
        lab.cluster.annotate("tidegate.dev/approve", &format!("{version}/sign-off by jane"));
    } else {
        lab.gate_reply = Some(Reply::Go("well".to_owned()));
    }
    lab.settle();
    lab.gate_reply = None;
}

fn state(lab: &Lab) -> Option<GateState> {
    lab.status().gates.first().map(|gate| gate.state)
}

#[test]
fn an_answer_that_came_in_time_counts_whatever_else_the_version_waits_for() {
    for asks in ["approval", "webhook"] {
        for (waits, goes_on) in obstacles() {
            let mut lab = waiting(asks);
            lab.cluster.edit(&waits);
            lab.pass(15 * MINUTE);
            answer(&mut lab, asks);
            assert_eq!((state(&lab), lab.told("GatePassed")), (Some(GateState::Passed), 1), "{asks} {waits}");
            lab.pass(60 * MINUTE);
            assert_eq!((lab.phase(), lab.stage().as_str()), (Phase::Progressing, "canary"), "{asks} {waits}");
            lab.cluster.edit(&goes_on);
            lab.settle();
            assert_eq!(lab.stage(), "quarter", "{asks} {waits}");
        }
    }
}

#[test]
fn a_no_turns_the_traffic_back_whatever_else_the_version_waits_for() {
    for (waits, _) in obstacles() {
        let mut lab = waiting("webhook");
        lab.cluster.edit(&waits);
        lab.settle();
        lab.gate_reply = Some(Reply::Stop("it is the end of the year".to_owned()));
        lab.decide();
        assert_eq!((lab.phase(), lab.cluster.canary_weight()), (Phase::Reverting, Percent::ZERO), "{waits}");
        lab.finish();
        assert!(lab.status().message.contains("gate sign-off says no: it is the end of the year"), "{waits}");
    }
}

#[test]
fn a_pause_keeps_time_from_turning_the_traffic_back_and_says_what_happens_after_it() {
    let mut lab = waiting("approval");
    lab.cluster.edit(&json!({"paused": true}));
    lab.pass(29 * MINUTE);
    assert!(!lab.status().message.contains("is up"), "{}", lab.status().message);
    lab.pass(180 * MINUTE);
    assert_eq!(
        (lab.phase(), lab.stage().as_str(), state(&lab)),
        (Phase::Progressing, "canary", Some(GateState::Waiting))
    );
    let told = "the time of gate sign-off is up: unless it says yes before, all traffic goes back then";
    assert!(lab.status().message.ends_with(told), "{}", lab.status().message);
    let mut unanswered = lab.clone();
    unanswered.cluster.edit(&json!({"paused": false}));
    unanswered.decide();
    assert_eq!((unanswered.phase(), unanswered.cluster.canary_weight()), (Phase::Reverting, Percent::ZERO));
    answer(&mut lab, "approval");
    assert!(!lab.status().message.contains("is up"), "{}", lab.status().message);
    lab.cluster.edit(&json!({"paused": false}));
    lab.settle();
    assert_eq!(lab.stage(), "quarter");
}

#[test]
fn behind_an_answer_that_came_meanwhile_the_next_gate_is_asked_when_nothing_else_is_in_the_way() {
    let mut spec = staged();
    spec["stages"][0]["after"] = hasty("webhook");
    spec["stages"][1]["before"] = json!([{"name": "ready", "webhook": {"endpoint": "board"}}]);
    let mut lab = Lab::in_stage(&spec, "canary");
    lab.until(|lab| !lab.status().gates.is_empty());
    let (waits, goes_on) = obstacles()[0].clone();
    lab.cluster.edit(&waits);
    lab.settle();
    answer(&mut lab, "webhook");
    lab.pass(60 * MINUTE);
    assert_eq!(lab.status().gates.len(), 1);
    lab.cluster.edit(&goes_on);
    lab.settle();
    assert_eq!((lab.stage().as_str(), lab.status().gates.len()), ("canary", 2));
}

#[test]
fn a_gate_in_front_of_the_start_is_heard_whatever_else_the_version_waits_for() {
    for asks in ["approval", "webhook"] {
        for (waits, goes_on) in obstacles() {
            let mut lab = in_front(asks);
            lab.cluster.edit(&waits);
            lab.pass(15 * MINUTE);
            answer(&mut lab, asks);
            assert_eq!(state(&lab), Some(GateState::Passed), "{asks} {waits}");
            lab.pass(60 * MINUTE);
            assert_eq!((lab.phase(), lab.cluster.pods_of("v2")), (Phase::Stable, 0), "{asks} {waits}");
            lab.cluster.edit(&goes_on);
            lab.settle();
            assert_eq!((lab.phase(), lab.stage().as_str()), (Phase::Progressing, "canary"), "{asks} {waits}");
        }
    }
}

#[test]
fn a_gate_in_front_of_the_start_runs_out_of_time_outside_of_the_windows_and_not_during_a_pause() {
    for ((waits, _), phase) in obstacles().into_iter().zip([Phase::Reverted, Phase::Stable]) {
        let mut lab = in_front("approval");
        lab.cluster.edit(&waits);
        lab.pass(60 * MINUTE);
        assert_eq!((lab.phase(), lab.cluster.pods_of("v2")), (phase, 0), "{waits}: {}", lab.status().message);
    }
}
