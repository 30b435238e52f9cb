//! Who cares about which change.

use std::collections::BTreeSet;

use tidegate_api::GatewayRouteKind;
use tidegate_apiserver::{Change, What};
use tidegate_planner::traffic::GATEWAY_API;

use super::{
    ReconcileContext,
    cache::{Cache, Difference, Key, Meta, Pod, Strategy},
    queue::Task,
    run::State,
};

/// Puts a change into the cache, and those who care about it into the queue.
pub(super) fn learn(state: &mut State, change: &Change) {
    match (change.resource.group.as_str(), change.resource.plural.as_str()) {
        ("", "pods") => pod(state, change),
        ("apps", "replicasets") => replica_set(state, change),
        ("apps", "deployments") => deployment(state, change),
        ("batch", "jobs") => job(state, change),
        ("", "services") => service(state, change),
        ("discovery.k8s.io", "endpointslices") => slice(state, change),
        (GATEWAY_API, plural) => {
            if let Some(kind) = GatewayRouteKind::ALL.into_iter().find(|kind| kind.plural() == plural) {
                route(state, kind, change);
            }
        }
        ("", "resourcequotas") => state.cache.apply_quota(change),
        _ => {}
    }
    if change.resource.scale.is_some() {
        scaled(state, change);
    }
}

fn pod(state: &mut State, change: &Change) {
    let difference = state.cache.pods.apply(change);
    let models = state.models;
    let mut context = state.runtime.context(&state.cache);
    if models.kubelets {
        state.kubelets.notice(&mut context, &key(change));
    }
    if !difference.is_any() {
        return;
    }
    if models.replica_sets {
        for set in owners(context.cache, &difference) {
            context.react(context.pace.replica_sets, Task::ReplicaSet(set));
        }
    }
    if models.jobs {
        for job in difference.both().filter_map(|pod| job_of(&pod.meta)).collect::<BTreeSet<_>>() {
            context.react(context.pace.jobs, Task::Job(job));
        }
    }
    if models.deployments && difference.after.is_none() {
        last_pod_gone(&mut context, &difference);
    }
    if models.endpoint_slices {
        for service in services(context.cache, &difference) {
            context.react(context.pace.endpoint_slices, Task::EndpointSlices(service));
        }
    }
}

/// The ReplicaSets that a pod belongs to, belonged to, or might belong to.
fn owners(cache: &Cache, pod: &Difference<Pod>) -> BTreeSet<Key> {
    let mut owners: BTreeSet<Key> = pod.both().filter_map(|pod| owner(&pod.meta)).collect();
    if let Some(orphan) = pod.after.as_ref().filter(|pod| pod.meta.controller.is_none()) {
        owners.extend(cache.replica_sets.looking_for(&orphan.meta));
    }
    owners
}

/// The Services that find a pod, or found it.
fn services(cache: &Cache, pod: &Difference<Pod>) -> BTreeSet<Key> {
    let same_labels = pod.before.as_ref().zip(pod.after.as_ref()).is_some_and(|(a, b)| a.meta.labels == b.meta.labels);
    pod.both().skip(usize::from(same_labels)).flat_map(|pod| cache.services.looking_for(&pod.meta)).collect()
}

/// A Deployment that recreates its pods waits for the last of the old ones to go.
fn last_pod_gone(context: &mut ReconcileContext<'_>, pod: &Difference<Pod>) {
    let set = pod.before.as_ref().and_then(|pod| owner(&pod.meta)).and_then(|set| context.cache.replica_sets.get(&set));
    let deployment = set.and_then(|set| owner(&set.meta)).and_then(|it| context.cache.deployments.get(&it));
    if let Some(deployment) = deployment.filter(|deployment| deployment.strategy == Strategy::Recreate) {
        context.react(context.pace.deployments, Task::Deployment(deployment.meta.key.clone()));
    }
}

fn replica_set(state: &mut State, change: &Change) {
    let difference = state.cache.replica_sets.apply(change);
    if !difference.is_any() {
        return;
    }
    let mut context = state.runtime.context(&state.cache);
    // What it tells itself is no news.
    if state.models.replica_sets && &*change.manager != super::replica_set::MANAGER {
        context.react(context.pace.replica_sets, Task::ReplicaSet(key(change)));
    }
    if !state.models.deployments {
        return;
    }
    let mut deployments: BTreeSet<Key> = difference.both().filter_map(|set| owner(&set.meta)).collect();
    if let Some(orphan) = difference.after.as_ref().filter(|set| set.meta.controller.is_none()) {
        deployments.extend(context.cache.deployments.looking_for(&orphan.meta));
    }
    for deployment in deployments {
        context.react(context.pace.deployments, Task::Deployment(deployment));
    }
}

fn deployment(state: &mut State, change: &Change) {
    let difference = state.cache.deployments.apply(change);
    if state.models.deployments && difference.is_any() && &*change.manager != super::deployment::MANAGER {
        let mut context = state.runtime.context(&state.cache);
        context.react(context.pace.deployments, Task::Deployment(key(change)));
    }
}

fn job(state: &mut State, change: &Change) {
    // What its controller tells is no news to it.
    if state.models.jobs && change.what != What::Deleted && &*change.manager != super::job::MANAGER {
        let mut context = state.runtime.context(&state.cache);
        context.react(context.pace.jobs, Task::Job(key(change)));
    }
}

fn service(state: &mut State, change: &Change) {
    let difference = state.cache.services.apply(change);
    if !difference.is_any() {
        return;
    }
    let mut context = state.runtime.context(&state.cache);
    let key = key(change);
    if state.models.endpoint_slices && change.what != What::Deleted {
        context.react(context.pace.endpoint_slices, Task::EndpointSlices(key.clone()));
    }
    if !state.models.gateway || change.what == What::Modified {
        return;
    }
    context.react(context.pace.data_plane, Task::Endpoints(key.clone()));
    let routes = state.gateway.programmed.iter();
    let naming = routes.filter(|(_, route)| route.references().any(|reference| reference.service == key));
    for route in naming.map(|(route, _)| route.clone()).collect::<Vec<_>>() {
        state.gateway.notice(&mut context, route);
    }
}

fn slice(state: &mut State, change: &Change) {
    let difference = state.cache.slices.apply(change);
    let mut context = state.runtime.context(&state.cache);
    for service in difference.both().filter_map(|slice| owner(&slice.meta)).collect::<BTreeSet<_>>() {
        if state.models.gateway {
            context.react(context.pace.data_plane, Task::Endpoints(service.clone()));
        }
        if state.models.endpoint_slices && &*change.manager != super::endpoint_slices::MANAGER {
            context.react(context.pace.endpoint_slices, Task::EndpointSlices(service));
        }
    }
}

fn route(state: &mut State, kind: GatewayRouteKind, change: &Change) {
    let generation = |object: &tidegate_apiserver::Object| object.value()["metadata"]["generation"].as_i64();
    let before = change.before.as_ref().and_then(|before| generation(before));
    let gone = change.what == What::Deleted;
    if state.models.gateway && (gone || before != generation(&change.object)) {
        state.gateway.notice(&mut state.runtime.context(&state.cache), (kind, key(change)));
    }
}

fn scaled(state: &mut State, change: &Change) {
    let replicas = |object: &tidegate_apiserver::Object| object.value()["spec"]["replicas"].as_i64();
    let before = change.before.as_ref().and_then(|before| replicas(before));
    if state.models.autoscalers && before != replicas(&change.object) {
        state.autoscalers.notice(&mut state.runtime.context(&state.cache), change.object.namespace());
    }
}

fn key(change: &Change) -> Key {
    Key::new(change.object.namespace(), change.object.name())
}

/// The Job that a pod is of.
fn job_of(pod: &Meta) -> Option<Key> {
    owner(pod).filter(|_| pod.is_of_a_job())
}

/// The owner in control, which is in the same namespace.
fn owner(meta: &Meta) -> Option<Key> {
    meta.controller.as_ref().map(|owner| Key::new(meta.key.namespace(), &owner.name))
}
