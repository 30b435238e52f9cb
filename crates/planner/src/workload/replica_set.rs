//! The ReplicaSet of a new revision.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use serde_json::{Value, json};
use tidegate_api::{POD_TEMPLATE_HASH, ROLLOUT_LABEL, ROLLOUT_UID_LABEL};

use super::{Deployment, Ownership, ReplicaSet, ReplicaSetSpec, ReplicaSetStatus, template};

/// The ReplicaSet that holds `asked`, a template of `deployment`, as the revision `hash`, with `replicas` pods.
///
/// Its pods carry the labels that the user gave them and `pod-template-hash`, which keeps the selectors of two
/// revisions apart.
#[must_use]
pub fn new_replica_set(
    deployment: &Deployment,
    asked: &Value,
    name: &str,
    hash: &str,
    replicas: i32,
    owner: Ownership,
) -> ReplicaSet {
    let mut selector = deployment.spec.selector.clone();
    selector.match_labels.get_or_insert_default().insert(POD_TEMPLATE_HASH.to_owned(), hash.to_owned());
    ReplicaSet {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: deployment.metadata.namespace.clone(),
            labels: Some(owner.revision_labels(hash)),
            owner_references: Some(owner.references),
            ..ObjectMeta::default()
        },
        spec: ReplicaSetSpec {
            min_ready_seconds: deployment.spec.min_ready_seconds,
            replicas: Some(replicas),
            selector,
            template: template::with_hash(asked, hash),
        },
        status: ReplicaSetStatus::default(),
    }
}

/// The merge patch that gives `set` to a Rollout: its owner, and labels by which no Deployment takes it back.
#[must_use]
pub fn taking_over(set: &ReplicaSet, owner: &Ownership) -> Value {
    let labels = owner.revision_labels(set.revision());
    json!({"metadata": {"ownerReferences": owner.references, "labels": relabelling(set, &labels)}})
}

/// The merge patch that lets `set` go: no owner, and the labels by which its Deployment finds it. Those that say whose
/// it was stay until the Deployment has it.
#[must_use]
pub fn letting_go(set: &ReplicaSet) -> Value {
    let mut labels = labels_of(&set.spec.template);
    let own = set.metadata.labels.iter().flatten().filter(|(key, _)| is_own(key));
    labels.extend(own.map(|(key, value)| (key.clone(), value.clone())));
    json!({"metadata": {"ownerReferences": null, "labels": relabelling(set, &labels)}})
}

/// The merge patch that takes the last trace of a Rollout off `set`.
#[must_use]
pub fn forgetting(set: &ReplicaSet) -> Value {
    json!({"metadata": {"labels": relabelling(set, &labels_of(&set.spec.template))}})
}

/// Whether `set` carries the labels by which its Deployment finds it.
#[must_use]
pub fn is_let_go(set: &ReplicaSet) -> bool {
    let labels = set.metadata.labels.clone().unwrap_or_default();
    set.metadata.owner_references.as_ref().is_none_or(Vec::is_empty)
        && labels_of(&set.spec.template).iter().all(|(key, value)| labels.get(key) == Some(value))
}

fn is_own(label: &str) -> bool {
    label == ROLLOUT_LABEL || label == ROLLOUT_UID_LABEL
}

/// The merge patch that turns the labels of `set` into `wanted`.
fn relabelling(set: &ReplicaSet, wanted: &BTreeMap<String, String>) -> Value {
    template::replacing(&json!(set.metadata.labels.clone().unwrap_or_default()), &json!(wanted))
}

fn labels_of(template: &Value) -> BTreeMap<String, String> {
    let labels = template.pointer("/metadata/labels").cloned().unwrap_or_else(|| json!({}));
    serde_json::from_value(labels).unwrap_or_default()
}

/// Whether the selector of a Service (plain labels) finds the pods of a template.
#[must_use]
pub fn selects(selector: &BTreeMap<String, String>, template: &Value) -> bool {
    let labels = labels_of(template);
    !selector.is_empty() && selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// A label selector in its string form, such as `app=checkout,pod-template-hash=7f9c6b54d`.
#[must_use]
pub fn selector_string(selector: &LabelSelector) -> String {
    let labels = selector.match_labels.iter().flatten();
    labels.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}
