//! Gateways that say nothing, or no.

use serde_json::json;
use tidegate_api::{Percent, Phase, condition::kind};

use super::{
    cluster::{Gateway, user_route},
    lab::Lab,
    specs::routed,
};

fn message(lab: &Lab) -> String {
    lab.status().message
}

#[test]
fn a_gateway_that_has_not_taken_the_users_own_route_is_named_before_anything_is_touched() {
    for (gateway, says) in
        [(Gateway::Silent, "Gateway shop/public reports Accepted"), (Gateway::Rejects, "Gateway shop/public refuses")]
    {
        let mut lab = Lab::adopted(&routed());
        lab.cluster.gateway = gateway;
        let mut rules = user_route()["rules"].clone();
        rules[0]["matches"][0]["path"]["value"] = json!("/shop");
        lab.cluster.write_rules(&rules);
        lab.cluster.push("v2");
        lab.settle();
        assert!(message(&lab).contains(says), "{}", message(&lab));
        assert_eq!(
            lab.condition(kind::STALLED).as_deref(),
            Some("RouteNotConfirmed"),
            "{:?} {}",
            lab.phase(),
            message(&lab)
        );
        lab.pass(3600);
        assert_eq!((lab.log.len(), lab.status().failed.len()), (0, 0), "{:?}", lab.log);
        lab.cluster.gateway = Gateway::Accepts;
        lab.finish();
        assert_eq!(lab.cluster.pods_of("v2"), 10);
    }
}

#[test]
fn a_route_names_a_new_service_once_its_gateway_has_heard_of_it() {
    let mut lab = Lab::adopted(&routed());
    lab.cluster.services_are_news = true;
    lab.cluster.push("v2");
    lab.settle();
    let made = lab.cluster.now;
    assert!(lab.cluster.services.contains_key("checkout-stable"));
    assert_eq!(lab.cluster.routes["checkout"]["spec"], user_route(), "{}", message(&lab));
    assert_eq!(lab.wake.map(|wake| wake.duration_since(made).as_secs()), Some(2), "{}", message(&lab));
    lab.pass(2);
    assert_ne!(lab.cluster.routes["checkout"]["spec"], user_route(), "{}", message(&lab));
    lab.finish();
}

#[test]
fn a_service_of_another_clock_keeps_no_route_waiting() {
    let mut lab = Lab::adopted(&routed());
    lab.cluster.services_are_news = true;
    lab.cluster.push("v2");
    lab.cluster.now = lab.cluster.now.checked_add(jiff::SignedDuration::from_hours(1)).unwrap();
    lab.decide();
    lab.cluster.now = lab.cluster.now.checked_sub(jiff::SignedDuration::from_hours(1)).unwrap();
    lab.settle();
    assert_ne!(lab.cluster.routes["checkout"]["spec"], user_route(), "{}", message(&lab));
}

#[test]
fn a_gateway_that_falls_silent_at_the_pin_is_named_from_the_first_second_and_no_version_is_blamed() {
    let mut lab = Lab::adopted(&routed());
    lab.cluster.push("v2");
    lab.cluster.gateway = Gateway::Silent;
    lab.settle();
    assert!(message(&lab).contains("Gateway shop/public reports Accepted"), "{}", message(&lab));
    lab.pass(601);
    assert_eq!((lab.phase(), lab.condition(kind::STALLED).as_deref()), (Phase::Held, Some("RouteNotConfirmed")));
    assert!(message(&lab).contains("acceptance"), "{}", message(&lab));
    assert_eq!((lab.status().failed.len(), lab.cluster.pods_of("v2")), (0, 0));
    lab.cluster.gateway = Gateway::Accepts;
    lab.finish();
    assert_eq!(lab.cluster.pods_of("v2"), 10);
}

#[test]
fn a_revert_of_what_was_never_in_force_ends_although_the_gateway_is_silent() {
    let mut lab = Lab::adopted(&routed());
    lab.cluster.push("v2");
    lab.cluster.gateway = Gateway::Silent;
    lab.settle();
    lab.cluster.push("v3");
    lab.settle();
    assert_eq!(lab.cluster.routes["checkout"]["spec"], user_route(), "{}", message(&lab));
    lab.pass(601);
    assert_eq!(lab.phase(), Phase::Stable, "{}", message(&lab));
    // It may still send requests by way of it.
    assert!(lab.cluster.services.contains_key("checkout-stable"));
    lab.cluster.gateway = Gateway::Accepts;
    lab.finish();
    assert_eq!((lab.cluster.pods_of("v3"), lab.cluster.services.len()), (10, 1));
}

#[test]
fn a_pin_that_the_gateway_refuses_is_taken_back_at_once_and_the_version_waits_unjudged() {
    let mut lab = Lab::adopted(&routed());
    lab.cluster.gateway = Gateway::RejectsSplits;
    lab.cluster.push("v2");
    lab.settle();
    assert_eq!(lab.cluster.routes["checkout"]["spec"], user_route());
    lab.finish();
    assert_eq!((lab.phase(), lab.condition(kind::STALLED).as_deref()), (Phase::Reverted, Some("RouteRefused")));
    assert!(message(&lab).contains("(Tried: as tried)"), "{}", message(&lab));
    assert_eq!((lab.status().failed.len(), lab.cluster.services.len()), (0, 1));
    let before = lab.log.len();
    lab.pass(24 * 3600);
    assert_eq!(lab.log.len(), before, "it is not tried again by itself");

    lab.cluster.gateway = Gateway::Accepts;
    lab.cluster.edit(&json!({"paused": false}));
    lab.finish();
    assert_eq!(lab.cluster.pods_of("v2"), 10);
}

/// A stage whose pods needed a minute, and whose weight was written a moment ago: the gateway does not find its Service.
fn unresolved_late() -> Lab {
    let mut lab = Lab::adopted(&routed());
    lab.cluster.ready_at_most("v2", Some(0));
    lab.cluster.push("v2");
    lab.settle();
    lab.pass(60);
    lab.cluster.gateway = Gateway::Unresolving;
    lab.cluster.ready_at_most("v2", None);
    lab.pass(1);
    assert!(message(&lab).contains("ResolvedRefs is False"), "{}", message(&lab));
    lab
}

#[test]
fn a_service_that_a_gateway_does_not_find_for_a_moment_takes_no_write_back_however_long_the_stage_has_lasted() {
    let mut lab = unresolved_late();
    lab.pass(3);
    assert_eq!(lab.phase(), Phase::Progressing, "{}", message(&lab));
    lab.cluster.gateway = Gateway::Accepts;
    lab.finish();
    assert_eq!(lab.cluster.pods_of("v2"), 10);
}

#[test]
fn a_service_that_a_gateway_does_not_find_for_five_seconds_takes_the_write_back() {
    let mut lab = unresolved_late();
    lab.pass(5);
    assert_eq!(lab.phase(), Phase::Reverting, "{}", message(&lab));
    lab.cluster.gateway = Gateway::Accepts;
    lab.finish();
    assert_eq!((lab.phase(), lab.condition(kind::STALLED).as_deref()), (Phase::Reverted, Some("RouteRefused")));
    assert_eq!(lab.status().failed.len(), 0);
}

#[test]
fn a_gateway_that_refuses_backends_of_weight_0_gets_none() {
    let mut lab = Lab::adopted(&routed());
    lab.cluster.gateway = Gateway::RejectsZeroWeights;
    lab.cluster.push("v2");
    lab.finish();
    assert_eq!((lab.phase(), lab.cluster.pods_of("v2")), (Phase::Stable, 10), "{}", message(&lab));
    assert_eq!(lab.cluster.routes["checkout"]["spec"], user_route());
    assert!(lab.log.iter().all(|step| !step.contains("checkout-stable 0") || step.contains("checkout-canary 100")));
}

#[test]
fn weights_that_the_gateway_refuses_later_send_everything_back_and_blame_no_version() {
    let mut lab = Lab::in_stage(&routed(), "canary");
    lab.cluster.gateway = Gateway::RejectsSplits;
    lab.until(|lab| lab.phase() == Phase::Reverting);
    assert_eq!(lab.cluster.canary_weight(), Percent::ZERO);
    // What it refuses it does not follow: pods that it may still send requests to stay.
    lab.pass(3600);
    assert!(lab.cluster.pods_of("v2") > 0);
    lab.cluster.gateway = Gateway::Accepts;
    lab.finish();
    assert_eq!((lab.status().failed.len(), lab.phase()), (0, Phase::Reverted), "{}", message(&lab));
    assert_eq!(lab.cluster.routes["checkout"]["spec"], user_route());
    lab.cluster.push("v3");
    lab.finish();
    assert_eq!(lab.cluster.pods_of("v3"), 10);
}

#[test]
fn a_gateway_that_falls_silent_under_way_holds_the_stage_and_its_weight() {
    let mut lab = Lab::in_stage(&routed(), "canary");
    lab.cluster.gateway = Gateway::Silent;
    lab.pass(1300);
    assert_eq!((lab.phase(), lab.stage().as_str()), (Phase::Held, "quarter"), "{}", message(&lab));
    assert!(message(&lab).contains("Gateway shop/public reports Accepted"), "{}", message(&lab));
    lab.verdicts.insert("errors".to_owned(), tidegate_api::Verdict::Fail);
    lab.decide();
    assert_eq!((lab.phase(), lab.cluster.canary_weight()), (Phase::Reverting, Percent::ZERO));
    lab.pass(24 * 3600);
    assert_eq!(lab.cluster.pods_of("v2"), 3, "the gateway may still send them requests");
    lab.cluster.gateway = Gateway::Accepts;
    lab.finish();
    assert_eq!((lab.phase(), lab.status().failed.len()), (Phase::Reverted, 1));
}

#[test]
fn routes_after_which_all_requests_stop_are_taken_back_and_the_version_waits_unjudged() {
    let outage = Some("requests stopped: 0 in 30s, where about 300 were to be expected".to_owned());
    for stage in [None, Some("canary"), Some("quarter")] {
        let mut lab = stage.map_or_else(|| Lab::adopted(&routed()), |stage| Lab::in_stage(&routed(), stage));
        if stage.is_none() {
            lab.cluster.push("v2");
            lab.decide();
        }
        lab.outage.clone_from(&outage);
        lab.verdicts.insert("errors".to_owned(), tidegate_api::Verdict::Fail);
        lab.decide();
        lab.outage = None;
        let goes_back = lab.cluster.routes["checkout"]["spec"] == user_route();
        assert!(goes_back || lab.cluster.canary_weight() == Percent::ZERO, "{stage:?}");
        assert_eq!(goes_back, stage.is_none(), "the pin itself is what broke it");
        lab.finish();
        assert_eq!((lab.phase(), lab.condition(kind::STALLED).as_deref()), (Phase::Reverted, Some("RouteBroken")));
        assert!(message(&lab).contains("since HTTPRoute checkout was written for this rollout, requests stopped"));
        assert_eq!((lab.status().failed.len(), lab.cluster.all_pods().len()), (0, 10));
        assert_eq!(lab.cluster.routes["checkout"]["spec"], user_route());
    }
}
