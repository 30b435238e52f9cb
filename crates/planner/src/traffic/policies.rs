//! Policies that are attached to the Service by its name, and so to none of the Services that a rollout adds.
//!
//! <https://gateway-api.sigs.k8s.io/geps/gep-713/>

use serde_json::Value;
use tidegate_api::manifest::item;

use super::{Names, bypassing_routes::listed};

/// A kind of policy that may name a Service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyKind {
    /// Its API group.
    pub group: &'static str,
    /// Its name in the paths of the API.
    pub plural: &'static str,
}

/// The kinds that are looked for in a cluster: those that the operator's role names.
///
/// <https://gateway-api.sigs.k8s.io/api-types/backendtlspolicy/>,
/// <https://gateway.envoyproxy.io/docs/api/extension_types/#backendtrafficpolicy>,
/// <https://cloud.google.com/kubernetes-engine/docs/how-to/configure-gateway-resources>,
/// <https://istio.io/latest/docs/reference/config/networking/destination-rule/>
pub const POLICY_KINDS: [PolicyKind; 6] = [
    PolicyKind { group: "gateway.networking.k8s.io", plural: "backendtlspolicies" },
    PolicyKind { group: "gateway.networking.x-k8s.io", plural: "xbackendtrafficpolicies" },
    PolicyKind { group: "gateway.envoyproxy.io", plural: "backendtrafficpolicies" },
    PolicyKind { group: "networking.gke.io", plural: "healthcheckpolicies" },
    PolicyKind { group: "networking.gke.io", plural: "gcpbackendpolicies" },
    PolicyKind { group: ISTIO, plural: "destinationrules" },
];

const ISTIO: &str = "networking.istio.io";

/// What may be a policy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy<'a> {
    /// Its API group.
    pub group: &'a str,
    /// Its kind.
    pub kind: &'a str,
    /// Its namespace, which is that of the Services that it can be attached to.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// What it asks for.
    pub spec: &'a Value,
}

impl Policy<'_> {
    /// The field in which it names the Service, if it does.
    #[must_use]
    pub fn attachment(&self, service: &str) -> Option<String> {
        if (self.group, self.kind) == (ISTIO, "DestinationRule") {
            let host = self.spec.get("host")?.as_str()?;
            let beginning = format!("{service}.{}", self.namespace);
            let is_host = host == service
                || host.strip_prefix(&beginning).is_some_and(|rest| rest.is_empty() || rest.starts_with(".svc"));
            return is_host.then(|| "spec.host".to_owned());
        }
        let names_it = |target: &Value| {
            let text = |field: &str| target.get(field).and_then(Value::as_str).unwrap_or_default();
            (text("group"), text("kind"), text("name")) == ("", "Service", service)
        };
        if self.spec.get("targetRef").is_some_and(names_it) {
            return Some("spec.targetRef".to_owned());
        }
        let index = self.spec.get("targetRefs")?.as_array()?.iter().position(names_it)?;
        Some(item("spec.targetRefs", index))
    }

    /// Whether it is for the Service, and nothing of its kind among `all` is for both of the other two.
    #[must_use]
    pub fn is_left_behind(&self, all: &[Policy], names: &Names) -> bool {
        let is_alike = |other: &&Policy| (other.group, other.kind) == (self.group, self.kind);
        let covers = |service: &str| all.iter().filter(is_alike).any(|other| other.attachment(service).is_some());
        self.attachment(&names.service).is_some() && !(covers(&names.stable) && covers(&names.canary))
    }
}

/// What becomes of `policies` during a rollout, each by its kind and name, and what to do about it; nothing without any.
#[must_use]
pub fn without_policies(policies: &[String], Names { service, stable, canary }: &Names) -> Option<String> {
    let (first, more) = policies.split_first()?;
    if more.is_empty() {
        return Some(format!(
            "{first} is for Service {service}, and during a rollout requests go to Services {stable} and {canary} without it: attach one to these, too"
        ));
    }
    Some(format!(
        "{} are for Service {service}, and during a rollout requests go to Services {stable} and {canary} without them: attach such to these, too",
        listed(policies)
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rule(host: &str) -> Value {
        json!({"host": host})
    }

    fn destination_rule<'a>(name: &'a str, spec: &'a Value) -> Policy<'a> {
        Policy { group: ISTIO, kind: "DestinationRule", namespace: "shop", name, spec }
    }

    #[test]
    fn a_policy_is_left_behind_until_both_services_have_one_of_its_kind() {
        let names = Names::of("web");
        let specs = [rule("web.shop.svc.cluster.local"), rule("web-stable"), rule("web-canary.shop")];
        let [web, stable, canary] = specs.each_ref().map(|spec| destination_rule("it", spec));
        assert!(web.is_left_behind(&[web], &names));
        assert!(web.is_left_behind(&[web, stable], &names));
        assert!(!web.is_left_behind(&[web, stable, canary], &names));
        let of_another_kind = Policy { group: "example.com", ..canary };
        assert!(web.is_left_behind(&[web, stable, of_another_kind], &names));
    }

    #[test]
    fn a_policy_for_something_else_is_none_of_the_rollouts() {
        let targets =
            json!({"targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "web"}]});
        let policy =
            Policy { group: "gateway.envoyproxy.io", kind: "BackendTrafficPolicy", ..destination_rule("it", &targets) };
        assert!(!policy.is_left_behind(&[policy], &Names::of("web")));
        let elsewhere = rule("web.other.svc.cluster.local");
        assert!(!destination_rule("it", &elsewhere).is_left_behind(&[], &Names::of("web")));
    }

    #[test]
    fn the_sentence_names_the_policies_and_what_to_do() {
        let names = Names::of("web");
        let said = |policies: &[&str]| {
            let policies: Vec<_> = policies.iter().map(|policy| (*policy).to_owned()).collect();
            without_policies(&policies, &names)
        };
        assert_eq!(said(&[]), None);
        assert_eq!(
            said(&["HealthCheckPolicy a", "DestinationRule b"]).unwrap(),
            "HealthCheckPolicy a and DestinationRule b are for Service web, and during a rollout requests go to Services web-stable and web-canary without them: attach such to these, too"
        );
    }
}
