//! Contour: an HTTPProxy, whose routes list services.
//!
//! <https://projectcontour.io/docs/1.30/config/api/#projectcontour.io/v1.HTTPProxy>

use serde_json::Value;

use super::{Reports, RouteKind, always, by_name, current, rename};
use crate::traffic::{
    Acceptance,
    kind::describe,
    weighted::{
        lists::Lists,
        weights::{Unwritten, Weighing},
    },
};

/// Those that it includes are named by themselves.
pub(super) const HTTP_PROXY: RouteKind = RouteKind {
    group: "projectcontour.io",
    kind: "HTTPProxy",
    plural: "httpproxies",
    product: "Contour",
    // Not those of a tcpproxy: older releases give each of its services as much as any other, whatever the weights.
    lists: &[Lists { rules: "/spec/routes/*", of_rule: "/services" }],
    service: by_name,
    rename,
    unusable: always,
    // <https://projectcontour.io/docs/1.30/config/request-routing/#upstream-weighting>
    weighing: Weighing { alone_has_all: true, none_is_equal: true, has_share, ..Weighing::plain(Unwritten::Equal) },
    most: None,
    acceptance,
    reports: Reports::Generation,
    has_named_rules: false,
};

/// One that gets copies has no part of the requests: its weight says how many of them are copied.
fn has_share(service: &Value) -> bool {
    !service.get("mirror").and_then(Value::as_bool).unwrap_or_default()
}

/// <https://projectcontour.io/docs/1.30/config/fundamentals/#httpproxy-status>
fn acceptance(proxy: &Value) -> Acceptance {
    let name = describe(proxy);
    let Some(valid) = current(proxy, "Valid") else {
        return Acceptance::Waiting(format!(
            "Contour has not reported on {name} at the generation that was written yet"
        ));
    };
    if valid["status"] == "True" {
        return Acceptance::Accepted;
    }
    let reason = valid.pointer("/errors/0/reason").or_else(|| valid.get("reason")).and_then(Value::as_str);
    Acceptance::Rejected(format!(
        "Contour reports that {name} is not valid: {}",
        reason.unwrap_or("it gives no reason")
    ))
}
