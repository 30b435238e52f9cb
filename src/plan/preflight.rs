//! What has to be right before anything is touched.

use crate::{
    api::{Rollout, condition::reason},
    plan::Observed,
    traffic::{Names, http_route},
    workload::{self, ownership},
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

/// What stands in the way, if anything does. It heals by itself: nothing of it is remembered.
pub fn refusal(rollout: &Rollout, observed: &Observed) -> Option<Refusal> {
    if let Some(invalid) = &observed.invalid {
        return Some(Refusal::new(reason::INVALID_SPEC, invalid.clone()));
    }
    if let Some(rival) = &observed.rival {
        return Some(Refusal::new(reason::CONFLICT, rival.clone()));
    }
    workload(rollout, observed)
        .or_else(|| service(rollout, observed))
        .or_else(|| routes(rollout, observed))
        .or_else(|| revision_services(rollout, observed))
        .or_else(|| prometheus(rollout, observed))
        .or_else(|| observed.unusable_check.clone().map(|why| Refusal::new(reason::CHECK_UNUSABLE, why)))
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
    observed.living_workload().is_none().then(|| {
        Refusal::new(
            reason::WORKLOAD_NOT_FOUND,
            format!("Deployment {name} does not exist; create it, or name another"),
        )
    })
}

fn service(rollout: &Rollout, observed: &Observed) -> Option<Refusal> {
    let name = &rollout.spec.service;
    let Some(service) = &observed.service else {
        let message = format!("Service {name} does not exist; create it, or name another");
        return Some(Refusal::new(reason::SERVICE_NOT_FOUND, message));
    };
    let selector = service.spec.as_ref().and_then(|spec| spec.selector.clone()).unwrap_or_default();
    if selector.is_empty() {
        let message =
            format!("Service {name} has no selector, so no revision can be told apart behind it; give it one");
        return Some(Refusal::new(reason::SERVICE_UNUSABLE, message));
    }
    let workload = observed.living_workload()?;
    (!workload::selects(&selector, &workload.spec.template)).then(|| {
        let message = format!(
            "Service {name} does not select the pods of Deployment {}; make its selector match their labels",
            rollout.spec.workload.name
        );
        Refusal::new(reason::SERVICE_UNUSABLE, message)
    })
}

fn routes(rollout: &Rollout, observed: &Observed) -> Option<Refusal> {
    let wanted = rollout.spec.routes();
    if wanted.is_empty() {
        return None;
    }
    if !observed.routes_known {
        let message =
            "the cluster does not know HTTPRoutes; install the CRDs of the Gateway API, or leave out spec.traffic";
        return Some(Refusal::new(reason::ROUTE_KIND_MISSING, message));
    }
    let names = Names::of(&rollout.spec.service);
    observed.routes.iter().find_map(|route| {
        let Some(object) = &route.object else {
            let message = format!("HTTPRoute {} does not exist; create it, or name another", route.name);
            return Some(Refusal::new(reason::ROUTE_NOT_FOUND, message));
        };
        // Every weight that a stage will ask for, so that no rollout finds out half-way that its route cannot say it.
        let stages = rollout.spec.stages();
        let unusable = http_route::can_split(object, &names, stages.iter().map(|stage| stage.weight)).err()?;
        Some(Refusal::new(reason::ROUTE_UNUSABLE, unusable.to_string()))
    })
}

/// The names that a rollout gives its Services must be free.
fn revision_services(rollout: &Rollout, observed: &Observed) -> Option<Refusal> {
    if rollout.spec.routes().is_empty() {
        return None;
    }
    let services = [&observed.stable_service, &observed.canary_service];
    let taken = services.into_iter().flatten().find(|service| !ownership::is_of(rollout, service.as_ref()))?;
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
