//! What the Deployment controller reports.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tidegate_apiserver::Refusal;
use tidegate_planner::workload::template;

use super::{MANAGER, Revisions, conditions::Conditions};
use crate::controllers::{ReconcileContext, cache::Deployment, queue::Task, reconcile_context::later};

/// Whether a report says how the rollout gets on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// It does.
    Judged,
    /// It does not: nothing is being rolled out.
    Left,
}

/// The counts of a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counts {
    replicas: i32,
    updated: i32,
    ready: i32,
    available: i32,
    unavailable: i32,
}

impl Counts {
    fn of(revisions: &Revisions) -> Self {
        let available = revisions.available();
        Self {
            replicas: revisions.all().map(|set| set.seen.replicas).sum(),
            updated: revisions.new.as_ref().map_or(0, |set| set.seen.replicas),
            ready: revisions.all().map(|set| set.seen.ready).sum(),
            available,
            unavailable: (revisions.asked() - available).max(0),
        }
    }

    fn are_complete(self, deployment: &Deployment) -> bool {
        let wanted = deployment.replicas;
        self.updated == wanted && self.replicas == wanted && self.available == wanted
    }

    /// Whether anything moved in the right direction since the last report.
    fn progress_from(self, status: &Value) -> bool {
        let before = |field: &str| status[field].as_i64().and_then(|count| i32::try_from(count).ok()).unwrap_or(0);
        self.updated > before("updatedReplicas")
            || self.replicas - self.updated < before("replicas") - before("updatedReplicas")
            || self.ready > before("readyReplicas")
            || self.available > before("availableReplicas")
    }
}

/// Whether every pod is of the new template, and available.
pub(super) fn is_complete(deployment: &Deployment, revisions: &Revisions) -> bool {
    let observed = deployment.status["observedGeneration"].as_i64().unwrap_or(0);
    Counts::of(revisions).are_complete(deployment) && observed >= deployment.meta.generation
}

/// Writes the status, if it says anything new.
pub(super) fn report(
    context: &mut ReconcileContext<'_>,
    deployment: &Deployment,
    revisions: &Revisions,
    progress: Progress,
) -> Result<(), Refusal> {
    let counts = Counts::of(revisions);
    let mut conditions = Conditions::of(deployment, context.now);
    tell_pause(deployment, &mut conditions);
    if counts.available >= deployment.replicas - deployment.max_unavailable() {
        let message = "Deployment has minimum availability.";
        conditions.set("Available", "True", "MinimumReplicasAvailable", message);
    } else {
        let message = "Deployment does not have minimum availability.";
        conditions.set("Available", "False", "MinimumReplicasUnavailable", message);
    }
    if progress == Progress::Judged {
        tell_progress(context, deployment, revisions, counts, &mut conditions);
        match revisions.new.iter().chain(&revisions.old).find_map(|set| set.failure.as_ref()) {
            Some(failure) => {
                let text = |field: &str| failure[field].as_str().unwrap_or_default().to_owned();
                conditions.set("ReplicaFailure", "True", &text("reason"), &text("message"));
            }
            None => conditions.remove("ReplicaFailure"),
        }
    }
    let status = status(deployment, counts, conditions.into_value());
    if status == deployment.status {
        return Ok(());
    }
    let patch = json!({"status": template::replacing(&deployment.status, &status)});
    context.merge_status("deployments", &deployment.meta.key, patch, MANAGER)
}

/// Counts that are 0 are left out, as in the real API.
fn status(deployment: &Deployment, counts: Counts, conditions: Value) -> Value {
    let fields = [
        ("observedGeneration", deployment.meta.generation),
        ("replicas", counts.replicas.into()),
        ("updatedReplicas", counts.updated.into()),
        ("readyReplicas", counts.ready.into()),
        ("availableReplicas", counts.available.into()),
        ("unavailableReplicas", counts.unavailable.into()),
        ("collisionCount", deployment.collisions.into()),
    ];
    let fields = fields.into_iter().filter(|(_, count)| *count != 0);
    let mut status: Map<String, Value> = fields.map(|(field, count)| (field.to_owned(), count.into())).collect();
    status.insert("conditions".to_owned(), conditions);
    Value::Object(status)
}

/// Pausing stops the clock of the progress deadline.
fn tell_pause(deployment: &Deployment, conditions: &mut Conditions) {
    if deployment.progress_deadline.is_none() || conditions.reason("Progressing") == "ProgressDeadlineExceeded" {
        return;
    }
    let told = conditions.reason("Progressing") == "DeploymentPaused";
    if deployment.paused && !told {
        conditions.set("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused");
    } else if !deployment.paused && told {
        conditions.set("Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed");
    }
}

fn tell_progress(
    context: &mut ReconcileContext<'_>,
    deployment: &Deployment,
    revisions: &Revisions,
    counts: Counts,
    conditions: &mut Conditions,
) {
    let Some(deadline) = deployment.progress_deadline else { return conditions.remove("Progressing") };
    let settled = conditions.reason("Progressing") == "NewReplicaSetAvailable" && counts.replicas == counts.updated;
    if settled {
        return;
    }
    let name = revisions.new.as_ref().map_or("", |set| set.meta.key.name());
    if counts.are_complete(deployment) {
        let message = format!("ReplicaSet \"{name}\" has successfully progressed.");
        return conditions.set("Progressing", "True", "NewReplicaSetAvailable", &message);
    }
    if counts.progress_from(&deployment.status) || conditions.get("Progressing").is_none() {
        let message = format!("ReplicaSet \"{name}\" is progressing.");
        conditions.renew("Progressing", "True", "ReplicaSetUpdated", &message);
    }
    let Some(updated) = conditions.updated("Progressing") else { return };
    let due = later(updated, Duration::from_secs(u64::try_from(deadline).unwrap_or(0)));
    if conditions.reason("Progressing") == "ProgressDeadlineExceeded" {
    } else if context.now > due {
        let message = format!("ReplicaSet \"{name}\" has timed out progressing.");
        conditions.set("Progressing", "False", "ProgressDeadlineExceeded", &message);
    } else {
        context.queue.at(later(due, Duration::from_secs(1)), Task::Deployment(deployment.meta.key.clone()));
    }
}
