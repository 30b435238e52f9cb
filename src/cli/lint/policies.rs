//! Policies that are attached to the Service by its name, and so to none of the Services that a rollout adds.

use serde_json::Value;

use super::finding::{Finding, Written};
use crate::{api::manifest::item, traffic::Names};

/// The policies for the Service of a Rollout with routes that its `-stable` and `-canary` do without.
///
/// <https://gateway-api.sigs.k8s.io/geps/gep-713/>
pub fn check(rollout: &Written, all: &[Written]) -> Vec<Finding> {
    let Some(service) = rollout.document.text(&["spec", "service"]) else { return Vec::new() };
    if rollout.document.value().pointer("/spec/traffic").is_none() {
        return Vec::new();
    }
    let names = Names::of(service);
    let near = || all.iter().filter(|written| written.namespace() == rollout.namespace());
    let attached = near().filter_map(|policy| {
        let field = attachment(policy, service)?;
        let same = |other: &&Written| (other.group(), other.kind()) == (policy.group(), policy.kind());
        let covers = |name: &str| near().filter(same).any(|other| attachment(other, name).is_some());
        if covers(&names.stable) && covers(&names.canary) {
            return None;
        }
        let message = format!(
            "{} {} is for Service {service}, and during a rollout requests go to Services {} and {} without it: attach one to these, too",
            policy.kind(),
            policy.name(),
            names.stable,
            names.canary
        );
        Some(policy.warning(field, message))
    });
    attached.collect()
}

/// Where `policy` names the Service, if it does.
fn attachment(policy: &Written, service: &str) -> Option<String> {
    let spec = policy.document.value().get("spec")?;
    if (policy.group(), policy.kind()) == ("networking.istio.io", "DestinationRule") {
        let host = spec.get("host")?.as_str()?;
        let beginning = format!("{service}.{}", policy.namespace());
        let is_host = host == service
            || host.strip_prefix(&beginning).is_some_and(|rest| rest.is_empty() || rest.starts_with(".svc"));
        return is_host.then(|| "spec.host".to_owned());
    }
    let names_it = |target: &Value| {
        let text = |field: &str| target.get(field).and_then(Value::as_str).unwrap_or_default();
        (text("group"), text("kind"), text("name")) == ("", "Service", service)
    };
    if spec.get("targetRef").is_some_and(names_it) {
        return Some("spec.targetRef".to_owned());
    }
    let index = spec.get("targetRefs")?.as_array()?.iter().position(names_it)?;
    Some(item("spec.targetRefs", index))
}
