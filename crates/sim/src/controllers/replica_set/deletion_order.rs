//! Which pods go first when there are too many.
//!
//! <https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#scaling-down-a-replicaset>

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

use crate::controllers::cache::{Cache, Phase, Pod, ReplicaSet};

/// The `count` pods that go first: those without a node, not started, not ready; then the cheap ones, those whose node
/// has many of their kind, those that became ready last, restarted most, and were created last.
pub(super) fn first<'a>(cache: &Cache, set: &ReplicaSet, pods: &'a [Arc<Pod>], count: usize) -> Vec<&'a Arc<Pod>> {
    if count == 0 {
        return Vec::new();
    }
    let crowds = crowds(cache, set);
    let mut order: Vec<&Arc<Pod>> = pods.iter().collect();
    order.sort_by_cached_key(|pod| {
        let started = pod.phase == Phase::Running;
        let crowd = crowds.get(pod.node.as_str()).copied().unwrap_or(0);
        (
            (!pod.node.is_empty(), pod.phase == Phase::Unknown, started, pod.ready),
            (pod.deletion_cost, Reverse(crowd)),
            Reverse(pod.ready_since.clone()),
            (Reverse(pod.restarts), Reverse(pod.meta.created.clone()), pod.meta.key.clone()),
        )
    });
    order.truncate(count);
    order
}

/// How many pods each node has that belong to this ReplicaSet or to a sibling under the same owner.
fn crowds<'a>(cache: &'a Cache, set: &ReplicaSet) -> BTreeMap<&'a str, usize> {
    let siblings: Vec<&str> = match set.meta.controller() {
        Some(owner) => cache.replica_sets.owned_by(owner).map(|set| set.meta.uid.as_str()).collect(),
        None => cache.replica_sets.get(&set.meta.key).map(|set| set.meta.uid.as_str()).into_iter().collect(),
    };
    let mut crowds = BTreeMap::new();
    for pod in siblings.into_iter().flat_map(|uid| cache.pods.owned_by(uid)).filter(|pod| pod.is_active()) {
        *crowds.entry(pod.node.as_str()).or_default() += 1;
    }
    crowds
}
