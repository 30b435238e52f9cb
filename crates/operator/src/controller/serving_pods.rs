//! The pods behind a Rollout's Service with their UIDs, read while they are replaced: to keep them for every pod of the
//! cluster would be memory.

use std::collections::BTreeMap;

use kube::{
    Api, ResourceExt,
    api::{DynamicObject, ListParams},
};
use serde_json::Value;
use tidegate_api::{Rollout, metadata::label::SERVICE_NAME_LABEL};
use tidegate_planner::plan::ServingPod;

use super::{Context, apply::name, error::CallError};

/// The pods behind the Service, by name; nothing where the API server does not tell. One that this process deleted takes no
/// requests for long, whatever its endpoint says until then.
pub async fn serving_pods(context: &Context, rollout: &Rollout) -> Option<Vec<ServingPod>> {
    let namespace = rollout.namespace().unwrap_or_default();
    let api: Api<DynamicObject> = Api::namespaced_with(context.client.clone(), &namespace, &context.slices);
    let behind = ListParams::default().labels(&format!("{SERVICE_NAME_LABEL}={}", rollout.spec.service));
    let slices = match api.list(&behind).await.map_err(CallError::from) {
        Ok(slices) => slices.items,
        Err(error) => {
            tracing::warn!(
                rollout = %name(rollout),
                "the EndpointSlices of its Service could not be listed, so that no pod is replaced for now: {error}",
            );
            return None;
        }
    };
    let endpoints = slices.iter().filter_map(|slice| slice.data.get("endpoints")?.as_array()).flatten();
    // A pod has an endpoint in each family of addresses.
    let mut pods: BTreeMap<String, ServingPod> = BTreeMap::new();
    for mut pod in endpoints.filter_map(pod) {
        pod.is_terminating |= context.memory.has_deleted_pod(rollout, &pod.uid);
        pod.is_ready &= !pod.is_terminating;
        let known = pods.entry(pod.name.clone()).or_insert_with(|| pod.clone());
        known.is_ready &= pod.is_ready;
    }
    Some(pods.into_values().collect())
}

fn pod(endpoint: &Value) -> Option<ServingPod> {
    let text = |pointer: &str| endpoint.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let says = |condition: &str| endpoint.pointer(&format!("/conditions/{condition}")).and_then(Value::as_bool);
    let name = text("/targetRef/name").filter(|_| text("/targetRef/kind").as_deref() == Some("Pod"))?;
    Some(ServingPod {
        name,
        uid: text("/targetRef/uid")?,
        is_ready: says("ready") != Some(false) && says("serving") != Some(false),
        is_terminating: says("terminating") == Some(true),
    })
}
