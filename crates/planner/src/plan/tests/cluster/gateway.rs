//! A gateway: takes routes over, and says so.

use serde_json::{Value, json};
use tidegate_api::Percent;

use super::Cluster;
use crate::traffic::Names;

/// How the gateway behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gateway {
    /// Takes every route over, and reports it.
    Accepts,
    /// Is not there.
    Silent,
    /// Refuses what it sees, and goes on with what it had.
    Rejects,
    /// Refuses what names one of the revisions' Services.
    RejectsSplits,
    /// Refuses what has a backend of weight 0.
    RejectsZeroWeights,
    /// Takes what names one of the revisions' Services, and says that it does not find it.
    Unresolving,
}

impl Cluster {
    pub(super) fn run_gateway(&mut self) {
        let routes = &self.routes;
        self.programmed.retain(|name, _| routes.contains_key(name));
        for name in self.routes.keys().cloned().collect::<Vec<_>>() {
            let route = self.routes[&name].clone();
            let dangling =
                backends(&route).any(|backend| !self.services.contains_key(backend["name"].as_str().unwrap()));
            let (accepted, resolved) = match self.gateway {
                Gateway::Silent => continue,
                Gateway::Accepts => ("True", if dangling { "False" } else { "True" }),
                Gateway::Rejects => ("False", "True"),
                Gateway::RejectsSplits if names_a_revision(&route) => ("False", "True"),
                Gateway::RejectsZeroWeights if backends(&route).any(|backend| backend["weight"] == 0) => {
                    ("False", "True")
                }
                Gateway::Unresolving if names_a_revision(&route) => ("True", "False"),
                Gateway::RejectsSplits | Gateway::RejectsZeroWeights | Gateway::Unresolving => ("True", "True"),
            };
            let condition = |place: usize, kind: &str, status: &str| {
                let known = &route["status"]["parents"][0]["conditions"][place];
                let is_same = known["status"] == status;
                let changed = if is_same { known["lastTransitionTime"].clone() } else { json!(self.now) };
                json!({
                    "type": kind, "status": status, "reason": "Tried", "message": "as tried",
                    "observedGeneration": route["metadata"]["generation"], "lastTransitionTime": changed,
                })
            };
            let report = json!({"parents": [{
                "parentRef": {"name": "public"},
                "controllerName": "example.com/gateway",
                "conditions": [condition(0, "Accepted", accepted), condition(1, "ResolvedRefs", resolved)],
            }]});
            if accepted == "True" {
                self.programmed.insert(name.clone(), route.clone());
            }
            if route["status"] != report {
                let version = self.version();
                let route = self.routes.get_mut(&name).unwrap();
                route["status"] = report;
                route["metadata"]["resourceVersion"] = json!(version);
            }
        }
    }
}

fn names_a_revision(route: &Value) -> bool {
    backends(route).any(|backend| backend["name"] != "checkout")
}

/// The part of what a route gives to the Rollout's Services that `service` gets.
pub fn share(route: &Value, names: &Names, service: &str) -> Percent {
    let weight = |backend: &Value| backend["weight"].as_f64().unwrap_or(1.0);
    // The user's own rule is the last one: those before it are for some requests only.
    let rule = route.pointer("/spec/rules").and_then(Value::as_array).and_then(|rules| rules.last());
    let ours: Vec<_> = rule
        .and_then(|rule| rule["backendRefs"].as_array())
        .into_iter()
        .flatten()
        .filter(|backend| [&names.service, &names.stable, &names.canary].iter().any(|name| backend["name"] == **name))
        .collect();
    let all: f64 = ours.iter().map(|backend| weight(backend)).sum();
    let one: f64 = ours.iter().filter(|backend| backend["name"] == service).map(|backend| weight(backend)).sum();
    Percent::new(one * 100.0 / all)
}

/// The backends of all rules.
pub fn backends(route: &Value) -> impl Iterator<Item = &Value> {
    let rules = route.pointer("/spec/rules").and_then(Value::as_array).into_iter().flatten();
    rules.filter_map(|rule| rule["backendRefs"].as_array()).flatten()
}
