//! What the ReplicaSet controller reports.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use serde_json::{Value, json};
use tidegate_apiserver::Refusal;

use super::MANAGER;
use crate::controllers::{
    ReconcileContext,
    cache::{Pod, ReplicaSet, Status},
    queue::Task,
    reconcile_context::later,
};

/// Writes the status, if it says anything new; comes back when a pod will have been ready for long enough.
pub(super) fn report(
    context: &mut ReconcileContext<'_>,
    set: &ReplicaSet,
    pods: &[Arc<Pod>],
    failure: Option<(&str, &Refusal)>,
) -> Result<(), Refusal> {
    let patience = Duration::from_secs(u64::try_from(set.min_ready_seconds).unwrap_or(0));
    let available_at = |pod: &Arc<Pod>| match pod.ready_since.parse::<Timestamp>() {
        _ if patience.is_zero() => context.now,
        Ok(since) => later(since, patience),
        Err(_) => Timestamp::MAX,
    };
    let labelled = |pod: &&Arc<Pod>| set.pod_labels.iter().all(|(key, value)| pod.meta.labels.get(key) == Some(value));
    let ready: Vec<Timestamp> = pods.iter().filter(|pod| pod.ready).map(available_at).collect();
    let counts = Status {
        observed_generation: set.meta.generation,
        replicas: length(pods.len()),
        fully_labelled: length(pods.iter().filter(labelled).count()),
        ready: length(ready.len()),
        available: length(ready.iter().filter(|time| **time <= context.now).count()),
    };
    if let Some(next) = ready.into_iter().filter(|time| *time > context.now && *time < Timestamp::MAX).min() {
        context.queue.at(next, Task::ReplicaSet(set.meta.key.clone()));
    }
    let told = set.failure.as_ref().map(|failure| failure["reason"].as_str().unwrap_or_default());
    if counts == set.seen && failure.map(|(what, _)| what) == told {
        return Ok(());
    }
    let patch = json!({"status": {
        "observedGeneration": counts.observed_generation,
        "replicas": counts.replicas,
        "fullyLabeledReplicas": unless_none(counts.fully_labelled),
        "readyReplicas": unless_none(counts.ready),
        "availableReplicas": unless_none(counts.available),
        "conditions": conditions(context, set, failure),
    }});
    context.merge_status("replicasets", &set.meta.key, patch, MANAGER)
}

/// Counts that are 0 are left out, as in the real API.
fn unless_none(count: i32) -> Value {
    if count == 0 { Value::Null } else { count.into() }
}

fn length(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn conditions(context: &ReconcileContext<'_>, set: &ReplicaSet, failure: Option<(&str, &Refusal)>) -> Value {
    let Some((what, refusal)) = failure else { return Value::Null };
    match &set.failure {
        Some(told) if told["reason"] == what => json!([told]),
        _ => json!([{
            "type": "ReplicaFailure", "status": "True", "reason": what, "message": refusal.message,
            "lastTransitionTime": context.stamp(),
        }]),
    }
}
