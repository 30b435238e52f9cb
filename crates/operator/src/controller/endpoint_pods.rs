//! The pods behind Services, read when somebody asks: to keep their UIDs and nodes for every pod of the cluster would be memory.

use kube::{
    Api, ResourceExt,
    api::{DynamicObject, ListParams},
};
use serde_json::Value;
use tidegate_api::{Rollout, metadata::label::SERVICE_NAME_LABEL};

use super::Context;

/// What an endpoint says of its pod.
#[derive(Debug, Clone)]
pub struct EndpointPod {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: Option<String>,
    /// The node that it runs on.
    pub node: Option<String>,
    /// It takes requests.
    pub is_ready: bool,
    /// It was deleted, and is not gone yet.
    pub is_terminating: bool,
}

/// The pods behind these Services of the Rollout's namespace; one of two families of addresses comes twice.
///
/// # Errors
/// The EndpointSlices cannot be listed.
pub async fn endpoint_pods(context: &Context, rollout: &Rollout, services: &[&str]) -> kube::Result<Vec<EndpointPod>> {
    let namespace = rollout.namespace().unwrap_or_default();
    let api: Api<DynamicObject> = Api::namespaced_with(context.client.clone(), &namespace, &context.slices);
    let behind = ListParams::default().labels(&format!("{SERVICE_NAME_LABEL} in ({})", services.join(",")));
    let slices = api.list(&behind).await?;
    let endpoints = slices.items.iter().filter_map(|slice| slice.data.get("endpoints")?.as_array()).flatten();
    Ok(endpoints.filter_map(pod).collect())
}

/// The pod of an endpoint. Its node has a field of its own since Kubernetes 1.20.
fn pod(endpoint: &Value) -> Option<EndpointPod> {
    let text = |pointer: &str| endpoint.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let says = |condition: &str| endpoint.pointer(&format!("/conditions/{condition}")).and_then(Value::as_bool);
    Some(EndpointPod {
        name: text("/targetRef/name").filter(|_| text("/targetRef/kind").as_deref() == Some("Pod"))?,
        uid: text("/targetRef/uid"),
        node: text("/nodeName").or_else(|| text("/topology/kubernetes.io~1hostname")),
        is_ready: says("ready") != Some(false) && says("serving") != Some(false),
        is_terminating: says("terminating") == Some(true),
    })
}
