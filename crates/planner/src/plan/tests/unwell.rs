//! A stage that waits for a stable version which is unwell itself.

use serde_json::json;
use tidegate_api::{
    Phase, Verdict,
    condition::{kind, reason},
};

use super::{
    lab::Lab,
    specs::{routed, staged},
};

fn stable_is_unwell(lab: &mut Lab) {
    lab.verdicts.insert("errors".to_owned(), Verdict::NeedMoreData);
    lab.reasons.insert("errors".to_owned(), reason::STABLE_UNWELL);
}

fn stable_is_well(lab: &mut Lab) {
    lab.verdicts.clear();
    lab.reasons.clear();
}

fn told(lab: &Lab) -> Vec<&str> {
    lab.steps.iter().map(String::as_str).filter(|step| step.starts_with("StableUnwell")).collect()
}

#[test]
fn it_is_told_once_when_a_stage_waits_for_stable_and_once_when_it_does_no_longer() {
    let mut lab = Lab::in_stage(&routed(), "quarter");
    stable_is_unwell(&mut lab);
    lab.pass(24 * 3600);
    assert_eq!((lab.stage().as_str(), lab.phase()), ("quarter", Phase::Progressing));
    assert_eq!(told(&lab), ["StableUnwell"]);
    assert_eq!(lab.condition(kind::RECONCILING).as_deref(), Some(reason::STABLE_UNWELL));
    assert!(lab.status().stage.unwrap().stable_unwell_since.is_some());
    stable_is_well(&mut lab);
    lab.finish();
    assert_eq!(told(&lab), ["StableUnwell", "StableUnwellOver"]);
    assert_eq!(lab.steps.last().map(String::as_str), Some("Promoted"));
}

#[test]
fn nobody_says_that_stable_is_well_while_there_are_no_numbers() {
    let mut lab = Lab::in_stage(&routed(), "quarter");
    for _ in 0..3 {
        stable_is_unwell(&mut lab);
        lab.pass(60);
        stable_is_well(&mut lab);
        lab.verdicts.insert("errors".to_owned(), Verdict::NoData);
        lab.pass(60);
    }
    assert_eq!(told(&lab), ["StableUnwell"]);
}

#[test]
fn a_moment_in_which_stable_looks_well_is_told_to_nobody_and_no_stage_is_left_in_it() {
    let mut lab = Lab::in_stage(&routed(), "quarter");
    lab.pass(lab.status().stage.unwrap().until.unwrap().duration_since(lab.cluster.now).as_secs() - 20);
    for _ in 0..3 {
        stable_is_unwell(&mut lab);
        lab.pass(5);
        stable_is_well(&mut lab);
        lab.pass(10);
    }
    assert_eq!((lab.stage().as_str(), told(&lab)), ("quarter", vec!["StableUnwell"]));
    lab.pass(60);
    assert_eq!(lab.stage(), "full");
}

#[test]
fn a_version_that_fails_waits_for_nobody() {
    let mut lab = Lab::in_stage(&routed(), "quarter");
    stable_is_unwell(&mut lab);
    lab.pass(60);
    stable_is_well(&mut lab);
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.finish();
    assert_eq!((told(&lab), lab.phase()), (vec!["StableUnwell"], Phase::Reverted));
}

#[test]
fn a_deadline_advances_nobody_whose_stable_version_is_unwell() {
    let mut spec = staged();
    spec["onInconclusive"] = json!("Advance");
    spec["stages"][0]["deadline"] = json!("30m");
    let mut lab = Lab::in_stage(&spec, "canary");
    stable_is_unwell(&mut lab);
    lab.pass(24 * 3600);
    assert_eq!(lab.stage(), "canary");
    stable_is_well(&mut lab);
    lab.settle();
    assert_eq!(lab.stage(), "quarter");
}
