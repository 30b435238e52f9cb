//! A new version on its way to all of the traffic.

use serde_json::json;
use tidegate_api::{Percent, Phase, RouteMode, condition::kind};

use super::{
    cluster::{Controller, Gateway, user_route},
    lab::Lab,
    specs::{by_pods, routed, with},
};

#[test]
fn a_promotion_writes_exactly_what_it_needs() {
    let mut lab = Lab::adopted(&routed());
    lab.cluster.push("v2");
    lab.finish();
    assert_eq!(
        lab.log,
        [
            "create checkout-stable",
            "create checkout-canary",
            "route checkout-stable 100, checkout-canary 0",
            "create v2 with 1",
            "route checkout-stable 95, checkout-canary 5",
            "v2 to 3",
            "route checkout-stable 75, checkout-canary 25",
            "v2 to 10",
            "route checkout-stable 0, checkout-canary 100",
            "v1 to 0",
            "route checkout 1",
            "delete checkout-stable",
            "delete checkout-canary",
        ]
    );
    assert_eq!(
        lab.steps,
        ["RolloutStarted", "StageEntered", "StagePassed", "StageEntered", "StagePassed", "StageEntered", "Promoted"]
    );
}

#[test]
fn after_a_promotion_only_the_new_version_is_left_and_the_route_is_the_users() {
    let mut lab = Lab::adopted(&routed());
    lab.cluster.push("v2");
    lab.finish();
    assert_eq!(lab.phase(), Phase::Stable);
    assert_eq!((lab.cluster.pods_of("v1"), lab.cluster.pods_of("v2")), (0, 10));
    assert_eq!(lab.cluster.routes["checkout"]["spec"], user_route());
    assert_eq!(lab.cluster.services.keys().collect::<Vec<_>>(), ["checkout"]);
    assert_eq!(lab.condition(kind::READY).as_deref(), Some("Stable"));
    assert_eq!(lab.status().route, RouteMode::Service);
    assert_eq!(lab.status().stage, None);
    assert_eq!(lab.status().canary, None);
}

#[test]
fn one_version_after_another_is_promoted() {
    let mut lab = Lab::adopted(&routed());
    for image in ["v2", "v3", "v1", "v4"] {
        lab.cluster.push(image);
        lab.finish();
        assert_eq!(lab.phase(), Phase::Stable);
        assert_eq!(lab.cluster.pods_of(image), 10);
        assert_eq!(lab.cluster.all_pods().len(), 10);
    }
}

#[test]
fn the_clock_of_a_stage_starts_when_its_weight_is_in_force() {
    let mut lab = Lab::adopted(&routed());
    lab.cluster.broken.insert("v2".to_owned());
    lab.cluster.push("v2");
    lab.settle();
    lab.pass(120);
    assert_eq!(lab.status().stage.unwrap().since, None);
    lab.cluster.broken.clear();
    lab.settle();
    let stage = lab.status().stage.unwrap();
    assert_eq!(stage.since, Some(lab.cluster.now));
    lab.pass(599);
    assert_eq!(lab.stage(), "canary");
    lab.pass(1);
    assert_eq!(lab.stage(), "quarter");
}

#[test]
fn old_pods_stay_for_the_drain_after_their_last_traffic() {
    let mut lab = Lab::in_stage(&with(&json!({"drain": "45s"})), "full");
    lab.pass(600);
    assert_eq!(lab.phase(), Phase::Promoting);
    // The route has given them nothing for the whole of the last stage.
    assert_eq!(lab.cluster.pods_of("v1"), 0);

    let mut lab = Lab::in_stage(&with(&json!({"drain": "45s"})), "quarter");
    lab.cluster.push("v1");
    lab.settle();
    assert_eq!(lab.cluster.canary_weight(), Percent::ZERO);
    lab.pass(44);
    assert_eq!(lab.cluster.pods_of("v2"), 3);
    lab.pass(1);
    assert_eq!(lab.cluster.pods_of("v2"), 0);
}

#[test]
fn pods_that_were_a_control_stay_for_the_drain_after_it_ends() {
    let compared = json!({"name": "errors", "errorRate": {"preset": "pod-http", "relative": {}}});
    let spec = with(&json!({"drain": "45s", "analysis": {"controlShare": "1%", "checks": [compared]}}));
    let mut lab = Lab::in_stage(&spec, "full");
    lab.pass(600);
    assert_eq!((lab.phase(), lab.cluster.canary_weight()), (Phase::Promoting, Percent::FULL));
    // Until a moment ago the route gave them requests.
    lab.pass(44);
    assert_eq!(lab.cluster.pods_of("v1"), 10);
    lab.pass(1);
    assert_eq!(lab.cluster.pods_of("v1"), 0);
}

#[test]
fn a_stage_says_how_many_pods_the_new_version_has() {
    let spec = with(&json!({"stages": [
        {"name": "few", "weight": "1%", "replicas": 2, "bake": "1m"},
        {"name": "half", "weight": "10%", "replicas": "50%", "bake": "1m"},
        {"name": "full", "weight": "100%", "bake": "1m"},
    ]}));
    let mut lab = Lab::adopted(&spec);
    lab.cluster.push("v2");
    lab.finish();
    let counts: Vec<_> = lab.log.iter().filter(|write| write.contains("v2")).cloned().collect();
    assert_eq!(counts, ["create v2 with 2", "v2 to 5", "v2 to 10"]);
}

#[test]
fn without_checks_time_and_readiness_are_enough() {
    let mut spec = routed();
    spec.as_object_mut().unwrap().remove("analysis");
    let mut lab = Lab::adopted(&spec);
    lab.cluster.push("v2");
    lab.finish();
    assert_eq!(lab.cluster.pods_of("v2"), 10);
}

#[test]
fn a_gateway_that_never_reports_is_not_waited_for_where_the_user_says_so() {
    let gateway = json!({"gatewayAPI": {"routes": [{"name": "checkout"}], "acceptance": "Ignored"}});
    let mut lab = Lab::adopted(&with(&json!({"traffic": gateway})));
    lab.cluster.routes.get_mut("checkout").unwrap()["status"] = json!({});
    lab.cluster.gateway = Gateway::Silent;
    // What it does not report, it does all the same.
    lab.cluster.programmed.clear();
    lab.cluster.push("v2");
    lab.finish();
    assert_eq!(lab.phase(), Phase::Stable);
    assert_eq!(lab.cluster.pods_of("v2"), 10);
}

#[test]
fn without_a_route_the_pods_carry_the_weight() {
    let mut lab = Lab::adopted(&by_pods());
    lab.cluster.push("v2");
    let mut shares = Vec::new();
    while lab.phase() != Phase::Stable || shares.is_empty() {
        lab.until(|lab| {
            lab.status().stage.is_none_or(|stage| stage.since.is_some() && stage.weight_in_force > Percent::ZERO)
        });
        shares.extend(lab.status().stage.map(|stage| stage.weight_in_force.to_string()));
        lab.pass(600);
    }
    shares.dedup();
    assert_eq!(shares, ["9.09090909%", "23.07692308%", "100%"]);
    assert_eq!(lab.log, ["create v2 with 1", "v2 to 3", "v2 to 10", "v1 to 0"]);
}

#[test]
fn a_share_of_pods_that_never_ends_is_written_once() {
    let mut lab = Lab::adopted(&by_pods());
    lab.cluster.push("v2");
    lab.until(|lab| lab.status().stage.is_some_and(|stage| stage.since.is_some()));
    assert_eq!(lab.status().stage.unwrap().weight_in_force.to_string(), "9.09090909%");
    assert!(!lab.decide());
}

#[test]
fn the_scale_subresource_follows_the_version_that_carries_most_of_the_traffic() {
    let mut lab = Lab::in_stage(&routed(), "quarter");
    let (old, new) = (lab.status().stable.unwrap().revision, lab.status().canary.unwrap().revision);
    assert!(lab.status().selector.contains(&old));
    lab.until(|lab| lab.stage() == "full" && lab.status().stage.is_some_and(|stage| stage.since.is_some()));
    lab.settle();
    assert!(lab.status().selector.contains(&new));
    assert_eq!(lab.status().replicas, 20);
}

#[test]
fn old_replica_sets_beyond_the_limit_go() {
    let mut lab = Lab::adopted(&with(&json!({"revisionHistoryLimit": 1})));
    for image in ["v2", "v3", "v4"] {
        lab.cluster.push(image);
        lab.finish();
        lab.pass(60);
    }
    assert!(lab.cluster.running("v3").is_some());
    assert!(lab.cluster.running("v2").is_none());
    assert!(lab.cluster.running("v1").is_none());
}

#[test]
fn new_pods_do_not_come_up_before_the_route_is_split() {
    let mut lab = Lab::adopted(&routed());
    lab.cluster.push("v2");
    // The EndpointSlices of the new Services take their time.
    for _ in 0..5 {
        lab.decide();
        lab.cluster.run(Controller::Gateway);
        assert_eq!(lab.cluster.pods_of("v2"), 0);
        assert!(lab.cluster.running("v2").is_none());
    }
    assert_eq!(lab.log, ["create checkout-stable", "create checkout-canary"]);
}

#[test]
fn the_revisions_services_stay_for_a_drain_after_a_slow_gateway_has_restored_the_route() {
    let mut lab = Lab::in_stage(&routed(), "full");
    lab.cluster.gateway = Gateway::Silent;
    lab.pass(3600);
    assert_eq!(lab.cluster.routes["checkout"]["spec"], user_route());
    lab.cluster.gateway = Gateway::Accepts;
    lab.settle();
    lab.pass(29);
    assert_eq!(lab.cluster.services.len(), 3);
    lab.pass(1);
    assert_eq!(lab.cluster.services.len(), 1);
}
