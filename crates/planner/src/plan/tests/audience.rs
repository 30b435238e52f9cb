//! Stages that give the new version more than a share: some people's requests, copies, users who stay.

use serde_json::{Value, json};
use tidegate_api::{Percent, Phase, SessionGeneration, Verdict};

use super::{
    cluster::user_route,
    lab::Lab,
    specs::{routed, staged, with},
};

/// A stage for those who ask for it, and then the usual ones.
fn insiders() -> Value {
    with(&json!({"stages": [
        {"name": "insiders", "weight": "0%", "match": [{"headers": [{"name": "X-Beta", "value": "yes"}]}], "bake": "1m"},
        {"name": "quarter", "weight": "25%", "mirror": "10%", "bake": "1m"},
        {"name": "full", "weight": "100%", "bake": "1m"},
    ]}))
}

fn rules(lab: &Lab) -> Vec<Value> {
    lab.cluster.routes["checkout"]["spec"]["rules"].as_array().unwrap().clone()
}

fn has_copies(lab: &Lab) -> bool {
    rules(lab).iter().any(|rule| rule.pointer("/filters/0/requestMirror").is_some())
}

#[test]
fn a_stage_for_those_who_ask_gives_nobody_else_the_new_version() {
    let lab = Lab::in_stage(&insiders(), "insiders");
    assert_eq!((lab.cluster.canary_weight(), rules(&lab).len()), (Percent::ZERO, 2));
    assert_eq!(lab.cluster.pods_of("v2"), 1);
    let message = lab.status().message;
    assert!(message.starts_with("stage insiders with the requests that match: good so far"), "{message}");
}

#[test]
fn each_stage_says_what_it_gives_and_the_end_says_what_the_user_wrote() {
    let mut lab = Lab::in_stage(&insiders(), "quarter");
    assert_eq!((lab.cluster.canary_weight(), rules(&lab).len(), has_copies(&lab)), (Percent::new(25.0), 1, true));
    assert_eq!(lab.cluster.pods_of("v2"), 4, "a copy is as much work as a request");
    lab.finish();
    assert_eq!((lab.phase(), &lab.cluster.routes["checkout"]["spec"]), (Phase::Stable, &user_route()));
}

#[test]
fn those_who_ask_keep_the_new_version_until_the_next_stage_has_its_pods() {
    let mut lab = Lab::in_stage(&insiders(), "insiders");
    lab.cluster.ready_at_most("v2", Some(1));
    lab.pass(60);
    assert_eq!((lab.stage().as_str(), rules(&lab).len()), ("quarter", 2));
    lab.cluster.ready_at_most("v2", None);
    lab.settle();
    assert_eq!((lab.cluster.canary_weight(), rules(&lab).len()), (Percent::new(25.0), 1));
}

#[test]
fn a_version_that_fails_for_those_who_ask_is_taken_from_them() {
    let mut lab = Lab::in_stage(&insiders(), "insiders");
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.log.clear();
    lab.settle();
    assert_eq!(lab.log, ["route checkout-stable 100, checkout-canary 0"]);
    lab.finish();
    let status = lab.status();
    assert_eq!((lab.phase(), &lab.cluster.routes["checkout"]["spec"]), (Phase::Reverted, &user_route()));
    assert!(status.history.iter().any(|it| it.message.contains("failed with the requests that match")), "{status:?}");
}

#[test]
fn nobody_is_led_to_pods_that_are_gone() {
    let mut lab = Lab::in_stage(&insiders(), "insiders");
    lab.cluster.broken.insert("v2".to_owned());
    lab.settle();
    assert_eq!(rules(&lab).len(), 1);
    lab.cluster.broken.clear();
    lab.settle();
    assert_eq!(rules(&lab).len(), 2);
}

#[test]
fn who_is_asked_may_change_while_the_stage_lasts_and_is_nobodys_quarrel() {
    let mut spec = insiders();
    let mut lab = Lab::in_stage(&spec, "insiders");
    spec["stages"][0]["match"][0]["headers"][0]["value"] = json!("sure");
    lab.cluster.edit(&json!({"stages": spec["stages"]}));
    lab.settle();
    assert_eq!(rules(&lab)[0].pointer("/matches/0/headers/0/value"), Some(&json!("sure")));
    assert_eq!(lab.status().contentions, []);
}

#[test]
fn a_rule_that_somebody_takes_away_is_put_back_and_they_are_named() {
    let mut lab = Lab::in_stage(&insiders(), "insiders");
    let added = rules(&lab);
    lab.cluster.write_rules(&json!([added[1]]));
    lab.settle();
    assert_eq!(rules(&lab), added);
    assert_eq!(lab.status().contentions.iter().map(|known| known.changes.len()).collect::<Vec<_>>(), [1]);
}

#[test]
fn users_stay_where_they_came_to_from_the_first_stage_to_the_last() {
    let mut spec = routed();
    spec["traffic"]["sessionPersistence"] = json!("Cookie");
    let mut lab = Lab::in_stage(&spec, "canary");
    let before = |lab: &Lab| lab.status().stage.and_then(|stage| Some(stage.session_generation?.before));
    assert_eq!((rules(&lab).len(), before(&lab)), (3, Some(Percent::ZERO)));
    lab.until(|lab| lab.stage() == "quarter" && lab.status().stage.is_some_and(|stage| stage.since.is_some()));
    assert_eq!((rules(&lab).len(), before(&lab)), (4, Some(Percent::new(5.0))));
    lab.finish();
    assert_eq!((lab.phase(), &lab.cluster.routes["checkout"]["spec"]), (Phase::Stable, &user_route()));
}

#[test]
fn a_rule_for_our_cookie_is_taken_away_whatever_somebody_wrote_into_it() {
    let mut spec = routed();
    spec["traffic"]["sessionPersistence"] = json!("Cookie");
    let mut lab = Lab::in_stage(&spec, "canary");
    lab.cluster.write_backends(&user_route()["rules"][0]["backendRefs"]);
    lab.finish();
    assert_eq!((lab.phase(), &lab.cluster.routes["checkout"]["spec"]), (Phase::Stable, &user_route()));
}

#[test]
fn who_was_drawn_for_more_or_for_another_release_is_drawn_anew() {
    let mut spec = staged();
    spec["traffic"]["sessionPersistence"] = json!("Cookie");
    let mut lab = Lab::in_stage(&spec, "quarter");
    let generation = |lab: &Lab| lab.status().stage.and_then(|stage| stage.session_generation);
    let first = generation(&lab).unwrap();
    assert_eq!((first.before, rules(&lab).len()), (Percent::new(5.0), 4));
    lab.pass(1);
    spec["stages"][1]["weight"] = json!("30%");
    lab.cluster.edit(&json!({"stages": spec["stages"]}));
    lab.settle();
    assert_eq!(
        generation(&lab).unwrap(),
        SessionGeneration { before: Percent::new(25.0), ..first.clone() },
        "a weight that rises keeps them"
    );
    spec["stages"][1]["weight"] = json!("10%");
    lab.cluster.edit(&json!({"stages": spec["stages"]}));
    lab.settle();
    let second = generation(&lab).unwrap();
    assert_eq!((second.id == first.id, second.before, rules(&lab).len()), (false, Percent::ZERO, 3));
    lab.cluster.push("v1");
    lab.until(|lab| lab.phase() == Phase::Stable);
    lab.cluster.push("v2");
    lab.until(|lab| lab.status().stage.is_some_and(|stage| stage.since.is_some()));
    let again = generation(&lab).unwrap();
    assert!(again.id != first.id && again.id != second.id);
}
