//! What should happen next. Pure: rollout, observation and verdicts in, status and effects out.
//!
//! [`next`] turns what is known into the next status; [`desired`] turns a committed status into what has to be
//! written to the cluster. Neither talks to anything, reads a clock, or draws a random number.

mod adoption;
mod approvals;
mod asked;
mod await_weight;
mod bypassing_routes;
pub mod capacity;
mod cleanup;
mod commands;
mod conditions;
mod configuration;
mod contention;
mod degrade;
mod disturbance;
mod draft;
mod drill;
mod effect;
mod effects;
mod gate_answer;
mod gates;
mod goal;
mod guard;
mod hand_back;
mod idle;
mod in_force;
mod observed;
mod orphans;
mod other_rollouts;
mod outcome;
mod pinning;
mod policies;
mod preflight;
mod progress;
mod restart;
mod rollback;
mod schedule;
mod selection;
mod session_affinity;
mod share;
mod split;
mod stable_loss;
mod step_back;
mod stepwise_revert;
mod suspect_pod;
mod taken_back;
#[cfg(test)]
mod tests;
mod unwell;
mod warnings;
mod watch;

use draft::Draft;
use guard::Guard;
use jiff::Timestamp;

pub use contention::{Suspect, suspects};
pub use effect::{Effect, Write};
pub use effects::desired;
pub use gate_answer::{GateAnswer, Reply, open_gate};
pub use observed::{GatewayFeatures, Observed, RefusedWrite, Route, Served, ServingPod};
pub use other_rollouts::OtherRolloutState;
pub use preflight::Refusal;
pub use restart::looks_at_pods;
pub use suspect_pod::Traced;
pub use watch::{Watched, watched};

use tidegate_api::{
    AdoptionStep, CheckStatus, Phase, PresetStatus, Rollout, RolloutStatus, RouteMode, Span, Stage, StageBegun,
    StagePart, Transition, condition::reason,
};
use tidegate_judge::Divided;

/// All that a decision may depend on.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// The Rollout with its committed status.
    pub rollout: &'a Rollout,
    /// What the cluster looks like.
    pub observed: &'a Observed,
    /// What the checks said at this look; empty when nobody looked.
    pub checks: &'a [CheckStatus],
    /// What `preset: auto` stands for by that look; empty when nobody looked.
    pub presets: &'a [PresetStatus],
    /// That the requests of both versions stopped, or fail, since the routes were written: a sentence.
    pub outage: Option<&'a str>,
    /// How requests were divided between the versions since the stage's weight came into force; nothing while that is not
    /// known.
    pub divided: Option<Divided>,
    /// Where the bad requests come from of those of `checks` that fail and count requests.
    pub traced: &'a [Traced],
    /// What the gate that waits by the committed status has answered, if it has, and is one that the operator asks.
    pub gate_answer: Option<&'a GateAnswer>,
    /// The instant of the decision.
    pub now: Timestamp,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Next {
    /// The status to commit.
    pub status: RolloutStatus,
    /// What changed, for events; oldest first.
    pub transitions: Vec<Transition>,
    /// When to decide again, if nothing happens before.
    pub wake: Option<Timestamp>,
}

/// Decides what should happen next.
#[must_use]
pub fn next(input: Input<'_>) -> Next {
    let mut plan = Planner::new(input);
    let step = plan.status.adoption.as_ref().map(|adoption| adoption.step);
    if input.rollout.metadata.deletion_timestamp.is_some() {
        plan.hand_back();
    } else {
        match step {
            None => plan.begin_adoption(),
            Some(AdoptionStep::Adopted) => plan.release(),
            Some(_) => plan.adopt(),
        }
    }
    plan.finish()
}

/// The stages that evidence is counted from, the present one last, if this is a moment at which checks should be
/// asked. Until a stage has its weight, what is seen belongs to the one before.
#[must_use]
pub fn evidence_stages(rollout: &Rollout) -> Option<Vec<StageBegun>> {
    if let Some(watched) = watched(rollout) {
        return Some(vec![watched.begun]);
    }
    let status = rollout.status.as_ref()?;
    let stage = status.stage.as_ref()?;
    if status.rolls_back || status.begun.is_empty() && !stage.gives_requests() {
        return None;
    }
    let under_way = matches!(status.phase, Phase::Progressing | Phase::Held);
    // Besides a share of everybody it may have had some people's requests, or copies.
    let had_its_turn = status.begun.last().is_some_and(|begun| begun.stage != stage.name);
    let carries_traffic = stage.since.is_some() || stage.weight_in_force.percent() > 0.0 || had_its_turn;
    if !under_way || !carries_traffic {
        return None;
    }
    if status.begun.is_empty() {
        let since = stage.since.unwrap_or(stage.entered_at);
        return Some(vec![StageBegun::first(&stage.name, since)]);
    }
    Some(status.begun.clone())
}

/// What the requests of the stable version are watched for while the routes are written for a version that has none
/// yet: the stage, from when it was entered. Nothing where the checks are asked, which see as much.
#[must_use]
pub fn pinning_stages(rollout: &Rollout) -> Option<Vec<StageBegun>> {
    let status = rollout.status.as_ref()?;
    let stage = status.stage.as_ref()?;
    let pins = status.phase == Phase::Progressing && status.route == RouteMode::Split && !status.rolls_back;
    let is_watched = pins && evidence_stages(rollout).is_none();
    is_watched.then(|| vec![StageBegun::first(&stage.name, stage.entered_at)])
}

/// When the routes were written for the version on its way, as far as that is known. A new process does not know when
/// the last one wrote them: at the latest when a stage's weights came into force, and right after the first was entered.
/// Nothing while somebody else's weights are in force, or where there are no routes.
#[must_use]
pub fn written(rollout: &Rollout, observed: &Observed) -> Vec<Timestamp> {
    let Some((status, stage)) = rollout.status.as_ref().and_then(|status| Some((status, status.stage.as_ref()?)))
    else {
        return Vec::new();
    };
    if stage.disturbance.is_some() || !rollout.spec.is_routed() {
        return Vec::new();
    }
    let pinned = (stage.index == 1).then_some(stage.entered_at);
    let begun = status.begun.iter().filter(|begun| begun.part != Some(StagePart::Disturbed)).map(|begun| begun.since);
    let known = observed.routes.iter().filter_map(|route| route.written);
    pinned.into_iter().chain(begun).chain(known).collect()
}

/// The stage that the status speaks of, as the spec has it now: by name. Where that is gone, the last one that asks
/// for no more weight than it did: no gate has been passed for more.
#[must_use]
pub fn current_stage(rollout: &Rollout) -> Option<Stage> {
    let recorded = rollout.status.as_ref()?.stage.as_ref()?;
    let stages = rollout.spec.stages();
    let named = stages.iter().find(|stage| stage.name == recorded.name);
    let lighter =
        || stages.iter().rfind(|stage| stage.weight <= recorded.weight || !guard::stands(Guard::OneStepPerGate));
    named.or_else(lighter).or_else(|| stages.first()).cloned()
}

/// A decision in the making.
struct Planner<'a> {
    rollout: &'a Rollout,
    observed: &'a Observed,
    checks: &'a [CheckStatus],
    presets: &'a [PresetStatus],
    outage: Option<&'a str>,
    divided: Option<Divided>,
    traced: &'a [Traced],
    gate_answer: Option<&'a GateAnswer>,
    now: Timestamp,
    status: Draft,
    transitions: Vec<Transition>,
    wake: Option<Timestamp>,
    /// Why the Rollout cannot go on until somebody acts.
    refusal: Option<Refusal>,
}

impl<'a> Planner<'a> {
    fn new(input: Input<'a>) -> Self {
        let Input { rollout, observed, checks, presets, outage, divided, traced, gate_answer, now } = input;
        let status = Draft::new(rollout.status.clone().unwrap_or_default());
        let (transitions, wake, refusal) = (Vec::new(), None, None);
        Self {
            rollout,
            observed,
            checks,
            presets,
            outage,
            divided,
            traced,
            gate_answer,
            now,
            status,
            transitions,
            wake,
            refusal,
        }
    }

    /// An adopted Rollout that nobody is deleting.
    fn release(&mut self) {
        self.refusal = preflight::refusal(self.rollout, self.observed);
        self.tend_workload();
        self.take_commands();
        self.take_approvals();
        match self.status.phase {
            Phase::Progressing | Phase::Held => self.progress(),
            Phase::Reverting | Phase::Promoting => self.settle(),
            _ => self.idle(),
        }
        self.wake_when_heard_of();
    }

    /// Ends a revert or a promotion when everything that was in its way is gone.
    fn settle(&mut self) {
        let promoting = self.status.phase == Phase::Promoting;
        if !promoting {
            self.replace_deleted();
        }
        if !self.cleanup() && !self.await_confirmation() && guard::stands(Guard::OneCanary) {
            return;
        }
        self.status.enter_phase(Phase::Stable);
        self.end_gates();
        self.status.end_rollout();
        if promoting {
            self.status.forget_checks();
        }
        self.idle();
    }

    fn say(&mut self, message: impl Into<String>) {
        self.status.say(message.into());
    }

    /// Records a step for the history and for an event.
    fn record(&mut self, reason: &str, message: impl Into<String>) {
        let revision = self.status.canary.as_ref().or(self.status.stable.as_ref());
        let values = self.checks.iter().filter_map(|check| Some((check.name.clone(), check.value.clone()?)));
        let transition = Transition {
            at: self.now,
            reason: reason.to_owned(),
            message: message.into(),
            revision: revision.map(|revision| revision.revision.clone()).unwrap_or_default(),
            weight: self.status.stage.as_ref().map(|stage| stage.weight_in_force.to_string()),
            values: values.collect(),
        };
        self.status.record(transition.clone());
        self.transitions.push(transition);
    }

    /// The same of something that changes nothing about where the Rollout stands.
    fn record_aside(&mut self, reason: &str, message: impl Into<String>) {
        let stands = self.status.message.clone();
        self.record(reason, message);
        self.say(stands);
    }

    fn wake_at(&mut self, instant: Timestamp) {
        self.wake = Some(self.wake.map_or(instant, |wake| wake.min(instant)));
    }

    /// Asks to be woken when `span` has elapsed since `start`, if it has not.
    fn wake_after(&mut self, start: Timestamp, span: Span) {
        if !self.has_elapsed(start, span) {
            self.wake_at(after(start, span));
        }
    }

    /// Whether `span` has elapsed since `start`.
    fn has_elapsed(&self, start: Timestamp, span: Span) -> bool {
        self.now >= after(start, span)
    }

    /// Whether nothing may go on by itself.
    fn is_paused(&self) -> bool {
        self.rollout.spec.paused && guard::stands(Guard::Pause)
    }

    fn is_routed(&self) -> bool {
        self.rollout.spec.is_routed()
    }

    /// Takes all traffic back to the stable version, as fast as that carries it.
    fn turn_back(&mut self, reason: &str, message: String) {
        self.record(reason, message);
        self.status.enter_phase(Phase::Reverting);
        // Nobody does anything any more for a version that is on its way back.
        self.status.close_gates();
        self.begin_stepwise_revert();
    }

    fn finish(mut self) -> Next {
        self.tend_restart();
        self.status.observe_generation(self.rollout.metadata.generation);
        self.note_workload();
        self.tell_refused_write();
        self.count_pods();
        let warning = self.warn();
        self.set_conditions(warning);
        Next { status: self.status.into_status(), transitions: self.transitions, wake: self.wake }
    }

    /// A write that the API server refuses for good is somebody's to look at, whatever else is going on.
    fn tell_refused_write(&mut self) {
        let answered = self.transitions.iter().any(|transition| transition.reason == reason::ADOPTION_REFUSED);
        if let (None, false, Some(refused)) = (&self.refusal, answered, &self.observed.refused) {
            let message = format!("the API server refuses a write: {refused}");
            self.say(message.clone());
            self.refusal = Some(Refusal::new(reason::WRITE_REFUSED, message));
        }
    }

    /// Whether nothing of a rollout is left in the routes and the Services.
    fn is_whole(&self) -> bool {
        let has_previews = !self.observed.previews.is_empty();
        self.status.route == RouteMode::Service && !self.observed.has_revision_services() && !has_previews
    }
}

/// `instant` as people are told of it.
fn in_seconds(instant: Timestamp) -> Timestamp {
    Timestamp::from_second(instant.as_second()).unwrap_or(instant)
}

/// `start` and `span` later; the end of time when that does not exist.
fn after(start: Timestamp, span: Span) -> Timestamp {
    jiff::SignedDuration::try_from(span.duration())
        .ok()
        .and_then(|span| start.checked_add(span).ok())
        .unwrap_or(Timestamp::MAX)
}
