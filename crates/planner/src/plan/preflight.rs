//! What has to be right before anything is touched.

use serde_json::Value;
use tidegate_api::{Percent, Rollout, RouteMode, condition::reason};

use crate::{
    calendar::Calendar,
    plan::{GatewayFeatures, Observed, Route, Served, capacity, configuration, orphans, selection},
    traffic::{Names, Router, Split, features, named_twice, permits},
    workload::ownership,
};

/// Why nothing is done: one sentence that names the object and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The reason of the condition.
    pub reason: &'static str,
    /// The sentence.
    pub message: String,
}

impl Refusal {
    pub(super) fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

/// What to do where something is missing that a Rollout keeps for as long as it lives.
const CREATE: &str = "create it, or delete this Rollout, which cannot change to another, and make a new one";

/// What stands in the way, if anything does. It heals by itself: nothing of it is remembered.
pub fn refusal(rollout: &Rollout, observed: &Observed) -> Option<Refusal> {
    if let Some(invalid) = &observed.invalid {
        return Some(Refusal::new(reason::INVALID_SPEC, invalid.clone()));
    }
    if let Some(Err(unknown)) = rollout.spec.schedule.as_ref().map(Calendar::new) {
        return Some(Refusal::new(reason::INVALID_SPEC, format!("spec.schedule: {unknown}")));
    }
    if let Some(name) = rollout.spec.gate_named_twice() {
        let message =
            format!("two gates are called {name}: commands and the status could not tell them apart; rename one");
        return Some(Refusal::new(reason::INVALID_SPEC, message));
    }
    if let Some(rival) = &observed.rival {
        return Some(Refusal::new(reason::CONFLICT, rival.clone()));
    }
    workload(rollout, observed)
        .or_else(|| service(rollout, observed))
        .or_else(|| routes(rollout, observed))
        .or_else(|| features(rollout, observed))
        .or_else(|| revision_services(rollout, observed))
        .or_else(|| prometheus(rollout, observed))
        .or_else(|| configuration::refusal(rollout, observed))
        .or_else(|| observed.unusable_check.clone().map(|why| Refusal::new(reason::CHECK_UNUSABLE, why)))
        .or_else(|| observed.unusable_gate.clone().map(|why| Refusal::new(reason::GATE_UNUSABLE, why)))
}

fn workload(rollout: &Rollout, observed: &Observed) -> Option<Refusal> {
    let name = &rollout.spec.workload.name;
    let adopted =
        rollout.status.as_ref().and_then(|status| status.adoption.as_ref()).map(|adoption| &adoption.workload);
    if let Some(adopted) = adopted.filter(|adopted| *adopted != name) {
        let message = format!(
            "spec.workload names Deployment {name}, but the pods of Deployment {adopted} belong to this Rollout; name that one again, or delete the Rollout, which hands them back"
        );
        return Some(Refusal::new(reason::WORKLOAD_CHANGED, message));
    }
    observed
        .living_workload()
        .is_none()
        .then(|| Refusal::new(reason::WORKLOAD_NOT_FOUND, format!("Deployment {name} does not exist; {CREATE}")))
}

fn service(rollout: &Rollout, observed: &Observed) -> Option<Refusal> {
    let name = &rollout.spec.service;
    if observed.service.is_none() {
        let message = format!("Service {name} does not exist; {CREATE}");
        return Some(Refusal::new(reason::SERVICE_NOT_FOUND, message));
    }
    selection::refusal(rollout, observed)
}

fn routes(rollout: &Rollout, observed: &Observed) -> Option<Refusal> {
    if let Some(twice) = named_twice(observed.routes.iter().map(|route| &route.id)) {
        return Some(Refusal::new(reason::INVALID_SPEC, twice));
    }
    let names = Names::of(&rollout.spec.service);
    // All that a stage will ask for, so that no rollout finds out half-way that its route cannot say it.
    let splits = Split::of_stages(&rollout.spec);
    if !rollout.spec.is_routed() {
        let router = capacity::by_count(rollout);
        let unusable = router.can_split(&router.counts(Percent::ZERO), &splits).err()?;
        return Some(Refusal::new(reason::INVALID_SPEC, unusable.to_string()));
    }
    let is_whole = rollout.status.as_ref().is_none_or(|status| status.route == RouteMode::Service)
        && !observed.has_revision_services();
    observed.routes.iter().find_map(|route| {
        if let Some(refusal) = unserved(route) {
            return Some(refusal);
        }
        let Some(object) = &route.object else {
            let message = format!("{} does not exist; create it, or name another", route.id);
            return Some(Refusal::new(reason::ROUTE_NOT_FOUND, message));
        };
        if let Some(refusal) = ungranted(route, &names, observed).or_else(|| controlled(route, object)) {
            return Some(refusal);
        }
        let router = route.router(rollout, &names);
        let restorable = if is_whole { router.can_restore(object) } else { Ok(()) };
        let unusable = router.can_split(object, &splits).and(restorable).err()?;
        Some(Refusal::new(reason::ROUTE_UNUSABLE, unusable.to_string()))
    })
}

/// A stage that asks for what a gateway says that it does not know.
fn features(rollout: &Rollout, observed: &Observed) -> Option<Refusal> {
    let asked = features::asked(&rollout.spec);
    observed.gateway_features.iter().find_map(|GatewayFeatures { gateway, class, supported }| {
        let (feature, field) = asked.iter().find(|(feature, _)| !supported.contains(*feature))?;
        let message = format!(
            "Gateway {gateway} does not support {feature}, says GatewayClass {class}, but spec.{field} needs it: leave that out, or use a gateway that supports it"
        );
        Some(Refusal::new(reason::ROUTE_UNUSABLE, message))
    })
}

/// A kind that the API server does not serve to the operator.
fn unserved(route: &Route) -> Option<Refusal> {
    let kind = &route.id.kind;
    let (reason, message) = match route.kind {
        Served::Yes => return None,
        Served::Unknown if kind.is_of_gateway_api() => (
            reason::ROUTE_KIND_MISSING,
            format!(
                "the cluster does not know {kind}s; install the CRDs of the Gateway API, or leave out spec.traffic"
            ),
        ),
        Served::Unknown => (
            reason::ROUTE_KIND_MISSING,
            format!("the cluster does not know {kind}s of {}; install their CRD, or name another kind", kind.group),
        ),
        Served::Forbidden => (
            reason::ROUTE_UNUSABLE,
            format!(
                "the operator may not read {kind}s: let its role get, list, watch and update them in group {}",
                kind.group
            ),
        ),
        Served::NoRoom { most } => (
            reason::ROUTE_UNUSABLE,
            format!(
                "{kind}s of {} are not watched: the operator watches {most} kinds at a time, and other Rollouts name as many under spec.traffic.custom; name one of those, or let some of them name none",
                kind.group
            ),
        ),
        Served::OutOfReach => (
            reason::ROUTE_UNUSABLE,
            format!("{} lies in another namespace than the one that the operator serves; name one in it", route.id),
        ),
    };
    Some(Refusal::new(reason, message))
}

/// A route of another namespace that may not point at all three Services.
fn ungranted(route: &Route, names: &Names, observed: &Observed) -> Option<Refusal> {
    let from = route.id.namespace.as_deref()?;
    let services = [&names.service, &names.stable, &names.canary];
    let refused = services.into_iter().find(|service| !permits(&observed.grants, &route.id.kind, from, service))?;
    let message = format!(
        "no ReferenceGrant lets {} point at Service {refused}; make one in this namespace from {}s of namespace {from} to all Services, or to {}, {} and {}",
        route.id, route.id.kind, names.service, names.stable, names.canary
    );
    Some(Refusal::new(reason::ROUTE_UNUSABLE, message))
}

/// A route that another controller makes: it writes it as it wants it, and every weight would be a quarrel.
fn controlled(route: &Route, object: &Value) -> Option<Refusal> {
    let owners = object.pointer("/metadata/ownerReferences")?.as_array()?;
    let controller = owners.iter().find(|owner| owner["controller"] == true)?;
    let [kind, name] = ["kind", "name"].map(|field| controller[field].as_str().unwrap_or_default());
    let message = format!(
        "{} is controlled by {kind} {name}, which would write its own weights back; name a route that no controller keeps",
        route.id
    );
    Some(Refusal::new(reason::ROUTE_UNUSABLE, message))
}

/// The names that a rollout gives its Services must be free.
fn revision_services(rollout: &Rollout, observed: &Observed) -> Option<Refusal> {
    let Names { service, stable, canary } = Names::of(&rollout.spec.service);
    let mut previews = rollout.spec.stages.iter().flatten().filter_map(|stage| Some(&stage.preview.as_ref()?.service));
    if let Some(name) = previews.find(|name| [&service, &stable, &canary].contains(name)) {
        let message = format!(
            "preview of a stage names Service {name}, which this Rollout has for its own traffic; give the preview another name"
        );
        return Some(Refusal::new(reason::SERVICE_UNUSABLE, message));
    }
    if let Some(name) = &observed.preview_taken {
        let message = format!(
            "Service {name} exists and is somebody else's, but preview of a stage needs that name; name another"
        );
        return Some(Refusal::new(reason::SERVICE_UNUSABLE, message));
    }
    if !rollout.spec.is_routed() {
        return None;
    }
    let services = [&observed.stable_service, &observed.canary_service];
    let taken = services
        .into_iter()
        .flatten()
        .find(|service| !ownership::is_of(rollout, service.as_ref()) && !orphans::is_left_behind(observed, service))?;
    let name = taken.metadata.name.as_deref().unwrap_or_default();
    let message = format!("Service {name} exists and is somebody else's, but a rollout needs that name; rename it");
    Some(Refusal::new(reason::SERVICE_UNUSABLE, message))
}

fn prometheus(rollout: &Rollout, observed: &Observed) -> Option<Refusal> {
    let analysis = rollout.spec.analysis.as_ref()?;
    (!observed.endpoint_known).then(|| {
        let name = analysis.prometheus.as_deref().unwrap_or("default");
        let message = format!(
            "no Prometheus endpoint called {name} is configured on the operator; ask the platform team, or name another in analysis.prometheus"
        );
        Refusal::new(reason::ENDPOINT_NOT_FOUND, message)
    })
}
