//! Gloo: its VirtualService, whose routes list destinations under `multi`.
//!
//! <https://docs.solo.io/gloo-edge/latest/reference/api/github.com/solo-io/gloo/projects/gloo/api/v1/proxy.proto.sk/#multidestination>

use serde_json::Value;

use super::{Reports, RouteKind, always, set};
use crate::traffic::{
    Acceptance,
    kind::describe,
    weighted::{
        lists::Lists,
        weights::{Unwritten, Weighing},
    },
};

/// Destinations that name Services: those that name an Upstream belong to somebody else.
pub(super) const VIRTUAL_SERVICE: RouteKind = RouteKind {
    group: "gateway.solo.io",
    kind: "VirtualService",
    plural: "virtualservices",
    product: "Gloo",
    lists: &[Lists { rules: "/spec/virtualHost/routes/*", of_rule: "/routeAction/multi/destinations" }],
    service,
    rename: |destination, service| set(destination, "/destination/kube/ref/name", service),
    unusable: always,
    weighing: Weighing::plain(Unwritten::Is(0)),
    most: None,
    acceptance,
    reports: Reports::Faults,
    has_named_rules: true,
};

fn service(destination: &Value) -> Option<(&str, Option<&str>)> {
    let service = destination.pointer("/destination/kube/ref")?;
    Some((service.get("name")?.as_str()?, service.get("namespace").and_then(Value::as_str)))
}

/// Each installation of Gloo reports under its own namespace. While it rejects one, it goes on with what it had.
fn acceptance(service: &Value) -> Acceptance {
    let reports = service.pointer("/status/statuses").and_then(Value::as_object).into_iter().flatten();
    // By name, or by its number.
    let mut rejected =
        reports.map(|(_, report)| report).filter(|report| report["state"] == "Rejected" || report["state"] == 2);
    match rejected.next() {
        Some(_) => Acceptance::Rejected(format!("Gloo rejects {}: its status says why", describe(service))),
        None => Acceptance::Accepted,
    }
}
