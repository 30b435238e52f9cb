//! What the owner of a namespace lets routes of other namespaces point at.
//!
//! <https://gateway-api.sigs.k8s.io/api-types/referencegrant/>

use serde_json::Value;

use crate::traffic::{GATEWAY_API, Kind};

/// Whether routes of `kind` in namespace `from` may point at a Service called `service`, by the ReferenceGrants of the
/// Service's namespace. One grant has to name both sides.
#[must_use]
pub fn permits(grants: &[Value], kind: &Kind, from: &str, service: &str) -> bool {
    let list = |grant: &Value, field: &str| grant["spec"][field].as_array().cloned().unwrap_or_default();
    let is_from = |it: &Value| it["group"] == GATEWAY_API && it["kind"] == *kind.kind && it["namespace"] == *from;
    let is_to = |it: &Value| {
        it["group"].as_str().unwrap_or_default().is_empty()
            && it["kind"] == "Service"
            && it["name"].as_str().is_none_or(|name| name.is_empty() || name == service)
    };
    grants.iter().any(|grant| list(grant, "from").iter().any(is_from) && list(grant, "to").iter().any(is_to))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn grant(to: &Value) -> Value {
        let from = json!({"group": GATEWAY_API, "kind": "HTTPRoute", "namespace": "infra"});
        json!({"spec": {"from": [from], "to": [to]}})
    }

    fn is_permitted(to: &Value, service: &str) -> bool {
        permits(&[grant(to)], &Kind::of_gateway_api("HTTPRoute"), "infra", service)
    }

    #[test]
    fn a_grant_for_all_services_permits_those_that_a_rollout_adds() {
        let all = json!({"group": "", "kind": "Service"});
        assert!(is_permitted(&all, "checkout") && is_permitted(&all, "checkout-canary"));
    }

    #[test]
    fn a_grant_for_one_service_permits_that_one_alone() {
        let one = json!({"group": "", "kind": "Service", "name": "checkout"});
        assert!(is_permitted(&one, "checkout") && !is_permitted(&one, "checkout-canary"));
    }

    #[test]
    fn a_grant_is_for_one_kind_of_route_from_one_namespace() {
        let all = [grant(&json!({"group": "", "kind": "Service"}))];
        assert!(!permits(&all, &Kind::of_gateway_api("GRPCRoute"), "infra", "checkout"));
        assert!(!permits(&all, &Kind::of_gateway_api("HTTPRoute"), "shop", "checkout"));
        assert!(!permits(&[], &Kind::of_gateway_api("HTTPRoute"), "infra", "checkout"));
    }
}
