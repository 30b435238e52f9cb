//! What has to be right before anything is touched.

use serde_json::json;
use tidegate_api::condition::reason;

use super::{lab::Lab, specs::with};
use crate::plan::{GatewayFeatures, Served, preflight::refusal};

#[test]
fn a_kind_that_the_operator_has_no_room_to_watch_is_refused_with_the_true_reason() {
    let set = json!([{"path": "spec.weight", "value": "{{canary.weight}}"}]);
    let route = json!({"apiVersion": "example.com/v1", "kind": "Split", "name": "checkout", "set": set});
    let lab = Lab::before_adoption(&with(&json!({"traffic": {"custom": [route]}})));
    let rollout = lab.cluster.rollout.as_ref().unwrap();
    let mut observed = lab.cluster.observe(rollout, None);
    observed.routes[0].kind = Served::NoRoom { most: 32 };
    let refused = refusal(rollout, &observed).unwrap();
    assert_eq!(
        (refused.reason, refused.message.as_str()),
        (
            reason::ROUTE_UNUSABLE,
            "Splits of example.com are not watched: the operator watches 32 kinds at a time, and other Rollouts name as many under spec.traffic.custom; name one of those, or let some of them name none"
        )
    );
}

#[test]
fn a_route_that_is_named_twice_is_refused() {
    let set = json!([{"path": "spec.weight", "value": "{{canary.weight}}"}]);
    let route =
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "name": "checkout", "set": set});
    let both = json!({"gatewayAPI": {"routes": [{"name": "checkout"}]}, "custom": [route]});
    let lab = Lab::before_adoption(&with(&json!({"traffic": both})));
    let rollout = lab.cluster.rollout.as_ref().unwrap();
    let refused = refusal(rollout, &lab.cluster.observe(rollout, None)).unwrap();
    assert_eq!(refused.reason, reason::INVALID_SPEC);
    assert!(refused.message.starts_with("spec.traffic names HTTPRoute checkout twice"), "{}", refused.message);
}

#[test]
fn a_route_that_another_controller_keeps_is_refused_and_one_that_is_only_owned_is_not() {
    let mut lab = Lab::before_adoption(&with(&json!({})));
    let mut owned = |controller: bool| {
        let owner = json!({"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "name": "front", "uid": "1", "controller": controller});
        lab.cluster.routes.get_mut("checkout").unwrap()["metadata"]["ownerReferences"] = json!([owner]);
        let rollout = lab.cluster.rollout.as_ref().unwrap();
        refusal(rollout, &lab.cluster.observe(rollout, None))
    };
    assert_eq!(owned(false), None);
    let refused = owned(true).unwrap();
    assert_eq!(
        (refused.reason, refused.message.as_str()),
        (
            reason::ROUTE_UNUSABLE,
            "HTTPRoute checkout is controlled by Canary front, which would write its own weights back; name a route that no controller keeps"
        )
    );
}

#[test]
fn a_copy_that_the_gateway_does_not_know_is_refused_before_anything_is_written() {
    let stages = json!([{"name": "shadow", "weight": "0%", "mirror": "10%"}, {"name": "full", "weight": "100%"}]);
    let lab = Lab::before_adoption(&with(&json!({"stages": stages})));
    let rollout = lab.cluster.rollout.as_ref().unwrap();
    let mut observed = lab.cluster.observe(rollout, None);
    let mut supporting = |features: &[&str]| {
        observed.gateway_features = vec![GatewayFeatures {
            gateway: "shop/public".to_owned(),
            class: "traefik".to_owned(),
            supported: features.iter().map(|feature| (*feature).to_owned()).collect(),
        }];
        refusal(rollout, &observed)
    };
    assert_eq!(supporting(&["HTTPRouteRequestMirror", "HTTPRouteRequestPercentageMirror"]), None);
    let refused = supporting(&["HTTPRouteMethodMatching"]).unwrap();
    assert_eq!(
        (refused.reason, refused.message.as_str()),
        (
            reason::ROUTE_UNUSABLE,
            "Gateway shop/public does not support HTTPRouteRequestMirror, says GatewayClass traefik, but spec.stages[].mirror needs it: leave that out, or use a gateway that supports it"
        )
    );
}
