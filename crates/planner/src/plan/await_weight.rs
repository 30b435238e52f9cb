//! A stage whose weight is not in force yet: its pods come up, its route is written and confirmed.

use jiff::Timestamp;
use tidegate_api::{Percent, Phase, Stage, condition::reason};

use crate::{
    plan::{
        Planner, Refusal, after, capacity, goal,
        in_force::{self, InForce},
        outcome::Outcome,
        split::{self, Goal, Ready},
    },
    traffic::Split,
};

/// What a stage waits for until it has its weight.
enum Awaited {
    /// Pods: those of the new version, or room for them.
    Pods(String),
    /// That the routes are written and in force.
    Routes(String),
}

impl Planner<'_> {
    /// What is decided until the stage has its weight.
    pub(super) fn await_weight(&mut self, stage: &Stage, ready: Ready) -> Outcome {
        let in_force = self.routes_in_force();
        let refused_from = self.refused_from(&in_force);
        if let Some(until) = refused_from.filter(|from| *from > self.now) {
            self.wake_at(until);
        } else if refused_from.is_some()
            && let Some(sentence) = in_force.clone().missing()
        {
            return self.leave_out_zero_weights(stage, &sentence).unwrap_or_else(|| {
                self.status.leave_out_zero_weights(false);
                Outcome::TakeBack(reason::ROUTE_REFUSED, sentence)
            });
        }
        match (self.awaited(stage, ready, in_force), self.refusal.clone()) {
            (None, _) => self.come_into_force(stage),
            (Some(_), Some(refusal)) => Outcome::Hold(refusal),
            (Some(Awaited::Pods(waiting)), None) => self.keep_deadline(stage, &waiting, ready),
            (Some(Awaited::Routes(waiting)), None) => self.await_routes(stage, &waiting),
        }
    }

    /// The gateway has its time; nothing is held against the version when it takes longer.
    fn await_routes(&mut self, stage: &Stage, waiting: &str) -> Outcome {
        self.wake_at_gateway_deadline();
        if self.is_gateway_late() {
            return Outcome::Hold(self.not_confirmed(waiting));
        }
        Outcome::Wait(format!("stage {} waits: {waiting}", stage.name))
    }

    /// When the stage was entered, or began to wait anew.
    pub(super) fn entered_at(&self) -> Timestamp {
        self.status.stage.as_ref().map_or(self.now, |stage| stage.entered_at)
    }

    /// Some gateways refuse a backend of weight 0: before a refusal is taken for the last word, it is tried without.
    fn leave_out_zero_weights(&mut self, stage: &Stage, sentence: &str) -> Option<Outcome> {
        let Goal::Split(split) = goal::goal(self.rollout, self.observed) else { return None };
        let has_zero = split.weight == Percent::ZERO || split.weight == Percent::FULL;
        if !has_zero || self.status.leave_out_zero_weights(true) {
            return None;
        }
        let message = format!("stage {} waits: {sentence}; tried once more without a backend of weight 0", stage.name);
        Some(Outcome::Wait(message))
    }

    /// Whether the routes say what they should at this moment: before there are new pods, stable alone.
    fn routes_in_force(&self) -> InForce {
        if !self.is_routed() {
            return InForce::Yes;
        }
        in_force::in_force(self.rollout, self.observed, goal::goal(self.rollout, self.observed))
    }

    /// What the stage waits for, the gateway first: without it, no pod is started.
    fn awaited(&self, stage: &Stage, ready: Ready, in_force: InForce) -> Option<Awaited> {
        let counts = capacity::in_stage(self.rollout, stage);
        let new_pods = format!("{} of {} new pods ready", ready.canary, counts.canary);
        if !self.is_routed() {
            let falls = self.status.stage.as_ref().is_some_and(|known| known.weight < known.weight_in_force);
            let waiting = if ready.canary < counts.canary {
                new_pods
            } else if falls && ready.canary > counts.canary {
                format!("{} pods of the new version still ready, and {} are to stay", ready.canary, counts.canary)
            } else if falls && ready.stable < counts.stable {
                format!("{} of {} old pods ready", ready.stable, counts.stable)
            } else if ready.stable > counts.stable {
                format!("{} of {} old pods still ready", ready.stable, counts.stable)
            } else {
                return None;
            };
            return Some(Awaited::Pods(waiting));
        }
        let asked = self.status.stage.as_ref().map_or(Split::NONE, split::of_stage);
        let asked = in_force::in_force(self.rollout, self.observed, Goal::Split(asked));
        match (asked, in_force.missing()) {
            // Whoever tries it out without users asks for all of it.
            (InForce::Yes, _) if ready.canary > 0 && (stage.gives_requests() || ready.canary >= counts.canary) => None,
            _ if ready.stable == 0 => Some(Awaited::Pods(self.stable_missing())),
            (_, Some(sentence)) => Some(Awaited::Routes(sentence)),
            _ if ready.canary < counts.canary => Some(Awaited::Pods(new_pods)),
            (InForce::Yes, None) => Some(Awaited::Pods("the new pods are not ready".to_owned())),
            (asked, None) => asked.missing().map(Awaited::Routes),
        }
    }

    fn keep_deadline(&mut self, stage: &Stage, waiting: &str, ready: Ready) -> Outcome {
        let deadline = self.rollout.spec.progress_deadline();
        let entered = self.entered_at();
        self.wake_after(entered, deadline);
        if !self.has_elapsed(entered, deadline) {
            return Outcome::Wait(format!("stage {} waits: {waiting}", stage.name));
        }
        if ready.stable == 0 {
            // Going back would leave nobody to answer; the new pods are all that serves.
            let message = format!("{}; look at its pods first", self.stable_missing());
            return Outcome::Hold(Refusal::new(reason::STABLE_NOT_READY, message));
        }
        if self.status.phase == Phase::Held {
            return self.renew_deadline(stage);
        }
        let message = format!("stage {} did not get its weight within {deadline}: {waiting}", stage.name);
        Outcome::Fail(reason::PROGRESS_DEADLINE_EXCEEDED, message)
    }

    /// What held the stage is over, and was not the new version's doing: it gets its time anew.
    fn renew_deadline(&mut self, stage: &Stage) -> Outcome {
        self.status.renew_wait(self.now);
        self.wake_at(after(self.now, self.rollout.spec.progress_deadline()));
        Outcome::Wait(format!("stage {}: goes on, with the whole progress deadline before it", stage.name))
    }

    fn come_into_force(&mut self, stage: &Stage) -> Outcome {
        let (now, routed) = (self.now, self.is_routed());
        let share =
            if routed { stage.weight } else { capacity::share_of_pods(self.rollout, &self.status, self.observed) };
        self.set_in_force(share);
        self.status.come_into_force(stage, now);
        let reached = if routed { String::new() } else { format!(" (by pods: {share})") };
        let (name, gives, bake) = (&stage.name, stage.gives(), stage.bake());
        let is_last = self.rollout.spec.stages().last().is_some_and(|last| last.name == *name);
        let control = stage.weight.rest();
        let kept = if is_last && control > Percent::ZERO {
            format!(" ({control} stays with stable to be compared with)")
        } else {
            String::new()
        };
        let then = if self.is_drilling(stage) { " again".to_owned() } else { format!(", baking for {bake}") };
        let message = format!("stage {name}: {gives} in force{reached}{kept}{then}");
        self.record(reason::STAGE_ENTERED, message.clone());
        self.wake_at(after(now, stage.bake()));
        Outcome::Wait(message)
    }
}
