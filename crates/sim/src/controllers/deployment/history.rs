//! Old ReplicaSets without pods: kept for a while, to go back to.

use tidegate_apiserver::Refusal;

use super::{MANAGER, Revisions, status};
use crate::controllers::{ReconcileContext, cache::Deployment};

/// Removes the oldest ReplicaSets above `revisionHistoryLimit` when every pod is of the new template.
pub(super) fn clean_up_when_complete(
    context: &ReconcileContext<'_>,
    deployment: &Deployment,
    revisions: &Revisions,
) -> Result<(), Refusal> {
    if status::is_complete(deployment, revisions) { clean_up(context, deployment, revisions) } else { Ok(()) }
}

/// Removes the oldest ReplicaSets above `revisionHistoryLimit`.
pub(super) fn clean_up(
    context: &ReconcileContext<'_>,
    deployment: &Deployment,
    revisions: &Revisions,
) -> Result<(), Refusal> {
    let mut old: Vec<_> = revisions.old.iter().filter(|set| !set.meta.deleting).collect();
    old.sort_by_key(|set| set.revision);
    let limit = usize::try_from(deployment.history_limit).unwrap_or(usize::MAX);
    let surplus = old.len().saturating_sub(limit);
    let rests = |set: &&&std::sync::Arc<_>| -> bool {
        let set: &crate::controllers::cache::ReplicaSet = set;
        set.replicas == 0 && set.seen.replicas == 0 && set.seen.observed_generation >= set.meta.generation
    };
    for set in old.iter().take(surplus).filter(rests) {
        context.api.delete("replicasets", set.meta.key.namespace(), set.meta.key.name(), MANAGER)?;
    }
    Ok(())
}
