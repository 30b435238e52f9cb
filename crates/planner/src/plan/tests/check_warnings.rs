//! A check that is past its `warn`: somebody is told, and nothing else happens.

use tidegate_api::{
    Phase, Verdict,
    condition::{kind, reason},
};

use super::{lab::Lab, specs::with};

const ONE: &str = "check errors warns; nothing waits for it, and status.checks has its numbers";

fn two_checks() -> serde_json::Value {
    with(&serde_json::json!({"analysis": {"checks": [
        {"name": "errors", "errorRate": {"preset": "pod-http", "max": "1%", "warn": "0.5%"}},
        {"name": "slow", "latency": {"preset": "pod-http", "quantile": 0.95, "max": "3s", "warn": "1s"}},
    ]}}))
}

fn told(lab: &Lab) -> (Option<String>, usize) {
    (lab.warning(), lab.told(reason::CHECK_WARNS))
}

#[test]
fn a_check_that_warns_is_told_once_in_each_stage_which_goes_on() {
    let mut lab = Lab::in_stage(&two_checks(), "quarter");
    lab.warning.insert("errors".to_owned());
    lab.settle();
    assert_eq!(lab.condition(kind::WARNING).as_deref(), Some(reason::CHECK_WARNS));
    assert_eq!(told(&lab), (Some(ONE.to_owned()), 1));
    lab.pass(300);
    assert_eq!(told(&lab), (Some(ONE.to_owned()), 1));
    lab.finish();
    assert_eq!((lab.phase(), told(&lab)), (Phase::Stable, (None, 2)));
}

#[test]
fn each_check_is_told_by_itself_and_again_when_it_was_well_between() {
    let mut lab = Lab::in_stage(&two_checks(), "quarter");
    lab.warning.insert("errors".to_owned());
    lab.settle();
    lab.warning.insert("slow".to_owned());
    lab.settle();
    let both = "checks errors, slow warn; nothing waits for them, and status.checks has their numbers";
    assert_eq!(told(&lab), (Some(both.to_owned()), 2));
    lab.warning.remove("slow");
    lab.settle();
    assert_eq!(told(&lab), (Some(ONE.to_owned()), 2));
    lab.warning.insert("slow".to_owned());
    lab.settle();
    assert_eq!(told(&lab), (Some(both.to_owned()), 3));
}

#[test]
fn a_check_that_fails_is_told_as_that() {
    let mut lab = Lab::in_stage(&two_checks(), "quarter");
    lab.warning.insert("errors".to_owned());
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.decide();
    assert_eq!((lab.phase(), lab.told(reason::CHECK_WARNS)), (Phase::Reverting, 0));
}

#[test]
fn a_check_that_warned_of_a_version_that_has_gone_back_warns_no_more() {
    let mut lab = Lab::in_stage(&two_checks(), "quarter");
    lab.warning.insert("errors".to_owned());
    lab.settle();
    lab.verdicts.insert("slow".to_owned(), Verdict::Fail);
    lab.finish();
    assert_eq!((lab.phase(), told(&lab)), (Phase::Reverted, (None, 1)));
}

#[test]
fn a_version_that_is_watched_after_its_promotion_warns_too() {
    let mut spec = two_checks();
    spec["watch"] = serde_json::json!({"for": "24h", "onFailure": "Revert"});
    let mut lab = Lab::adopted(&spec);
    lab.cluster.push("v2");
    lab.until(|lab| lab.phase() == Phase::Stable && lab.told("Promoted") == 1);
    lab.warning.insert("errors".to_owned());
    lab.settle();
    assert_eq!(told(&lab), (Some(ONE.to_owned()), 1));
}
