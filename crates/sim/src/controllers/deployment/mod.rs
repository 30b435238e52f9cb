//! The Deployment controller.
//!
//! Its rules are those of Kubernetes, as far as anybody can see them from outside:
//! <https://kubernetes.io/docs/concepts/workloads/controllers/deployment/>.

mod conditions;
mod history;
mod revisions;
mod rolling;
mod scaling;
mod status;

use serde_json::json;
use tidegate_apiserver::Refusal;

use self::{revisions::Revisions, status::Progress};
use super::{
    ReconcileContext,
    cache::{Deployment, Key, Strategy},
    claim::Claimant,
};

/// Its field manager.
pub(super) const MANAGER: &str = "deployment-controller";

/// Looks at one Deployment.
pub(super) fn sync(context: &mut ReconcileContext<'_>, key: &Key) -> Result<(), Refusal> {
    let Some(deployment) = context.cache.deployments.get(key).cloned() else { return Ok(()) };
    let deployment = deployment.as_ref();
    if deployment.selector.is_empty() {
        return Ok(());
    }
    let sets = claimant(deployment).claim(context, &context.cache.replica_sets, "replicasets")?;
    let mut revisions = Revisions::new(deployment, sets);
    if deployment.meta.deleting {
        return status::report(context, deployment, &revisions, Progress::Left);
    }
    if deployment.paused || scaling::is_due(deployment, &revisions) {
        revisions.number(context, deployment)?;
        scaling::scale(context, deployment, &mut revisions)?;
        if deployment.paused {
            history::clean_up(context, deployment, &revisions)?;
        }
        return status::report(context, deployment, &revisions, Progress::Left);
    }
    match deployment.strategy {
        Strategy::Recreate => recreate(context, deployment, &mut revisions)?,
        Strategy::RollingUpdate { .. } => rolling::step(context, deployment, &mut revisions)?,
    }
    status::report(context, deployment, &revisions, Progress::Judged)
}

fn claimant(deployment: &Deployment) -> Claimant<'_> {
    Claimant {
        meta: &deployment.meta,
        api_version: "apps/v1",
        kind: "Deployment",
        selector: &deployment.selector,
        manager: MANAGER,
    }
}

/// The old pods go, and only when the last of them is gone come the new ones.
fn recreate(
    context: &mut ReconcileContext<'_>,
    deployment: &Deployment,
    revisions: &mut Revisions,
) -> Result<(), Refusal> {
    revisions.number(context, deployment)?;
    let mut scaled_down = false;
    for place in 0..revisions.old.len() {
        scaled_down |= revisions.scale_old(context, deployment, place, 0)?;
    }
    let has_pods = |uid: &str| context.cache.pods.owned_by(uid).any(|pod| pod.phase != super::cache::Phase::Ended);
    if scaled_down || revisions.old.iter().any(|set| has_pods(&set.meta.uid)) {
        return Ok(());
    }
    revisions.create(context, deployment)?;
    revisions.scale_new(context, deployment, deployment.replicas)?;
    history::clean_up_when_complete(context, deployment, revisions)
}

/// Writes the count of a ReplicaSet, with what the Deployment asked for as it did so.
fn scale(context: &ReconcileContext<'_>, deployment: &Deployment, set: &Key, replicas: i32) -> Result<(), Refusal> {
    let patch = json!({
        "metadata": {"annotations": revisions::size_annotations(deployment)}, "spec": {"replicas": replicas},
    });
    context.merge("replicasets", set, patch, MANAGER)
}
