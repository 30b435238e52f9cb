//! One version serves; a new template starts a rollout.

use serde_json::Value;
use tidegate_api::{FailedRevision, Phase, RevisionStatus, RouteMode, condition::reason};

use crate::{
    plan::{Guard, Planner, Refusal, capacity, configuration, guard, in_force, split::Goal},
    traffic::Names,
    workload::{naming, template},
};

impl Planner<'_> {
    /// Compares what the Deployment asks for with what serves.
    pub(super) fn idle(&mut self) {
        if let Some(refusal) = self.refusal.clone() {
            let kept = if self.keep_unselected() { "; the route keeps giving traffic to them" } else { "" };
            return self.say(format!("{}{kept}", refusal.message));
        }
        if !self.clear_foreign_pods() && !self.await_confirmation() && guard::stands(Guard::OneCanary) {
            return;
        }
        let (Some(asked), Some(stable)) = (configuration::asked(self.observed), self.status.stable.clone()) else {
            return;
        };
        let serving = self.observed.replica_set(&stable.replica_set);
        if serving.is_some_and(|set| asked.is_held_by(set)) {
            return self.rest(&stable);
        }
        // Whatever else waits, and however long: when the version that serves fails, the one before it comes back first.
        self.watch(&stable);
        if self.status.canary.is_some() {
            return;
        }
        let Some(canary) = self.revision_of(&asked.template) else { return };
        self.begin_gates(&canary.revision);
        if let Some(failed) = self.failed(&canary) {
            return self.stay_off(&canary, &failed, &stable, serving.is_some());
        }
        if serving.is_none() {
            return self.replace_lost(canary, &stable);
        }
        if let Some(waits) = self.waits_unwritten(&canary) {
            self.status.enter_phase(Phase::Reverted);
            self.say(waits.message.clone());
            self.refusal = Some(waits);
            return;
        }
        if !self.was_stable(&canary) && self.is_turned_away(&canary) {
            return;
        }
        if self.is_paused() {
            self.status.enter_phase(Phase::Stable);
            return self.say("a new version waits: spec.paused is set; set it to false to let it start");
        }
        if capacity::wanted(self.rollout) == 0 {
            self.status.enter_phase(Phase::Stable);
            return self
                .say("a new version waits: the Rollout is scaled to 0; it starts when spec.replicas asks for pods");
        }
        if let Some(sentence) = in_force::in_force(self.rollout, self.observed, Goal::Service).missing() {
            self.status.enter_phase(Phase::Stable);
            let message = format!("a new version waits, and nothing was touched: {sentence}");
            self.refusal = Some(Refusal::new(reason::ROUTE_NOT_CONFIRMED, message.clone()));
            return self.say(message);
        }
        if self.was_stable(&canary) {
            return self.roll_back(canary);
        }
        if let Some(waits) = self.start_waits(&canary) {
            self.status.enter_phase(Phase::Stable);
            return self.say(waits);
        }
        if self.may_start(&canary) {
            self.start(canary);
        }
    }

    /// A version that failed is not tried again by itself.
    fn stay_off(&mut self, canary: &RevisionStatus, failed: &FailedRevision, stable: &RevisionStatus, serves: bool) {
        let who = if serves {
            format!("version {stable} serves")
        } else {
            format!("ReplicaSet {} of version {stable} was deleted, so that nothing serves", stable.replica_set)
        };
        let message = format!(
            "version {canary} failed ({}) and stays off; {who}: change the Deployment's pod template{} to go on",
            failed.message,
            if self.rollout.spec.track.is_empty() { "" } else { ", or what spec.track names," }
        );
        self.status.enter_phase(Phase::Reverted);
        self.say(message);
    }

    /// Nobody serves any more, and there is nothing to compare with: what the Deployment asks for comes up at once.
    fn replace_lost(&mut self, asked: RevisionStatus, lost: &RevisionStatus) {
        let message = format!(
            "the stable ReplicaSet {} is gone; version {} of the Deployment's pod template takes its place",
            lost.replica_set, asked.revision
        );
        self.status.set_stable(asked);
        self.status.enter_phase(Phase::Stable);
        self.record(reason::STABLE_NOT_READY, message);
    }

    /// There is no way back to a version whose ReplicaSet somebody deleted: a revert would wait for it without end.
    /// What the Deployment asks for takes its place, unless it is what failed.
    pub(super) fn replace_deleted(&mut self) {
        let (Some(asked), Some(stable)) = (configuration::asked(self.observed), self.status.stable.clone()) else {
            return;
        };
        if self.observed.replica_set(&stable.replica_set).is_some() {
            return;
        }
        let Some(asked) = self.revision_of(&asked.template) else { return };
        let is_canary = self.status.canary.as_ref().is_some_and(|canary| canary.revision == asked.revision);
        if is_canary || self.failed(&asked).is_some() {
            return;
        }
        self.track_stable_loss();
        if !self.is_stable_lost() {
            return;
        }
        let message = format!(
            "the stable ReplicaSet {} is gone; version {asked} of the Deployment's pod template takes its place",
            stable.replica_set
        );
        self.status.replace_stable(asked);
        self.record(reason::STABLE_LOST, message);
    }

    fn rest(&mut self, stable: &RevisionStatus) {
        // A version that waited at a gate is not asked for any more.
        self.forget_gates();
        if self.status.phase == Phase::Reverted {
            self.record(reason::BACK_TO_STABLE, "the Deployment asks for the stable version again");
        }
        self.status.enter_phase(Phase::Stable);
        let wanted = capacity::wanted(self.rollout);
        let ready = self.observed.ready_behind(&self.rollout.spec.service, &stable.replica_set);
        if ready >= wanted {
            self.say(format!("version {stable} serves with {}", capacity::pods(wanted)));
        } else {
            self.say(format!("version {stable} serves with {ready} of {wanted} pods ready"));
        }
        if let Some(more) = self.watch(stable) {
            self.say(format!("{}{more}", self.status.message));
        }
    }

    /// Traffic stays pinned on the stable version until pods that belong to no revision are gone.
    fn clear_foreign_pods(&mut self) -> bool {
        if self.has_foreign_pods() {
            if self.is_routed() && self.status.route == RouteMode::Service && self.may_shut_out_strangers() {
                self.status.lead_routes(RouteMode::Split);
            }
            let foreign = self.observed.foreign_behind(&self.rollout.spec.service);
            let which = if foreign.is_empty() { "about to be".to_owned() } else { foreign.join(", ") };
            self.say(format!(
                "pods that belong to no version of this Rollout are behind Service {} ({which}); they get no traffic from a route, and nothing starts until they are gone: let the Service select the pods of Deployment {} alone",
                self.rollout.spec.service, self.rollout.spec.workload.name
            ));
            return false;
        }
        self.cleanup()
    }

    /// Pods behind the Service, or about to be, that belong to no revision of the Rollout.
    pub(super) fn has_foreign_pods(&self) -> bool {
        let service = &self.rollout.spec.service;
        let running = |set: &std::sync::Arc<crate::workload::ReplicaSet>| !set.is_empty();
        self.observed.workload_replica_sets.iter().any(running) || !self.observed.foreign_behind(service).is_empty()
    }

    /// The revision that holds `asked`: the ReplicaSet that has it already, or the one that will.
    pub(super) fn revision_of(&self, asked: &Value) -> Option<RevisionStatus> {
        let images = template::images(asked);
        if let Some(set) = self.observed.reusable(asked) {
            return Some(RevisionStatus {
                revision: set.revision().to_owned(),
                replica_set: set.name().to_owned(),
                images,
                ..RevisionStatus::default()
            });
        }
        let workload = &self.rollout.spec.workload.name;
        template::hashes(asked).find_map(|revision| {
            let replica_set = naming::replica_set(workload, &revision);
            // A ReplicaSet of that name with another template: a collision of hashes.
            self.observed.replica_set(&replica_set).is_none().then(|| RevisionStatus {
                revision,
                replica_set,
                images: images.clone(),
                ..RevisionStatus::default()
            })
        })
    }

    /// What became of a revision before, if it failed.
    pub(super) fn failed(&self, revision: &RevisionStatus) -> Option<FailedRevision> {
        let failed = self.status.failed.iter().find(|failed| failed.revision == revision.revision);
        failed.filter(|_| guard::stands(Guard::FailedStaysFailed)).cloned()
    }

    /// The names of the Services that a rollout uses.
    pub(super) fn names(&self) -> Names {
        Names::of(&self.rollout.spec.service)
    }
}
