//! What a Rollout left behind that is gone without having handed its pods back: somebody took its finalizer off, by
//! `kubectl replace` or by hand.
//!
//! The Deployment, their second owner, has kept the ReplicaSets and the Services, and the pods go on serving. The next
//! Rollout of that Deployment takes them over as they are; what the Deployment started meanwhile is a new version.

use k8s_openapi::api::core::v1::Service;
use serde_json::json;
use tidegate_api::{
    AdoptionMode, AdoptionStatus, AdoptionStep, POD_TEMPLATE_HASH, Phase, RevisionStatus, Rollout, RouteMode,
};

use crate::{
    plan::{
        Observed, Planner,
        effect::{Effect, Write, guarded, taken},
    },
    traffic::Names,
    workload::{Ownership, ReplicaSet, ownership, template},
};

impl Planner<'_> {
    /// Begins to take over the pods of a Rollout that is gone, if there are any. Whether it does.
    pub(super) fn adopt_orphans(&mut self) -> bool {
        let Some(serving) = serving(self.rollout, self.observed) else { return false };
        self.status.set_stable(revision(serving));
        // What was on its way keeps its Service until no route gives it traffic: it is turned back.
        self.status.inherit_canary(under_way(self.rollout, self.observed, serving).map(revision));
        // Of a rollout that was under way, the routes may still say the revisions' Services.
        let is_split = self.is_routed() && self.observed.has_revision_services();
        self.status.lead_routes(if is_split { RouteMode::Split } else { RouteMode::Service });
        self.status.enter_phase(Phase::Adopting);
        self.status.begin_adoption(AdoptionStatus {
            step: AdoptionStep::Moving,
            mode: AdoptionMode::Move,
            workload: self.rollout.spec.workload.name.clone(),
            replicas: serving.replicas(),
            since: self.now,
        });
        self.say(format!("taking over the pods that a Rollout which is gone left in ReplicaSet {}", serving.name()));
        true
    }
}

/// The one that serves among the ReplicaSets that were left behind: in mid-flight the one that was stable, if it has
/// ready pods, else the one with the most.
fn serving<'a>(rollout: &Rollout, observed: &'a Observed) -> Option<&'a ReplicaSet> {
    let was_stable = selected(observed, &Names::of(&rollout.spec.service).stable);
    let ready = |set: &ReplicaSet| set.status.ready_replicas;
    observed.orphans.iter().map(AsRef::as_ref).filter(|set| !set.is_empty()).max_by_key(|set| {
        let stable = ready(set) > 0 && was_stable.is_some_and(|hash| hash == set.revision());
        (stable, ready(set), set.metadata.creation_timestamp.clone())
    })
}

/// The one beside it that `<service>-canary` selects.
fn under_way<'a>(rollout: &Rollout, observed: &'a Observed, serving: &ReplicaSet) -> Option<&'a ReplicaSet> {
    let hash = selected(observed, &Names::of(&rollout.spec.service).canary)?;
    let mut others = observed.orphans.iter().map(AsRef::as_ref).filter(|set| set.name() != serving.name());
    others.find(|set| set.revision() == hash)
}

/// The revision that a Service which was left behind selects.
fn selected<'a>(observed: &'a Observed, service: &str) -> Option<&'a String> {
    let mut services = observed.orphaned_services.iter();
    let service = services.find(|orphan| orphan.metadata.name.as_deref() == Some(service))?;
    service.spec.as_ref()?.selector.as_ref()?.get(POD_TEMPLATE_HASH)
}

fn revision(set: &ReplicaSet) -> RevisionStatus {
    RevisionStatus {
        revision: set.revision().to_owned(),
        replica_set: set.name().to_owned(),
        images: template::images(&set.spec.template),
        ..RevisionStatus::default()
    }
}

/// Whether a ReplicaSet of that name was left behind.
pub(super) fn has(observed: &Observed, replica_set: &str) -> bool {
    observed.orphans.iter().any(|set| set.name() == replica_set)
}

/// Makes the Rollout the owner of what was left behind.
pub(super) fn effects(rollout: &Rollout, observed: &Observed) -> Vec<Write> {
    let Some(workload) = observed.living_workload() else { return Vec::new() };
    let owner = Ownership::of(rollout, workload);
    let sets = observed.orphans.iter().map(|set| taken(set, &owner));
    let services = observed.orphaned_services.iter().filter_map(|service| taken_over(service, &owner));
    sets.chain(services).collect()
}

fn taken_over(service: &Service, owner: &Ownership) -> Option<Write> {
    let metadata = json!({"ownerReferences": owner.references, "labels": owner.labels});
    let patch = guarded(service, json!({"metadata": metadata}));
    Some(Write::fenced(Effect::PatchService(service.metadata.name.clone()?, patch)))
}

/// Whether a Service of that name may be taken: it was left behind.
pub(super) fn is_left_behind(observed: &Observed, service: &Service) -> bool {
    observed.orphaned_services.iter().any(|orphan| orphan.metadata.name == service.metadata.name)
        && ownership::rollout_of(service).is_some()
}
