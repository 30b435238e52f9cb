//! EndpointSlices, read as far as Tidegate needs them: which pods of a Service are ready.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Resource,
    core::{ApiResource, DynamicResourceScope},
};
use serde::{Deserialize, Serialize};
use tidegate_api::metadata::label::SERVICE_NAME_LABEL;

use super::metadata;

/// A `discovery.k8s.io` EndpointSlice, `v1` or (before Kubernetes 1.21) `v1beta1`: what is read here is the same in
/// both, so the version is left to discovery.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EndpointSlice {
    /// Its label `kubernetes.io/service-name` says whose it is.
    #[serde(deserialize_with = "metadata::read")]
    pub metadata: ObjectMeta,
    /// The pods behind the Service; a slice without any may say `null`.
    #[serde(default)]
    pub endpoints: Option<Vec<Endpoint>>,
}

/// One pod behind a Service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Endpoint {
    /// Whether it takes traffic.
    pub conditions: EndpointConditions,
    /// The pod.
    pub target_ref: Option<TargetRef>,
}

/// Whether an endpoint takes traffic.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EndpointConditions {
    /// Absent means unknown, which consumers are told to read as ready.
    pub ready: Option<bool>,
    /// Whether the pod says that it is ready, where the Service publishes the others as well; absent before Kubernetes
    /// 1.20.
    #[serde(skip_serializing_if = "says_nothing_new")]
    pub serving: Option<bool>,
}

/// Nearly all that are ready serve: in memory, only the others are noted.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
#[expect(clippy::ref_option, reason = "and to the whole field")]
fn says_nothing_new(serving: &Option<bool>) -> bool {
    *serving != Some(false)
}

/// The object behind an endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TargetRef {
    /// `Pod`, in all that matters here.
    pub kind: String,
    /// Its name.
    pub name: String,
}

impl EndpointSlice {
    /// The Service that the slice belongs to.
    #[must_use]
    pub fn service(&self) -> Option<&str> {
        self.metadata.labels.as_ref()?.get(SERVICE_NAME_LABEL).map(String::as_str)
    }

    /// Whether it is one of the Service with that UID: what is left of an earlier Service of the same name goes soon, and
    /// the pods in it with it.
    #[must_use]
    pub fn is_of(&self, service: Option<&str>) -> bool {
        let mut owners =
            self.metadata.owner_references.iter().flatten().filter(|owner| owner.kind == "Service").peekable();
        owners.peek().is_none() || owners.any(|owner| Some(owner.uid.as_str()) == service)
    }

    /// The names of the pods that take traffic.
    pub fn ready_pods(&self) -> impl Iterator<Item = &str> {
        self.endpoints
            .iter()
            .flatten()
            .filter(|endpoint| endpoint.conditions.ready != Some(false) && endpoint.conditions.serving != Some(false))
            .filter_map(|endpoint| endpoint.target_ref.as_ref())
            .filter(|target| target.kind == "Pod")
            .map(|target| target.name.as_str())
    }
}

impl Resource for EndpointSlice {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(resource: &ApiResource) -> Cow<'_, str> {
        resource.kind.as_str().into()
    }

    fn group(resource: &ApiResource) -> Cow<'_, str> {
        resource.group.as_str().into()
    }

    fn version(resource: &ApiResource) -> Cow<'_, str> {
        resource.version.as_str().into()
    }

    fn plural(resource: &ApiResource) -> Cow<'_, str> {
        resource.plural.as_str().into()
    }

    fn api_version(resource: &ApiResource) -> Cow<'_, str> {
        resource.api_version.as_str().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_slice_without_endpoints_is_understood() {
        for endpoints in [json!(null), json!([])] {
            let slice = json!({"metadata": {"name": "checkout-x"}, "addressType": "IPv4", "endpoints": endpoints});
            assert_eq!(serde_json::from_value::<EndpointSlice>(slice).unwrap().ready_pods().count(), 0);
        }
    }

    #[test]
    fn what_is_left_of_an_earlier_service_is_not_of_this_one() {
        let owned = |owners| EndpointSlice::deserialize(json!({"metadata": {"ownerReferences": owners}})).unwrap();
        let slice =
            owned(json!([{"apiVersion": "v1", "kind": "Service", "name": "checkout-stable", "uid": "earlier"}]));
        assert!(slice.is_of(Some("earlier")) && !slice.is_of(Some("this")) && !slice.is_of(None));
        assert!(owned(json!([])).is_of(Some("this")));
    }

    #[test]
    fn a_pod_that_is_published_before_it_is_ready_is_not_ready() {
        let endpoint = |name: &str, serving: bool| json!({"conditions": {"ready": true, "serving": serving}, "targetRef": {"kind": "Pod", "name": name}});
        let slice = json!({"metadata": {}, "endpoints": [endpoint("a", true), endpoint("b", false)]});
        let slice: EndpointSlice = serde_json::from_value(slice).unwrap();
        assert_eq!(slice.ready_pods().collect::<Vec<_>>(), ["a"]);
    }

    #[test]
    fn only_ready_pods_take_traffic() {
        let endpoint = |name: &str, ready: Option<bool>| json!({"conditions": {"ready": ready}, "targetRef": {"kind": "Pod", "name": name}});
        let slice = json!({"metadata": {}, "endpoints": [
            endpoint("a", Some(true)), endpoint("b", Some(false)), endpoint("c", None), {"conditions": {}},
        ]});
        let slice: EndpointSlice = serde_json::from_value(slice).unwrap();
        assert_eq!(slice.ready_pods().collect::<Vec<_>>(), ["a", "c"]);
    }
}
