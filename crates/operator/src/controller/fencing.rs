//! Fencing reads: what is looked at as the API server has it, right before a write that takes something away, or that gives
//! pods more to carry. A watch that fell silent is noticed after minutes only, and until then the caches show a cluster that
//! is no more.

use kube::{Api, ResourceExt, api::PartialObjectMeta, runtime::reflector::ObjectRef};
use tidegate_api::Rollout;
use tidegate_planner::{
    plan::{Effect, Write},
    traffic::RouteId,
};

use super::{
    Context,
    error::Error,
    ready_pods::{cached_ready_pods, latest_ready_pods},
};

/// What the writes of one round were let through by: each is looked at once.
#[derive(Debug, Default)]
pub struct Fence {
    rollout: bool,
    routes: bool,
    pods: bool,
}

impl Fence {
    /// Lets a write through, if nobody has decided otherwise meanwhile, and the pods that it counts on are there.
    ///
    /// # Errors
    /// Somebody has, or they are not, or what has to be looked at could not be read.
    pub async fn pass(&mut self, context: &Context, rollout: &Rollout, write: &Write) -> Result<(), Error> {
        if write.fenced && !self.rollout {
            confirm(context, rollout).await?;
            self.rollout = true;
        }
        let takes_pods = write.fenced && matches!(write.effect, Effect::PatchReplicaSet(..));
        if takes_pods && !self.routes {
            confirm_routes(context, rollout).await?;
            self.routes = true;
        }
        // Also on the way back: with stable's pods as few as its share, giving it more than they carry breaks it.
        let moves_load = matches!(write.effect, Effect::ReplaceRoute(..)) && rollout.may_lack_stable_pods();
        if moves_load && !self.pods {
            confirm_pods(context, rollout).await?;
            self.pods = true;
        }
        Ok(())
    }
}

/// The Rollout still stands exactly where the decision was taken.
async fn confirm(context: &Context, rollout: &Rollout) -> Result<(), Error> {
    let (namespace, name) = (rollout.namespace().unwrap_or_default(), rollout.name_any());
    let api: Api<PartialObjectMeta<Rollout>> = Api::namespaced(context.client.clone(), &namespace);
    let doing = format!("read Rollout {namespace}/{name} before a write");
    let live = api.get_metadata(&name).await.map_err(Error::api(doing))?;
    if live.metadata.resource_version == rollout.metadata.resource_version {
        Ok(())
    } else {
        Err(Error::Changed(ObjectRef::from_obj(rollout)))
    }
}

/// The routes still say what they said when the decision was taken: pods must not be taken from under weights that somebody
/// wrote since.
///
/// # Errors
/// One says something else, or could not be read.
async fn confirm_routes(context: &Context, rollout: &Rollout) -> Result<(), Error> {
    match changed_route(context, rollout).await? {
        None => Ok(()),
        Some(route) => Err(Error::RouteChanged { rollout: ObjectRef::from_obj(rollout), route }),
    }
}

/// The pods that the decision counted as ready are ready.
///
/// # Errors
/// One is not, or they could not be read.
async fn confirm_pods(context: &Context, rollout: &Rollout) -> Result<(), Error> {
    if context.memory.are_endpoints_behind(rollout) {
        // The decision was about what the API server had just told.
        return Ok(());
    }
    latest_ready_pods(context, rollout, cached_ready_pods(context, rollout)).await?;
    if context.memory.are_endpoints_behind(rollout) {
        return Err(Error::PodsChanged(ObjectRef::from_obj(rollout)));
    }
    Ok(())
}

/// A route that says something else than the cache shows, if one does: what it says is remembered, and the next look sees it.
///
/// # Errors
/// One could not be read.
pub async fn changed_route(context: &Context, rollout: &Rollout) -> Result<Option<RouteId>, Error> {
    let namespace = rollout.namespace().unwrap_or_default();
    for route in rollout.spec.routes() {
        let id = RouteId::of(&route, &namespace);
        let Some(api) = context.caches.routes.api(&id, &namespace) else { continue };
        let Some(cached) = context.caches.routes.get(&id, &namespace) else { continue };
        let live = api.get_opt(&id.name).await.map_err(Error::api(format!("read {id} before a write")))?;
        let known = context.memory.latest_route(rollout, &id, cached);
        let Some(live) = live.filter(|live| live.data.get("spec") != known.data.get("spec")) else { continue };
        context.memory.found_route(rollout, &id, live);
        return Ok(Some(id));
    }
    Ok(None)
}
