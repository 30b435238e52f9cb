//! `drill` of a stage: the way back is tried before it is needed.

use serde_json::{Value, json};
use tidegate_api::{DrillState, Percent, Phase, Verdict};

use super::{cluster::Gateway, lab::Lab, specs::with};

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
