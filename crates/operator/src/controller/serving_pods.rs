//! The pods behind a Rollout's Service with their UIDs, read while they are replaced.

use std::collections::BTreeMap;

use tidegate_api::Rollout;
use tidegate_planner::plan::ServingPod;

use super::{Context, apply::name, endpoint_pods::endpoint_pods, error::CallError};

/// The pods behind the Service, by name; nothing where the API server does not tell. One that this process deleted takes no
/// requests for long, whatever its endpoint says until then.
pub async fn serving_pods(context: &Context, rollout: &Rollout) -> Option<Vec<ServingPod>> {
    let listed = endpoint_pods(context, rollout, &[&rollout.spec.service]).await.map_err(CallError::from);
    let listed = listed.inspect_err(|error| {
        tracing::warn!(
            rollout = %name(rollout),
            "the EndpointSlices of its Service could not be listed, so that no pod is replaced for now: {error}",
        );
    });
    // A pod has an endpoint in each family of addresses.
    let mut pods: BTreeMap<String, ServingPod> = BTreeMap::new();
    for pod in listed.ok()? {
        let Some(uid) = pod.uid else { continue };
        let is_terminating = pod.is_terminating || context.memory.has_deleted_pod(rollout, &uid);
        let is_ready = pod.is_ready && !is_terminating;
        let known = ServingPod { name: pod.name.clone(), uid, is_ready, is_terminating };
        pods.entry(pod.name).and_modify(|pod| pod.is_ready &= is_ready).or_insert(known);
    }
    Some(pods.into_values().collect())
}
