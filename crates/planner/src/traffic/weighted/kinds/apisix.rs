//! APISIX: an ApisixRoute, whose rules list backends.
//!
//! <https://apisix.apache.org/docs/ingress-controller/reference/api-reference/#apisixroute>

use serde_json::Value;

use super::{Reports, RouteKind, current, refused, set};
use crate::traffic::{
    Acceptance,
    kind::describe,
    weighted::{
        lists::Lists,
        weights::{Unwritten, Weighing},
    },
};

/// Requests over HTTP.
pub(super) const APISIX_ROUTE: RouteKind = RouteKind {
    group: "apisix.apache.org",
    kind: "ApisixRoute",
    plural: "apisixroutes",
    product: "APISIX",
    lists: &[Lists { rules: "/spec/http/*", of_rule: "/backends" }],
    service,
    rename: |backend, service| set(backend, "/serviceName", service),
    unusable,
    weighing: Weighing::plain(Unwritten::Is(100)),
    most: None,
    acceptance,
    reports: Reports::Faults,
    has_named_rules: true,
};

/// A subset is a part of one Service's pods, by the ApisixUpstream that is called as it is.
fn unusable(backend: &Value) -> Option<&'static str> {
    backend.get("subset").map(|_| {
        "a backend names a subset, and no ApisixUpstream has it for the Services of a rollout, which select the versions themselves: leave subset out"
    })
}

fn service(backend: &Value) -> Option<(&str, Option<&str>)> {
    Some((backend.get("serviceName")?.as_str()?, None))
}

/// Not every version of the controller reports, so that only what is wrong is waited for.
fn acceptance(route: &Value) -> Acceptance {
    match refused(["ResourcesAvailable", "Accepted"].into_iter().filter_map(|kind| current(route, kind))) {
        Some((_, reason)) => {
            Acceptance::Rejected(format!("APISIX reports that {} is not in force: {reason}", describe(route)))
        }
        None => Acceptance::Accepted,
    }
}
