//! What the Deployment keeps for a Rollout that is gone: told by its labels, its owners, and there being no such Rollout.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Resource, ResourceExt};
use tidegate_api::{ROLLOUT_LABEL, Rollout};
use tidegate_planner::workload::{Deployment, ReplicaSet, ownership};

use super::{Context, caches::Caches};

/// The group of the ReplicaSets that the Deployment of that UID keeps, and that no object controls: the garbage collector
/// took off the reference to a Rollout that is gone.
pub fn kept_by(deployment: &str) -> String {
    format!("kept/{deployment}")
}

/// The groups in which a ReplicaSet is found.
pub fn groups(set: &ReplicaSet) -> Vec<String> {
    let kept = keepers(set).map(|keeper| kept_by(&keeper));
    set.holder().map(str::to_owned).into_iter().chain(kept).collect()
}

/// The UIDs of the Deployments that keep an object of a Rollout which nothing controls.
fn keepers<K: Resource>(object: &K) -> impl Iterator<Item = String> + use<K> {
    let is_orphan = ownership::rollout_of(object).is_some() && ownership::controller(object).is_none();
    let owners = if is_orphan { object.meta().owner_references.clone() } else { None };
    owners.into_iter().flatten().filter(|owner| owner.kind == "Deployment").map(|owner| owner.uid)
}

/// The ReplicaSets that `workload` keeps for Rollouts that are gone.
pub fn replica_sets(context: &Context, rollout: &Rollout, workload: &Deployment) -> Vec<Arc<ReplicaSet>> {
    let uid = workload.metadata.uid.as_deref().unwrap_or_default();
    let kept = context.caches.replica_sets.of(&kept_by(uid));
    kept.into_iter().filter(|set| is_abandoned(&context.caches, rollout, &set.metadata)).collect()
}

/// Whether `object` is one that `workload` keeps for a Rollout that is gone.
pub fn is_kept<K: Resource>(context: &Context, rollout: &Rollout, workload: &Deployment, object: &K) -> bool {
    keepers(object).any(|keeper| workload.metadata.uid.as_ref() == Some(&keeper))
        && is_abandoned(&context.caches, rollout, object.meta())
}

/// Whether the Rollout of an object is another than `rollout`, and is gone. A name that is too long for a label is not
/// known: that nothing controls the object any more says then that it is gone.
fn is_abandoned(caches: &Caches, rollout: &Rollout, object: &ObjectMeta) -> bool {
    let label = |label: &str| object.labels.as_ref().and_then(|labels| labels.get(label));
    let holder = label(tidegate_api::ROLLOUT_UID_LABEL);
    if holder.is_none() || holder == rollout.metadata.uid.as_ref() {
        return false;
    }
    let namespace = object.namespace.as_deref().unwrap_or_default();
    let namesake = label(ROLLOUT_LABEL).and_then(|name| caches.rollout(namespace, name));
    namesake.is_none_or(|namesake| namesake.uid().as_ref() != holder)
}
