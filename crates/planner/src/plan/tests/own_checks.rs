//! Checks that only one stage asks.

use serde_json::{Value, json};
use tidegate_api::{Phase, Verdict};

use super::{lab::Lab, specs::routed};

/// The second stage also asks for `queue`.
fn asking(mut spec: Value) -> Value {
    let stages = json!([
        {"name": "canary", "weight": "5%", "bake": "5m"},
        {"name": "quarter", "weight": "25%", "bake": "5m", "checks": [{"name": "queue", "query": {"expr": "queue", "max": 3}}]},
        {"name": "full", "weight": "100%", "bake": "5m"},
    ]);
    spec["stages"] = stages;
    spec
}

fn answering(lab: &mut Lab, verdict: Verdict) {
    lab.verdicts.insert("queue".to_owned(), verdict);
}

#[test]
fn a_check_of_a_stages_own_fails_the_version_in_that_stage() {
    let mut lab = Lab::in_stage(&asking(routed()), "quarter");
    answering(&mut lab, Verdict::Fail);
    lab.until(|lab| lab.phase() == Phase::Reverted);
    assert!(lab.status().failed[0].message.contains("queue: as scripted"), "{:?}", lab.status().failed);
}

#[test]
fn it_decides_nothing_in_other_stages() {
    let mut lab = Lab::in_stage(&asking(routed()), "canary");
    answering(&mut lab, Verdict::Fail);
    lab.pass(200);
    assert_eq!((lab.phase(), lab.stage().as_str()), (Phase::Progressing, "canary"));
    lab.until(|lab| lab.stage() == "quarter");
    lab.until(|lab| lab.phase() == Phase::Reverted);
    let mut lab = Lab::in_stage(&asking(routed()), "full");
    answering(&mut lab, Verdict::Fail);
    lab.until(|lab| lab.phase() == Phase::Stable);
}

#[test]
fn its_stage_is_not_left_before_it_passes() {
    let mut lab = Lab::in_stage(&asking(routed()), "quarter");
    answering(&mut lab, Verdict::NeedMoreData);
    lab.pass(600);
    assert_eq!(lab.stage(), "quarter");
    let message = lab.status().message;
    assert!(message.contains("waiting for evidence: queue"), "{message}");
    answering(&mut lab, Verdict::Pass);
    lab.until(|lab| lab.stage() == "full");
}

#[test]
fn it_leaves_the_status_with_its_stage() {
    let mut lab = Lab::in_stage(&asking(routed()), "quarter");
    let asked = |lab: &Lab| lab.status().checks.iter().any(|check| check.name == "queue");
    lab.pass(60);
    assert!(asked(&lab));
    lab.until(|lab| lab.stage() == "full" && lab.status().stage.is_some_and(|stage| stage.since.is_some()));
    assert!(!asked(&lab));
}

#[test]
fn after_a_step_back_it_is_not_asked_until_its_stage_comes_again() {
    let mut spec = asking(routed());
    spec["onFailure"] = json!("StepBack");
    let mut lab = Lab::in_stage(&spec, "quarter");
    answering(&mut lab, Verdict::Fail);
    lab.until(|lab| lab.stage() == "canary" && lab.status().stage.is_some_and(|stage| stage.since.is_some()));
    lab.pass(200);
    assert_eq!((lab.phase(), lab.stage().as_str()), (Phase::Progressing, "canary"));
    answering(&mut lab, Verdict::Pass);
    lab.until(|lab| lab.stage() == "full");
}
