//! A gateway: takes routes over into its own configuration, and says so in their status.
//!
//! <https://gateway-api.sigs.k8s.io/guides/implementers/#status>

mod data_plane;
mod programmed;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tidegate_api::GatewayRouteKind;
use tidegate_apiserver::Refusal;

use super::{Delay, ReconcileContext, cache::Key, queue::Task};

pub(super) use data_plane::DataPlane;
pub use data_plane::{Entry, Share, To};
pub(super) use programmed::{Programmed, Reference, Rule};

/// Its field manager.
const MANAGER: &str = "gateway-controller";

/// The name under which it reports.
const CONTROLLER: &str = "tidegate.dev/simulated-gateway";

/// How the names of the Services end that a rollout adds.
const STABLE: &str = "-stable";
const CANARY: &str = "-canary";

/// How the gateway behaves.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum GatewayMode {
    /// Takes every route over and reports it.
    #[default]
    Accepting,
    /// The same, but slower than it usually is.
    Slow(Delay),
    /// Is not there: what was in force stays in force.
    Silent,
    /// Refuses each route as it now is, and goes on with what it had.
    Rejecting,
    /// The same of routes alone that name a Service of one revision.
    RejectingSplits,
    /// Takes such routes over and says so, but answers all their requests with an error.
    Breaking,
    /// Takes such routes over and says so, but gives the new version this part of their requests, whatever their weights:
    /// a gateway that knows none gives half.
    Misdividing(f64),
    /// Takes each route over, but reports that at the generation before.
    ReportingLate,
}

/// What the gateway knows.
#[derive(Debug, Default)]
pub(super) struct Gateway {
    pub mode: GatewayMode,
    /// The routes in force.
    pub programmed: BTreeMap<RouteKey, Programmed>,
}

/// A route: its kind, and its namespace and name.
pub(super) type RouteKey = (GatewayRouteKind, Key);

impl Gateway {
    /// A route, or a Service that it names, has changed.
    pub(super) fn notice(&self, context: &mut ReconcileContext<'_>, route: RouteKey) {
        let delay = match self.mode {
            GatewayMode::Slow(delay) => delay,
            _ => context.pace.gateway,
        };
        context.react(delay, Task::Route(route));
    }

    /// The backends of the routes in force. What a route names for the first time is taken over together with its
    /// endpoints: Traefik makes one configuration of both, and who configures Envoy sends the endpoints before the routes
    /// that lead to them,
    /// <https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#eventual-consistency-considerations>.
    pub(super) fn named(&self) -> BTreeSet<Key> {
        let references = self.programmed.values().flat_map(Programmed::references);
        references.map(|reference| reference.service.clone()).collect()
    }

    /// Takes a route over as it is now. Whether anything is in force that was not.
    pub(super) fn sync(&mut self, context: &ReconcileContext<'_>, route: &RouteKey) -> Result<bool, Refusal> {
        if self.mode == GatewayMode::Silent {
            return Ok(false);
        }
        let (kind, key) = route;
        let Some(object) = context.whole(kind.plural(), key) else {
            return Ok(self.programmed.remove(route).is_some());
        };
        let object = object.value();
        let mut programmed = Programmed::read(key, object);
        let is_split = programmed.references().any(names_a_revision);
        let missing = programmed.references().find(|reference| !exists(context, reference)).cloned();
        let generation = programmed.generation;
        let rejects = match self.mode {
            GatewayMode::Rejecting => true,
            GatewayMode::RejectingSplits => is_split,
            _ => false,
        };
        if self.mode == GatewayMode::Breaking && is_split {
            programmed.break_all();
        }
        if let GatewayMode::Misdividing(share) = self.mode {
            programmed.misdivide(share);
        }
        let changed = !rejects && self.programmed.get(route) != Some(&programmed);
        if changed {
            self.programmed.insert(route.clone(), programmed);
        }
        self.report(context, route, object, rejects, (generation, missing.as_ref()))?;
        Ok(changed)
    }

    fn report(
        &self,
        context: &ReconcileContext<'_>,
        (kind, key): &RouteKey,
        route: &Value,
        rejects: bool,
        (generation, missing): (i64, Option<&Reference>),
    ) -> Result<(), Refusal> {
        let accepted = if rejects {
            ("False", "UnsupportedValue", "the gateway refuses this route".to_owned())
        } else {
            ("True", "Accepted", "the route is in force".to_owned())
        };
        let resolved = match missing {
            Some(Reference { service, .. }) => {
                let message = format!("there is no Service {}/{}", service.namespace(), service.name());
                ("False", "BackendNotFound", message)
            }
            None => ("True", "ResolvedRefs", "every backend is known".to_owned()),
        };
        let observed = if self.mode == GatewayMode::ReportingLate { generation - 1 } else { generation };
        let parents = route["spec"]["parentRefs"].as_array().into_iter().flatten();
        let reports: Vec<Value> = parents
            .map(|parent| {
                let conditions = [("Accepted", &accepted), ("ResolvedRefs", &resolved)]
                    .map(|(kind, told)| condition(context, earlier(route, parent, kind), kind, told, observed));
                json!({"parentRef": parent, "controllerName": CONTROLLER, "conditions": conditions})
            })
            .collect();
        let others = route["status"]["parents"].as_array().into_iter().flatten();
        let others = others.filter(|report| report["controllerName"] != CONTROLLER).cloned();
        let all: Vec<Value> = others.chain(reports).collect();
        if route["status"]["parents"].as_array() == Some(&all) {
            return Ok(());
        }
        context.merge_status(kind.plural(), key, json!({"status": {"parents": all}}), MANAGER)
    }
}

/// The Services that a rollout adds beside the user's own.
fn names_a_revision(reference: &Reference) -> bool {
    [STABLE, CANARY].iter().any(|suffix| reference.service.name().ends_with(suffix))
}

fn exists(context: &ReconcileContext<'_>, reference: &Reference) -> bool {
    !reference.is_service || context.cache.services.get(&reference.service).is_some()
}

/// What was last reported to a parent.
fn earlier<'a>(route: &'a Value, parent: &Value, kind: &str) -> Option<&'a Value> {
    let reports = route["status"]["parents"].as_array()?;
    let own = reports.iter().find(|it| it["controllerName"] == CONTROLLER && it["parentRef"] == *parent)?;
    own["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
}

fn condition(
    context: &ReconcileContext<'_>,
    earlier: Option<&Value>,
    kind: &str,
    (status, reason, message): &(&str, &str, String),
    observed: i64,
) -> Value {
    let since = earlier.filter(|earlier| earlier["status"] == **status).map(|earlier| &earlier["lastTransitionTime"]);
    json!({
        "type": kind, "status": status, "reason": reason, "message": message, "observedGeneration": observed,
        "lastTransitionTime": since.cloned().unwrap_or_else(|| json!(context.stamp())),
    })
}
