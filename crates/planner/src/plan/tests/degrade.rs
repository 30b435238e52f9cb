//! `degrade`: what a version may do without is switched off before traffic is taken from it.

use serde_json::{Value, json};
use tidegate_api::{GateState, Percent, Phase, Verdict};

use super::{lab::Lab, specs::with};
use crate::plan::Reply;

/// Two checks, and a service that switches a feature off.
fn degrading() -> Value {
    with(&json!({
        "degrade": {"by": {"name": "flags-off", "webhook": {"endpoint": "flags"}}, "wait": "2m"},
        "analysis": {"checks": [
            {"name": "errors", "errorRate": {"preset": "pod-http", "max": "1%"}},
            {"name": "slow", "latency": {"preset": "pod-http", "quantile": 0.95, "max": "200ms"}},
        ]},
    }))
}

/// `slow` has failed in the stage of 25 %, and nobody has answered yet.
fn failed() -> Lab {
    let mut lab = Lab::in_stage(&degrading(), "quarter");
    lab.verdicts.insert("slow".to_owned(), Verdict::Fail);
    lab.settle();
    assert_eq!((lab.phase(), lab.told("Degraded")), (Phase::Progressing, 1));
    lab
}

/// The same, when the service has switched it off.
fn switched_off() -> Lab {
    let mut lab = failed();
    lab.gate_reply = Some(Reply::Go("templates are off".to_owned()));
    lab.settle();
    lab
}

fn weight(lab: &Lab) -> Percent {
    lab.cluster.canary_weight()
}

#[test]
fn a_check_that_fails_keeps_its_traffic_while_a_service_is_asked_to_switch_something_off() {
    let lab = failed();
    assert_eq!((weight(&lab), lab.stage().as_str()), (Percent::new(25.0), "quarter"));
    let gate = lab.status().gates.into_iter().find(|gate| gate.name == "flags-off").unwrap();
    assert_eq!((gate.place.as_str(), gate.state), ("degrade quarter", GateState::Waiting));
    assert_eq!(lab.status().message, "stage quarter: slow failed, and flags-off is asked to help: it is being asked");
}

#[test]
fn a_version_that_gets_by_without_it_is_judged_anew_and_promoted() {
    let mut lab = switched_off();
    lab.pass(119);
    assert!(lab.status().message.contains("flags-off helped: judged anew from"), "{}", lab.status().message);
    lab.verdicts.clear();
    lab.pass(1);
    let begun = lab.status().begun;
    assert_eq!(begun.last().map(|begun| (begun.stage.clone(), begun.answered.clone())), {
        Some(("quarter".to_owned(), vec!["slow".to_owned()]))
    });
    lab.pass(599);
    assert_eq!(lab.stage(), "quarter", "it bakes anew");
    lab.finish();
    assert_eq!((lab.phase(), lab.cluster.pods_of("v2")), (Phase::Stable, 10));
    assert_eq!(lab.status().degraded, None);
}

#[test]
fn a_version_that_fails_all_the_same_goes_back() {
    let mut lab = switched_off();
    lab.pass(120);
    lab.decide();
    assert_eq!(lab.phase(), Phase::Reverting, "{}", lab.status().message);
    assert_eq!((weight(&lab), lab.told("Degraded")), (Percent::ZERO, 2));
}

#[test]
fn another_check_that_fails_meanwhile_is_judged_anew_with_the_first() {
    for mut lab in [failed(), switched_off()] {
        lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
        lab.decide();
        assert_eq!((lab.phase(), weight(&lab)), (Phase::Progressing, Percent::new(25.0)), "{}", lab.status().message);
        assert_eq!(lab.status().degraded.unwrap().checks, ["slow", "errors"]);
        lab.gate_reply = Some(Reply::Go("templates are off".to_owned()));
        lab.settle();
        lab.verdicts.clear();
        lab.pass(120);
        assert_eq!(lab.status().begun.pop().unwrap().answered, ["slow", "errors"]);
        lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
        lab.decide();
        assert_eq!(lab.phase(), Phase::Reverting, "it is helped once");
    }
}

/// The same, where only `slow` may be helped.
fn only_slow() -> Value {
    let mut spec = degrading();
    spec["degrade"]["checks"] = json!(["slow"]);
    spec
}

#[test]
fn a_check_that_nothing_helps_takes_the_traffic_back_though_another_could_be_helped() {
    let mut lab = Lab::in_stage(&only_slow(), "quarter");
    lab.verdicts.extend(["slow", "errors"].map(|check| (check.to_owned(), Verdict::Fail)));
    lab.decide();
    assert_eq!((lab.phase(), lab.told("Degraded")), (Phase::Reverting, 0), "{}", lab.status().message);
}

#[test]
fn a_check_that_nothing_helps_and_that_fails_meanwhile_takes_the_traffic_back_at_once() {
    for answer in [None, Some(Reply::Go("templates are off".to_owned()))] {
        let mut lab = Lab::in_stage(&only_slow(), "quarter");
        lab.verdicts.insert("slow".to_owned(), Verdict::Fail);
        lab.settle();
        lab.gate_reply = answer;
        lab.settle();
        assert_eq!(lab.told("Degraded"), 1);
        lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
        lab.decide();
        assert_eq!((lab.phase(), weight(&lab)), (Phase::Reverting, Percent::ZERO), "{}", lab.status().message);
    }
}

#[test]
fn a_service_that_cannot_help_or_does_not_answer_ends_it() {
    let mut lab = failed();
    lab.gate_reply = Some(Reply::Stop("there is no such flag".to_owned()));
    lab.settle();
    let message = lab.status().failed[0].message.clone();
    assert_eq!(message, "slow: as scripted; flags-off could not help: there is no such flag");
    let mut lab = failed();
    lab.pass(119);
    assert_eq!(lab.phase(), Phase::Progressing);
    lab.pass(1);
    let message = lab.status().failed[0].message.clone();
    assert_eq!(message, "slow: as scripted; flags-off did not help within 2m: it is being asked");
}

#[test]
fn a_stage_may_step_back_when_what_was_switched_off_did_not_help() {
    let mut spec = degrading();
    spec["onFailure"] = json!("StepBack");
    let mut lab = Lab::in_stage(&spec, "quarter");
    lab.verdicts.insert("slow".to_owned(), Verdict::Fail);
    lab.settle();
    lab.gate_reply = Some(Reply::Go("off".to_owned()));
    lab.settle();
    lab.verdicts.clear();
    lab.pass(120);
    lab.verdicts.insert("slow".to_owned(), Verdict::Fail);
    lab.decide();
    assert_eq!((lab.phase(), lab.stage().as_str()), (Phase::Progressing, "canary"));
}

#[test]
fn who_takes_it_out_of_the_plan_meanwhile_gets_the_failure() {
    let mut lab = failed();
    let mut spec = degrading();
    spec["degrade"].take();
    lab.cluster.edit(&spec);
    lab.decide();
    assert_eq!(lab.phase(), Phase::Reverting, "{}", lab.status().message);
}

#[test]
fn a_stage_that_steps_back_after_it_is_judged_there_by_what_comes_and_is_not_answered_again() {
    let mut spec = degrading();
    spec["onFailure"] = json!("StepBack");
    let mut lab = Lab::in_stage(&spec, "quarter");
    lab.verdicts.insert("slow".to_owned(), Verdict::Fail);
    lab.settle();
    lab.gate_reply = Some(Reply::Stop("there is no such flag".to_owned()));
    lab.decide();
    lab.decide();
    assert_eq!((lab.phase(), lab.stage().as_str()), (Phase::Progressing, "canary"), "{}", lab.status().message);
    assert_eq!(lab.status().stepped_back[0].checks, ["slow"], "what failed is answered by the lower weight");
    lab.verdicts.clear();
    lab.gate_reply = None;
    lab.finish();
    assert_eq!((lab.phase(), lab.cluster.pods_of("v2"), lab.told("Degraded")), (Phase::Stable, 10, 1));
}

#[test]
fn a_version_whose_pods_are_lost_meanwhile_waits_for_them_first() {
    let mut lab = switched_off();
    lab.verdicts.clear();
    lab.cluster.limits.insert("v2".to_owned(), 0);
    lab.pass(120);
    assert_eq!(lab.status().stage.and_then(|stage| stage.since), None, "{}", lab.status().message);
}

#[test]
fn nobody_leaves_a_stage_by_hand_while_something_is_switched_off() {
    let mut spec = degrading();
    spec["stages"] = json!([
        {"name": "canary", "weight": "5%", "bake": "10m"},
        {"name": "quarter", "weight": "25%", "bake": "10m", "after": [{"name": "sign-off", "approval": {}}]},
        {"name": "full", "weight": "100%", "bake": "10m"},
    ]);
    let mut lab = Lab::in_stage(&spec, "quarter");
    lab.verdicts.insert("slow".to_owned(), Verdict::Fail);
    lab.settle();
    // No numbers for a while: nothing fails at this moment, and nothing is over.
    lab.verdicts.insert("slow".to_owned(), Verdict::NoData);
    let version = lab.status().canary.unwrap().revision;
    let asked = |lab: &Lab| lab.status().gates.iter().map(|gate| (gate.name.clone(), gate.since)).collect::<Vec<_>>();
    let before = asked(&lab);
    lab.cluster.annotate("tidegate.dev/promote", &format!("{version}/quarter"));
    for _ in 0..5 {
        lab.pass(10);
        assert_eq!((asked(&lab), lab.told("GateWaits")), (before.clone(), 0), "{}", lab.status().message);
    }
}

#[test]
fn nothing_is_switched_off_for_a_version_that_is_on_its_way_back() {
    let mut lab = failed();
    let version = lab.status().canary.unwrap().revision;
    lab.cluster.annotate("tidegate.dev/abort", &version);
    lab.decide();
    assert_eq!(lab.phase(), Phase::Reverting);
    assert!(crate::plan::open_gate(lab.cluster.rollout.as_ref().unwrap()).is_none(), "it is asked no more");
    let mut lab = failed();
    lab.cluster.delete();
    lab.decide();
    assert_eq!(lab.phase(), Phase::HandingBack);
    assert!(crate::plan::open_gate(lab.cluster.rollout.as_ref().unwrap()).is_none(), "nor for one that is deleted");
}

#[test]
fn a_rollout_that_is_deleted_meanwhile_gives_the_deployment_what_worked() {
    for mut lab in [failed(), switched_off()] {
        lab.cluster.delete();
        lab.until(|lab| lab.cluster.rollout.is_none());
        while lab.cluster.tick() {}
        assert_eq!((lab.cluster.pods_of("v1"), lab.cluster.pods_of("v2")), (10, 0));
    }
}

#[test]
fn another_version_that_comes_meanwhile_takes_its_place_and_may_be_helped_anew() {
    for mut lab in [failed(), switched_off()] {
        lab.verdicts.clear();
        lab.cluster.push("v3");
        lab.until(|lab| lab.stage() == "quarter" && lab.status().stage.is_some_and(|stage| stage.since.is_some()));
        assert_eq!(lab.status().degraded, None);
        lab.verdicts.insert("slow".to_owned(), Verdict::Fail);
        lab.settle();
        assert_eq!((lab.phase(), lab.told("Degraded")), (Phase::Progressing, 2), "{}", lab.status().message);
    }
}

#[test]
fn a_rollout_that_is_paused_meanwhile_is_judged_anew_all_the_same() {
    let mut lab = switched_off();
    lab.cluster.edit(&json!({"paused": true}));
    lab.pass(120);
    assert_eq!(lab.phase(), Phase::Reverting, "{}", lab.status().message);
}
