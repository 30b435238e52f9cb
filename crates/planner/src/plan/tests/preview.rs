//! Stages in which no user meets the new version, and the Service by which it is tried out.

use serde_json::{Value, json};
use tidegate_api::{Percent, Phase, Verdict, condition::reason};

use super::{lab::Lab, specs::with};
use crate::plan::{Observed, preflight::refusal};

/// All pods of the new version are there before it gets all of the traffic at once.
fn blue_green() -> Value {
    with(&json!({"stages": [
        {"name": "preview", "weight": "0%", "replicas": "100%", "bake": "1m", "preview": {"service": "checkout-preview"}},
        {"name": "switched", "weight": "100%", "bake": "10m"},
    ]}))
}

fn leads_to(lab: &Lab) -> Option<String> {
    let service = lab.cluster.services.get("checkout-preview")?;
    service.spec.as_ref()?.selector.as_ref()?.get("pod-template-hash").cloned()
}

#[test]
fn a_version_without_traffic_is_left_to_time_and_gates_and_judged_by_no_check() {
    let mut lab = Lab::in_stage(&blue_green(), "preview");
    assert_eq!((lab.cluster.canary_weight(), lab.cluster.pods_of("v2")), (Percent::ZERO, 10));
    lab.verdicts.insert("errors".to_owned(), Verdict::NoData);
    lab.pass(30);
    assert_eq!((lab.stage().as_str(), lab.status().checks.len()), ("preview", 0));
    lab.until(|lab| lab.stage() == "switched");
    lab.settle();
    assert_eq!(
        (lab.cluster.canary_weight(), lab.cluster.pods_of("v1")),
        (Percent::FULL, 10),
        "at once, with v1 at hand"
    );
    lab.pass(3600);
    assert_eq!(lab.stage(), "switched", "now it has to pass");
    lab.verdicts.clear();
    lab.finish();
    assert_eq!((lab.phase(), lab.cluster.pods_of("v2"), lab.cluster.pods_of("v1")), (Phase::Stable, 10, 0));
}

#[test]
fn a_failure_after_the_switch_returns_all_traffic_in_one_step() {
    let mut lab = Lab::in_stage(&blue_green(), "switched");
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.decide();
    assert_eq!((lab.phase(), lab.cluster.canary_weight()), (Phase::Reverting, Percent::ZERO));
}

#[test]
fn the_preview_leads_to_the_new_version_while_its_stage_lasts() {
    let mut lab = Lab::in_stage(&blue_green(), "preview");
    lab.settle();
    assert_eq!(leads_to(&lab), lab.status().canary.map(|canary| canary.revision));
    lab.until(|lab| lab.stage() == "switched");
    lab.settle();
    assert_eq!(leads_to(&lab), None);
    lab.finish();
    assert_eq!(lab.cluster.services.keys().collect::<Vec<_>>(), ["checkout"]);
}

#[test]
fn the_preview_goes_with_a_version_that_is_taken_back() {
    let mut lab = Lab::in_stage(&blue_green(), "preview");
    lab.cluster.push("v1");
    lab.finish();
    assert_eq!((lab.phase(), lab.cluster.services.len()), (Phase::Stable, 1));
}

#[test]
fn the_clock_of_a_stage_without_traffic_begins_when_all_of_its_pods_are_ready() {
    let mut lab = Lab::adopted(&blue_green());
    lab.cluster.broken.insert("v2".to_owned());
    lab.cluster.push("v2");
    lab.settle();
    assert!(lab.status().stage.is_some_and(|stage| stage.since.is_none()));
    assert!(lab.status().message.contains("0 of 10 new pods ready"), "{}", lab.status().message);
}

#[test]
fn a_step_back_to_where_nobody_meets_it_is_a_revert() {
    let mut spec = blue_green();
    spec["onFailure"] = json!("StepBack");
    let mut lab = Lab::in_stage(&spec, "switched");
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.finish();
    assert_eq!(lab.phase(), Phase::Reverted);
}

#[test]
fn a_preview_that_is_called_as_a_service_of_the_rollouts_own_is_refused_and_never_made() {
    for name in ["checkout", "checkout-stable", "checkout-canary"] {
        let mut lab = Lab::in_stage(&blue_green(), "preview");
        lab.settle();
        let mut stages = blue_green()["stages"].clone();
        stages[0]["preview"]["service"] = json!(name);
        lab.cluster.edit(&json!({"stages": stages}));
        lab.settle();
        lab.log.clear();
        lab.pass(3600);
        assert_eq!((lab.phase(), lab.stage().as_str()), (Phase::Held, "preview"), "{name}");
        let rollout = lab.cluster.rollout.as_ref().unwrap();
        // Of a longer name, which is shortened, no rule knows.
        let observed = Observed { invalid: None, ..lab.cluster.observe(rollout, None) };
        let refused = refusal(rollout, &observed).unwrap();
        let told = format!("preview of a stage names Service {name}, which this Rollout has for its own traffic");
        assert_eq!(refused.reason, reason::SERVICE_UNUSABLE);
        assert!(refused.message.starts_with(&told), "{}", refused.message);
        assert_eq!(lab.log, Vec::<String>::new(), "{name}");
    }
}
