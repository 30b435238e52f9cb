//! Rolling updates: never more pods than `maxSurge` allows, never fewer available than `maxUnavailable` does.

use tidegate_apiserver::Refusal;

use super::{Revisions, history};
use crate::controllers::{
    ReconcileContext,
    cache::{Deployment, Strategy},
};

/// One step: the new ReplicaSet up, or else the old ones down.
pub(super) fn step(
    context: &mut ReconcileContext<'_>,
    deployment: &Deployment,
    revisions: &mut Revisions,
) -> Result<(), Refusal> {
    revisions.number(context, deployment)?;
    revisions.create(context, deployment)?;
    let current = revisions.new.as_ref().map_or(0, |set| set.replicas);
    let wanted = room_for_new(deployment, revisions.asked(), current);
    if revisions.scale_new(context, deployment, wanted)? {
        return Ok(());
    }
    if scale_down(context, deployment, revisions)? {
        return Ok(());
    }
    history::clean_up_when_complete(context, deployment, revisions)
}

/// How many pods the new ReplicaSet should have, where all together have `total` and it has `current`.
pub(super) fn room_for_new(deployment: &Deployment, total: i32, current: i32) -> i32 {
    match deployment.strategy {
        Strategy::RollingUpdate { max_surge, .. } if current < deployment.replicas => {
            let room = deployment.replicas.saturating_add(max_surge).saturating_sub(total);
            current.saturating_add(room.max(0)).min(deployment.replicas)
        }
        _ => deployment.replicas,
    }
}

/// Takes pods from the old ReplicaSets: first those that are not available, then as many as can be missed.
fn scale_down(
    context: &ReconcileContext<'_>,
    deployment: &Deployment,
    revisions: &mut Revisions,
) -> Result<bool, Refusal> {
    if revisions.old.iter().all(|set| set.replicas == 0) {
        return Ok(false);
    }
    let needed = deployment.replicas - deployment.max_unavailable();
    let starting = revisions.new.as_ref().map_or(0, |set| set.replicas - set.seen.available);
    let most = revisions.asked() - needed - starting;
    if most <= 0 {
        return Ok(false);
    }
    // A status that knows of more pods than are asked for is behind: what it counts is about to go.
    if revisions.old.iter().any(|set| set.is_active() && set.seen.available > set.replicas) {
        return Ok(false);
    }
    let mut gone = 0;
    for place in 0..revisions.old.len() {
        let Some(set) = revisions.old.get(place) else { break };
        let unhealthy = (set.replicas - set.seen.available).clamp(0, (most - gone).max(0));
        gone += unhealthy;
        let rest = set.replicas - unhealthy;
        revisions.scale_old(context, deployment, place, rest)?;
    }
    let mut spare = revisions.available() - needed;
    for place in 0..revisions.old.len() {
        let Some(set) = revisions.old.get(place) else { break };
        let missed = set.replicas.min(spare).max(0);
        spare -= missed;
        gone += missed;
        let rest = set.replicas - missed;
        revisions.scale_old(context, deployment, place, rest)?;
    }
    Ok(gone > 0)
}
