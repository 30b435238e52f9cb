//! What is in the cluster when a scene begins, and what is left of it at the end.

use std::{collections::BTreeMap, sync::LazyLock};

use serde_json::{Value, json};
use tidegate_api::definitions;
use tidegate_apiserver::ApiServer;

use crate::{
    configuration::SETTINGS,
    scenes::Scene,
    trial::{NAME, SHOP},
};

/// How many pods the Deployment asks for.
pub const PODS: i32 = 4;

/// Everything but the Rollout.
pub fn all(scene: &Scene) -> Vec<Value> {
    let mut objects = vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SHOP}}),
        http_routes(),
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": NAME, "namespace": SHOP},
            "spec": {
                "replicas": PODS,
                "selector": {"matchLabels": {"app": NAME}},
                "template": {
                    "metadata": {"labels": {"app": NAME}},
                    "spec": {"containers": [container("checkout:v1")]},
                },
            },
        }),
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": NAME, "namespace": SHOP},
            "spec": {"selector": {"app": NAME}, "ports": [{"port": 80, "targetPort": 8080}]},
        }),
    ];
    if !scene.spec["track"].is_null() {
        objects[2]["spec"]["template"]["spec"]["volumes"] =
            json!([{"name": SETTINGS, "configMap": {"name": SETTINGS}}]);
        objects.push(settings("old"));
    }
    objects.extend_from_slice(&DEFINITIONS);
    if scene.routed {
        objects.push(json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
            "metadata": {"name": NAME, "namespace": SHOP},
            "spec": {
                "parentRefs": [{"name": "public"}],
                "rules": [{"backendRefs": backends(&[])}],
            },
        }));
    }
    objects
}

/// Made once: it takes longer than anything else before a run begins.
static DEFINITIONS: LazyLock<Vec<Value>> =
    LazyLock::new(|| definitions().map(|definition| serde_json::to_value(definition).unwrap()).into());

/// The Rollout of a scene: three stages of half a minute, judged by errors.
pub fn rollout(scene: &Scene) -> Value {
    let mut spec = json!({
        "workload": {"kind": "Deployment", "name": NAME},
        "service": NAME,
        "stages": [
            {"name": "canary", "weight": "25%", "bake": "30s"},
            {"name": "half", "weight": "50%", "bake": "30s"},
            {"name": "full", "weight": "100%", "bake": "30s"},
        ],
        "analysis": {"interval": "5s", "checks": [{"name": "errors", "errorRate": {"preset": "pod-http", "max": "5%"}}]},
        "drain": "5s",
        "progressDeadline": "2m",
    });
    if scene.routed {
        spec["traffic"] = json!({"gatewayAPI": {"routes": [{"name": NAME}]}});
    }
    for (field, value) in scene.spec.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    json!({
        "apiVersion": "tidegate.dev/v1alpha1", "kind": "Rollout", "metadata": {"name": NAME, "namespace": SHOP},
        "spec": spec,
    })
}

/// The ConfigMap of a scene that tracks one.
pub fn settings(mode: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": SETTINGS, "namespace": SHOP}, "data": {"mode": mode},
    })
}

pub fn container(image: &str) -> Value {
    json!({"name": "app", "image": image, "ports": [{"name": "http", "containerPort": 8080}]})
}

/// The backends of the route: the Service, or the two of a rollout by these weights.
pub fn backends(weights: &[u32]) -> Value {
    match weights {
        [stable, canary] => json!([
            {"name": "checkout-stable", "port": 80, "weight": stable},
            {"name": "checkout-canary", "port": 80, "weight": canary},
        ]),
        _ => json!([{"name": NAME, "port": 80, "weight": 1}]),
    }
}

fn http_routes() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "httproutes.gateway.networking.k8s.io"},
        "spec": {
            "group": "gateway.networking.k8s.io", "scope": "Namespaced",
            "names": {"kind": "HTTPRoute", "plural": "httproutes", "singular": "httproute"},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            }],
        },
    })
}

/// What the cluster holds, without what two runs that did the same may differ in: names that are drawn, instants,
/// versions, and who wrote what.
pub fn end(api: &ApiServer) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for kind in ["rollouts", "deployments", "replicasets", "services", "httproutes", "configmaps"] {
        for object in api.list(kind, Some(SHOP)) {
            let mut value = object.value().clone();
            normalise(&mut value);
            all.insert(format!("{kind}/{}", object.name()), value);
        }
    }
    for set in api.list("replicasets", Some(SHOP)) {
        let pods =
            api.list("pods", Some(SHOP)).into_iter().filter(|pod| pod.name().starts_with(&format!("{}-", set.name())));
        all.insert(format!("pods of {}", set.name()), json!(pods.count()));
    }
    all
}

/// Fields that tell when, how often or by whom something was written, and not what is so. Who scaled a Deployment is read once,
/// and nothing waits for it: where that read fails, it was "somebody".
const INCIDENTAL: &[&str] = &[
    "resourceVersion",
    "uid",
    "creationTimestamp",
    "managedFields",
    "generation",
    "observedGeneration",
    "lastTransitionTime",
    "lastUpdateTime",
    "message",
    "history",
    "answeredAt",
    "at",
    "since",
    "until",
    "enteredAt",
    "checks",
    "conditions",
    "contentions",
    "manager",
    "tidegate.dev/rollout-uid",
    "annotations",
];

fn normalise(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !INCIDENTAL.contains(&name.as_str()));
            fields.values_mut().for_each(normalise);
        }
        Value::Array(items) => items.iter_mut().for_each(normalise),
        _ => {}
    }
}
