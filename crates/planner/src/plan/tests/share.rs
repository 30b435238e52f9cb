//! The share that was really served.

use serde_json::{Value, json};
use tidegate_api::{
    Phase, Verdict,
    condition::{kind, reason},
};
use tidegate_judge::{Divided, Served};

use super::{
    lab::Lab,
    specs::{by_pods, routed, staged, with},
};
use crate::traffic::RouteId;

/// So many of 10,000 requests were the new version's, give or take a hundredth.
fn divided(share: f64) -> Divided {
    let (low, high) = ((share - 0.01).max(0.0), (share + 0.01).min(1.0));
    Divided { served: Served { share, low, high, requests: 10_000.0 }, is_by_gateway: false }
}

fn holding() -> Value {
    with(&json!({"traffic": {"gatewayAPI": {"routes": [{"name": "checkout"}]}, "onShareOff": "Hold"}}))
}

/// A Rollout in its first stage, at 5 %, when its requests have been divided so for some time.
fn served(spec: &Value, share: f64, seconds: i64) -> Lab {
    let mut lab = Lab::in_stage(spec, "canary");
    lab.divided = Some(divided(share));
    lab.settle();
    lab.pass(seconds);
    lab
}

#[test]
fn the_status_shows_the_share_that_was_served_beside_the_one_that_was_written() {
    let lab = served(&routed(), 0.049, 300);
    let stage = lab.status().stage.unwrap();
    assert_eq!(stage.weight_measured.as_deref(), Some("4.9%"));
    assert_eq!(stage.weight_range.as_deref(), Some("3.9% to 5.9%"));
    assert_eq!((stage.weight_off_since, lab.warning(), lab.told(reason::SHARE_OFF)), (None, None, 0));
}

#[test]
fn a_share_that_is_off_for_two_minutes_is_told_once_with_its_likely_causes() {
    let mut lab = served(&routed(), 0.5, 119);
    assert_eq!(lab.warning(), None);
    lab.pass(1);
    assert_eq!(lab.condition(kind::WARNING).as_deref(), Some(reason::SHARE_OFF));
    let said = lab.warning().unwrap();
    assert!(
        said.starts_with(
            "in stage canary the new version is given 50% of 10,000 requests (49% to 51%, with a certainty of 99.9%), \
             and not 5%; likely causes: a gateway that does not heed weights: it divides evenly; "
        ),
        "{said}"
    );
    // Numbers that move are no news.
    lab.divided = Some(divided(0.49));
    lab.pass(120);
    assert_eq!((lab.warning(), lab.told(reason::SHARE_OFF)), (Some(said), 1));
    lab.divided = Some(divided(0.05));
    lab.settle();
    assert_eq!((lab.warning(), lab.told(reason::SHARE_OFF)), (None, 1));
}

#[test]
fn a_share_that_is_off_for_a_moment_is_not_told() {
    let mut lab = served(&routed(), 0.5, 100);
    lab.divided = Some(divided(0.05));
    lab.pass(1);
    lab.divided = Some(divided(0.5));
    lab.pass(100);
    assert_eq!((lab.warning(), lab.told(reason::SHARE_OFF)), (None, 0));
}

#[test]
fn without_another_measurement_it_stays_as_it_was() {
    let mut lab = served(&routed(), 0.5, 120);
    let said = lab.warning();
    lab.divided = None;
    lab.pass(60);
    assert_eq!((lab.warning(), lab.told(reason::SHARE_OFF)), (said, 1));
}

#[test]
fn only_causes_that_fit_the_direction_are_named() {
    let too_little = served(&routed(), 0.01, 120).warning().unwrap();
    let too_much = served(&routed(), 0.3, 120).warning().unwrap();
    for (cause, of_little, of_much) in [
        ("divides evenly", false, false),
        ("begins its round robin anew", true, false),
        ("do not count a 404", true, false),
        ("from before the stage", true, false),
        ("a few clients", false, true),
        // One of eleven pods is more than 5 %.
        ("past the split", false, true),
        ("probes or scrapes", false, true),
    ] {
        assert_eq!(too_little.contains(cause), of_little, "{cause}: {too_little}");
        assert_eq!(too_much.contains(cause), of_much, "{cause}: {too_much}");
    }
}

#[test]
fn what_only_versions_that_count_themselves_get_wrong_is_not_said_of_a_gateway() {
    let mut lab = Lab::in_stage(&routed(), "canary");
    lab.divided = Some(Divided { is_by_gateway: true, ..divided(0.01) });
    lab.settle();
    lab.pass(120);
    let said = lab.warning().unwrap();
    assert!(!said.contains("404") && !said.contains("probes"), "{said}");
}

#[test]
fn a_route_that_passes_the_split_by_is_named() {
    let mut lab = Lab::in_stage(&routed(), "canary");
    lab.cluster.bypassing_routes = Some(vec![RouteId::http_route("admin")]);
    lab.divided = Some(divided(0.3));
    lab.settle();
    lab.pass(120);
    let said = lab.warning().unwrap();
    assert!(
        said.starts_with("in stage canary") && said.contains("HTTPRoute admin points at Service checkout"),
        "{said}"
    );
}

#[test]
fn requests_that_stable_still_gets_when_all_are_the_new_versions_are_told() {
    let mut lab = Lab::in_stage(&routed(), "full");
    lab.divided = Some(divided(0.9));
    lab.settle();
    lab.pass(120);
    let said = lab.warning().unwrap();
    assert!(
        said.contains("and not 100%") && said.contains("past the split") && !said.contains("round robin"),
        "{said}"
    );
}

#[test]
fn a_warning_of_one_stage_is_none_of_the_next() {
    let mut lab = served(&routed(), 0.5, 9 * 60);
    assert_eq!(lab.told(reason::SHARE_OFF), 1);
    lab.divided = None;
    lab.until(|lab| lab.stage() == "quarter");
    assert_eq!(lab.warning(), None);
    let stage = lab.status().stage.unwrap();
    assert_eq!((stage.weight_measured, stage.weight_range, stage.weight_off_since), (None, None, None));
    lab.until(|lab| lab.status().stage.is_some_and(|stage| stage.since.is_some()));
    lab.divided = Some(divided(0.5));
    lab.settle();
    lab.pass(120);
    assert_eq!(lab.told(reason::SHARE_OFF), 2);
}

#[test]
fn a_warning_holds_nothing_unless_the_user_says_so() {
    let mut lab = served(&routed(), 0.5, 10 * 60);
    assert_eq!(lab.stage(), "quarter");
    lab = served(&holding(), 0.5, 20 * 60);
    assert_eq!((lab.stage().as_str(), lab.phase()), ("canary", Phase::Held));
    assert_eq!(lab.condition(kind::STALLED).as_deref(), Some(reason::SHARE_OFF));
    assert!(lab.status().message.ends_with("; held as onShareOff says"), "{}", lab.status().message);
    lab.divided = Some(divided(0.05));
    lab.settle();
    assert_eq!((lab.stage().as_str(), lab.phase()), ("quarter", Phase::Progressing));
}

#[test]
fn a_held_stage_goes_on_when_the_user_wants_to_be_warned_alone() {
    let mut lab = served(&holding(), 0.5, 20 * 60);
    assert_eq!(lab.phase(), Phase::Held);
    lab.cluster.edit(&json!({"traffic": {"onShareOff": "Warn"}}));
    lab.settle();
    assert_eq!(lab.phase(), Phase::Progressing);
    assert_ne!(lab.stage(), "canary");
}

#[test]
fn a_stage_whose_share_has_been_off_for_less_than_two_minutes_is_not_left_before_that_is_known() {
    let mut lab = served(&holding(), 0.05, 9 * 60);
    lab.divided = Some(divided(0.5));
    lab.settle();
    lab.pass(61);
    assert_eq!((lab.stage().as_str(), lab.phase()), ("canary", Phase::Progressing));
    assert!(lab.status().message.contains("its share of the requests is not the weight"), "{}", lab.status().message);
    lab.pass(60);
    assert_eq!(lab.phase(), Phase::Held);
}

#[test]
fn evidence_that_runs_out_of_time_does_not_pass_over_a_share_that_is_off() {
    let mut spec = staged();
    spec["onInconclusive"] = json!("Advance");
    spec["stages"][0]["deadline"] = json!("30m");
    spec["traffic"]["onShareOff"] = json!("Hold");
    let mut lab = Lab::in_stage(&spec, "canary");
    lab.verdicts.insert("errors".to_owned(), Verdict::NeedMoreData);
    lab.divided = Some(divided(0.5));
    lab.settle();
    lab.pass(60 * 60);
    assert_eq!((lab.stage().as_str(), lab.phase()), ("canary", Phase::Held));
}

#[test]
fn a_held_share_never_reverts_and_a_failure_does() {
    let mut lab = served(&holding(), 0.5, 100 * 3600);
    assert_eq!(lab.phase(), Phase::Held);
    lab.verdicts.insert("errors".to_owned(), Verdict::Fail);
    lab.finish();
    assert_eq!((lab.phase(), lab.warning()), (Phase::Reverted, None));
}

#[test]
fn nothing_is_said_where_no_share_of_all_requests_was_promised() {
    let traffic = |traffic: &Value| with(&json!({"traffic": traffic}));
    let mut mirrored = staged();
    mirrored["stages"][0]["mirror"] = json!("10%");
    let mut matched = staged();
    matched["stages"][0]["match"] = json!([{"headers": [{"name": "x-beta", "value": "yes"}]}]);
    let route = json!({"routes": [{"name": "checkout"}]});
    for spec in [by_pods(), mirrored, matched, traffic(&json!({"gatewayAPI": route, "sessionPersistence": "Cookie"}))] {
        let lab = served(&spec, 0.5, 300);
        let stage = lab.status().stage.unwrap();
        assert_eq!((stage.weight_measured, lab.warning(), lab.told(reason::SHARE_OFF)), (None, None, 0), "{spec}");
    }
}
