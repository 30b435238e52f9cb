//! The kinds that make pods.

use serde_json::{Map, Value, json};

use super::{pod, set, within};

fn template(spec: &mut Map<String, Value>) {
    if let Some(spec) = within(spec, "template").and_then(|template| within(template, "spec")) {
        pod::spec(spec);
    }
}

/// Fills in the spec of a Deployment.
pub(super) fn deployment(spec: &mut Map<String, Value>) {
    set(spec, "replicas", 1);
    set(spec, "revisionHistoryLimit", 10);
    set(spec, "progressDeadlineSeconds", 600);
    set(spec, "strategy", json!({}));
    if let Some(strategy) = within(spec, "strategy") {
        set(strategy, "type", "RollingUpdate");
        if strategy.get("type").and_then(Value::as_str) == Some("RollingUpdate") {
            set(strategy, "rollingUpdate", json!({}));
        }
        if let Some(rolling) = within(strategy, "rollingUpdate") {
            set(rolling, "maxSurge", "25%");
            set(rolling, "maxUnavailable", "25%");
        }
    }
    template(spec);
}

/// Fills in the spec of a ReplicaSet.
pub(super) fn replica_set(spec: &mut Map<String, Value>) {
    set(spec, "replicas", 1);
    template(spec);
}

/// Fills in the spec of a `StatefulSet`.
pub(super) fn stateful_set(spec: &mut Map<String, Value>) {
    set(spec, "replicas", 1);
    set(spec, "revisionHistoryLimit", 10);
    set(spec, "podManagementPolicy", "OrderedReady");
    set(spec, "persistentVolumeClaimRetentionPolicy", json!({"whenDeleted": "Retain", "whenScaled": "Retain"}));
    set(spec, "updateStrategy", json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}));
    template(spec);
}

/// Fills in the spec of a `DaemonSet`.
pub(super) fn daemon_set(spec: &mut Map<String, Value>) {
    set(spec, "revisionHistoryLimit", 10);
    let rolling = json!({"maxSurge": 0, "maxUnavailable": 1});
    set(spec, "updateStrategy", json!({"type": "RollingUpdate", "rollingUpdate": rolling}));
    template(spec);
}

/// Fills in the spec of a Job.
pub(super) fn job(spec: &mut Map<String, Value>) {
    set(spec, "parallelism", 1);
    set(spec, "completions", 1);
    set(spec, "backoffLimit", 6);
    set(spec, "completionMode", "NonIndexed");
    set(spec, "suspend", false);
    set(spec, "manualSelector", false);
    template(spec);
}
