//! The end of every rollout: no traffic, then no pods, then no trace.

use tidegate_api::{Percent, RouteMode};

use crate::{
    plan::{
        Guard, Planner, guard, hand_back, in_force,
        split::{self, Goal},
    },
    traffic::Split,
};

impl Planner<'_> {
    /// One step towards a cluster in which the stable version alone serves and the routes say what the user wrote.
    /// Whether that is reached.
    pub(super) fn cleanup(&mut self) -> bool {
        if !self.is_routed() && self.status.route == RouteMode::Service {
            let cleared = self.is_cleared();
            self.set_share_of_pods();
            if !cleared {
                self.say("waiting until the other version's pods are gone");
            }
            return cleared;
        }
        match self.status.route {
            RouteMode::Service => self.forget_services(),
            RouteMode::Split => {
                let kept = self.lower_kept_weight();
                self.clear_behind(Goal::Split(kept.into()))
            }
            RouteMode::Promoted => self.clear_behind(Goal::Split(Percent::FULL.into())),
        }
    }

    /// Traffic is pinned by weight; waits until the pods that get none have drained and gone.
    fn clear_behind(&mut self, goal: Goal<'_>) -> bool {
        if self.never_split() {
            self.restore();
            return false;
        }
        let routed = self.observed.routes.iter().any(|route| route.object.is_some());
        if routed && guard::stands(Guard::RouteBeforePods) {
            let in_force = in_force::in_force_at(self.rollout, self.observed, goal, self.now);
            if let Some(sentence) = in_force.missing() {
                // Whoever wrote the route meanwhile gave those pods traffic again: they drain anew.
                self.status.forget_drain();
                if split::ready(self.rollout, &self.status, self.observed).stable == 0 {
                    self.say("waiting: no pod of the stable version is ready to take the traffic");
                } else {
                    self.say(format!("taking traffic away: {sentence}"));
                }
                return false;
            }
        }
        if let Goal::Split(split) = goal {
            self.status.set_in_force(split.weight);
        }
        let since = self.status.begin_drain(self.now);
        if let (RouteMode::Split, Goal::Split(Split { weight: kept, .. })) = (self.status.route, goal)
            && kept > Percent::ZERO
        {
            self.wake_after(since, self.rollout.spec.drain());
            self.await_stable(kept);
            return false;
        }
        self.wake_after(since, self.rollout.spec.drain());
        if !self.has_elapsed(since, self.rollout.spec.drain()) {
            self.say("traffic is where it should be; requests under way drain");
            return false;
        }
        if !self.is_cleared() || self.has_foreign_pods() {
            self.say("waiting until the other version's pods are gone");
            return false;
        }
        self.restore();
        false
    }

    /// Nothing was ever behind the canary Service, and the routes were never touched, or never gave it anything: then a
    /// gateway that says nothing is not waited for.
    fn never_split(&self) -> bool {
        let names = self.names();
        let untouched = |route: &crate::plan::Route| split::says(self.rollout, &names, route, Goal::Service);
        self.status.route == RouteMode::Split
            && self.is_cleared()
            && !self.has_foreign_pods()
            && (self.status.begun.is_empty() || self.observed.routes.iter().all(untouched))
    }

    fn restore(&mut self) {
        self.status.lead_routes(RouteMode::Service);
        self.status.forget_drain();
        self.say("the routes point at the Service again, as they were written");
    }

    /// The routes are restored; the Services of the revisions go when nobody uses them any more.
    fn forget_services(&mut self) -> bool {
        if self.is_whole() {
            self.status.forget_drain();
            return true;
        }
        let in_force = in_force::in_force_at(self.rollout, self.observed, Goal::Service, self.now);
        if let Some(sentence) = in_force.missing() {
            // Until the gateway has it, requests still come by way of those Services.
            self.status.forget_drain();
            self.say(format!("restoring the routes: {sentence}"));
            return false;
        }
        let since = self.status.begin_drain(self.now);
        self.say("the routes are restored; the revisions' Services go");
        // A gateway that says nothing may still use them: the Deployment keeps them.
        self.wake_after(since, self.rollout.spec.drain());
        self.has_elapsed(since, self.rollout.spec.drain()) && !hand_back::waits_for_the_gateway(self.rollout, self.now)
    }

    /// No ReplicaSet but the stable one has pods.
    pub(super) fn is_cleared(&self) -> bool {
        let stable = self.status.stable.as_ref().map_or("", |stable| stable.replica_set.as_str());
        let service = &self.rollout.spec.service;
        let gone = |set: &&std::sync::Arc<crate::workload::ReplicaSet>| {
            set.is_empty() && self.observed.ready_behind(service, set.name()) == 0
        };
        self.observed.replica_sets.iter().filter(|set| set.name() != stable).all(|set| gone(&set))
    }
}
