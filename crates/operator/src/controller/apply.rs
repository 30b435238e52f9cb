//! Carries effects out.

use std::fmt::Debug;

use k8s_openapi::{
    NamespaceResourceScope,
    api::core::v1::{Pod, Service},
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, DynamicObject, PartialObjectMeta, Patch, PatchParams, PostParams, Preconditions},
    runtime::reflector::ObjectRef,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tidegate_api::{
    Causes, Rollout,
    metadata::field_manager::{ROLLOUT_MANAGER, TRAFFIC_MANAGER, WORKLOAD_MANAGER},
};
use tidegate_planner::{
    plan::{Effect, RefusedWrite, Write},
    traffic::RouteId,
    workload::{Deployment, ReplicaSet},
};

use super::{
    Context,
    error::{Class, Error},
    fencing::Fence,
    memory::OwnedObject,
};

/// Carries `effects` out in their order. One that fails does not keep the others from being tried: the way back must
/// not wait for something that it does not need.
///
/// # Errors
/// The first that failed.
pub async fn apply(context: &Context, rollout: &Rollout, effects: Vec<Write>) -> Result<usize, Error> {
    if !effects.is_empty() && !context.memory.begin_writes(rollout) {
        let quarrel = Error::Quarrel(ObjectRef::from_obj(rollout));
        quarrel.log(rollout);
        return Err(quarrel);
    }
    let mut fence = Fence::default();
    let mut first_error = None;
    let mut refused: Option<RefusedWrite> = None;
    let mut written = 0;
    for write in effects {
        let effect = &write.effect;
        if matches!(effect, Effect::DeletePod { uid, .. } if context.memory.has_deleted_pod(rollout, uid)) {
            continue;
        }
        if !context.leadership.is_leader() {
            return Err(Error::NotLeading { rollout: ObjectRef::from_obj(rollout), doing: describe(effect) });
        }
        if let Err(error) = fence.pass(context, rollout, &write).await {
            error.log(rollout);
            first_error.get_or_insert(error);
            continue;
        }
        match carry_out(context, rollout, effect).await {
            Ok(()) => {
                tracing::info!(rollout = %name(rollout), "{}", describe(effect));
                written += 1;
            }
            Err(error) => {
                error.log(rollout);
                if error.class() == Class::User {
                    let write = RefusedWrite { answer: Causes(&error).to_string(), copied: effect.copied() };
                    refused = Some(match refused {
                        Some(earlier) => earlier.or(write),
                        None => write,
                    });
                }
                first_error.get_or_insert(error);
            }
        }
    }
    context.memory.set_refused(rollout, refused);
    first_error.map_or(Ok(written), Err)
}

async fn carry_out(context: &Context, rollout: &Rollout, effect: &Effect) -> Result<(), Error> {
    let (client, namespace) = (context.client.clone(), namespace(rollout));
    let doing = describe(effect);
    let done = match effect {
        Effect::PatchRollout(patch) => {
            let api: Api<Rollout> = Api::namespaced(client, &namespace);
            api.patch(&rollout.name_any(), &patching(ROLLOUT_MANAGER), &Patch::Merge(patch)).await.map(|patched| {
                context.memory.wrote(&patched);
                None
            })
        }
        Effect::PatchDeployment(name, patch) => {
            merge::<Deployment>(client, &namespace, name, patch, WORKLOAD_MANAGER).await
        }
        Effect::PatchReplicaSet(name, patch) => {
            merge::<ReplicaSet>(client, &namespace, name, patch, WORKLOAD_MANAGER).await
        }
        Effect::PatchService(name, patch) => merge::<Service>(client, &namespace, name, patch, TRAFFIC_MANAGER).await,
        Effect::CreateReplicaSet(set) => create::<ReplicaSet>(client, &namespace, set, WORKLOAD_MANAGER).await,
        Effect::CreateService(service) => create::<Service>(client, &namespace, service, TRAFFIC_MANAGER).await,
        Effect::DeleteReplicaSet { name, uid } => delete::<ReplicaSet>(client, &namespace, name, uid).await,
        Effect::DeletePod { name, uid } => delete_pod(context, rollout, name, uid).await,
        Effect::DeleteService { name, uid } => delete::<Service>(client, &namespace, name, uid).await,
        Effect::CreateCopy { spec, name, reader } => {
            context.caches.configuration.create_copy(rollout, spec, name, reader).await
        }
        Effect::PatchCopy(id, patch) => context.caches.configuration.patch_copy(rollout, id, patch).await,
        Effect::ReplaceRoute(id, object) => {
            // What was read is served: its kind is known.
            let Some(api) = context.caches.routes.api(id, &namespace) else { return Ok(()) };
            match serde_json::from_value::<DynamicObject>(object.as_ref().clone()) {
                Ok(route) => {
                    context.memory.wrote_route(rollout, id, context.clock.now());
                    replace_route(context, rollout, id, &api, &route).await
                }
                Err(error) => Err(kube::Error::SerdeError(error)),
            }
        }
    };
    match done {
        // Created by the round before, and not in the cache yet; or gone already, as it should be.
        Err(kube::Error::Api(status)) if created(effect) && status.is_already_exists() => Ok(()),
        Err(kube::Error::Api(status)) if deleted(effect) && status.is_not_found() => Ok(()),
        Ok(written) => {
            if let Some(object) = object(effect) {
                context.memory.expect(rollout, object, written.as_deref());
            }
            Ok(())
        }
        Err(error) => Err(Error::api(doing)(error)),
    }
}

/// The object beside the Rollout that an effect writes.
fn object(effect: &Effect) -> Option<OwnedObject> {
    Some(match effect {
        Effect::PatchRollout(_) | Effect::DeletePod { .. } => return None,
        Effect::PatchDeployment(name, _) => OwnedObject::Deployment(name.clone()),
        Effect::PatchReplicaSet(name, _) | Effect::DeleteReplicaSet { name, .. } => {
            OwnedObject::ReplicaSet(name.clone())
        }
        Effect::PatchService(name, _) | Effect::DeleteService { name, .. } => OwnedObject::Service(name.clone()),
        Effect::CreateReplicaSet(set) => OwnedObject::ReplicaSet(set.name().to_owned()),
        Effect::CreateService(service) => OwnedObject::Service(service.name_any()),
        Effect::CreateCopy { spec, name, .. } => OwnedObject::Copy((spec.object().0, name.clone())),
        Effect::PatchCopy(id, _) => OwnedObject::Copy(id.clone()),
        Effect::ReplaceRoute(id, _) => OwnedObject::Route(id.clone()),
    })
}

fn created(effect: &Effect) -> bool {
    matches!(effect, Effect::CreateReplicaSet(_) | Effect::CreateService(_) | Effect::CreateCopy { .. })
}

fn deleted(effect: &Effect) -> bool {
    matches!(effect, Effect::DeleteReplicaSet { .. } | Effect::DeletePod { .. } | Effect::DeleteService { .. })
}

fn by(manager: &str) -> PostParams {
    PostParams { field_manager: Some(manager.to_owned()), ..PostParams::default() }
}

fn patching(manager: &str) -> PatchParams {
    PatchParams { field_manager: Some(manager.to_owned()), ..PatchParams::default() }
}

/// What can be written like any other object of a namespace.
trait Own:
    Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Serialize + DeserializeOwned + Debug
{
}

impl Own for Deployment {}
impl Own for ReplicaSet {}
impl Own for Service {}

type Version = Option<String>;

async fn create<K: Own>(client: Client, namespace: &str, object: &K, manager: &str) -> kube::Result<Version> {
    let created = Api::<K>::namespaced(client, namespace).create(&by(manager), object).await?;
    Ok(created.resource_version())
}

async fn merge<K: Own>(
    client: Client,
    namespace: &str,
    name: &str,
    patch: &Value,
    manager: &str,
) -> kube::Result<Version> {
    let api = Api::<K>::namespaced(client, namespace);
    Ok(api.patch(name, &patching(manager), &Patch::Merge(patch)).await?.resource_version())
}

async fn delete<K: Own>(client: Client, namespace: &str, name: &str, uid: &str) -> kube::Result<Version> {
    let preconditions = Preconditions { uid: Some(uid.to_owned()), ..Preconditions::default() };
    let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::background() };
    Api::<K>::namespaced(client, namespace).delete(name, &params).await.map(|_| None)
}

/// That it goes is remembered: until its endpoint says so, it seems to be there.
async fn delete_pod(context: &Context, rollout: &Rollout, name: &str, uid: &str) -> kube::Result<Version> {
    let pods: Api<PartialObjectMeta<Pod>> = Api::namespaced(context.client.clone(), &namespace(rollout));
    let preconditions = Preconditions { uid: Some(uid.to_owned()), ..Preconditions::default() };
    let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
    pods.delete(name, &params).await?;
    context.memory.deleted_pod(rollout, uid);
    Ok(None)
}

/// What the route says is remembered, by the answer or, after a conflict, by a look: its watch may be minutes behind, and
/// pods must not be taken from under weights that only the cache still shows.
async fn replace_route(
    context: &Context,
    rollout: &Rollout,
    id: &RouteId,
    api: &Api<DynamicObject>,
    route: &DynamicObject,
) -> kube::Result<Version> {
    let name = route.name_any();
    let replaced = api.replace(&name, &by(TRAFFIC_MANAGER), route).await;
    match &replaced {
        Ok(written) => context.memory.found_route(rollout, id, written.clone()),
        Err(kube::Error::Api(status)) if status.is_conflict() => {
            if let Ok(live) = api.get(&name).await {
                context.memory.found_route(rollout, id, live);
            }
        }
        Err(_) => {}
    }
    replaced.map(|route| route.resource_version())
}

fn describe(effect: &Effect) -> String {
    match effect {
        Effect::PatchRollout(_) => "claim or release the Rollout".to_owned(),
        Effect::PatchDeployment(name, patch) => format!("change Deployment {name}: {}", spec(patch)),
        Effect::PatchReplicaSet(name, patch) => format!("change ReplicaSet {name}: {}", spec(patch)),
        Effect::PatchService(name, patch) => format!("change Service {name}: {}", spec(patch)),
        Effect::CreateReplicaSet(set) => format!("create ReplicaSet {} with {} pods", set.name(), set.replicas()),
        Effect::CreateService(service) => format!("create Service {}", service.name_any()),
        Effect::DeleteReplicaSet { name, .. } => format!("delete ReplicaSet {name}"),
        Effect::DeletePod { name, .. } => format!("delete pod {name}"),
        Effect::DeleteService { name, .. } => format!("delete Service {name}"),
        Effect::CreateCopy { spec, name, .. } => {
            let (kind, original) = spec.object();
            format!("copy {kind} {original} as {name}")
        }
        Effect::PatchCopy((kind, name), _) => format!("add an owner to {kind} {name}"),
        Effect::ReplaceRoute(id, _) => format!("write the weights of {id}"),
    }
}

/// What a patch changes, without the template, which may be long.
fn spec(patch: &Value) -> String {
    let mut spec = patch.get("spec").cloned().unwrap_or_else(|| json!({"metadata": patch["metadata"]}));
    if let Some(template) = spec.get_mut("template") {
        *template = json!("…");
    }
    spec.to_string()
}

fn namespace(rollout: &Rollout) -> String {
    rollout.namespace().unwrap_or_default()
}

pub(super) fn name(rollout: &Rollout) -> String {
    format!("{}/{}", namespace(rollout), rollout.name_any())
}
