//! `drill` of a stage: the way back is tried before it is needed.

use serde_json::{Value, json};
use tidegate_api::{DrillState, Percent, Phase, Verdict};

use super::{
    cluster::Gateway,
    lab::Lab,
    specs::{by_pods, progressive, with},
};

/// Blue-green, with a rehearsal between.
fn rehearsed() -> Value {
    with(&json!({"stages": [
        {"name": "preview", "weight": "0%", "replicas": "100%", "bake": "1m"},
        {"name": "rehearsal", "weight": "5%", "replicas": "100%", "bake": "2m", "drill": {"within": "1m"},
         "after": [{"name": "sign-off", "approval": {}}]},
        {"name": "full", "weight": "100%", "bake": "10m"},
    ]}))
}

/// The rehearsal has passed, and its traffic is to go back.
fn begun() -> Lab {
    let mut lab = Lab::in_stage(&rehearsed(), "rehearsal");
    lab.cluster.gateway = Gateway::Silent;
    lab.pass(120);
    lab
}

#[test]
fn a_stage_that_has_passed_goes_back_to_the_one_before_it_and_asks_its_gates_afterwards() {
    let mut lab = begun();
    assert_eq!((lab.phase(), lab.stage().as_str(), lab.told("DrillStarted")), (Phase::Progressing, "preview", 1));
    assert_eq!(lab.cluster.canary_weight(), Percent::ZERO);
    lab.pass(3);
    lab.cluster.gateway = Gateway::Accepts;
    lab.settle();
    assert_eq!(lab.told("DrillPassed"), 1, "{}", lab.status().message);
    let told = lab.status().history.into_iter().find(|step| step.reason == "DrillPassed").unwrap().message;
    assert_eq!(told, "drill of stage rehearsal: 0% of the traffic in force again after 3.0s, allowed 1m");
    assert!(lab.status().message.contains("waits for gate sign-off"), "{}", lab.status().message);
    let version = lab.status().canary.unwrap().revision;
    lab.cluster.annotate("tidegate.dev/approve", &format!("{version}/sign-off by jane"));
    lab.settle();
    assert_eq!(lab.stage(), "full", "{}", lab.status().message);
    assert_eq!(lab.status().drill.map(|drill| drill.state), Some(DrillState::Over));
    lab.finish();
    assert_eq!((lab.phase(), lab.told("DrillStarted")), (Phase::Stable, 1));
    assert_eq!(lab.status().drill, None);
}

/// The traffic of the rehearsal is back, and the checks have counted up to the moment when it left.
fn back() -> Lab {
    let mut lab = begun();
    lab.counted = Some(lab.cluster.now);
    lab.pass(3);
    lab.cluster.gateway = Gateway::Accepts;
    lab.settle();
    lab
}

#[test]
fn a_version_goes_on_after_its_drill_when_the_requests_of_that_time_are_counted() {
    let mut lab = back();
    lab.pass(10);
    assert_eq!((lab.told("DrillPassed"), lab.stage().as_str()), (1, "preview"));
    assert_eq!(lab.status().message, "drill of stage rehearsal: waits until errors counted the requests of that time");
    lab.counted = Some(lab.cluster.now);
    lab.settle();
    assert!(lab.status().message.contains("waits for gate sign-off"), "{}", lab.status().message);
}

#[test]
fn a_version_that_fails_by_the_requests_of_its_drill_goes_back_though_nobody_meets_it_any_more() {
    let mut lab = back();
    lab.counted = Some(lab.cluster.now);
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.decide();
    assert_eq!(lab.phase(), Phase::Reverting, "{}", lab.status().message);
}

#[test]
fn a_way_back_that_takes_too_long_fails_the_version() {
    let mut lab = begun();
    lab.pass(59);
    assert_eq!(lab.phase(), Phase::Progressing);
    lab.pass(1);
    assert_eq!(lab.phase(), Phase::Reverting);
    let message = lab.status().failed[0].message.clone();
    assert_eq!(message, "drill of stage rehearsal: 0% of the traffic was not in force again within 1m");
}

#[test]
fn a_pod_that_is_lost_on_the_way_back_gives_no_traffic_back_to_the_version() {
    let mut lab = begun();
    lab.cluster.ready_at_most("v2", Some(9));
    lab.pass(3);
    assert_eq!((lab.stage().as_str(), lab.cluster.canary_weight()), ("preview", Percent::ZERO));
    lab.cluster.gateway = Gateway::Accepts;
    lab.settle();
    assert_eq!(lab.cluster.canary_weight(), Percent::ZERO, "{}", lab.status().message);
}

#[test]
fn a_version_that_fails_in_the_rehearsal_is_reverted_and_not_drilled() {
    let mut lab = Lab::in_stage(&rehearsed(), "rehearsal");
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.decide();
    assert_eq!((lab.phase(), lab.told("DrillStarted")), (Phase::Reverting, 0));
}

#[test]
fn a_plan_that_steps_back_through_its_rehearsal_is_not_drilled_again() {
    let mut spec = rehearsed();
    spec["stages"][1]["after"] = json!([]);
    spec["onFailure"] = json!("StepBack");
    let mut lab = Lab::in_stage(&spec, "full");
    assert_eq!(lab.told("DrillPassed"), 1);
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.decide();
    assert_eq!(lab.stage(), "rehearsal");
    lab.verdicts.clear();
    lab.finish();
    assert_eq!((lab.phase(), lab.told("DrillStarted"), lab.told("SteppedBack")), (Phase::Stable, 1, 1));
}

#[test]
fn somebody_who_promotes_by_hand_while_the_traffic_is_back_goes_on_to_the_stage_after_it() {
    let mut lab = begun();
    lab.cluster.gateway = Gateway::Accepts;
    lab.settle();
    let version = lab.status().canary.unwrap().revision;
    lab.cluster.annotate("tidegate.dev/approve", &format!("{version}/sign-off by jane"));
    lab.cluster.annotate("tidegate.dev/promote", &format!("{version}/preview by jane"));
    lab.settle();
    assert_eq!(lab.stage(), "full", "{}", lab.status().message);
}

/// The specs in which stable's pods follow its share in one way or another, with a rehearsal of most of the weight.
fn with_fewer_pods() -> [Value; 2] {
    [progressive(), by_pods()].map(|mut spec| {
        spec["stages"] = json!([
            {"name": "quarter", "weight": "20%", "bake": "10m"},
            {"name": "most", "weight": "90%", "bake": "10m", "drill": {"within": "5m"}},
            {"name": "full", "weight": "100%", "bake": "10m"},
        ]);
        spec
    })
}

#[test]
fn the_way_back_brings_up_the_pods_that_it_needs_first() {
    for spec in with_fewer_pods() {
        let mut lab = Lab::in_stage(&spec, "most");
        lab.until(|lab| lab.told("DrillPassed") == 1);
        lab.finish();
        assert_eq!((lab.told("Promoted"), lab.cluster.pods_of("v2")), (1, 10), "{}", lab.status().message);
    }
}

#[test]
fn a_rollout_that_is_deleted_or_has_another_version_in_its_drill_goes_back() {
    for spec in with_fewer_pods().into_iter().chain([rehearsed()]) {
        let last = if spec["stages"][1]["name"] == "rehearsal" { "rehearsal" } else { "most" };
        let mut lab = Lab::in_stage(&spec, last);
        lab.until(|lab| lab.told("DrillStarted") == 1);
        let mut other = lab.clone();
        lab.cluster.delete();
        lab.until(|lab| lab.cluster.rollout.is_none());
        while lab.cluster.tick() {}
        assert_eq!((lab.cluster.pods_of("v1"), lab.cluster.pods_of("v2")), (10, 0));
        other.cluster.push("v3");
        other.until(|lab| lab.status().canary.is_some_and(|canary| canary.images == ["v3"]));
        assert_eq!((other.status().drill, other.cluster.pods_of("v1")), (None, 10));
    }
}

#[test]
fn a_rollout_that_is_paused_in_its_drill_stays_where_it_went_back_to() {
    let mut lab = begun();
    lab.cluster.edit(&json!({"paused": true}));
    lab.cluster.gateway = Gateway::Accepts;
    lab.settle();
    lab.pass(3600);
    assert_eq!((lab.stage().as_str(), lab.told("DrillPassed")), ("preview", 1), "{}", lab.status().message);
    lab.cluster.edit(&json!({"paused": false}));
    lab.pass(60);
    assert!(lab.status().message.contains("waits for gate sign-off"), "{}", lab.status().message);
}

#[test]
fn a_drill_that_nobody_saw_the_end_of_in_time_has_failed() {
    let mut lab = begun();
    lab.cluster.gateway = Gateway::Accepts;
    while lab.cluster.tick() {}
    lab.cluster.pass(3600);
    lab.settle();
    assert_eq!(lab.phase(), Phase::Reverting, "nobody knows when it was over: {}", lab.status().message);
}
