//! `onFailure: StepBack`: one stage back, once.

use serde_json::{Value, json};
use tidegate_api::{Percent, Phase, Verdict};

use super::{
    cluster::Gateway,
    lab::Lab,
    specs::{by_pods, progressive, routed, staged, with},
};

fn stepping_back(mut spec: Value) -> Value {
    spec["onFailure"] = json!("StepBack");
    spec
}

/// `errors` fails in this stage, and nobody has said so until now.
fn failing_in(spec: Value, stage: &str) -> Lab {
    let mut lab = Lab::in_stage(&stepping_back(spec), stage);
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab
}

/// The same, back in the stage before it, where the check says something else.
fn fallen_back_from(spec: Value, stage: &str, says: Verdict) -> Lab {
    let mut lab = failing_in(spec, stage);
    lab.decide();
    lab.verdicts.insert("errors".to_owned(), says);
    lab.until(|lab| lab.status().stage.is_some_and(|stage| stage.since.is_some()));
    lab
}

/// `errors` fails once more, and the decision is taken.
fn fail_again(lab: &mut Lab) {
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.decide();
}

#[test]
fn the_weight_of_the_stage_before_is_back_in_the_same_decision() {
    let mut lab = failing_in(routed(), "quarter");
    lab.decide();
    assert_eq!((lab.phase(), lab.stage().as_str()), (Phase::Progressing, "canary"));
    assert_eq!(lab.cluster.canary_weight(), Percent::new(5.0));
    assert_eq!(lab.steps.last().map(String::as_str), Some("SteppedBack"));
    let message = lab.status().message;
    let end = "errors: as scripted; back to stage canary with 5% of the traffic: when either fails again, all of it goes back";
    assert!(message.contains("failed at 25% of the traffic") && message.ends_with(end), "{message}");
}

#[test]
fn what_failed_is_not_held_against_the_version_again_until_the_lower_weight_is_in_force() {
    let mut lab = failing_in(routed(), "quarter");
    lab.cluster.gateway = Gateway::Silent;
    lab.settle();
    lab.pass(59);
    assert_eq!((lab.phase(), lab.stage().as_str()), (Phase::Progressing, "canary"));
    lab.cluster.gateway = Gateway::Accepts;
    lab.verdicts.clear();
    lab.settle();
    let begun = lab.status().begun;
    assert_eq!(begun.iter().map(|begun| begun.stage.as_str()).collect::<Vec<_>>(), ["canary", "quarter", "canary"]);
    assert_eq!(begun.last().map(|begun| begun.answered.clone()), Some(vec!["errors".to_owned()]));
}

#[test]
fn a_weight_that_does_not_fall_within_a_minute_leads_all_the_way_back() {
    let mut lab = failing_in(routed(), "quarter");
    lab.cluster.gateway = Gateway::Silent;
    lab.settle();
    lab.pass(60);
    assert_eq!(lab.phase(), Phase::Reverting);
}

#[test]
fn a_failure_while_the_next_stage_waits_for_its_pods_is_that_of_the_stage_before() {
    let mut lab = Lab::in_stage(&stepping_back(routed()), "canary");
    lab.cluster.limits.insert("v2".to_owned(), 1);
    lab.until(|lab| lab.stage() == "quarter");
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.decide();
    assert_eq!((lab.phase(), lab.told("SteppedBack")), (Phase::Reverting, 0));
}

#[test]
fn a_stage_before_that_gives_as_much_is_no_way_back() {
    let mut spec = stepping_back(staged());
    spec["stages"][0]["weight"] = json!("25%");
    let mut lab = Lab::in_stage(&spec, "quarter");
    fail_again(&mut lab);
    assert_eq!(lab.phase(), Phase::Reverting);
}

#[test]
fn time_that_ran_out_is_answered_as_on_inconclusive_says() {
    let mut spec = stepping_back(staged());
    spec["onInconclusive"] = json!("Revert");
    spec["stages"][1]["deadline"] = json!("30m");
    let mut lab = Lab::in_stage(&spec, "quarter");
    lab.verdicts.insert("errors".to_owned(), Verdict::NeedMoreData);
    lab.finish();
    assert_eq!((lab.phase(), lab.told("SteppedBack")), (Phase::Reverted, 0));
}

#[test]
fn another_check_that_fails_meanwhile_reverts() {
    let spec = with(&json!({"analysis": {"checks": [
        {"name": "errors", "errorRate": {"preset": "pod-http", "max": "1%"}},
        {"name": "p95", "latency": {"preset": "pod-http", "quantile": 0.95, "max": "500ms"}},
    ]}}));
    let mut lab = failing_in(spec, "quarter");
    lab.cluster.gateway = Gateway::Silent;
    lab.settle();
    lab.verdicts.insert("p95".to_owned(), Verdict::Fail);
    lab.decide();
    assert_eq!(lab.phase(), Phase::Reverting);
}

#[test]
fn the_stage_before_bakes_anew_and_the_version_goes_on_from_there() {
    let mut lab = fallen_back_from(routed(), "quarter", Verdict::Pass);
    lab.pass(9 * 60);
    assert_eq!(lab.stage(), "canary");
    lab.pass(60);
    assert_eq!(lab.stage(), "quarter");
    lab.finish();
    assert_eq!((lab.phase(), lab.cluster.pods_of("v2")), (Phase::Stable, 10));
    assert!(lab.status().stepped_back.is_empty(), "nothing is under way any more");
}

#[test]
fn a_second_failure_of_the_same_stage_reverts() {
    let mut lab = fallen_back_from(routed(), "quarter", Verdict::Pass);
    lab.until(|lab| lab.stage() == "quarter" && lab.status().stage.is_some_and(|stage| stage.since.is_some()));
    fail_again(&mut lab);
    assert_eq!(lab.phase(), Phase::Reverting);
    lab.finish();
    assert_eq!(lab.phase(), Phase::Reverted);
}

#[test]
fn a_failure_of_the_stage_that_was_fallen_back_to_reverts() {
    let mut lab = fallen_back_from(routed(), "full", Verdict::NeedMoreData);
    assert_eq!(lab.stage(), "quarter");
    fail_again(&mut lab);
    assert_eq!((lab.phase(), lab.cluster.canary_weight()), (Phase::Reverting, Percent::ZERO));
}

#[test]
fn a_later_stage_may_fall_back_to_the_one_that_failed_before_but_no_further() {
    let mut lab = fallen_back_from(routed(), "quarter", Verdict::Pass);
    lab.until(|lab| lab.stage() == "full" && lab.status().stage.is_some_and(|stage| stage.since.is_some()));
    fail_again(&mut lab);
    assert_eq!((lab.phase(), lab.stage().as_str()), (Phase::Progressing, "quarter"));
    lab.verdicts.clear();
    lab.until(|lab| lab.status().stage.is_some_and(|stage| stage.since.is_some()));
    fail_again(&mut lab);
    assert_eq!(lab.phase(), Phase::Reverting);
}

#[test]
fn the_first_stage_has_nothing_to_fall_back_to() {
    let mut lab = failing_in(routed(), "canary");
    lab.decide();
    assert_eq!(lab.phase(), Phase::Reverting);
}

#[test]
fn a_stage_may_step_back_where_the_rollout_reverts() {
    let mut spec = staged();
    spec["stages"][1]["onFailure"] = json!("StepBack");
    let mut lab = Lab::in_stage(&spec, "quarter");
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.decide();
    assert_eq!((lab.phase(), lab.stage().as_str()), (Phase::Progressing, "canary"));
}

#[test]
fn a_version_that_failed_and_was_held_has_had_its_chance() {
    let mut lab = Lab::in_stage(&with(&json!({"onFailure": "Hold"})), "quarter");
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.settle();
    lab.cluster.edit(&json!({"onFailure": "StepBack"}));
    lab.settle();
    assert_eq!(lab.phase(), Phase::Reverting);
}

#[test]
fn pods_that_do_not_come_up_lead_back_to_a_stage_that_needs_fewer() {
    let mut lab = Lab::in_stage(&stepping_back(routed()), "canary");
    lab.cluster.limits.insert("v2".to_owned(), 1);
    lab.until(|lab| lab.told("SteppedBack") == 1);
    assert_eq!((lab.stage().as_str(), lab.cluster.canary_weight()), ("canary", Percent::new(5.0)));
}

#[test]
fn without_a_route_the_old_pods_are_back_before_the_new_ones_go() {
    let mut lab = failing_in(by_pods(), "full");
    lab.decide();
    lab.verdicts.clear();
    lab.until(|lab| lab.status().stage.is_some_and(|stage| stage.since.is_some()));
    assert_eq!(lab.stage(), "quarter");
    let share = lab.status().stage.map(|stage| stage.weight_in_force);
    assert!(share.is_some_and(|share| share <= Percent::new(25.0)), "{share:?}");
}

#[test]
fn stable_pods_that_followed_their_share_come_back_before_the_weight_falls() {
    let mut lab = Lab::in_stage(&stepping_back(progressive()), "full");
    lab.pass(120);
    assert_eq!(lab.cluster.pods_of("v1"), 1);
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.decide();
    assert_eq!(lab.cluster.canary_weight(), Percent::FULL, "one pod does not carry more");
    lab.verdicts.clear();
    lab.until(|lab| lab.status().stage.is_some_and(|stage| stage.since.is_some()));
    assert_eq!((lab.stage().as_str(), lab.cluster.canary_weight()), ("quarter", Percent::new(25.0)));
    lab.finish();
    assert_eq!(lab.phase(), Phase::Stable);
}
