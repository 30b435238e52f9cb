//! Whether the data plane has taken a route over, as its gateways report in `status.parents`.
//!
//! <https://gateway-api.sigs.k8s.io/guides/implementers/#conditions>

use std::fmt;

use jiff::Timestamp;
use serde_json::Value;

use crate::traffic::{Acceptance, kind::describe};

/// What the gateways say about the route's current generation.
///
/// Each of `spec.parentRefs` needs an entry in `status.parents` whose conditions `Accepted` and `ResolvedRefs` are
/// `True` at that generation. Several controllers may report for one parent: one that accepts is enough, and one that
/// refuses is too many; reports on older generations count for nothing. Those that name none count for nothing either,
/// unless they changed since an instant that is given: the one at which the route was written.
#[must_use]
pub fn accepted(route: &Value, since: Option<Timestamp>) -> Acceptance {
    let parents = route.pointer("/spec/parentRefs").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if parents.is_empty() {
        let route = describe(route);
        return Acceptance::Rejected(format!("{route} has no parentRefs: no gateway serves it; add the Gateway to it"));
    }
    let mut waiting = None;
    for parent in parents {
        match of_parent(route, &Parent::of(parent, route), since) {
            Acceptance::Accepted => {}
            Acceptance::Waiting(sentence) => waiting = waiting.or(Some(sentence)),
            refused @ (Acceptance::Rejected(_) | Acceptance::Unresolved(..)) => return refused,
        }
    }
    waiting.map_or(Acceptance::Accepted, Acceptance::Waiting)
}

fn of_parent(route: &Value, parent: &Parent<'_>, since: Option<Timestamp>) -> Acceptance {
    let reports = route.pointer("/status/parents").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut result = None;
    for report in reports.iter().filter(|report| Parent::of(&report["parentRef"], route) == *parent) {
        match of_report(route, parent, report, since) {
            Acceptance::Accepted => result = Some(Acceptance::Accepted),
            waiting @ Acceptance::Waiting(_) => result = result.or(Some(waiting)),
            refused @ (Acceptance::Rejected(_) | Acceptance::Unresolved(..)) => return refused,
        }
    }
    result.unwrap_or_else(|| {
        let (route, generation) = (describe(route), generation(route));
        Acceptance::Waiting(format!("{parent} has not reported on {route} at generation {generation} yet"))
    })
}

fn of_report(route: &Value, parent: &Parent<'_>, report: &Value, since: Option<Timestamp>) -> Acceptance {
    let (name, current) = (describe(route), generation(route));
    let mut waiting = None;
    for kind in ["Accepted", "ResolvedRefs"] {
        let conditions = report["conditions"].as_array().into_iter().flatten();
        let Some(condition) = conditions.into_iter().find(|condition| condition["type"] == kind) else {
            waiting = waiting.or(Some(format!("{parent} does not report {kind} for {name} yet")));
            continue;
        };
        let (status, reason) = (text(condition, "status"), text(condition, "reason"));
        let late = match condition["observedGeneration"].as_i64() {
            Some(observed) if observed >= current => None,
            Some(observed) => Some(format!("generation {observed}")),
            None if has_changed(condition, since) => None,
            None => Some("a generation that it does not name".to_owned()),
        };
        if let Some(observed) = late {
            let never = condition["observedGeneration"].as_i64().is_none();
            let hint =
                "; if this gateway never names one, set spec.traffic.gatewayAPI.acceptance to Observed or Ignored";
            let hint = if never { hint } else { "" };
            let sentence =
                format!("{parent} reports {kind} for {name} at {observed}; waiting for generation {current}{hint}");
            waiting = waiting.or(Some(sentence));
        } else if status == "False" && reason != "Pending" {
            let (controller, message) = (text(report, "controllerName"), text(condition, "message"));
            let sentence = format!(
                "{parent} refuses {name} at generation {current}: {kind} is False ({reason}: {message}), says {controller}"
            );
            return if kind == "Accepted" {
                Acceptance::Rejected(sentence)
            } else {
                Acceptance::Unresolved(sentence, changed(condition))
            };
        } else if status != "True" {
            let sentence = format!("{parent} reports {kind}={status} ({reason}) for {name} at generation {current}");
            waiting = waiting.or(Some(sentence));
        }
    }
    waiting.map_or(Acceptance::Accepted, Acceptance::Waiting)
}

/// Whether a condition changed since then. Kubernetes keeps such times to the second.
fn has_changed(condition: &Value, since: Option<Timestamp>) -> bool {
    changed(condition).zip(since).is_some_and(|(changed, since)| changed.as_second() >= since.as_second())
}

fn changed(condition: &Value) -> Option<Timestamp> {
    condition["lastTransitionTime"].as_str()?.parse().ok()
}

fn generation(route: &Value) -> i64 {
    route.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(0)
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object[field].as_str().unwrap_or_default()
}

/// A parent reference with the defaults of the Gateway API, so that two that mean the same are equal.
#[derive(PartialEq, Eq)]
struct Parent<'a> {
    group: &'a str,
    kind: &'a str,
    namespace: &'a str,
    name: &'a str,
    section: &'a str,
    port: Option<i64>,
}

impl<'a> Parent<'a> {
    fn of(reference: &'a Value, route: &'a Value) -> Self {
        let or = |field: &str, default| reference[field].as_str().unwrap_or(default);
        Self {
            group: or("group", "gateway.networking.k8s.io"),
            kind: or("kind", "Gateway"),
            namespace: or(
                "namespace",
                route.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default(),
            ),
            name: or("name", ""),
            section: or("sectionName", ""),
            port: reference["port"].as_i64(),
        }
    }
}

impl fmt::Display for Parent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)?;
        if !self.section.is_empty() {
            write!(f, " (section {})", self.section)?;
        }
        self.port.map_or(Ok(()), |port| write!(f, " (port {port})"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn condition(kind: &str, status: &str, generation: i64) -> Value {
        json!({"type": kind, "status": status, "reason": "BackendNotFound", "message": "no such Service",
               "observedGeneration": generation})
    }

    fn report(parent: &Value, accepted: (&str, i64), resolved: (&str, i64)) -> Value {
        json!({"parentRef": parent, "controllerName": "example.com/gateway", "conditions": [
            condition("Accepted", accepted.0, accepted.1), condition("ResolvedRefs", resolved.0, resolved.1),
        ]})
    }

    fn route(reports: &[Value]) -> Value {
        json!({
            "kind": "HTTPRoute",
            "metadata": {"name": "checkout", "namespace": "shop", "generation": 7},
            "spec": {"parentRefs": [{"name": "public", "sectionName": "http"}]},
            "status": {"parents": reports},
        })
    }

    fn public() -> Value {
        json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": "shop", "name": "public",
               "sectionName": "http"})
    }

    fn accepted_at(route: &Value) -> Acceptance {
        accepted(route, None)
    }

    fn said(acceptance: Acceptance) -> String {
        match acceptance {
            Acceptance::Accepted => "accepted".to_owned(),
            Acceptance::Waiting(sentence) => format!("waiting: {sentence}"),
            Acceptance::Rejected(sentence) => format!("rejected: {sentence}"),
            Acceptance::Unresolved(sentence, _) => format!("unresolved: {sentence}"),
        }
    }

    #[test]
    fn a_route_is_accepted_when_its_parent_says_so_at_its_generation() {
        assert_eq!(accepted_at(&route(&[report(&public(), ("True", 7), ("True", 7))])), Acceptance::Accepted);
    }

    #[test]
    fn a_report_on_an_older_generation_is_waited_for() {
        assert_eq!(
            said(accepted_at(&route(&[report(&public(), ("True", 7), ("False", 6))]))),
            "waiting: Gateway shop/public (section http) reports ResolvedRefs for HTTPRoute shop/checkout at \
             generation 6; waiting for generation 7"
        );
    }

    #[test]
    fn a_refusal_at_the_current_generation_is_told_with_its_reason() {
        assert_eq!(
            said(accepted_at(&route(&[report(&public(), ("True", 7), ("False", 7))]))),
            "unresolved: Gateway shop/public (section http) refuses HTTPRoute shop/checkout at generation 7: \
             ResolvedRefs is False (BackendNotFound: no such Service), says example.com/gateway"
        );
    }

    #[test]
    fn a_parent_that_says_nothing_is_waited_for() {
        let other = json!({"name": "public", "sectionName": "https"});
        for route in [route(&[]), route(&[report(&other, ("True", 7), ("True", 7))])] {
            assert_eq!(
                said(accepted_at(&route)),
                "waiting: Gateway shop/public (section http) has not reported on HTTPRoute shop/checkout at \
                 generation 7 yet"
            );
        }
    }

    #[test]
    fn every_parent_has_to_accept() {
        let mut route = route(&[report(&public(), ("True", 7), ("True", 7))]);
        route["spec"]["parentRefs"].as_array_mut().unwrap().push(json!({"name": "internal", "namespace": "infra"}));
        assert!(said(accepted_at(&route)).starts_with("waiting: Gateway infra/internal has not reported"));
    }

    #[test]
    fn one_of_several_controllers_is_enough_unless_another_refuses() {
        let (yes, late) = (report(&public(), ("True", 7), ("True", 7)), report(&public(), ("False", 3), ("False", 3)));
        let no = report(&public(), ("False", 7), ("True", 7));
        assert_eq!(accepted_at(&route(&[late.clone(), yes.clone()])), Acceptance::Accepted);
        assert_eq!(accepted_at(&route(&[yes.clone(), late])), Acceptance::Accepted);
        assert!(matches!(accepted_at(&route(&[yes, no])), Acceptance::Rejected(_)));
    }

    #[test]
    fn a_pending_or_unknown_condition_is_waited_for() {
        let mut pending = report(&public(), ("False", 7), ("True", 7));
        pending["conditions"][0]["reason"] = json!("Pending");
        assert!(matches!(accepted_at(&route(&[pending])), Acceptance::Waiting(_)));
        let unknown = report(&public(), ("Unknown", 7), ("True", 7));
        assert!(matches!(accepted_at(&route(&[unknown])), Acceptance::Waiting(_)));
    }

    #[test]
    fn a_condition_without_a_generation_proves_nothing_and_what_to_do_is_told() {
        let mut silent = report(&public(), ("True", 7), ("True", 7));
        silent["conditions"][0].as_object_mut().unwrap().remove("observedGeneration");
        let said = said(accepted_at(&route(&[silent])));
        assert!(said.contains("at a generation that it does not name"), "{said}");
        assert!(said.ends_with("set spec.traffic.gatewayAPI.acceptance to Observed or Ignored"), "{said}");
    }

    #[test]
    fn a_condition_without_a_generation_counts_where_it_changed_after_the_write() {
        let written: Timestamp = "2026-03-02T09:00:00.7Z".parse().unwrap();
        let at = |time: &str| {
            let mut silent = report(&public(), ("True", 7), ("True", 7));
            for condition in silent["conditions"].as_array_mut().unwrap() {
                condition.as_object_mut().unwrap().remove("observedGeneration");
                condition["lastTransitionTime"] = json!(time);
            }
            accepted(&route(&[silent]), Some(written))
        };
        assert_eq!(at("2026-03-02T09:00:00Z"), Acceptance::Accepted);
        assert!(matches!(at("2026-03-02T08:59:59Z"), Acceptance::Waiting(_)));
    }

    #[test]
    fn a_route_without_parents_serves_nobody() {
        let mut route = route(&[]);
        route["spec"]["parentRefs"] = json!([]);
        assert!(matches!(accepted_at(&route), Acceptance::Rejected(_)));
    }
}
