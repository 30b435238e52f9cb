//! Which Services a route gives requests to, whoever's route it is.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    backends::{is_service, weight},
    rules::lists,
};

/// The Services that the rules of a route in `namespace` point at with some weight, by their namespaces and names.
#[must_use]
pub fn references<'a>(namespace: &'a str, route: &'a Value) -> BTreeSet<(&'a str, &'a str)> {
    let weighty =
        lists(route).flat_map(|(_, _, backends)| backends).filter(|backend| is_service(backend) && weight(backend) > 0);
    let place =
        |backend: &'a Value| Some((backend["namespace"].as_str().unwrap_or(namespace), backend["name"].as_str()?));
    weighty.filter_map(place).collect()
}

/// Those among them that requests can go to. Into another namespace they only can with a grant from there, and whether
/// there is one, the gateways say: whoever has no grant is not to be heard of there.
#[must_use]
pub fn services_of<'a>(namespace: &'a str, route: &'a Value) -> BTreeSet<(&'a str, &'a str)> {
    let mut services = references(namespace, route);
    if !is_resolved(route) {
        services.retain(|(other, _)| *other == namespace);
    }
    services
}

/// Whether a gateway says that all that the route points at is there and permitted. Of whatever generation: an edit of
/// the route does not end what is in force.
fn is_resolved(route: &Value) -> bool {
    let parents = route.pointer("/status/parents").and_then(Value::as_array).into_iter().flatten();
    let mut conditions = parents.filter_map(|parent| parent["conditions"].as_array()).flatten();
    conditions.any(|condition| condition["type"] == "ResolvedRefs" && condition["status"] == "True")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn route(backends: &Value, resolved: &str) -> Value {
        let conditions = json!([{"type": "Accepted", "status": "True"}, {"type": "ResolvedRefs", "status": resolved}]);
        json!({
            "spec": {"rules": [{"backendRefs": backends}, {"backendRefs": [{"name": "basket", "port": 80}]}]},
            "status": {"parents": [{"conditions": conditions}]},
        })
    }

    #[test]
    fn a_route_gives_requests_to_the_services_of_all_its_rules() {
        let route = route(&json!([{"name": "checkout", "port": 80}, {"name": "basket", "port": 80}]), "True");
        assert_eq!(references("shop", &route), BTreeSet::from([("shop", "basket"), ("shop", "checkout")]));
    }

    #[test]
    fn a_backend_without_weight_gets_none_and_one_that_is_no_service_is_none() {
        let backends = json!([
            {"name": "checkout", "port": 80, "weight": 0},
            {"group": "multicluster.x-k8s.io", "kind": "ServiceImport", "name": "checkout", "port": 80},
        ]);
        assert_eq!(references("shop", &route(&backends, "True")), BTreeSet::from([("shop", "basket")]));
    }

    #[test]
    fn requests_reach_a_service_of_another_namespace_when_a_gateway_says_so() {
        let backends = json!([{"name": "checkout", "namespace": "shop", "port": 80}]);
        let reached =
            |resolved: &str| services_of("infra", &route(&backends, resolved)).contains(&("shop", "checkout"));
        assert_eq!([reached("True"), reached("False")], [true, false]);
        assert!(references("infra", &route(&backends, "False")).contains(&("shop", "checkout")));
    }

    #[test]
    fn what_is_no_route_points_at_nothing() {
        for object in [json!({}), json!({"spec": {"rules": 7}}), json!({"spec": {"rules": [{"backendRefs": [7, {}]}]}})]
        {
            assert!(references("shop", &object).is_empty());
        }
    }
}
