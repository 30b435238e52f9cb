//! The way back of traffic to a stable version whose pods followed its share: as fast as they come back, and no faster.
//!
//! Giving stable more than its ready pods carry would break the version that works for the sake of leaving one that
//! does not, so the new one keeps what is left over: never more than it had, never more than an equal part of what is
//! ready, and nothing from the moment on at which none of its own pods are. Each step is committed before it is
//! written, and is a whole one, so that a hundred pods are not a hundred writes to the route.

use tidegate_api::{Percent, Rollout, RolloutStatus, RouteMode, condition::reason};

use crate::plan::{Observed, Planner, Refusal, capacity, split};

/// How much more of the traffic stable has to carry before it gets it at once, in percent. Less has to wait until what
/// the step before took from the new version has drained, and the room of those pods is free for stable's own.
const STEP: f64 = 10.0;

impl Planner<'_> {
    /// Where the way back begins: at once with all that stable's ready pods carry.
    pub(super) fn begin_stepwise_revert(&mut self) {
        let left = self.left_over();
        let written = split::written(self.rollout, self.observed);
        self.status.forget_drain();
        if let Some(stage) = &self.status.stage {
            // A weight that was meant for the new version and never written is none that it could keep.
            let weight = stage.weight.lower(written.unwrap_or(stage.own_weight())).lower(left);
            self.status.turn_back(weight, self.now);
        }
    }

    /// The next step, when stable's pods carry enough for one. What the new version is to keep.
    pub(super) fn lower_kept_weight(&mut self) -> Percent {
        let left = self.left_over();
        let drain = self.rollout.spec.drain();
        if let Some(since) = self.status.draining_since {
            self.wake_after(since, drain);
        }
        let drained = self.status.draining_since.is_some_and(|since| self.has_elapsed(since, drain));
        // Less than it was to keep is for somebody else to have written, and good enough.
        let written = split::written(self.rollout, self.observed);
        let Some(stage) = &self.status.stage else { return Percent::ZERO };
        let left = written.filter(|written| *written < stage.weight).unwrap_or(left);
        let retreats = left > stage.weight && written.is_some_and(|written| written > stage.weight);
        let whole = left <= Percent::ZERO || left.percent() + STEP <= stage.weight.percent();
        if retreats || left < stage.weight && (whole || drained || written == Some(left)) {
            // Nothing is given back to the new version that it has lost.
            self.status.lower_weight(written.map_or(left, |written| left.lower(written)), self.now);
            self.status.forget_drain();
        }
        self.status.stage.as_ref().map_or(Percent::ZERO, |stage| stage.weight)
    }

    /// Stable's pods are awaited. When none have come for a whole progress deadline, somebody has to look.
    pub(super) fn await_stable(&mut self, kept: Percent) {
        let ready = split::ready(self.rollout, &self.status, self.observed).stable;
        let wanted = capacity::wanted(self.rollout);
        let message = format!(
            "{ready} of {wanted} pods of the stable version are ready and carry no more than their share: the new version keeps {kept} of the traffic until more are"
        );
        self.say(message.clone());
        let (since, deadline) = (self.entered_at(), self.rollout.spec.progress_deadline());
        self.wake_after(since, deadline);
        let late = self.has_elapsed(since, deadline);
        if late && self.refusal.is_none() {
            self.refusal = Some(Refusal::new(reason::STABLE_NOT_READY, format!("{message}; look at its pods")));
        }
    }

    fn left_over(&self) -> Percent {
        left_over(self.rollout, &self.status, self.observed)
    }
}

/// What stable's ready pods do not carry now.
fn left_over(rollout: &Rollout, status: &RolloutStatus, observed: &Observed) -> Percent {
    if !rollout.spec.is_routed() || status.route != RouteMode::Split {
        return Percent::ZERO;
    }
    let mut ready = split::ready(rollout, status, observed);
    // A pod beyond those that are asked for is about to go, and carries nothing for long.
    ready.stable = ready.stable.min(capacity::asked_of(observed, status.stable.as_ref()));
    capacity::kept_while_reverting(rollout, ready)
}

/// What the new version keeps while stable takes its traffic back: what was committed, or what the routes say where
/// that is less. Where stable carries less than when it was committed, the routes stay until it is committed anew.
pub(super) fn kept(rollout: &Rollout, status: &RolloutStatus, observed: &Observed) -> Percent {
    let committed = status.stage.as_ref().map_or(Percent::ZERO, |stage| stage.weight);
    let Some(written) = split::written(rollout, observed) else { return committed };
    let is_too_little = committed < left_over(rollout, status, observed);
    if is_too_little { written } else { committed.lower(written) }
}
