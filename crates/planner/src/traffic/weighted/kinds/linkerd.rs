//! Linkerd: its own HTTPRoute, which is that of the Gateway API in a group of its own.
//!
//! <https://linkerd.io/2-edge/reference/httproute/>

use serde_json::Value;

use super::{Reports, RouteKind, always, by_name, refused, rename};
use crate::traffic::{
    Acceptance,
    kind::describe,
    weighted::{
        lists::Lists,
        weights::{Unwritten, Weighing},
    },
};

/// Requests over HTTP in the mesh.
pub(super) const HTTP_ROUTE: RouteKind = RouteKind {
    group: "policy.linkerd.io",
    kind: "HTTPRoute",
    plural: "httproutes",
    product: "Linkerd",
    lists: &[Lists { rules: "/spec/rules/*", of_rule: "/backendRefs" }],
    service: by_name,
    rename,
    unusable: always,
    weighing: Weighing::plain(Unwritten::Is(1)),
    // As of the Gateway API.
    most: Some(16),
    acceptance,
    reports: Reports::Faults,
    has_named_rules: false,
};

/// Linkerd names no generation in what it reports, so that its word on what was written cannot be waited for.
fn acceptance(route: &Value) -> Acceptance {
    let parents = route.pointer("/status/parents").and_then(Value::as_array).into_iter().flatten();
    let conditions = parents.filter_map(|parent| parent.get("conditions")?.as_array()).flatten();
    let name = describe(route);
    match refused(conditions) {
        Some(("ResolvedRefs", reason)) => {
            Acceptance::Unresolved(format!("Linkerd does not resolve what {name} points at: {reason}"), None)
        }
        Some((_, reason)) => Acceptance::Rejected(format!("Linkerd does not accept {name}: {reason}")),
        None => Acceptance::Accepted,
    }
}
