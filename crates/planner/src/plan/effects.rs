//! What has to be written to the cluster, as absolute values, by the committed status.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Service;
use serde_json::{Value, json};
use tidegate_api::{AdoptionStatus, AdoptionStep, FINALIZER, Phase, Rollout, RolloutStatus, RouteMode};

use crate::{
    plan::{
        Guard, Observed, Route, adoption, after, capacity, configuration, contention, current_stage,
        effect::{Effect, Write, guarded, scale, taken},
        goal, guard, hand_back,
        in_force::{self, InForce},
        orphans, pinning, restart, selection,
        split::{self, Goal},
    },
    traffic::{Names, Split},
    workload::{
        Ownership, ReplicaSet, changed_spec, is_deleting, naming, new_replica_set, ownership, revision_service,
        revision_service_spec, template,
    },
};

/// What has to be written, most urgent first. An empty list means that the cluster is as the status says.
#[must_use]
pub fn desired(rollout: &Rollout, observed: &Observed, now: Timestamp) -> Vec<Write> {
    let status = rollout.status.clone().unwrap_or_default();
    let Some(adoption) = &status.adoption else { return unclaim(rollout, observed, now) };
    let mut desired: Vec<_> = reclaim(rollout, observed, adoption).into_iter().collect();
    desired.extend(match adoption.step {
        AdoptionStep::Pausing | AdoptionStep::Moving | AdoptionStep::Emptying => adoption::effects(rollout, observed),
        AdoptionStep::Clearing | AdoptionStep::Restoring | AdoptionStep::Releasing => {
            hand_back::effects(rollout, observed)
        }
        AdoptionStep::Adopted => {
            let effects = Effects { rollout, observed, status: &status, now };
            let mut desired = effects.routes();
            desired.extend(effects.services());
            desired.extend(effects.previews());
            desired.extend(effects.suspect_pod());
            desired.extend(restart::effects(rollout, observed));
            desired.extend(configuration::effects(observed));
            desired.extend(effects.replica_sets());
            desired.extend(effects.workload());
            desired.extend(effects.history());
            desired.extend(orphans::effects(rollout, observed));
            desired
        }
    });
    desired
}

/// Puts back what somebody took off the Rollout who replaced it: first of all, since nothing is as it should be without.
fn reclaim(rollout: &Rollout, observed: &Observed, adoption: &AdoptionStatus) -> Option<Write> {
    if rollout.metadata.deletion_timestamp.is_some() || adoption.step == AdoptionStep::Pausing {
        return None;
    }
    let stable = rollout.status.as_ref().and_then(|status| status.stable.as_ref());
    let asked = stable.and_then(|stable| observed.replica_set(&stable.replica_set)).map(|set| set.replicas());
    adoption::claim(rollout, asked.unwrap_or(adoption.replicas)).map(Write::unfenced)
}

/// A deleted Rollout that has nothing of anybody's any more lets itself go. A Service that was overlooked goes before:
/// the Deployment owns it too, and would keep it. One that the gateway may still use is left to the Deployment.
fn unclaim(rollout: &Rollout, observed: &Observed, now: Timestamp) -> Vec<Write> {
    let finalizers = rollout.metadata.finalizers.as_deref().unwrap_or_default();
    if rollout.metadata.deletion_timestamp.is_none() || !finalizers.iter().any(|finalizer| finalizer == FINALIZER) {
        return Vec::new();
    }
    let others: Vec<_> = finalizers.iter().filter(|finalizer| *finalizer != FINALIZER).collect();
    let release = Write::unfenced(Effect::PatchRollout(json!({"metadata": {"finalizers": others}})));
    let since = rollout.status.as_ref().and_then(|status| status.draining_since);
    let drained = since.is_none_or(|since| after(since, rollout.spec.drain()) <= now);
    let unused = drained && in_force::in_force(rollout, observed, Goal::Service) == InForce::Yes;
    own_services(rollout, observed).filter(|_| unused).chain([release]).collect()
}

/// Deletes the Services of the revisions.
fn own_services(rollout: &Rollout, observed: &Observed) -> impl Iterator<Item = Write> {
    [&observed.stable_service, &observed.canary_service]
        .into_iter()
        .flatten()
        .chain(&observed.previews)
        .filter(|service| ownership::is_of(rollout, service.as_ref()))
        .filter_map(|service| deleted(service))
}

/// Deletes a Service, unless that is done.
fn deleted(service: &Service) -> Option<Write> {
    let effect = Effect::DeleteService { name: service.metadata.name.clone()?, uid: service.metadata.uid.clone()? };
    (!is_deleting(service)).then(|| Write::unfenced(effect))
}

struct Effects<'a> {
    rollout: &'a Rollout,
    observed: &'a Observed,
    status: &'a RolloutStatus,
    now: Timestamp,
}

impl Effects<'_> {
    fn routes(&self) -> Vec<Write> {
        let goal = goal::goal(self.rollout, self.observed);
        let names = Names::of(&self.rollout.spec.service);
        let contended = contention::changed_routes(self.rollout, self.observed).next().is_some();
        // Whoever wrote a route meanwhile gave traffic to pods or Services that drain. The status forgets the drain
        // first: once the route is written back, nothing would tell that it has to begin anew.
        let drains = !self.is_under_way() && self.status.draining_since.is_some();
        let mut desired = Vec::new();
        for route in &self.observed.routes {
            if split::says(self.rollout, &names, route, goal) {
                continue;
            }
            let answered = contention::is_answered(self.rollout, &route.id.to_string(), route.generation());
            if drains || contended && !answered {
                continue;
            }
            let Some(wanted) = self.route(route, &names, goal) else { continue };
            let effect = Effect::ReplaceRoute(route.id.clone(), Box::new(wanted));
            let back = goal == Goal::Split(Split::NONE);
            desired.push(if back { Write::unfenced(effect) } else { Write::fenced(effect) });
        }
        desired
    }

    /// What a route has to say; nothing where that is not known, or not to be said now.
    fn route(&self, route: &Route, names: &Names, goal: Goal<'_>) -> Option<Value> {
        let object = route.object.as_ref()?;
        let router = route.router(self.rollout, names);
        let services = [&self.observed.stable_service, &self.observed.canary_service];
        // A route is not made to name a Service that does not exist yet, or of which its gateway may not have heard: unless the one
        // that it names leads to nobody.
        let stable = self.status.stable.as_ref().map_or("", |stable| stable.replica_set.as_str());
        let serves = self.observed.ready_behind(&names.service, stable) > 0;
        let is_new = |service: &Option<Arc<Service>>| {
            service.as_ref().is_none_or(|service| serves && pinning::heard_of(service, self.now).is_some())
        };
        if services.into_iter().any(is_new) && router.is_whole(object) {
            return None;
        }
        let wanted = match goal {
            Goal::Leave => return None,
            // Between rollouts it is its user's: what a rollout has left in it is known by those Services.
            Goal::Service
                if services.iter().all(|service| service.is_none()) && router.can_restore(object).is_err() =>
            {
                return None;
            }
            Goal::Service => router.unsplit(object),
            Goal::Split(split) => router.split(object, split).ok()?,
        };
        (wanted != *object).then_some(wanted)
    }

    /// A pod of the new version that is to be replaced, as long as it takes requests.
    fn suspect_pod(&self) -> Option<Write> {
        let (pod, canary) = self.status.replaced_pod.as_ref().zip(self.status.canary.as_ref())?;
        let under_way = matches!(self.status.phase, Phase::Progressing | Phase::Held);
        let is_its = naming::is_pod_of(&canary.replica_set, &pod.name);
        let serves = self.observed.ready_pods.values().flatten().any(|ready| *ready == pod.name);
        let effect = Effect::DeletePod { name: pod.name.clone(), uid: pod.uid.clone() };
        (under_way && is_its && serves).then(|| Write::fenced(effect))
    }

    fn services(&self) -> Vec<Write> {
        let names = Names::of(&self.rollout.spec.service);
        let revision = |revision: &Option<tidegate_api::RevisionStatus>| {
            // With no canary about, its Service selects nothing, and the reference to it still resolves.
            revision.as_ref().map_or_else(|| "none".to_owned(), |revision| revision.revision.clone())
        };
        let (stable, canary) = (revision(&self.status.stable), revision(&self.status.canary));
        match self.status.route {
            RouteMode::Service => self.spent_services(),
            RouteMode::Split => [
                self.service(&names.stable, self.observed.stable_service.as_deref(), &stable),
                self.service(&names.canary, self.observed.canary_service.as_deref(), &canary),
            ]
            .into_iter()
            .flatten()
            .collect(),
            RouteMode::Promoted => {
                self.service(&names.canary, self.observed.canary_service.as_deref(), &stable).into_iter().collect()
            }
        }
    }

    fn service(&self, name: &str, existing: Option<&Service>, revision: &str) -> Option<Write> {
        let mut user = self.observed.service.as_deref()?.clone();
        if let Some(spec) = &mut user.spec {
            spec.selector = Some(selection::of_all_revisions(self.rollout, self.observed));
        }
        let Some(existing) = existing else {
            let workload = self.observed.living_workload()?;
            let service = revision_service(&user, name, revision, Ownership::of(self.rollout, workload));
            return Some(Write::unfenced(Effect::CreateService(Box::new(service))));
        };
        let wanted = revision_service_spec(&user, revision);
        let spec = existing.spec.as_ref()?;
        if !ownership::is_of(self.rollout, existing) {
            return None;
        }
        let patch = guarded(existing, changed_spec(spec, &wanted)?);
        Some(Write::fenced(Effect::PatchService(name.to_owned(), patch)))
    }

    /// The Service by which the version on its way may be tried out, while its stage lasts. No user's request comes by it: when
    /// the stage is over it goes, at once.
    fn previews(&self) -> Vec<Write> {
        let staged = self.is_under_way().then(|| current_stage(self.rollout)).flatten();
        let Names { service, stable, canary } = Names::of(&self.rollout.spec.service);
        let is_free = |name: &String| ![&service, &stable, &canary].contains(&name);
        let wanted = staged.and_then(|stage| stage.preview).map(|preview| preview.service).filter(is_free);
        let is_wanted = |service: &Service| service.metadata.name == wanted;
        let spent = self.observed.previews.iter().filter(|service| !is_wanted(service));
        let mut desired: Vec<_> = spent.filter_map(|service| deleted(service)).collect();
        let existing = self.observed.previews.iter().find(|service| is_wanted(service)).map(AsRef::as_ref);
        if let (Some(name), Some(canary), None) = (&wanted, &self.status.canary, &self.observed.preview_taken) {
            desired.extend(self.service(name, existing, &canary.revision));
        }
        desired
    }

    /// The revisions' Services, when the routes have not named them for long enough.
    fn spent_services(&self) -> Vec<Write> {
        let drained =
            self.status.draining_since.is_some_and(|since| after(since, self.rollout.spec.drain()) <= self.now);
        let restored = in_force::in_force(self.rollout, self.observed, Goal::Service) == InForce::Yes;
        if !restored || (!drained && guard::stands(Guard::DrainBeforeServices)) {
            return Vec::new();
        }
        own_services(self.rollout, self.observed).collect()
    }

    fn replica_sets(&self) -> Vec<Write> {
        let (stable, canary) = capacity::now(self.rollout, self.observed, self.is_drained());
        let stable_name = self.status.stable.as_ref().map_or("", |revision| revision.replica_set.as_str());
        let canary_name = self.status.canary.as_ref().map_or("", |revision| revision.replica_set.as_str());
        let under_way = self.is_under_way();
        let mut desired: Vec<_> = self.missing(self.status.stable.as_ref(), stable).into_iter().collect();
        if under_way && self.may_start() {
            desired.extend(canary.and_then(|count| self.missing(self.status.canary.as_ref(), count)));
        }
        for set in &self.observed.replica_sets {
            let wanted = if set.name() == stable_name {
                Some(stable)
            } else if set.name() == canary_name {
                canary.filter(|count| !under_way || *count <= set.replicas() || self.may_start())
            } else {
                canary.map(|_| 0)
            };
            // Without a route, taking away the canary means no more than bringing stable back allows.
            let wanted = wanted
                .map(|count| if under_way || set.name() == stable_name { count } else { count.min(set.replicas()) });
            let wanted = wanted.filter(|count| *count <= set.replicas() || configuration::may_grow(self.observed, set));
            desired.extend(wanted.and_then(|wanted| scale(set, wanted)));
        }
        desired
    }

    fn is_under_way(&self) -> bool {
        matches!(self.status.phase, Phase::Progressing | Phase::Held)
    }

    /// The routes say what they should and it is in force, and requests under way have had their time.
    fn is_drained(&self) -> bool {
        match self.status.route {
            // Given up on: the Deployment, which gets all of them, sees to those that it does not want.
            RouteMode::Service => self.status.phase != Phase::HandingBack,
            RouteMode::Split | RouteMode::Promoted => {
                let goal = goal::goal(self.rollout, self.observed);
                let left = in_force::in_force_at(self.rollout, self.observed, goal, self.now) == InForce::Yes;
                // While a new version is on its way, what its stage took from stable drains from the stage's start.
                let stage = contention::undisturbed_since(self.rollout, self.status).filter(|_| self.is_under_way());
                let since = self.status.draining_since.or(stage);
                let drained = since.is_some_and(|since| after(since, self.rollout.spec.drain()) <= self.now);
                goal != Goal::Leave
                    && (left || !guard::stands(Guard::RouteBeforePods))
                    && (drained || !guard::stands(Guard::DrainBeforePods))
            }
        }
    }

    /// The canary's pods may be there: they cannot get traffic that no stage gave them.
    fn may_start(&self) -> bool {
        if !self.rollout.spec.is_routed() {
            return true;
        }
        let goal = goal::goal(self.rollout, self.observed);
        if goal == Goal::Leave && self.stable_serves() {
            // Its pods are not seen behind their own Service yet: the route still says the Service of both.
            return false;
        }
        self.observed.has_revision_services() && in_force::in_force(self.rollout, self.observed, goal) == InForce::Yes
    }

    fn stable_serves(&self) -> bool {
        let service = &self.rollout.spec.service;
        self.status.stable.as_ref().is_some_and(|stable| self.observed.ready_behind(service, &stable.replica_set) > 0)
    }

    /// Creates a revision's ReplicaSet when there is none and the Deployment still has its template.
    ///
    /// Where somebody deleted it, or took its owner away, the Deployment may hold one of that name, which has no pods as
    /// long as the Deployment asks for none: that is taken over.
    fn missing(&self, revision: Option<&tidegate_api::RevisionStatus>, replicas: i32) -> Option<Write> {
        let revision = revision?;
        let workload = self.observed.living_workload()?;
        let owner = Ownership::of(self.rollout, workload);
        if let Some(set) = self.observed.replica_set(&revision.replica_set) {
            let is_own = self.observed.replica_sets.iter().any(|own| own.name() == set.name());
            return (!is_own && !is_deleting(set.as_ref())).then(|| taken(set, &owner));
        }
        let asked = configuration::asked(self.observed)?;
        if !template::hashes(&asked.template).any(|hash| hash == revision.revision) {
            return None;
        }
        let (name, hash) = (&revision.replica_set, &revision.revision);
        let replicas = if asked.has_copies() { 0 } else { replicas };
        let set = new_replica_set(workload, &asked.template, name, hash, replicas, owner);
        Some(Write::unfenced(Effect::CreateReplicaSet(Box::new(set))))
    }

    fn workload(&self) -> Option<Write> {
        let workload = self.observed.living_workload()?;
        let object = format!("Deployment {}", self.rollout.spec.workload.name);
        let generation = workload.metadata.generation.unwrap_or(0);
        let answered = contention::is_answered(self.rollout, &object, generation);
        (workload.replicas() > 0 && answered).then(|| {
            let patch = guarded(workload.as_ref(), json!({"spec": {"replicas": 0}}));
            Write::fenced(Effect::PatchDeployment(self.rollout.spec.workload.name.clone(), patch))
        })
    }

    /// Old ReplicaSets beyond `revisionHistoryLimit`, the oldest first.
    fn history(&self) -> Vec<Write> {
        if !matches!(self.status.phase, Phase::Stable | Phase::Reverted) {
            return Vec::new();
        }
        let kept = |set: &ReplicaSet| {
            let revisions = [&self.status.stable, &self.status.canary].into_iter().flatten();
            revisions.map(|revision| &revision.replica_set).any(|name| name == set.name())
                || self.status.failed.iter().any(|failed| failed.replica_set == set.name())
                || self.status.former.iter().any(|former| former.replica_set == set.name())
        };
        let mut old: Vec<_> = self.observed.replica_sets.iter().filter(|set| set.is_empty() && !kept(set)).collect();
        old.sort_by_key(|set| (set.metadata.creation_timestamp.clone(), set.name().to_owned()));
        let spare = old.len().saturating_sub(self.rollout.spec.revision_history_limit());
        old.into_iter()
            .take(spare)
            .filter(|set| !is_deleting(set.as_ref()))
            .filter_map(|set| {
                Some(Effect::DeleteReplicaSet { name: set.name().to_owned(), uid: set.metadata.uid.clone()? })
            })
            .map(Write::fenced)
            .collect()
    }
}
