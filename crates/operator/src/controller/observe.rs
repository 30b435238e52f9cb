//! Reads the caches around one Rollout into a plain value.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::api::core::v1::Service;
use kube::{
    Api, ResourceExt,
    api::{ListParams, PartialObjectMeta},
};
use tidegate_api::{
    self as api, AdoptionStep, FINALIZER, ROLLOUT_UID_LABEL, Rollout, RouteMode, metadata::MANAGER_PREFIX,
};
use tidegate_planner::{
    plan::{Observed, RefusedWrite, Route, Suspect, looks_at_pods, suspects},
    traffic::{Names, RouteId},
    workload::{Deployment, ReplicaSet, configuration::Configuration, is_deleting, ownership},
};

use super::{
    Context,
    cache::path_of,
    error::Error,
    fencing::changed_route,
    gates,
    memory::OwnedObject,
    orphans, other_rollouts,
    ready_pods::{cached_ready_pods, latest_ready_pods},
    serving_pods::serving_pods,
};

/// What the cluster looks like around `rollout`, by the caches; what is about to be left behind, as the API server has it.
///
/// # Errors
/// A look at the API server failed.
pub async fn observe(context: &Context, rollout: &Rollout, refused: Option<RefusedWrite>) -> Result<Observed, Error> {
    if is_restored(rollout) {
        // The revisions' Services must not go from under a route that names them: what it says is seen below.
        changed_route(context, rollout).await?;
    }
    let mut observed = read(context, rollout);
    if context.memory.are_endpoints_behind(rollout) {
        observed.ready_pods = latest_ready_pods(context, rollout, observed.ready_pods).await?;
    }
    observed.refused = refused;
    if looks_at_pods(rollout) {
        observed.pods = serving_pods(context, rollout).await;
    }
    if is_leaving(rollout) {
        look_up(context, rollout, &mut observed).await?;
    }
    let is_http = |route: &&Route| route.id.kind.kind == "HTTPRoute";
    let routes: Vec<_> = observed.routes.iter().filter(is_http).filter_map(|route| route.object.clone()).collect();
    observed.configuration = configuration(context, rollout, &observed.replica_sets).await?;
    observed.policies_left_behind = context.policies.left_behind(context, rollout).await;
    observed.gateway_features = context.features.of(context, rollout, &routes).await;
    for suspect in suspects(rollout, &observed) {
        if let Some(editor) = editor(context, rollout, &suspect).await {
            observed.editors.insert(suspect.object(rollout), editor);
        }
    }
    Ok(observed)
}

/// Whether the routes are restored, and the Services of the revisions are about to go.
fn is_restored(rollout: &Rollout) -> bool {
    let status = rollout.status.as_ref();
    status.is_some_and(|status| status.route == RouteMode::Service && status.draining_since.is_some())
}

/// Whether the Rollout is about to go.
fn is_leaving(rollout: &Rollout) -> bool {
    let adoption = rollout.status.as_ref().and_then(|status| status.adoption.as_ref());
    let claimed = rollout.finalizers().iter().any(|finalizer| finalizer == FINALIZER);
    is_deleting(rollout) && claimed && adoption.is_none_or(|adoption| adoption.step == AdoptionStep::Releasing)
}

/// Reads anew what a Rollout leaves behind. Whatever it overlooked because a watch had fallen silent, a paused Deployment
/// or a ReplicaSet that goes with its owner, nobody would mend when it is gone.
async fn look_up(context: &Context, rollout: &Rollout, observed: &mut Observed) -> Result<(), Error> {
    let namespace = rollout.namespace().unwrap_or_default();
    let doing = |what: &str| format!("read the {what} that Rollout {namespace}/{} leaves behind", rollout.name_any());
    let names = Names::of(&rollout.spec.service);

    let deployments: Api<Deployment> = Api::namespaced(context.client.clone(), &namespace);
    let workload = deployments.get_opt(&rollout.spec.workload.name).await.map_err(Error::api(doing("Deployment")))?;
    // That it is gone, the watch has to say too: to leave it behind is for good.
    observed.workload = workload.map(Arc::new).or_else(|| observed.workload.take());

    let uid = rollout.metadata.uid.as_deref().unwrap_or_default();
    let own = ListParams::default().labels(&format!("{ROLLOUT_UID_LABEL}={uid}"));
    let replica_sets: Api<ReplicaSet> = Api::namespaced(context.client.clone(), &namespace);
    let replica_sets = replica_sets.list(&own).await.map_err(Error::api(doing("ReplicaSets")))?;
    observed.replica_sets = replica_sets.items.into_iter().map(Arc::new).collect();
    // What a watch that fell silent still shows as the Deployment's own would be left to it, and is not there.
    let is_left = |set: &ReplicaSet| observed.replica_sets.iter().any(|left| left.name() == set.name());
    observed.workload_replica_sets.retain(|set| !is_left(set.as_ref()));

    let services: Api<Service> = Api::namespaced(context.client.clone(), &namespace);
    let services = services.list(&own).await.map_err(Error::api(doing("Services")))?;
    let mut services: BTreeMap<_, _> =
        services.items.into_iter().map(|service| (service.name_any(), Arc::new(service))).collect();
    observed.stable_service = services.remove(&names.stable);
    observed.canary_service = services.remove(&names.canary);
    observed.previews = services.into_values().collect();
    Ok(())
}

/// The configuration of the Rollout, and with it what goes to the Deployment when it is deleted.
async fn configuration(context: &Context, rollout: &Rollout, sets: &[Arc<ReplicaSet>]) -> Result<Configuration, Error> {
    let tracked = &context.caches.configuration;
    let mut configuration = tracked.of(rollout, sets).await;
    if is_deleting(rollout) {
        let left_behind = tracked.left_behind(rollout, sets, &configuration.copies).await;
        let doing = || format!("read the copies that Rollout {} leaves behind", rollout.name_any());
        configuration.copies.extend(left_behind.map_err(|error| Error::api(doing())(error))?);
    }
    Ok(configuration)
}

/// The resourceVersion of the object that a cache holds now.
pub fn seen(context: &Context, rollout: &Rollout, object: &OwnedObject) -> Option<u64> {
    let caches = &context.caches;
    let namespace = rollout.metadata.namespace.as_deref().unwrap_or_default();
    match object {
        OwnedObject::Deployment(name) => caches.deployments.version(namespace, name),
        OwnedObject::Service(name) => caches.services.version(namespace, name),
        OwnedObject::Route(id) => caches.routes.version(id, namespace),
        OwnedObject::Copy(id) => caches.configuration.version(id, namespace),
        OwnedObject::ReplicaSet(name) => caches.replica_sets.version(namespace, name),
    }
}

fn read(context: &Context, rollout: &Rollout) -> Observed {
    let caches = &context.caches;
    let namespace = rollout.namespace().unwrap_or_default();
    let names = Names::of(&rollout.spec.service);
    let workload = caches.deployments.get(&namespace, &rollout.spec.workload.name);
    let service = |name: &str| caches.services.get(&namespace, name);
    let owned_by = |uid: Option<&str>| uid.map(|uid| caches.replica_sets.of(uid)).unwrap_or_default();
    let target = path_of(&namespace, &rollout.spec.workload.name);
    let routes: Vec<_> =
        rollout.spec.routes().into_iter().map(|route| read_route(context, rollout, &namespace, route)).collect();
    let endpoint = rollout.spec.analysis.as_ref().and_then(|analysis| analysis.prometheus.as_deref());
    Observed {
        invalid: context.memory.invalid(rollout),
        replica_sets: owned_by(rollout.metadata.uid.as_deref()),
        workload_replica_sets: owned_by(workload.as_ref().and_then(|workload| workload.metadata.uid.as_deref())),
        orphans: workload
            .as_ref()
            .map(|workload| orphans::replica_sets(context, rollout, workload))
            .unwrap_or_default(),
        orphaned_services: {
            let services = [&names.stable, &names.canary].into_iter().filter_map(|name| service(name));
            let kept = |service: &Arc<Service>| {
                let workload = workload.as_ref();
                workload.is_some_and(|workload| orphans::is_kept(context, rollout, workload, service.as_ref()))
            };
            services.filter(kept).collect()
        },
        workload,
        autoscaler: caches.autoscalers.of(&target).first().map(|autoscaler| autoscaler.name_any()),
        service: service(&names.service),
        previews: {
            let own = rollout.metadata.uid.as_deref().map(|uid| caches.services.of(uid)).unwrap_or_default();
            let other = |service: &Arc<Service>| ![&names.stable, &names.canary].contains(&&service.name_any());
            own.into_iter().filter(other).collect()
        },
        preview_taken: preview_taken(context, rollout, &namespace),
        bypassing_routes: bypassing_routes(context, rollout, &namespace, &routes),
        policies_left_behind: None,
        stable_service: service(&names.stable),
        canary_service: service(&names.canary),
        ready_pods: cached_ready_pods(context, rollout),
        grants: if routes.iter().any(|route| route.id.namespace.is_some()) {
            caches.routes.grants(&namespace)
        } else {
            Vec::new()
        },
        pods: None,
        routes,
        gateway_features: Vec::new(),
        rival: rival(context, rollout, &namespace),
        endpoint_known: context.analyzer.knows(endpoint)
            || rollout.spec.all_checks().all(|check| check.provider().is_some()),
        cluster_schedule: context.schedule.clone(),
        other_rollouts: other_rollouts::of(context, rollout),
        unusable_gate: gates::unusable(context, rollout),
        are_approvals_verified: context.are_approvals_verified,
        unusable_check: {
            let templates = caches.templates.named_by(&rollout.spec, &namespace);
            let unusable = context.memory.unusable_check(rollout, templates);
            unusable.or_else(|| context.analyzer.without_provider(&rollout.spec).map(|unusable| unusable.to_string()))
        },
        configuration: Configuration::default(),
        refused: None,
        editors: BTreeMap::new(),
    }
}

/// A Service of somebody else that is called as a stage's preview.
fn preview_taken(context: &Context, rollout: &Rollout, namespace: &str) -> Option<String> {
    let named = rollout.spec.stages.iter().flatten().filter_map(|stage| Some(&stage.preview.as_ref()?.service));
    let is_others = |name: &&String| {
        let service = context.caches.services.get(namespace, name);
        service.is_some_and(|service| !ownership::is_of(rollout, service.as_ref()))
    };
    named.into_iter().find(is_others).cloned()
}

fn read_route(context: &Context, rollout: &Rollout, namespace: &str, spec: api::Route) -> Route {
    let id = RouteId::of(&spec, namespace);
    let cached = context.caches.routes.get(&id, namespace);
    if let Some(cached) = &cached {
        context.memory.forget_route_seen(rollout, &id, cached);
    }
    let latest = cached.map(|cached| context.memory.latest_route(rollout, &id, cached));
    let object = latest.filter(|route| !is_deleting(route.as_ref()));
    let object = object.and_then(|route| serde_json::to_value(route.as_ref()).ok());
    let accepted = match &spec {
        api::Route::Custom(route) => route.accepted.as_deref().map(|text| context.expressions.compiled(text)),
        api::Route::Gateway(_) | api::Route::Weighted(_) => None,
    };
    let written = context.memory.route_written(rollout, &id);
    Route { spec, kind: context.caches.routes.served(&id), id, accepted, object, written }
}

/// Routes that pass the weights by: those that give requests to the Service, and are not the Rollout's. Without a route
/// there are no weights to pass by.
fn bypassing_routes(context: &Context, rollout: &Rollout, namespace: &str, named: &[Route]) -> Option<Vec<RouteId>> {
    if !rollout.spec.is_routed() {
        return Some(Vec::new());
    }
    let mut routes = context.caches.routes.pointing_at(namespace, &rollout.spec.service)?;
    for route in named {
        routes.remove(&route.id.unversioned());
    }
    Some(routes.into_iter().collect())
}

/// The Rollout that came first to an object which this one names too, in a sentence. Who has adopted keeps; else the
/// older one; else the one whose name comes first.
fn rival(context: &Context, rollout: &Rollout, namespace: &str) -> Option<String> {
    let name = rollout.name_any();
    let rank = |rollout: &Rollout| {
        let has_pods = rollout.status.as_ref().is_some_and(|status| status.adoption.is_some());
        let claimed = has_pods || rollout.finalizers().iter().any(|finalizer| finalizer == FINALIZER);
        (!claimed, rollout.creation_timestamp(), rollout.name_any())
    };
    context.caches.index.rivals(namespace, &name).into_iter().find_map(|(other, object)| {
        let elsewhere = other.namespace.as_deref().unwrap_or_default();
        let first = context.caches.rollout(elsewhere, &other.name)?;
        let other = if elsewhere == namespace { other.name } else { format!("{elsewhere}/{}", other.name) };
        (rank(&first) < rank(rollout)).then(|| {
            format!("Rollout {other} already has {object}; one Rollout for each Deployment, Service and route: delete one of the two")
        })
    })
}

/// The field manager that last changed what is suspected. Managed fields are not cached: this reads them live, and
/// only when there is something to explain.
async fn editor(context: &Context, rollout: &Rollout, suspect: &Suspect) -> Option<String> {
    let namespace = rollout.namespace().unwrap_or_default();
    let client = context.client.clone();
    let (metadata, field) = match suspect {
        Suspect::Workload => {
            let api: Api<PartialObjectMeta<Deployment>> = Api::namespaced(client, &namespace);
            (api.get_metadata(&rollout.spec.workload.name).await.ok()?.metadata, "/f:spec/f:replicas")
        }
        Suspect::Route(route) => {
            let api = context.caches.routes.api(route, &namespace)?;
            let field = if route.kind.is_of_gateway_api() { "/f:spec/f:rules" } else { "/f:spec" };
            (api.get_metadata(&route.name).await.ok()?.metadata, field)
        }
    };
    let fields = metadata.managed_fields.unwrap_or_default();
    let foreign = |manager: &str| !manager.starts_with(MANAGER_PREFIX);
    let touches = |fields: &Option<k8s_openapi::apimachinery::pkg::apis::meta::v1::FieldsV1>| {
        // The status has a field of the same name, which is its controller's.
        fields.as_ref().is_some_and(|fields| fields.0.pointer(field).is_some())
    };
    fields
        .into_iter()
        .filter(|entry| entry.manager.as_deref().is_some_and(foreign) && touches(&entry.fields_v1))
        .max_by_key(|entry| entry.time.as_ref().map(|time| time.0))
        .and_then(|entry| entry.manager)
}
