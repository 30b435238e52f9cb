//! ReplicaSets.

use std::fmt::Write;

use serde_json::Value;
use tidegate_api::{POD_TEMPLATE_HASH, metadata::OWN_PREFIX};
use tidegate_planner::workload::template;

use super::{
    Cached,
    meta::{Meta, count, labels, text},
    pod::condition,
    selector::Selector,
};

/// A ReplicaSet.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::controllers) struct ReplicaSet {
    pub meta: Meta,
    pub selector: Selector,
    /// The labels that its pods are given.
    pub pod_labels: super::Labels,
    /// What tells its template from others.
    pub template: String,
    pub replicas: i32,
    pub min_ready_seconds: i32,
    /// Its status.
    pub seen: Status,
    /// The annotations in which the Deployment controller keeps what it knows of it.
    pub revision: i64,
    pub desired: Option<i32>,
    pub maximum: Option<i32>,
    /// The condition `ReplicaFailure`, where it is true.
    pub failure: Option<Value>,
}

/// What the status of a ReplicaSet says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::controllers) struct Status {
    pub observed_generation: i64,
    pub replicas: i32,
    pub fully_labelled: i32,
    pub ready: i32,
    pub available: i32,
}

/// The annotation with the number of a ReplicaSet in its Deployment's history.
pub(in crate::controllers) const REVISION: &str = "deployment.kubernetes.io/revision";
/// The annotation with the count that the Deployment asked for when it last scaled the ReplicaSet.
pub(in crate::controllers) const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
/// The annotation with the largest count of pods that the Deployment allowed then.
pub(in crate::controllers) const MAXIMUM: &str = "deployment.kubernetes.io/max-replicas";

impl ReplicaSet {
    /// Whether it has or wants pods.
    pub(in crate::controllers) fn is_active(&self) -> bool {
        self.replicas > 0
    }
}

impl Cached for ReplicaSet {
    fn read(meta: Meta, object: &Value, before: Option<&Self>) -> Self {
        let (spec, status) = (&object["spec"], &object["status"]);
        // Selector and template are dear to read, and change only with the generation.
        let known = before.filter(|before| before.meta.uid == meta.uid && before.meta.generation == meta.generation);
        let annotation = |name: &str| object["metadata"]["annotations"][name].as_str()?.parse::<i64>().ok();
        let counted = |name: &str| annotation(name).and_then(|count| i32::try_from(count).ok());
        let number = |field: &str| count(&status[field]).unwrap_or(0);
        Self {
            selector: known.map_or_else(|| Selector::read(&spec["selector"]), |known| known.selector.clone()),
            pod_labels: known
                .map_or_else(|| labels(&spec["template"]["metadata"]["labels"]), |known| known.pod_labels.clone()),
            template: known.map_or_else(|| fingerprint(&spec["template"]), |known| known.template.clone()),
            replicas: count(&spec["replicas"]).unwrap_or(1),
            min_ready_seconds: count(&spec["minReadySeconds"]).unwrap_or(0),
            seen: Status {
                observed_generation: status["observedGeneration"].as_i64().unwrap_or(0),
                replicas: number("replicas"),
                fully_labelled: number("fullyLabeledReplicas"),
                ready: number("readyReplicas"),
                available: number("availableReplicas"),
            },
            revision: annotation(REVISION).unwrap_or(0),
            desired: counted(DESIRED),
            maximum: counted(MAXIMUM),
            failure: condition(status, "ReplicaFailure").filter(|failure| failure["status"] == "True").cloned(),
            meta,
        }
    }

    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn selector(&self) -> Option<&Selector> {
        Some(&self.selector)
    }
}

/// What two templates have in common exactly when they mean the same pods, as Kubernetes compares them: everything but
/// the label `pod-template-hash`.
pub(in crate::controllers) fn fingerprint(template: &Value) -> String {
    let mut print = template::hash(template, 0);
    // That hash leaves out what belongs to Tidegate, which is as good as any other label here.
    for kind in ["labels", "annotations"] {
        for (key, value) in template["metadata"][kind].as_object().into_iter().flatten() {
            if key.starts_with(OWN_PREFIX) && key != POD_TEMPLATE_HASH {
                let _ = write!(print, " {kind}/{key}={}", text(value));
            }
        }
    }
    print
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_hash_does_not_count_as_a_part_of_a_template() {
        let template = |labels: Value| json!({"metadata": {"labels": labels}, "spec": {"containers": []}});
        let plain = fingerprint(&template(json!({"app": "checkout"})));
        assert_eq!(plain, fingerprint(&template(json!({"app": "checkout", "pod-template-hash": "x"}))));
        assert_ne!(plain, fingerprint(&template(json!({"app": "checkout", "tidegate.dev/x": "y"}))));
        assert_ne!(plain, fingerprint(&template(json!({"app": "basket"}))));
    }
}
