//! Specs of Rollouts.

use serde_json::{Value, json};

/// The default stages (5 % → 25 % → 100 %, ten minutes each), with an error rate that decides.
pub fn routed() -> Value {
    json!({
        "workload": {"kind": "Deployment", "name": "checkout"},
        "service": "checkout",
        "traffic": {"gatewayAPI": {"routes": [{"name": "checkout"}]}},
        "analysis": {"checks": [{"name": "errors", "errorRate": {"preset": "pod-http", "max": "1%"}}]},
    })
}

/// The same without a route.
pub fn by_pods() -> Value {
    let mut spec = routed();
    spec["traffic"].take();
    spec
}

/// [`routed`], with stable's pods following its share.
pub fn progressive() -> Value {
    with(&json!({"traffic": {"gatewayAPI": {"routes": [{"name": "checkout"}]}, "capacity": "Progressive"}}))
}

/// [`staged`], with a fifth of stable's pods kept warm while the new version has everything.
pub fn kept_warm() -> Value {
    let mut spec = staged();
    spec["stages"][2]["stableReplicas"] = json!("20%");
    spec
}

/// [`by_pods`] with so many more pods than are asked for.
pub fn surging(surge: &Value) -> Value {
    let mut spec = by_pods();
    spec["maxSurge"] = surge.clone();
    spec
}

/// [`routed`] with other values.
pub fn with(changes: &Value) -> Value {
    let mut spec = routed();
    for (field, value) in changes.as_object().unwrap() {
        spec[field] = value.clone();
    }
    spec
}

/// [`routed`] with the default stages written out, to be changed.
pub fn staged() -> Value {
    with(&json!({"stages": [
        {"name": "canary", "weight": "5%", "bake": "10m"},
        {"name": "quarter", "weight": "25%", "bake": "10m"},
        {"name": "full", "weight": "100%", "bake": "10m"},
    ]}))
}
