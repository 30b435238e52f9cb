//! Taking over a Deployment's running pods, without restarting one.
//!
//! Pause the Deployment; let its controller see that; change the owner of its ReplicaSet; set the Deployment to 0 and
//! unpause it. Each step is committed before it is taken, and each is idempotent: a crash between two costs nothing.

use serde_json::json;
use tidegate_api::{
    AdoptionMode, AdoptionStatus, AdoptionStep, FINALIZER, Phase, RevisionStatus, Rollout, condition::reason,
};

use crate::{
    plan::{
        Observed, Planner, Refusal, capacity,
        effect::{Effect, Write, guarded, taken},
        orphans, preflight,
    },
    workload::{Ownership, ReplicaSet, naming, new_replica_set, template},
};

impl Planner<'_> {
    /// Begins to take over the Deployment, once nothing stands in the way.
    pub(super) fn begin_adoption(&mut self) {
        self.status.enter_phase(Phase::Pending);
        if let Some(refusal) = preflight::refusal(self.rollout, self.observed) {
            return self.refuse(refusal);
        }
        if let Some(autoscaler) = &self.observed.autoscaler {
            let message = format!(
                "HorizontalPodAutoscaler {autoscaler} targets Deployment {}, which will have no pods of its own; point its scaleTargetRef at apiVersion tidegate.dev/v1alpha1, kind Rollout, name {}",
                self.rollout.spec.workload.name,
                self.rollout.metadata.name.as_deref().unwrap_or_default()
            );
            return self.refuse(Refusal::new(reason::AUTOSCALER_ON_WORKLOAD, message));
        }
        if self.adopt_orphans() {
            return;
        }
        let Some(workload) = self.observed.living_workload() else { return };
        let strangers = self.observed.strangers_behind(&self.rollout.spec.service);
        if !strangers.is_empty() {
            return self.say(format!(
                "waiting: pods that are not Deployment {}'s are behind Service {} ({}), and a rollout would give them no traffic: let the Service select the pods of the Deployment alone",
                self.rollout.spec.workload.name,
                self.rollout.spec.service,
                strangers.join(", ")
            ));
        }
        if workload.spec.paused {
            // Somebody stopped it for a reason; taking it over would end the pause.
            return self.say(format!(
                "waiting: Deployment {} is paused; set its spec.paused to false to have its pods taken over",
                self.rollout.spec.workload.name
            ));
        }
        let serving = Observed::holding(&self.observed.workload_replica_sets, &workload.spec.template);
        let (Some(serving), true) = (serving, workload.is_complete()) else {
            return self.say(format!(
                "waiting until Deployment {} has finished its own rollout: {} of {} pods are available",
                self.rollout.spec.workload.name,
                workload.status.available_replicas,
                workload.replicas()
            ));
        };
        self.status.set_stable(RevisionStatus {
            revision: serving.revision().to_owned(),
            replica_set: serving.name().to_owned(),
            images: template::images(&serving.spec.template),
            ..RevisionStatus::default()
        });
        self.status.enter_phase(Phase::Adopting);
        self.status.begin_adoption(AdoptionStatus {
            step: AdoptionStep::Pausing,
            mode: AdoptionMode::Move,
            workload: self.rollout.spec.workload.name.clone(),
            replicas: workload.replicas(),
            since: self.now,
        });
        self.say(format!("taking over the pods of Deployment {}", self.rollout.spec.workload.name));
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.say(refusal.message.clone());
        self.refusal = Some(refusal);
    }

    /// The next step of the walk, when the one before is seen to be done.
    pub(super) fn adopt(&mut self) {
        let (Some(adoption), Some(stable)) = (self.status.adoption.clone(), self.status.stable.clone()) else { return };
        let Some(workload) = self.observed.living_workload() else {
            self.refusal = preflight::refusal(self.rollout, self.observed);
            return;
        };
        match adoption.step {
            AdoptionStep::Pausing if workload.spec.paused && workload.is_observed() => {
                let overtaken = self.is_overtaken(&stable);
                self.step(if overtaken { AdoptionStep::Releasing } else { AdoptionStep::Moving });
            }
            AdoptionStep::Releasing if self.is_released() => {
                self.status.end_adoption();
                self.status.forget_stable();
                self.status.enter_phase(Phase::Pending);
                self.say("the Deployment began a rollout of its own; taking over its pods once that is done");
            }
            AdoptionStep::Moving => self.await_move(&adoption, &stable),
            // Moved pods are the Rollout's already; those that a second ReplicaSet replaces have to be gone first.
            AdoptionStep::Emptying if adoption.mode == AdoptionMode::Surge && self.has_foreign_pods() => {}
            AdoptionStep::Emptying if workload.replicas() == 0 && !workload.spec.paused && workload.is_observed() => {
                self.step(AdoptionStep::Adopted);
                // What a Rollout that is gone had on its way is turned back first.
                let turns_back = self.status.canary.is_some();
                self.status.enter_phase(if turns_back { Phase::Reverting } else { Phase::Stable });
                let pods = capacity::pods(adoption.replicas);
                self.record(reason::ADOPTED, format!("version {stable} serves with {pods}, taken over as they are"));
            }
            _ => {}
        }
    }

    /// Another version came before the Deployment was paused: its own rollout is half done, and has to be let finish.
    fn is_overtaken(&self, stable: &RevisionStatus) -> bool {
        let others = self.observed.workload_replica_sets.iter().filter(|set| set.name() != stable.replica_set);
        others.into_iter().any(|set| !set.is_empty())
    }

    fn await_move(&mut self, adoption: &AdoptionStatus, stable: &RevisionStatus) {
        let moved = self.observed.replica_sets.iter().any(|set| set.name() == stable.replica_set);
        let waits = self.observed.workload_replica_sets.iter().any(|set| set.name() == stable.replica_set);
        if !moved && orphans::has(self.observed, &stable.replica_set) {
            return;
        }
        if adoption.mode == AdoptionMode::Move {
            if moved {
                self.step(AdoptionStep::Emptying);
            } else if !waits || self.is_overtaken(stable) {
                // Somebody deleted it, and a paused Deployment brings up no other; or the pods of another version, which
                // came before the pause, were not seen yet.
                self.step(AdoptionStep::Releasing);
            } else if let Some(refused) = self.observed.refused.clone() {
                self.surge(&refused.answer);
            }
            return;
        }
        let ready = self.observed.ready_behind(&self.rollout.spec.service, &stable.replica_set);
        if moved && ready >= adoption.replicas {
            self.step(AdoptionStep::Emptying);
        } else {
            self.say(format!("bringing up a second ReplicaSet: {ready} of {} pods ready", adoption.replicas));
        }
    }

    /// The cluster does not let the ReplicaSet change hands: the same template comes up a second time, and then the
    /// Deployment's pods go.
    fn surge(&mut self, refused: &str) {
        let Some(workload) = self.observed.living_workload() else { return };
        let revision = template::hash(&workload.spec.template, 0);
        self.status.set_stable(RevisionStatus {
            replica_set: naming::replica_set(&self.rollout.spec.workload.name, &revision),
            revision,
            images: template::images(&workload.spec.template),
            ..RevisionStatus::default()
        });
        self.status.surge();
        self.record(
            reason::ADOPTION_REFUSED,
            format!("the pods cannot be taken over as they are ({refused}); a second ReplicaSet comes up first"),
        );
    }

    pub(super) fn step(&mut self, step: AdoptionStep) {
        self.status.step_adoption(step, self.now);
    }
}

/// What the committed step asks for.
pub(super) fn effects(rollout: &Rollout, observed: &Observed) -> Vec<Write> {
    let status = rollout.status.clone().unwrap_or_default();
    let (Some(adoption), Some(stable), Some(workload)) = (&status.adoption, &status.stable, observed.living_workload())
    else {
        return Vec::new();
    };
    let name = rollout.spec.workload.name.clone();
    match adoption.step {
        AdoptionStep::Pausing => {
            if let Some(claim) = claim(rollout, adoption.replicas) {
                return vec![Write::unfenced(claim)];
            }
            let patch = guarded(workload.as_ref(), json!({"spec": {"paused": true}}));
            let needed = !workload.spec.paused;
            needed.then(|| Write::unfenced(Effect::PatchDeployment(name, patch))).into_iter().collect()
        }
        AdoptionStep::Moving if orphans::has(observed, &stable.replica_set) => orphans::effects(rollout, observed),
        AdoptionStep::Moving if adoption.mode == AdoptionMode::Move => {
            take_over(&Ownership::of(rollout, workload), observed, &stable.replica_set)
        }
        AdoptionStep::Moving if observed.replica_set(&stable.replica_set).is_none() => {
            let (name, hash) = (&stable.replica_set, &stable.revision);
            let (owner, template) = (Ownership::of(rollout, workload), &workload.spec.template);
            let set = new_replica_set(workload, template, name, hash, adoption.replicas, owner);
            vec![Write::unfenced(Effect::CreateReplicaSet(Box::new(set)))]
        }
        AdoptionStep::Emptying if workload.replicas() > 0 || workload.spec.paused => {
            let patch = guarded(workload.as_ref(), json!({"spec": {"replicas": 0, "paused": false}}));
            vec![Write::fenced(Effect::PatchDeployment(name, patch))]
        }
        _ => Vec::new(),
    }
}

/// Changes the owner of the Deployment's ReplicaSets: the empty ones first, the one that serves last.
///
/// A paused Deployment still keeps its count: left with nothing but old empty ReplicaSets, it would scale one of them
/// up. And with them its history comes over.
fn take_over(owner: &Ownership, observed: &Observed, serving: &str) -> Vec<Write> {
    let take = |set: &ReplicaSet| taken(set, owner);
    let (last, first): (Vec<_>, Vec<_>) = observed.workload_replica_sets.iter().partition(|set| set.name() == serving);
    if first.is_empty() {
        return last.into_iter().map(|set| take(set.as_ref())).collect();
    }
    first.into_iter().filter(|set| set.is_empty()).map(|set| take(set.as_ref())).collect()
}

/// The finalizer, and a count for the scale subresource where the user left it out.
///
/// Whoever replaces the object, as `kubectl replace` does, takes both off: without the finalizer the Rollout would go
/// without handing its pods back.
pub(super) fn claim(rollout: &Rollout, replicas: i32) -> Option<Effect> {
    let mut finalizers = rollout.metadata.finalizers.clone().unwrap_or_default();
    let claimed = finalizers.iter().any(|finalizer| finalizer == FINALIZER);
    if claimed && rollout.spec.replicas.is_some() {
        return None;
    }
    if !claimed {
        finalizers.push(FINALIZER.to_owned());
    }
    let replicas = rollout.spec.replicas.unwrap_or(replicas);
    let patch = json!({"metadata": {"finalizers": finalizers}, "spec": {"replicas": replicas}});
    Some(Effect::PatchRollout(guarded(rollout, patch)))
}
