//! The Job controller: runs pods until enough of them have succeeded, or too many have failed. One after another, as a Job
//! runs them that asks for nothing else.
//!
//! <https://kubernetes.io/docs/concepts/workloads/controllers/job/>

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use serde_json::{Value, json};
use tidegate_apiserver::{Object, Refusal};

use super::{
    ReconcileContext,
    cache::{Key, Pod},
    queue::Task,
    reconcile_context::later,
};

/// Its field manager.
pub(super) const MANAGER: &str = "job-controller";

/// How many pods may fail where the Job does not say.
const BACKOFF_LIMIT: i64 = 6;

/// The pause after the first pod that failed; each one more doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(10);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_mins(6);

/// A Job and its pods.
struct Run<'a> {
    key: &'a Key,
    job: &'a Value,
    active: Vec<Arc<Pod>>,
    succeeded: i64,
    failed: i64,
    /// When the last of its pods failed.
    last_failure: Option<Timestamp>,
    started: Timestamp,
}

/// Looks at one Job.
pub(super) fn sync(context: &mut ReconcileContext<'_>, key: &Key) -> Result<(), Refusal> {
    let Some(whole) = context.whole("jobs", key) else { return Ok(()) };
    if whole.is_deleting() || has_ended(whole.value()) {
        return Ok(());
    }
    let run = Run::of(context, key, &whole);
    let spec = &whole.value()["spec"];
    let deadline = spec["activeDeadlineSeconds"].as_u64().map(|span| later(run.started, Duration::from_secs(span)));
    if spec["suspend"] == true {
        run.stop(context)?;
        return run.report(context, None);
    }
    if run.succeeded >= spec["completions"].as_i64().unwrap_or(1) {
        return run.report(context, Some(json!({"type": "Complete", "reason": "CompletionsReached"})));
    }
    if run.failed > spec["backoffLimit"].as_i64().unwrap_or(BACKOFF_LIMIT) {
        let message = "Job has reached the specified backoff limit";
        return run
            .report(context, Some(json!({"type": "Failed", "reason": "BackoffLimitExceeded", "message": message})));
    }
    if deadline.is_some_and(|deadline| deadline <= context.now) {
        run.stop(context)?;
        let message = "Job was active longer than specified deadline";
        return run.report(context, Some(json!({"type": "Failed", "reason": "DeadlineExceeded", "message": message})));
    }
    if let Some(deadline) = deadline {
        context.queue.at(deadline, Task::Job(key.clone()));
    }
    run.go_on(context)?;
    run.report(context, None)
}

fn has_ended(job: &Value) -> bool {
    let conditions = job["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().any(|condition| ["Complete", "Failed"].iter().any(|kind| condition["type"] == *kind))
}

impl<'a> Run<'a> {
    fn of(context: &ReconcileContext<'_>, key: &'a Key, whole: &'a Arc<Object>) -> Self {
        let job = whole.value();
        let started = job["status"]["startTime"].as_str().and_then(|at| at.parse().ok()).unwrap_or(context.now);
        let mut run = Self { key, job, active: Vec::new(), succeeded: 0, failed: 0, last_failure: None, started };
        for pod in context.cache.pods.owned_by(whole.uid()) {
            if pod.is_active() {
                run.active.push(pod.clone());
                continue;
            }
            let Some(pod) = context.whole("pods", &pod.meta.key) else { continue };
            let status = &pod.value()["status"];
            if status["phase"] == "Succeeded" {
                run.succeeded += 1;
            } else {
                run.failed += 1;
                let ended = status["containerStatuses"][0]["state"]["terminated"]["finishedAt"].as_str();
                run.last_failure = run.last_failure.max(ended.and_then(|at| at.parse().ok()));
            }
        }
        run
    }

    /// Starts the next pod, unless one runs; after one that failed with a pause.
    fn go_on(&self, context: &mut ReconcileContext<'_>) -> Result<(), Refusal> {
        if !self.active.is_empty() || self.job["spec"]["parallelism"] == 0 {
            return Ok(());
        }
        let doublings = u32::try_from(self.failed - 1).unwrap_or(0).min(10);
        let pause = FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
        let due = self.last_failure.map_or(context.now, |failure| later(failure, pause));
        if due > context.now {
            context.queue.at(due, Task::Job(self.key.clone()));
            return Ok(());
        }
        context.api.create(self.pod(), MANAGER).map(drop)
    }

    fn pod(&self) -> Value {
        let template = &self.job["spec"]["template"];
        let (name, uid) = (self.key.name(), &self.job["metadata"]["uid"]);
        let mut labels = template["metadata"]["labels"].as_object().cloned().unwrap_or_default();
        for (key, value) in [("job-name", json!(name)), ("controller-uid", uid.clone())] {
            labels.insert(format!("batch.kubernetes.io/{key}"), value.clone());
            labels.insert(key.to_owned(), value);
        }
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "generateName": format!("{name}-"), "namespace": self.key.namespace(), "labels": labels,
                "annotations": template["metadata"]["annotations"],
                "ownerReferences": [{
                    "apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": uid, "controller": true,
                    "blockOwnerDeletion": true,
                }],
            },
            "spec": template["spec"], "status": {"phase": "Pending"},
        })
    }

    /// Takes its pods away.
    fn stop(&self, context: &ReconcileContext<'_>) -> Result<(), Refusal> {
        for pod in &self.active {
            context.api.delete("pods", pod.meta.key.namespace(), pod.meta.key.name(), MANAGER)?;
        }
        Ok(())
    }

    /// Says how it stands, and with a condition that it has ended.
    fn report(&self, context: &ReconcileContext<'_>, ended: Option<Value>) -> Result<(), Refusal> {
        let now = context.stamp();
        let mut status = json!({
            "startTime": self.job["status"]["startTime"].as_str().unwrap_or(&now),
            "active": if ended.is_some() { 0 } else { self.active.len() },
            "succeeded": self.succeeded, "failed": self.failed,
        });
        if let Some(mut condition) = ended {
            for (key, value) in [("status", "True"), ("lastProbeTime", &now), ("lastTransitionTime", &now)] {
                condition[key] = json!(value);
            }
            if condition["type"] == "Complete" {
                status["completionTime"] = json!(now);
            }
            status["conditions"] = json!([condition]);
        }
        if self.job["status"].as_object() == status.as_object() {
            return Ok(());
        }
        context.merge_status("jobs", self.key, json!({"status": status}), MANAGER)
    }
}
