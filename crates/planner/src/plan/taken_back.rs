//! A write of the routes that a gateway refuses, or after which requests stop or fail whatever serves them: it is taken
//! back, and nothing of it is held against the version that it was for.

use jiff::Timestamp;
use tidegate_api::{Phase, RevisionStatus, RouteMode, Span, TakenBack, condition::reason};

use crate::plan::{
    Planner, Refusal, after,
    in_force::{self, InForce},
    split::{self, Goal},
};

/// How long a gateway may say that it does not know a Service which was made a moment ago.
const UNRESOLVED: Span = Span::seconds(5);

impl Planner<'_> {
    /// Takes the routes back to what they said before: to what the user wrote where nothing of the new version was ever
    /// in force, else to stable alone.
    pub(super) fn take_back(&mut self, reason: &'static str, message: &str) {
        let canary = self.status.canary.clone().unwrap_or_default();
        self.status.take_back(TakenBack {
            revision: canary.revision.clone(),
            generation: self.rollout.metadata.generation,
            at: self.now,
            reason: reason.to_owned(),
            message: message.to_owned(),
        });
        // Its pods would get a share of what comes by the Service. Where nothing comes at all, they are no reason to wait.
        let was_never_in_force = self.status.begun.is_empty() && (self.is_cleared() || reason == reason::ROUTE_BROKEN);
        self.turn_back(reason, format!("the routes are taken back: {message}; version {canary} waits, unjudged"));
        if was_never_in_force {
            self.status.lead_routes(RouteMode::Service);
        }
    }

    /// What happened to the requests, with what was written before it.
    pub(super) fn since_written(&self, outage: &str) -> String {
        let routes: Vec<_> = self.observed.routes.iter().map(|route| route.id.to_string()).collect();
        format!("since {} was written for this rollout, {outage}", routes.join(" and "))
    }

    /// Why a version waits for which the routes could not be written, if it does.
    pub(super) fn waits_unwritten(&self, canary: &RevisionStatus) -> Option<Refusal> {
        let known = self.status.taken_back.as_ref()?;
        let is_meant = known.revision == canary.revision && known.generation == self.rollout.metadata.generation;
        let reason = match known.reason.as_str() {
            reason::ROUTE_BROKEN => reason::ROUTE_BROKEN,
            _ => reason::ROUTE_REFUSED,
        };
        let message = format!(
            "version {canary} waits, unjudged, and the routes are as they were written: {}; mend that, then change the Rollout's spec or the Deployment's pod template to try again",
            known.message
        );
        is_meant.then(|| Refusal::new(reason, message))
    }

    /// From when on a gateway's refusal of what the stage needs is its last word; nothing where it does not refuse. What
    /// does not resolve may be too new to be known: it has its time from the last write, or from when it ceased to.
    pub(super) fn refused_from(&self, in_force: &InForce) -> Option<Timestamp> {
        match in_force {
            InForce::Rejected(_) => Some(self.now),
            InForce::Unresolved(_, changed) => {
                let written = super::written(self.rollout, self.observed);
                let latest = written.into_iter().chain(*changed).filter(|known| *known <= self.now).max();
                let entered = || self.status.stage.as_ref().map(|stage| stage.entered_at);
                Some(after(latest.or_else(entered).unwrap_or(self.now), UNRESOLVED))
            }
            InForce::Yes | InForce::Waiting(_) => None,
        }
    }

    /// Waits for a gateway that has not confirmed what the user wrote, while all else is done. Whether that took the whole
    /// progress deadline: it must not keep the next version waiting for ever.
    pub(super) fn await_confirmation(&mut self) -> bool {
        if !self.is_unconfirmed() {
            return false;
        }
        if matches!(self.status.phase, Phase::Stable | Phase::Reverted) {
            return true;
        }
        self.wake_at_gateway_deadline();
        self.is_gateway_late()
    }

    /// Whether nothing is left to do but for a gateway to confirm what the user wrote.
    fn is_unconfirmed(&self) -> bool {
        let names = self.names();
        let written = |route: &crate::plan::Route| split::says(self.rollout, &names, route, Goal::Service);
        self.status.route == RouteMode::Service
            && self.is_routed()
            && self.is_cleared()
            && !self.has_foreign_pods()
            && self.observed.routes.iter().all(written)
            && in_force::in_force(self.rollout, self.observed, Goal::Service) != InForce::Yes
    }

    /// What to wait for the gateway with, and what to do where it never speaks.
    pub(super) fn not_confirmed(&self, waiting: &str) -> Refusal {
        let deadline = self.rollout.spec.progress_deadline();
        let message = format!(
            "{waiting}, for {deadline} now; no version is to blame for it: look at the gateway and its controller, or set spec.traffic.gatewayAPI.acceptance to Ignored if it never reports"
        );
        Refusal::new(reason::ROUTE_NOT_CONFIRMED, message)
    }

    /// Asks to be woken when the wait for a gateway that confirms nothing ends.
    pub(super) fn wake_at_gateway_deadline(&mut self) {
        self.wake_after(self.entered_at(), self.rollout.spec.progress_deadline());
    }

    /// Whether the wait for a gateway that confirms nothing has ended.
    pub(super) fn is_gateway_late(&self) -> bool {
        self.has_elapsed(self.entered_at(), self.rollout.spec.progress_deadline())
    }
}
