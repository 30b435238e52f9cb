//! When two moments are the same: names, instants and resourceVersions differ, and nothing that follows depends on it.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use jiff::Timestamp;
use serde_json::Value;
use tidegate_api::{RevisionStatus, Rollout, RolloutStatus};

use super::{
    super::{
        cluster::{Cluster, image_of},
        lab::Lab,
    },
    moves::Moment,
};
use crate::workload::{Deployment, ReplicaSet, ownership, template};

/// Beyond this many seconds nothing in these worlds depends on how long ago something was.
const LONG_AGO: i64 = 1200;

impl Moment {
    /// The same for moments from which the same follows.
    pub fn likeness(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.left, format!("{:?}", self.stopped)).hash(&mut hasher);
        lab(&self.lab, &mut hasher);
        if let Some(seen) = self.seen_by_other.as_deref() {
            let version = |rollout: &Rollout| rollout.metadata.resource_version.clone();
            let current = seen.rollout.as_ref().map(version) == self.lab.cluster.rollout.as_ref().map(version);
            current.hash(&mut hasher);
            (seen.age() == self.lab.cluster.age()).hash(&mut hasher);
            cluster(seen, &mut hasher);
        }
        hasher.finish()
    }
}

fn lab(lab: &Lab, hasher: &mut DefaultHasher) {
    let now = lab.cluster.now;
    for (check, verdict) in &lab.verdicts {
        (check, format!("{verdict:?}")).hash(hasher);
    }
    lab.wake.map(|wake| ago(now, wake)).hash(hasher);
    lab.has_refused().hash(hasher);
    cluster(&lab.cluster, hasher);
}

fn cluster(cluster: &Cluster, hasher: &mut DefaultHasher) {
    let now = cluster.now;
    if let Some(known) = &cluster.rollout {
        rollout(known, now, hasher);
    }
    if let Some(known) = &cluster.deployment {
        deployment(known, hasher);
    }
    for (name, set) in &cluster.replica_sets {
        name.hash(hasher);
        replica_set(set, cluster, hasher);
    }
    for (service, pods) in &cluster.endpoints {
        let alive = |pod: &String| cluster.pods.values().flatten().any(|known| known.name == *pod);
        let of = |pod: &String| pod.rsplit_once('-').map(|(set, _)| set.to_owned());
        let mut counts = BTreeMap::<_, usize>::new();
        for pod in pods {
            *counts.entry((of(pod), alive(pod))).or_default() += 1;
        }
        (service, counts).hash(hasher);
    }
    for (name, service) in &cluster.services {
        (name, service.spec.as_ref().and_then(|spec| spec.selector.as_ref())).hash(hasher);
    }
    for route in cluster.routes.values() {
        let generation = route["metadata"]["generation"].as_i64();
        let seen = route.pointer("/status/parents/0/conditions/0/observedGeneration").and_then(Value::as_i64);
        (backends(route), seen == generation).hash(hasher);
        for place in 0..2 {
            let status = route.pointer(&format!("/status/parents/0/conditions/{place}/status"));
            status.map(Value::to_string).hash(hasher);
        }
    }
    for route in cluster.programmed.values() {
        backends(route).hash(hasher);
    }
    for (set, last) in &cluster.last_traffic {
        (set, ago(now, *last)).hash(hasher);
    }
    for (service, last) in &cluster.last_weight {
        (service, ago(now, *last)).hash(hasher);
    }
    cluster.broken.hash(hasher);
    format!("{:?}", cluster.gateway).hash(hasher);
}

fn backends(route: &Value) -> String {
    route.pointer("/spec/rules/0/backendRefs").map(Value::to_string).unwrap_or_default()
}

fn rollout(rollout: &Rollout, now: Timestamp, hasher: &mut DefaultHasher) {
    let (meta, spec) = (&rollout.metadata, &rollout.spec);
    (spec.paused, spec.replicas, meta.finalizers.as_ref()).hash(hasher);
    meta.deletion_timestamp.as_ref().map(|deleted| ago(now, deleted.0)).hash(hasher);
    if let Some(known) = &rollout.status {
        (known.observed_generation == meta.generation).hash(hasher);
        status(known, now, hasher);
    }
}

fn status(status: &RolloutStatus, now: Timestamp, hasher: &mut DefaultHasher) {
    let revision = |revision: &Option<RevisionStatus>| {
        revision.as_ref().map(|known| (known.replica_set.clone(), known.replicas, known.ready))
    };
    let ago = |instant: Option<Timestamp>| instant.map(|instant| ago(now, instant));
    (status.phase, revision(&status.stable), revision(&status.canary)).hash(hasher);
    format!("{:?}{:?}", status.route, status.adoption.as_ref().map(|adoption| (adoption.step, adoption.mode)))
        .hash(hasher);
    if let Some(stage) = &status.stage {
        (&stage.name, stage.weight.to_string(), stage.weight_in_force.to_string()).hash(hasher);
        (ago(Some(stage.entered_at)), ago(stage.since), ago(stage.until)).hash(hasher);
        let disturbance = stage.disturbance.as_ref();
        disturbance.map(|known| (ago(Some(known.since)), known.weight.to_string())).hash(hasher);
    }
    (ago(status.draining_since), ago(status.stable_lost_since), status.replicas_floor).hash(hasher);
    status.failed.iter().for_each(|failed| failed.revision.hash(hasher));
    status.checks.iter().for_each(|check| format!("{:?}", check.verdict).hash(hasher));
    for known in &status.contentions {
        (&known.object, known.generation, known.answered).hash(hasher);
        known.changes.iter().for_each(|change| ago(Some(*change)).hash(hasher));
    }
}

fn deployment(deployment: &Deployment, hasher: &mut DefaultHasher) {
    let (spec, status) = (&deployment.spec, &deployment.status);
    (deployment.replicas(), spec.paused, template::images(&spec.template)).hash(hasher);
    (status.observed_generation == deployment.metadata.generation).hash(hasher);
    (status.replicas, status.updated_replicas, status.available_replicas).hash(hasher);
}

fn replica_set(set: &ReplicaSet, cluster: &Cluster, hasher: &mut DefaultHasher) {
    (image_of(set), set.replicas(), set.holder(), ownership::controller(set)).hash(hasher);
    (set.metadata.labels.as_ref(), set.metadata.owner_references.as_ref().map(Vec::len)).hash(hasher);
    (set.status.replicas, set.status.ready_replicas, set.status.available_replicas).hash(hasher);
    let pods = cluster.pods.get(set.name()).map(Vec::as_slice).unwrap_or_default();
    pods.iter().map(|pod| pod.ready).collect::<Vec<_>>().hash(hasher);
}

/// How many seconds ago; negative in the future.
fn ago(now: Timestamp, instant: Timestamp) -> i64 {
    now.duration_since(instant).as_secs().clamp(-LONG_AGO, LONG_AGO)
}
