//! Services and their EndpointSlices.

use serde_json::Value;

use super::{
    Cached,
    meta::{Meta, text},
    selector::Selector,
};

/// A Service.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::controllers) struct Service {
    pub meta: Meta,
    pub selector: Selector,
    /// Its ports as they stand.
    pub ports: Value,
    /// Pods count as ready from the beginning.
    pub publishes_not_ready: bool,
}

impl Cached for Service {
    fn read(meta: Meta, object: &Value, _: Option<&Self>) -> Self {
        let spec = &object["spec"];
        Self {
            meta,
            selector: Selector::of_labels(&spec["selector"]),
            ports: spec["ports"].clone(),
            publishes_not_ready: spec["publishNotReadyAddresses"] == true,
        }
    }

    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn selector(&self) -> Option<&Selector> {
        Some(&self.selector)
    }
}

/// An EndpointSlice.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::controllers) struct EndpointSlice {
    pub meta: Meta,
    pub endpoints: Vec<Endpoint>,
    /// Its ports as they stand.
    pub ports: Value,
}

/// One pod of an EndpointSlice.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::controllers) struct Endpoint {
    /// The pod's name.
    pub pod: String,
    pub uid: String,
    pub address: String,
    pub node: String,
    pub ready: bool,
    pub serving: bool,
    pub terminating: bool,
}

/// The label that names the Service of a slice.
pub(in crate::controllers) const SERVICE_NAME: &str = "kubernetes.io/service-name";

impl Cached for EndpointSlice {
    fn read(meta: Meta, object: &Value, _: Option<&Self>) -> Self {
        let endpoints = object["endpoints"].as_array().into_iter().flatten();
        Self { meta, endpoints: endpoints.map(Endpoint::read).collect(), ports: object["ports"].clone() }
    }

    fn meta(&self) -> &Meta {
        &self.meta
    }
}

impl Endpoint {
    fn read(endpoint: &Value) -> Self {
        let (target, conditions) = (&endpoint["targetRef"], &endpoint["conditions"]);
        // Consumers are told to read an absent condition as ready.
        let ready = conditions["ready"] != false;
        Self {
            pod: text(&target["name"]),
            uid: text(&target["uid"]),
            address: text(&endpoint["addresses"][0]),
            node: text(&endpoint["nodeName"]),
            ready,
            serving: conditions["serving"].as_bool().unwrap_or(ready),
            terminating: conditions["terminating"] == true,
        }
    }
}
