//! The Services that tell two revisions apart while a rollout lasts.

use k8s_openapi::{
    api::core::v1::{Service, ServicePort, ServiceSpec},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use super::Ownership;
use crate::api::POD_TEMPLATE_HASH;

/// The Service `name`: the user's Service, narrowed to the pods of `revision`.
#[must_use]
pub fn revision_service(user: &Service, name: &str, revision: &str, owner: Ownership) -> Service {
    Service {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: user.metadata.namespace.clone(),
            labels: Some(owner.labels),
            owner_references: Some(owner.references),
            ..ObjectMeta::default()
        },
        spec: Some(revision_service_spec(user, revision)),
        status: None,
    }
}

/// Ports, protocols and headlessness of the user's Service; its selector narrowed to `revision`. Node ports and
/// addresses stay with the user's Service, which keeps its clients.
#[must_use]
pub fn revision_service_spec(user: &Service, revision: &str) -> ServiceSpec {
    let spec = user.spec.clone().unwrap_or_default();
    let mut selector = spec.selector.unwrap_or_default();
    selector.insert(POD_TEMPLATE_HASH.to_owned(), revision.to_owned());
    let ports = spec.ports.unwrap_or_default();
    ServiceSpec {
        ports: Some(ports.into_iter().map(|port| ServicePort { node_port: None, ..port }).collect()),
        selector: Some(selector),
        cluster_ip: spec.cluster_ip.filter(|address| address == "None"),
        session_affinity: spec.session_affinity,
        ..ServiceSpec::default()
    }
}
