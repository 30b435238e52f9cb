//! The ReplicaSet of a new revision.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use serde_json::{Value, json};

use super::{Deployment, ReplicaSet, ReplicaSetSpec, ReplicaSetStatus, template};
use crate::api::{POD_TEMPLATE_HASH, ROLLOUT_LABEL};

/// The ReplicaSet that holds `deployment`'s current template as the revision `hash`, with `replicas` pods.
///
/// Its pods carry the labels that the user gave them and `pod-template-hash`, which keeps the selectors of two
/// revisions apart.
#[must_use]
pub fn new_replica_set(
    deployment: &Deployment,
    name: &str,
    hash: &str,
    replicas: i32,
    owner: OwnerReference,
) -> ReplicaSet {
    let mut selector = deployment.spec.selector.clone();
    selector.match_labels.get_or_insert_default().insert(POD_TEMPLATE_HASH.to_owned(), hash.to_owned());
    let pod_template = template::with_hash(&deployment.spec.template, hash);
    let mut labels = labels_of(&pod_template);
    if let Some(rollout) = Some(owner.name.clone()).filter(|name| name.len() <= 63) {
        labels.insert(ROLLOUT_LABEL.to_owned(), rollout);
    }
    ReplicaSet {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: deployment.metadata.namespace.clone(),
            labels: Some(labels),
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        spec: ReplicaSetSpec { replicas: Some(replicas), selector, template: pod_template },
        status: ReplicaSetStatus::default(),
    }
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
