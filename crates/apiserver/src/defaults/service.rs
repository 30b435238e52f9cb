//! Services.

use serde_json::{Map, Value, json};

use super::{each, set};

/// Fills in the spec of a Service.
pub(super) fn spec(spec: &mut Map<String, Value>) {
    set(spec, "type", "ClusterIP");
    set(spec, "sessionAffinity", "None");
    for port in each(spec, "ports") {
        set(port, "protocol", "TCP");
        if let Some(number) = port.get("port").cloned() {
            set(port, "targetPort", number);
        }
    }
    let kind = spec.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    if kind == "ExternalName" {
        return;
    }
    set(spec, "ipFamilies", json!(["IPv4"]));
    set(spec, "ipFamilyPolicy", "SingleStack");
    set(spec, "internalTrafficPolicy", "Cluster");
    if kind != "ClusterIP" {
        set(spec, "externalTrafficPolicy", "Cluster");
    }
    if kind == "LoadBalancer" {
        set(spec, "allocateLoadBalancerNodePorts", true);
    }
}
