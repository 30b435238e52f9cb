//! Pods.

use serde_json::Value;

use super::{
    Cached,
    meta::{Meta, text},
};

/// How far a pod has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::controllers) enum Phase {
    /// Not all of its containers have started.
    #[default]
    Pending,
    /// Its node does not answer.
    Unknown,
    /// Its containers have started.
    Running,
    /// It ended well, or badly, and will not start again.
    Ended,
}

/// A pod.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::controllers) struct Pod {
    pub meta: Meta,
    pub phase: Phase,
    /// Whether its condition `Ready` is true.
    pub ready: bool,
    /// Since when that is so; empty if nobody has said so.
    pub ready_since: String,
    /// Empty until it has one.
    pub ip: String,
    /// Empty until it has one.
    pub node: String,
    /// How often its containers have started anew.
    pub restarts: i64,
    /// What it is worth to its ReplicaSet, by the annotation `controller.kubernetes.io/pod-deletion-cost`.
    pub deletion_cost: i64,
    /// How long it may take to end, in seconds, once it has been told to.
    pub grace: i64,
    /// The image of its first container.
    pub image: String,
    /// Named container ports.
    pub ports: Vec<(String, i64)>,
}

impl Pod {
    /// Whether it counts for its ReplicaSet.
    pub(in crate::controllers) fn is_active(&self) -> bool {
        self.is_counted() && !self.meta.deleting
    }

    /// Whether it counts for a quota: as long as it has not ended.
    pub(in crate::controllers) fn is_counted(&self) -> bool {
        self.phase != Phase::Ended
    }
}

impl Cached for Pod {
    fn read(meta: Meta, object: &Value, before: Option<&Self>) -> Self {
        let (spec, status) = (&object["spec"], &object["status"]);
        let ready = condition(status, "Ready");
        let cost = &object["metadata"]["annotations"]["controller.kubernetes.io/pod-deletion-cost"];
        let statuses = status["containerStatuses"].as_array().into_iter().flatten();
        let (image, ports) = match before.filter(|before| before.meta.uid == meta.uid) {
            // What a pod runs never changes in a way that matters here but for its image.
            Some(before) if before.image == first_image(spec) => (before.image.clone(), before.ports.clone()),
            _ => (first_image(spec).to_owned(), named_ports(spec)),
        };
        Self {
            meta,
            phase: phase(status),
            ready: ready.is_some_and(|ready| ready["status"] == "True"),
            ready_since: ready.map(|ready| text(&ready["lastTransitionTime"])).unwrap_or_default(),
            ip: text(&status["podIP"]),
            node: text(&spec["nodeName"]),
            restarts: statuses.filter_map(|status| status["restartCount"].as_i64()).sum(),
            deletion_cost: cost.as_str().and_then(|cost| cost.parse().ok()).unwrap_or(0),
            grace: object["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap_or(0),
            image,
            ports,
        }
    }

    fn meta(&self) -> &Meta {
        &self.meta
    }
}

/// One condition of a status.
pub(in crate::controllers) fn condition<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    status["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
}

fn phase(status: &Value) -> Phase {
    match status["phase"].as_str().unwrap_or_default() {
        "Running" => Phase::Running,
        "Succeeded" | "Failed" => Phase::Ended,
        "Unknown" => Phase::Unknown,
        _ => Phase::Pending,
    }
}

fn first_image(spec: &Value) -> &str {
    spec["containers"].get(0).and_then(|container| container["image"].as_str()).unwrap_or_default()
}

fn named_ports(spec: &Value) -> Vec<(String, i64)> {
    let containers = spec["containers"].as_array().into_iter().flatten();
    let ports = containers.filter_map(|container| container["ports"].as_array()).flatten();
    ports.filter_map(|port| Some((port["name"].as_str()?.to_owned(), port["containerPort"].as_i64()?))).collect()
}
