//! Writes in words, by image instead of by hash, so that a test reads as what happened.

use serde_json::Value;
use tidegate_api::POD_TEMPLATE_HASH;

use super::cluster::{Cluster, image_of};
use crate::{
    plan::Effect,
    workload::{ReplicaSet, template},
};

/// One write, in words.
pub fn describe(before: &Cluster, after: &Cluster, effect: &Effect) -> String {
    match effect {
        Effect::PatchRollout(patch) => match patch["metadata"]["finalizers"].as_array() {
            Some(none) if none.is_empty() => "release the Rollout".to_owned(),
            _ => "claim the Rollout".to_owned(),
        },
        Effect::PatchDeployment(_, patch) => format!("Deployment {}", deployment(&patch["spec"])),
        Effect::CreateReplicaSet(set) => format!("create {} with {}", image_of(set), set.replicas()),
        Effect::PatchReplicaSet(name, patch) => match patch["spec"]["replicas"].as_i64() {
            Some(replicas) => format!("{} to {replicas}", image(before, name)),
            None if patch["metadata"].get("ownerReferences").is_some() => {
                format!("{} changes its owner", image(before, name))
            }
            None => format!("{} changes its labels", image(before, name)),
        },
        Effect::DeleteReplicaSet { name, .. } => format!("delete {}", image(before, name)),
        Effect::DeletePod { name, .. } => format!("delete pod {name}"),
        Effect::CreateService(service) => format!("create {}", service.metadata.name.as_deref().unwrap_or_default()),
        Effect::PatchService(name, patch) if patch["spec"]["selector"].is_null() => format!("{name} changes its owner"),
        Effect::PatchService(name, patch) => {
            let hash = patch["spec"]["selector"][POD_TEMPLATE_HASH].as_str().unwrap_or_default();
            format!("{name} selects {}", revision(after, hash))
        }
        Effect::DeleteService { name, .. } => format!("delete {name}"),
        Effect::CreateCopy { name, .. } => format!("copy {name}"),
        Effect::PatchCopy((_, name), _) => format!("copy {name} gets an owner"),
        Effect::ReplaceRoute(_, route) => format!("route {}", weights(route)),
    }
}

fn deployment(spec: &Value) -> String {
    let mut words = Vec::new();
    if let Some(paused) = spec["paused"].as_bool() {
        words.push(if paused { "paused".to_owned() } else { "unpaused".to_owned() });
    }
    if let Some(replicas) = spec["replicas"].as_i64() {
        words.push(format!("to {replicas}"));
    }
    if !spec["template"].is_null() {
        words.push(format!("with {}", template::images(&spec["template"]).join(",")));
    }
    words.join(", ")
}

fn image(cluster: &Cluster, replica_set: &str) -> String {
    cluster.replica_sets.get(replica_set).map_or_else(|| replica_set.to_owned(), image_of)
}

fn revision(cluster: &Cluster, hash: &str) -> String {
    let holds = |set: &&ReplicaSet| set.revision() == hash;
    cluster.replica_sets.values().find(holds).map_or_else(|| "nothing".to_owned(), image_of)
}

/// The backends of the first rule with their weights: `checkout-stable 95, checkout-canary 5`.
pub fn weights(route: &Value) -> String {
    let backends = route.pointer("/spec/rules/0/backendRefs").and_then(Value::as_array).cloned().unwrap_or_default();
    let words = backends.iter().map(|backend| format!("{} {}", backend["name"].as_str().unwrap(), backend["weight"]));
    words.collect::<Vec<_>>().join(", ")
}
