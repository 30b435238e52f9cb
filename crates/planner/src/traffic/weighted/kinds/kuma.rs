//! Kuma: a MeshHTTPRoute, whose rules name the MeshServices that Kuma makes of Services.
//!
//! <https://kuma.io/docs/latest/policies/meshhttproute/>

use serde_json::Value;

use super::{Reports, RouteKind, always, rename, unreported};
use crate::traffic::weighted::{
    lists::Lists,
    weights::{Unwritten, Weighing},
};

/// Requests over HTTP in the mesh.
pub(super) const MESH_HTTP_ROUTE: RouteKind = RouteKind {
    group: "kuma.io",
    kind: "MeshHTTPRoute",
    plural: "meshhttproutes",
    product: "Kuma",
    lists: &[Lists { rules: "/spec/to/*/rules/*", of_rule: "/default/backendRefs" }],
    service,
    rename,
    unusable: always,
    weighing: Weighing::plain(Unwritten::Is(1)),
    most: None,
    acceptance: unreported,
    reports: Reports::Nothing,
    has_named_rules: false,
};

/// A MeshService is called as its Service is.
fn service(backend: &Value) -> Option<(&str, Option<&str>)> {
    let is_service = backend.get("kind").and_then(Value::as_str) == Some("MeshService");
    is_service.then(|| Some((backend.get("name")?.as_str()?, backend.get("namespace").and_then(Value::as_str))))?
}
