//! What a gateway need not support, and a rollout asks of an HTTPRoute all the same: the extended features of the
//! Gateway API, by which a `GatewayClass` says in its status what its gateways know.
//!
//! A gateway that does not know a filter may answer each request with an error, and report the route as accepted.
//! <https://gateway-api.sigs.k8s.io/geps/gep-2162/>

use std::collections::BTreeSet;

use serde_json::Value;
use tidegate_api::{Percent, RolloutSpec};

/// A feature, and the field of the Rollout that asks for it.
pub type Asked = (&'static str, &'static str);

/// The features that the stages of a rollout need beyond those that every gateway has.
#[must_use]
pub fn asked(spec: &RolloutSpec) -> Vec<Asked> {
    let stages = spec.stages();
    let mirrors = |part: fn(Percent) -> bool| stages.iter().filter_map(|stage| stage.mirror).any(part);
    let by_query = stages.iter().flat_map(|stage| stage.matches.iter().flatten()).any(|it| it.query_params.is_some());
    let all = [
        ("HTTPRouteRequestMirror", "stages[].mirror", mirrors(|part| part > Percent::ZERO)),
        (
            "HTTPRouteRequestPercentageMirror",
            "stages[].mirror",
            mirrors(|part| part > Percent::ZERO && part < Percent::FULL),
        ),
        ("HTTPRouteQueryParamMatching", "stages[].match[].queryParams", by_query),
        ("HTTPRouteResponseHeaderModification", "traffic.sessionPersistence", spec.keeps_users()),
    ];
    all.into_iter().filter(|(_, _, is_asked)| *is_asked).map(|(feature, field, _)| (feature, field)).collect()
}

/// What a `GatewayClass` says that its gateways support; nothing where it keeps no list. Before version 1.1 of the Gateway
/// API the names stood in it as they are.
#[must_use]
pub fn supported(class: &Value) -> Option<BTreeSet<String>> {
    let list = class.pointer("/status/supportedFeatures")?.as_array().filter(|list| !list.is_empty())?;
    let name = |feature: &Value| feature["name"].as_str().or(feature.as_str()).map(str::to_owned);
    Some(list.iter().filter_map(name).collect())
}

/// The Gateways that a route hangs on, by namespace and name.
#[must_use]
pub fn gateways(route: &Value) -> BTreeSet<(String, String)> {
    let own = route.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default();
    let parents = route.pointer("/spec/parentRefs").and_then(Value::as_array).into_iter().flatten();
    let is_gateway = |parent: &&Value| {
        parent["kind"].as_str().unwrap_or("Gateway") == "Gateway"
            && parent["group"].as_str().unwrap_or(crate::traffic::GATEWAY_API) == crate::traffic::GATEWAY_API
    };
    let named = |parent: &Value| {
        Some((parent["namespace"].as_str().unwrap_or(own).to_owned(), parent["name"].as_str()?.to_owned()))
    };
    parents.filter(is_gateway).filter_map(named).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(stage: &Value, traffic: &Value) -> RolloutSpec {
        let spec = json!({
            "workload": {"kind": "Deployment", "name": "a"}, "service": "a", "stages": [stage], "traffic": traffic,
        });
        serde_json::from_value(spec).unwrap()
    }

    #[test]
    fn plain_weights_and_headers_ask_for_nothing_that_a_gateway_need_not_have() {
        let stage = json!({"name": "a", "weight": "5%", "match": [{"headers": [{"name": "x", "value": "y"}]}]});
        assert_eq!(asked(&spec(&stage, &json!({"gatewayAPI": {"routes": [{"name": "a"}]}}))), []);
    }

    #[test]
    fn copies_queries_and_cookies_are_features_of_their_own() {
        let stage = json!({"name": "a", "weight": "5%", "mirror": "10%",
                           "match": [{"queryParams": [{"name": "x", "value": "y"}]}]});
        let traffic = json!({"gatewayAPI": {"routes": [{"name": "a"}]}, "sessionPersistence": "Cookie"});
        let asked: Vec<_> = asked(&spec(&stage, &traffic)).into_iter().map(|(feature, _)| feature).collect();
        assert_eq!(
            asked,
            [
                "HTTPRouteRequestMirror",
                "HTTPRouteRequestPercentageMirror",
                "HTTPRouteQueryParamMatching",
                "HTTPRouteResponseHeaderModification"
            ]
        );
    }

    #[test]
    fn both_forms_of_the_list_are_read_and_an_empty_one_says_nothing() {
        let class = |list: Value| json!({"status": {"supportedFeatures": list}});
        let names = |list| supported(&class(list)).map(Vec::from_iter);
        assert_eq!(names(json!([{"name": "A"}, {"name": "B"}])), Some(vec!["A".to_owned(), "B".to_owned()]));
        assert_eq!(names(json!(["A"])), Some(vec!["A".to_owned()]));
        assert_eq!(names(json!([])), None);
        assert_eq!(supported(&json!({})), None);
    }

    #[test]
    fn the_gateways_of_a_route_are_those_among_its_parents() {
        let route = json!({
            "metadata": {"namespace": "shop"},
            "spec": {"parentRefs": [
                {"name": "public"}, {"name": "edge", "namespace": "infra"}, {"group": "", "kind": "Service", "name": "a"},
            ]},
        });
        let gateways = Vec::from_iter(gateways(&route));
        assert_eq!(gateways, [("infra".to_owned(), "edge".to_owned()), ("shop".to_owned(), "public".to_owned())]);
    }
}
