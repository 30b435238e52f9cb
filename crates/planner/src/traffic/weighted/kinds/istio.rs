//! Istio: a VirtualService, whose routes name hosts.
//!
//! <https://istio.io/latest/docs/reference/config/networking/virtual-service/>

use serde_json::Value;

use super::{Reports, RouteKind};
use crate::traffic::{
    Acceptance,
    kind::describe,
    weighted::{
        lists::Lists,
        weights::{Unwritten, Weighing},
    },
};

/// For HTTP, TLS and TCP. One that delegates has no routes of its own: the one that it delegates to is named.
pub(super) const VIRTUAL_SERVICE: RouteKind = RouteKind {
    group: "networking.istio.io",
    kind: "VirtualService",
    plural: "virtualservices",
    product: "Istio",
    lists: &[
        Lists { rules: "/spec/http/*", of_rule: "/route" },
        Lists { rules: "/spec/tls/*", of_rule: "/route" },
        Lists { rules: "/spec/tcp/*", of_rule: "/route" },
    ],
    service,
    rename,
    unusable,
    // With a total of 0, several are refused by Istio.
    weighing: Weighing { alone_has_all: true, ..Weighing::plain(Unwritten::AllAlone) },
    most: None,
    acceptance,
    reports: Reports::Faults,
    has_named_rules: true,
};

/// `checkout`, or `checkout.shop.svc.cluster.local` with whatever domain the cluster has: a name with a dot is not completed.
fn service(destination: &Value) -> Option<(&str, Option<&str>)> {
    let host = destination.pointer("/destination/host")?.as_str()?;
    let mut parts = host.splitn(3, '.');
    match (parts.next()?, parts.next(), parts.next()) {
        (service, None, None) => Some((service, None)),
        (service, namespace, Some(rest)) if rest.starts_with("svc.") => Some((service, namespace)),
        _ => None,
    }
}

fn rename(destination: &mut Value, service: &str) {
    if let Some(Value::String(host)) = destination.pointer_mut("/destination/host") {
        let rest = host.find('.').map(|dot| host.split_off(dot)).unwrap_or_default();
        *host = format!("{service}{rest}");
    }
}

/// A subset is a part of one Service's pods, by a DestinationRule for its host.
fn unusable(destination: &Value) -> Option<&'static str> {
    destination.pointer("/destination/subset").map(|_| {
        "a destination names a subset, and no DestinationRule has it for the Services of a rollout, which select the versions themselves: leave subset out"
    })
}

/// Istio validates before it takes anything over, and says only what is wrong.
///
/// <https://istio.io/latest/docs/reference/config/meta/v1beta1/istio-status/>
fn acceptance(object: &Value) -> Acceptance {
    let of_generation = object.pointer("/status/observedGeneration").is_none_or(|observed| {
        let number = observed.as_i64().or_else(|| observed.as_str()?.parse().ok());
        number == object.pointer("/metadata/generation").and_then(Value::as_i64)
    });
    let messages = object.pointer("/status/validationMessages").and_then(Value::as_array).into_iter().flatten();
    let mut errors = messages.filter(|message| of_generation && message["level"] == "ERROR");
    match errors.next() {
        Some(error) => {
            let code = error.pointer("/type/code").and_then(Value::as_str).unwrap_or("without a code");
            Acceptance::Rejected(format!("Istio reports an error on {}: {code}", describe(object)))
        }
        None => Acceptance::Accepted,
    }
}
