//! The ready pods behind a Rollout's Services, by their EndpointSlices: as the cache shows them, and as the API server has
//! them.

use std::{borrow::Borrow, collections::BTreeMap};

use kube::{Api, ResourceExt, api::ListParams};
use tidegate_api::{Rollout, metadata::label::SERVICE_NAME_LABEL};
use tidegate_planner::{traffic::Names, workload::EndpointSlice};

use super::{
    Context,
    cache::path_of,
    error::{Class, Error},
};

/// After so many failures in a row, a second or two, what is known has to do.
const TIMES: u32 = 3;

/// The names of the ready pods behind each Service of a Rollout, by the Service's name.
pub type ReadyPods = BTreeMap<String, Vec<String>>;

/// Those that the cache shows.
pub fn cached_ready_pods(context: &Context, rollout: &Rollout) -> ReadyPods {
    let namespace = rollout.namespace().unwrap_or_default();
    by_service(rollout, |service| {
        let slices = context.caches.endpoint_slices.of(&path_of(&namespace, service));
        ready_pods(context, &namespace, service, &slices)
    })
}

/// Those that the API server knows now; whether `cached` shows one as ready that is not is remembered. An API server that
/// refuses to tell, for good or [`TIMES`] in a row, does not keep traffic from going back: `cached` it is.
///
/// # Errors
/// It did not tell, and may the next time.
pub async fn latest_ready_pods(context: &Context, rollout: &Rollout, cached: ReadyPods) -> Result<ReadyPods, Error> {
    let (latest, behind) = match live_ready_pods(context, rollout).await {
        Err(error) if error.class() == Class::User || context.memory.failures(rollout) >= TIMES => (cached, false),
        Err(error) => return Err(error),
        Ok(live) => {
            let behind = !is_covered(&cached, &live);
            (live, behind)
        }
    };
    context.memory.set_endpoints_behind(rollout, behind);
    Ok(latest)
}

async fn live_ready_pods(context: &Context, rollout: &Rollout) -> Result<ReadyPods, Error> {
    let namespace = rollout.namespace().unwrap_or_default();
    let Names { service, stable, canary } = Names::of(&rollout.spec.service);
    let behind = ListParams::default().labels(&format!("{SERVICE_NAME_LABEL} in ({service},{stable},{canary})"));
    let api: Api<EndpointSlice> = Api::namespaced_with(context.client.clone(), &namespace, &context.slices);
    let doing = format!("read the EndpointSlices of Rollout {namespace}/{}", rollout.name_any());
    let slices = api.list(&behind).await.map_err(Error::api(doing))?.items;
    Ok(by_service(rollout, |name| {
        let slices = slices.iter().filter(|slice| slice.service() == Some(name)).collect::<Vec<_>>();
        ready_pods(context, &namespace, name, &slices)
    }))
}

/// Whether all that are ready by `cached` are ready by `live`.
fn is_covered(cached: &ReadyPods, live: &ReadyPods) -> bool {
    let ready = |service: &str, pod: &String| live.get(service).is_some_and(|pods| pods.contains(pod));
    cached.iter().all(|(service, pods)| pods.iter().all(|pod| ready(service, pod)))
}

fn by_service(rollout: &Rollout, pods: impl Fn(&str) -> Vec<String>) -> ReadyPods {
    let Names { service, stable, canary } = Names::of(&rollout.spec.service);
    [service, stable, canary].into_iter().map(|name| (name.clone(), pods(&name))).collect()
}

/// Those in the slices of the Service that is called like this, not of one that was deleted.
fn ready_pods(context: &Context, namespace: &str, service: &str, slices: &[impl Borrow<EndpointSlice>]) -> Vec<String> {
    let current = context.caches.services.get(namespace, service).and_then(|service| service.metadata.uid.clone());
    let slices = slices.iter().map(Borrow::borrow).filter(|slice| slice.is_of(current.as_deref()));
    slices.flat_map(|slice| slice.ready_pods().map(str::to_owned)).collect()
}
