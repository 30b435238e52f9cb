//! Plain objects in the place of those that a Rollout names and nobody wrote down.

use serde_json::{Value, json};
use tidegate_api::Rollout;
use tidegate_planner::traffic::{GATEWAY_API, RouteId};

use super::Manifests;

/// What `rollout` names and `manifests` lack, each with a sentence about what stands in for it.
pub(super) fn missing(rollout: &Rollout, manifests: &Manifests) -> Vec<(Value, String)> {
    let namespace = rollout.metadata.namespace.as_deref().unwrap_or_default();
    let (workload, service) = (&rollout.spec.workload.name, &rollout.spec.service);
    let mut made = Vec::new();
    let deployment = manifests.find("Deployment", namespace, workload).map(|manifest| &manifest.object);
    if deployment.is_none() {
        let replicas = rollout.spec.replicas.unwrap_or(10);
        let note =
            format!("no Deployment {workload} is given: a plain one with {replicas} pods of {workload}:v1 stands in");
        made.push((plain_deployment(namespace, workload, replicas), note));
    }
    if manifests.find("Service", namespace, service).is_none() {
        let labels = deployment
            .and_then(|deployment| deployment.pointer("/spec/selector/matchLabels").cloned())
            .unwrap_or_else(|| json!({"app": workload}));
        let note = format!("no Service {service} is given: a plain one on port 80 stands in");
        made.push((plain_service(namespace, service, &labels), note));
    }
    for route in rollout.spec.routes().iter().map(|route| RouteId::of(route, namespace)) {
        let kind = &route.kind;
        if kind.is_of_gateway_api() && manifests.find(&kind.kind, namespace, &route.name).is_none() {
            let note = format!("no {kind} {} is given: a plain one to {service} stands in", route.name);
            made.push((plain_route(namespace, &route, service), note));
        }
    }
    made
}

fn plain_deployment(namespace: &str, name: &str, replicas: i32) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{
                    "name": name,
                    "image": format!("{name}:v1"),
                    "ports": [{"name": "http", "containerPort": 8080}],
                }]},
            },
        },
    })
}

fn plain_service(namespace: &str, name: &str, selector: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": selector, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]},
    })
}

fn plain_route(namespace: &str, route: &RouteId, service: &str) -> Value {
    json!({
        "apiVersion": format!("{GATEWAY_API}/v1"),
        "kind": route.kind.kind,
        "metadata": {"name": route.name, "namespace": namespace},
        "spec": {
            "parentRefs": [{"name": "gateway"}],
            "rules": [{"backendRefs": [{"name": service, "port": 80}]}],
        },
    })
}
