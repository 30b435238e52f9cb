//! A deleted Rollout gives the Deployment its pods back: the walk of adoption, backwards.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;
use tidegate_api::{AdoptionMode, AdoptionStep, Phase, Rollout, RolloutStatus, RouteMode, Span, condition::reason};

use crate::{
    plan::{
        Observed, Planner, after, capacity, configuration,
        effect::{Effect, Write, guarded, scale},
        split::{self, Goal},
    },
    workload::{ReplicaSet, forgetting, is_deleting, is_let_go, letting_go, ownership, template},
};

/// How long the last step waits before it looks anew.
const LOOK_AGAIN: Span = Span::seconds(5);

impl Planner<'_> {
    /// The next step of handing back. Traffic first; nothing that is missing ever blocks it.
    pub(super) fn hand_back(&mut self) {
        let Some(adoption) = self.status.adoption.clone() else { return };
        if self.status.phase != Phase::HandingBack {
            let message =
                "the Rollout is being deleted: traffic goes back to stable, then the Deployment gets its pods back";
            self.record(reason::HANDING_BACK, message);
            self.status.enter_phase(Phase::HandingBack);
            self.status.close_gates();
            self.begin_stepwise_revert();
        }
        self.hand_back_what_serves();
        if self.observed.living_workload().is_none() {
            self.say("the Deployment is gone: there is nobody to hand the pods back to");
            if self.free_routes() {
                if ownerless(self.observed).next().is_none() {
                    self.status.end_adoption();
                } else if adoption.step != AdoptionStep::Releasing {
                    self.step(AdoptionStep::Releasing);
                }
            }
            return;
        }
        match adoption.step {
            AdoptionStep::Pausing | AdoptionStep::Moving => self.step(AdoptionStep::Releasing),
            AdoptionStep::Emptying | AdoptionStep::Adopted => {
                if adoption.step == AdoptionStep::Emptying {
                    self.step(AdoptionStep::Adopted);
                }
                if self.free_routes() {
                    self.step(AdoptionStep::Clearing);
                }
            }
            AdoptionStep::Clearing if self.is_workload_clear(adoption.mode) => self.step(AdoptionStep::Restoring),
            AdoptionStep::Restoring if self.is_workload_restored(adoption.mode) => self.step(AdoptionStep::Releasing),
            AdoptionStep::Releasing if self.is_released() => self.status.end_adoption(),
            // What is looked at here, no watch need ever tell.
            AdoptionStep::Releasing => self.wake_at(after(self.now, LOOK_AGAIN)),
            _ => {}
        }
    }

    /// Where nothing of the stable version serves any more and the new one does, that is what the Deployment gets: the
    /// other way round, the last pods that work would be taken away.
    fn hand_back_what_serves(&mut self) {
        let Some(canary) = self.status.canary.clone() else { return };
        let ready = split::ready(self.rollout, &self.status, self.observed);
        if ready.canary == 0 || self.failed(&canary).is_some() {
            return;
        }
        self.track_stable_loss();
        if !self.is_stable_lost() {
            return;
        }
        let message = format!(
            "no pod of the stable version is ready, and those of version {canary} are: the Deployment gets those"
        );
        self.record(reason::STABLE_LOST, message);
        self.become_stable();
        self.status.enter_phase(Phase::HandingBack);
    }

    /// Brings the routes to what the user wrote. Whether the gateway has confirmed that, or has taken too long to go on
    /// waiting for it. A route that still names the revisions' Services would lead nowhere when they go with the Rollout.
    fn free_routes(&mut self) -> bool {
        let since = begun(&self.status).unwrap_or(self.now);
        let patience = self.rollout.spec.progress_deadline();
        let end = after(after(since, patience), patience);
        if self.now >= end || self.nothing_serves() {
            // Not even pods were to be had in that time, or there never will be any. Whoever has some left keeps them:
            // the Deployment sees to them.
            self.status.lead_routes(RouteMode::Service);
            self.status.forget_drain();
            let names = self.names();
            return self.observed.routes.iter().all(|route| split::says(self.rollout, &names, route, Goal::Service));
        }
        self.wake_at(if waits_for_the_gateway(self.rollout, self.now) { after(since, patience) } else { end });
        self.cleanup()
    }

    /// The Deployment was deleted with the Rollout, and the garbage collector was first: of all that requests could be
    /// kept from losing, nothing is left.
    fn nothing_serves(&self) -> bool {
        self.observed.living_workload().is_none() && self.observed.replica_sets.is_empty()
    }

    fn is_workload_clear(&self, mode: AdoptionMode) -> bool {
        let Some(workload) = self.observed.living_workload() else { return false };
        mode == AdoptionMode::Surge
            || (workload.spec.paused && workload.is_observed() && self.observed.workload_replica_sets.is_empty())
    }

    fn is_workload_restored(&self, mode: AdoptionMode) -> bool {
        let (Some(workload), Some(set)) = (self.observed.living_workload(), stable(self.rollout, self.observed)) else {
            // Without its ReplicaSet there is no template to restore: the Deployment keeps its own.
            return stable(self.rollout, self.observed).is_none();
        };
        workload.replicas() == capacity::wanted(self.rollout)
            && workload.is_observed()
            && template::same(&workload.spec.template, &set.spec.template)
            && (mode == AdoptionMode::Move || workload.is_complete())
    }

    pub(super) fn is_released(&self) -> bool {
        let Some(workload) = self.observed.living_workload() else { return true };
        self.observed.replica_sets.is_empty() && !workload.spec.paused && workload.is_observed()
    }
}

/// When handing back began: not when the Rollout was deleted, of which the operator may have heard late.
fn begun(status: &RolloutStatus) -> Option<Timestamp> {
    status.history.iter().find(|step| step.reason == reason::HANDING_BACK).map(|step| step.at)
}

/// Whether a gateway still has time to say that it carries what was written. From then on it is taken to do so: a
/// gateway that says nothing must not keep a Rollout from being deleted.
pub(super) fn waits_for_the_gateway(rollout: &Rollout, now: Timestamp) -> bool {
    let begun = rollout.status.as_ref().filter(|status| status.phase == Phase::HandingBack).and_then(begun);
    begun.is_none_or(|begun| now < after(begun, rollout.spec.progress_deadline()))
}

fn stable<'a>(rollout: &Rollout, observed: &'a Observed) -> Option<&'a ReplicaSet> {
    let name = &rollout.status.as_ref()?.stable.as_ref()?.replica_set;
    observed.replica_set(name).map(AsRef::as_ref)
}

/// The ReplicaSets that were let go and never taken back: the garbage collector knows nobody to collect them with.
fn ownerless(observed: &Observed) -> impl Iterator<Item = &Arc<ReplicaSet>> {
    observed.replica_sets.iter().filter(|set| set.metadata.owner_references.as_ref().is_none_or(Vec::is_empty))
}

fn deleting(set: &Arc<ReplicaSet>) -> Option<Write> {
    let uid = set.metadata.uid.clone().filter(|_| !is_deleting(set.as_ref()))?;
    Some(Write::fenced(Effect::DeleteReplicaSet { name: set.name().to_owned(), uid }))
}

/// What the committed step asks for.
pub(super) fn effects(rollout: &Rollout, observed: &Observed) -> Vec<Write> {
    let status = rollout.status.clone().unwrap_or_default();
    let Some(adoption) = &status.adoption else { return Vec::new() };
    let Some(workload) = observed.living_workload() else { return ownerless(observed).filter_map(deleting).collect() };
    let name = rollout.spec.workload.name.clone();
    let moves = adoption.mode == AdoptionMode::Move;
    match adoption.step {
        // Somebody who scales it meanwhile would keep its own pods, and nothing would ever be clear.
        AdoptionStep::Clearing if moves && (!workload.spec.paused || workload.replicas() > 0) => {
            let patch = guarded(workload.as_ref(), json!({"spec": {"paused": true, "replicas": 0}}));
            vec![Write::unfenced(Effect::PatchDeployment(name, patch))]
        }
        // While the Deployment asks for 0 pods, an empty ReplicaSet of its own would be scaled up in place of the one
        // that serves: it has to go before the count comes back.
        AdoptionStep::Clearing if moves && workload.is_observed() => {
            observed.workload_replica_sets.iter().filter(|set| set.is_empty()).filter_map(deleting).collect()
        }
        AdoptionStep::Restoring => {
            let Some(set) = stable(rollout, observed) else { return Vec::new() };
            let mut desired = configuration::kept_for(observed, workload, set);
            let wanted = capacity::wanted(rollout);
            if workload.replicas() == wanted && template::same(&workload.spec.template, &set.spec.template) {
                return desired;
            }
            let mut patch = json!({"spec": {"replicas": wanted, "paused": moves}});
            if !template::same(&workload.spec.template, &set.spec.template) {
                patch["spec"]["template"] =
                    template::replacing(&workload.spec.template, &template::clean(&set.spec.template));
            }
            desired.push(Write::fenced(Effect::PatchDeployment(name, guarded(workload.as_ref(), patch))));
            desired
        }
        // Where it has no pods of its own after all, it gets those that there are: a ReplicaSet may have changed hands
        // although that was answered with a refusal.
        AdoptionStep::Releasing => {
            let serves = observed.workload_replica_sets.iter().any(|set| !set.is_empty());
            let kept = stable(rollout, observed).map(|set| configuration::kept_for(observed, workload, set));
            kept.into_iter().flatten().chain(releasing(rollout, observed, moves || !serves)).collect()
        }
        _ => Vec::new(),
    }
}

/// Lets the ReplicaSets go: the one that serves first, so that the Deployment, which asks for its count again, finds
/// nothing to start; then the history. Each loses its last trace of the Rollout once the Deployment has it.
fn releasing(rollout: &Rollout, observed: &Observed, moves: bool) -> Vec<Write> {
    let Some(workload) = observed.living_workload() else { return Vec::new() };
    if !moves && !observed.replica_sets.is_empty() {
        return observed.replica_sets.iter().filter_map(|set| dissolve(set.as_ref())).collect();
    }
    let patch =
        |set: &ReplicaSet, patch| Write::fenced(Effect::PatchReplicaSet(set.name().to_owned(), guarded(set, patch)));
    let is_back = |set: &ReplicaSet| ownership::controller(set) == workload.metadata.uid.as_deref();
    let serving = stable(rollout, observed).filter(|set| !is_back(set));
    let rest = observed.replica_sets.iter().map(AsRef::as_ref).filter(|set| !is_back(set));
    let leaving: Vec<_> = if serving.is_some() { serving.into_iter().collect() } else { rest.collect() };
    if !leaving.is_empty() {
        return leaving.into_iter().filter(|set| !is_let_go(set)).map(|set| patch(set, letting_go(set))).collect();
    }
    if !observed.replica_sets.is_empty() {
        return observed.replica_sets.iter().map(|set| patch(set.as_ref(), forgetting(set.as_ref()))).collect();
    }
    if !workload.spec.paused {
        return Vec::new();
    }
    let unpause = guarded(workload.as_ref(), json!({"spec": {"paused": false}}));
    vec![Write::unfenced(Effect::PatchDeployment(rollout.spec.workload.name.clone(), unpause))]
}

/// The Deployment serves with pods of its own: the others go, then their ReplicaSet.
fn dissolve(set: &ReplicaSet) -> Option<Write> {
    if !set.is_empty() || is_deleting(set) {
        return scale(set, 0);
    }
    Some(Write::fenced(Effect::DeleteReplicaSet { name: set.name().to_owned(), uid: set.metadata.uid.clone()? }))
}
