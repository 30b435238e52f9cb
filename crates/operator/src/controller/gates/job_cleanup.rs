//! Deletes the Jobs of gates whose answer is not needed any more: when a rollout is over, but for one that failed, which
//! stays to be read until the next.

use std::{collections::BTreeSet, time::Duration};

use k8s_openapi::api::batch::v1::Job;
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, Preconditions},
};
use tidegate_api::{Causes, GateState, Phase, ROLLOUT_UID_LABEL, Rollout};

use super::{job_object, question::question};
use crate::controller::{CallError, leader::Leadership};

/// After an error, or where a Job stayed that is not needed, it is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(30);

/// The names of the Jobs of a Rollout that are still needed, by its status.
pub(super) fn needed(rollout: &Rollout) -> BTreeSet<String> {
    let Some(status) = &rollout.status else { return BTreeSet::new() };
    let is_under_way = matches!(status.phase, Phase::Progressing | Phase::Held);
    let known = status.gates.iter().filter(|known| is_under_way || known.state != GateState::Passed);
    let asked = known.filter_map(|known| {
        let gate = rollout.spec.all_gates().find(|gate| gate.name == known.name && gate.job.is_some())?;
        Some(job_object::name(&question(rollout, gate, known)))
    });
    asked.collect()
}

/// Whether a Rollout has Jobs, or may have some.
pub(super) fn may_have_jobs(rollout: &Rollout) -> bool {
    rollout.spec.all_gates().any(|gate| gate.job.is_some())
}

/// Deletes what is not needed, by the Rollout as it is read after the list: one that was made meanwhile is. Goes on until only
/// what this Rollout needs is there, or something else is wanted: nothing else would come back to it. An answer of the API
/// server that is older than this Rollout keeps too much.
pub(super) async fn tidy(
    client: Client,
    leadership: Leadership,
    rollout: &Rollout,
    needed: &BTreeSet<String>,
    is_wanted: impl Fn() -> bool,
) {
    while is_wanted() {
        match delete_unneeded(&client, &leadership, rollout).await {
            Ok(kept) if kept.is_subset(needed) => return,
            Ok(_) => {}
            // Who may not list Jobs could make none.
            Err(kube::Error::Api(status)) if status.is_forbidden() => return,
            Err(error) => {
                let why = CallError::from(error);
                tracing::warn!(rollout = %rollout.name_any(), "the Jobs of its gates cannot be tidied: {}", Causes(&why));
            }
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

/// The names of those that stay.
async fn delete_unneeded(
    client: &Client,
    leadership: &Leadership,
    rollout: &Rollout,
) -> kube::Result<BTreeSet<String>> {
    let (namespace, uid) = (rollout.namespace().unwrap_or_default(), rollout.uid().unwrap_or_default());
    let jobs: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &ApiResource::erase::<Job>(&()));
    let own = ListParams::default().labels(&format!("{ROLLOUT_UID_LABEL}={uid}"));
    let found = jobs.list_metadata(&own).await?;
    let rollouts: Api<Rollout> = Api::namespaced(client.clone(), &namespace);
    let Some(live) = rollouts.get_opt(&rollout.name_any()).await? else { return Ok(BTreeSet::new()) };
    let needed = needed(&live);
    let (kept, unneeded): (Vec<_>, Vec<_>) = found.items.iter().partition(|job| needed.contains(&job.name_any()));
    for job in unneeded {
        if !leadership.is_leader() {
            return Ok(BTreeSet::new());
        }
        let preconditions = Preconditions { uid: job.metadata.uid.clone(), ..Preconditions::default() };
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::background() };
        match jobs.delete(&job.name_any(), &params).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            deleted => drop(deleted?),
        }
        tracing::info!(rollout = %format!("{namespace}/{}", live.name_any()), "delete Job {}", job.name_any());
    }
    Ok(kept.into_iter().map(ResourceExt::name_any).collect())
}
