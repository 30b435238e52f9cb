//! Somebody else changes what Tidegate writes: answered with growing pauses, and never without end.

use jiff::Timestamp;
use tidegate_api::{AdoptionStep, Contention, Phase, Rollout, RolloutStatus, Span, StagePart, condition::reason};

use crate::{
    plan::{
        Observed, Planner, Refusal, Route, after, goal, in_seconds,
        split::{self, Goal},
    },
    traffic::{Names, RouteId},
};

/// How long a change is remembered.
const WINDOW: Span = Span::seconds(600);
/// How often a route is written back at once within [`WINDOW`]; after that the rollout holds.
const AT_ONCE: usize = 3;
/// How long the other writer has to be silent before a route is written back once more.
const SILENCE: Span = Span::seconds(50);
/// How long it then has to stay before the rollout goes on.
const PROBATION: Span = Span::seconds(45);
/// The longest pause between two answers about the Deployment.
const LONGEST_PAUSE: u64 = 300;

/// What somebody else seems to have changed. Who it was stands in the object's managed fields, which are worth
/// reading only then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Suspect {
    /// The Deployment was scaled up again.
    Workload,
    /// The route carries other weights than were in force.
    Route(RouteId),
}

/// Looks for changes that are not Tidegate's, and that nobody has put a name to yet.
#[must_use]
pub fn suspects(rollout: &Rollout, observed: &Observed) -> Vec<Suspect> {
    let Some(status) = rollout.status.as_ref() else { return Vec::new() };
    let adopted = status.adoption.as_ref().is_some_and(|adoption| adoption.step == AdoptionStep::Adopted);
    if !adopted || rollout.metadata.deletion_timestamp.is_some() {
        return Vec::new();
    }
    let is_new = |object: &str, generation| {
        let known = status.contentions.iter().find(|known| known.object == object);
        known.is_none_or(|known| known.generation != generation)
    };
    let workload = observed.living_workload().filter(|workload| {
        workload.replicas() > 0 && is_new(&workload_name(rollout), workload.metadata.generation.unwrap_or(0))
    });
    let routes = changed_routes(rollout, observed);
    let routes = routes.filter(|route| is_new(&route.id.to_string(), route.generation()));
    workload
        .map(|_| Suspect::Workload)
        .into_iter()
        .chain(routes.map(|route| Suspect::Route(route.id.clone())))
        .collect()
}

impl Suspect {
    /// The object as a status names it.
    #[must_use]
    pub fn object(&self, rollout: &Rollout) -> String {
        match self {
            Self::Workload => workload_name(rollout),
            Self::Route(id) => id.to_string(),
        }
    }
}

/// What a status calls the Deployment.
pub(super) fn workload_name(rollout: &Rollout) -> String {
    format!("Deployment {}", rollout.spec.workload.name)
}

/// The routes that do not say what was in force.
pub(super) fn changed_routes<'a>(
    rollout: &'a Rollout,
    observed: &'a Observed,
) -> impl Iterator<Item = &'a Route> + use<'a> {
    let stage = rollout.status.as_ref().and_then(|status| {
        let stage = status.stage.as_ref()?;
        let settled = matches!(status.phase, Phase::Progressing | Phase::Held) && stage.since.is_some();
        settled.then_some(stage)
    });
    let goal = stage.map(|stage| Goal::Split(split::of_stage(stage)));
    let goal = goal.filter(|goal| goal::goal(rollout, observed) == *goal);
    let names = Names::of(&rollout.spec.service);
    observed.routes.iter().filter(move |route| goal.is_some_and(|goal| !split::says(rollout, &names, route, goal)))
}

impl Planner<'_> {
    /// Decides whether to scale back a Deployment that somebody scaled up.
    pub(super) fn tend_workload(&mut self) {
        self.forget_contentions();
        let Some(workload) = self.observed.living_workload() else { return };
        if workload.replicas() == 0 {
            return;
        }
        let object = workload_name(self.rollout);
        let generation = workload.metadata.generation.unwrap_or(0);
        if let Some(known) = self.known(&object) {
            if known.generation == generation {
                return;
            }
            let exponent = u32::try_from(known.changes.len()).unwrap_or(u32::MAX);
            let pause = Span::seconds(1_u64.checked_shl(exponent).unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE));
            let last = known.last();
            self.wake_after(last, pause);
            if !self.has_elapsed(last, pause) {
                return;
            }
        }
        let replicas = workload.replicas();
        let manager = self.note_change(&object, generation);
        self.status.answer_change(&object);
        self.record(
            reason::FOREIGN_PODS,
            format!(
                "{manager} scaled Deployment {} to {replicas}; it is scaled back to 0, since its pods belong to the Rollout: leave out spec.replicas where the Deployment is written, and scale the Rollout",
                self.rollout.spec.workload.name
            ),
        );
    }

    /// Decides which routes that somebody changed are written back; why the rollout holds, where it was done too often.
    pub(super) fn tend_routes(&mut self) -> Option<Refusal> {
        let changed: Vec<_> = changed_routes(self.rollout, self.observed).collect();
        let held: Vec<_> = changed.iter().filter_map(|route| self.tend_route(route)).collect();
        held.into_iter().next().or_else(|| self.keep_probation())
    }

    fn tend_route(&mut self, route: &Route) -> Option<Refusal> {
        let (object, generation) = (route.id.to_string(), route.generation());
        let is_new = self.known(&object).is_none_or(|known| known.generation != generation);
        if is_new {
            let manager = self.note_change(&object, generation);
            if self.known(&object).is_none_or(|known| known.changes.len() <= AT_ONCE) {
                self.status.answer_change(&object);
                let message = format!("{manager} changed the weights of {object}; they are written back");
                self.record(reason::CONTENTION, message);
                return None;
            }
        }
        let known = self.known(&object)?.clone();
        if known.answered {
            return None;
        }
        self.wake_after(known.last(), SILENCE);
        if self.has_elapsed(known.last(), SILENCE) {
            self.status.answer_change(&object);
            return None;
        }
        let message = format!(
            "{} changed the weights of {object} {} times in ten minutes, and theirs are in force; they are written back at {}, if nobody has changed them again by then: let that writer leave them alone while a rollout lasts",
            known.manager,
            known.changes.len(),
            in_seconds(after(known.last(), SILENCE))
        );
        Some(Refusal::new(reason::CONTENTION, message))
    }

    /// What was written back once more after too many changes has to stay for a while before the rollout goes on.
    fn keep_probation(&mut self) -> Option<Refusal> {
        let workload = workload_name(self.rollout);
        let quarrels = self.status.contentions.iter().filter(|known| known.object != workload);
        let quarrel = quarrels.filter(|known| known.changes.len() > AT_ONCE).max_by_key(|known| known.last())?;
        let (object, written_back) = (quarrel.object.clone(), after(quarrel.last(), SILENCE));
        self.status.stage.as_ref()?.disturbance.as_ref()?;
        self.wake_after(written_back, PROBATION);
        if self.has_elapsed(written_back, PROBATION) {
            return None;
        }
        let goes_on = in_seconds(after(written_back, PROBATION));
        let message =
            format!("the weights of {object} are written back; the rollout goes on at {goes_on}, if they stay");
        Some(Refusal::new(reason::CONTENTION, message))
    }

    /// Forgets changes that were too long ago, and objects that nobody has changed since.
    fn forget_contentions(&mut self) {
        self.status.forget_changes(self.now, WINDOW);
        let next = self.status.contentions.iter().filter_map(|known| known.changes.last()).min().copied();
        if let Some(oldest) = next {
            self.wake_at(after(oldest, WINDOW));
        }
    }

    fn known(&self, object: &str) -> Option<&Contention> {
        self.status.contentions.iter().find(|known| known.object == object)
    }

    /// Records a change; the name of who made it.
    fn note_change(&mut self, object: &str, generation: i64) -> String {
        let editor = self.observed.editors.get(object).cloned();
        self.status.note_change(object, editor, generation, self.now)
    }
}

/// Whether the committed status says that this change, at this generation, is to be undone.
pub(super) fn is_answered(rollout: &Rollout, object: &str, generation: i64) -> bool {
    let mut known = rollout.status.iter().flat_map(|status| &status.contentions);
    known.any(|known| known.object == object && known.generation == generation && known.answered)
}

/// When somebody else last changed one of the routes.
fn last_change(rollout: &Rollout, contentions: &[Contention]) -> Option<Timestamp> {
    let workload = workload_name(rollout);
    contentions.iter().filter(|known| known.object != workload).map(Contention::last).max()
}

/// Since when the stage's weight has been in force, and nobody else's; nothing where somebody wrote another since. That
/// gave the pods that the stage had freed requests again, and when those ended, nobody knows.
pub(super) fn undisturbed_since(rollout: &Rollout, status: &RolloutStatus) -> Option<Timestamp> {
    let stage = status.stage.as_ref().filter(|stage| stage.disturbance.is_none())?;
    let resumed = status.begun.last().filter(|begun| begun.part == Some(StagePart::Resumed)).map(|begun| begun.since);
    let since = resumed.into_iter().fold(stage.since?, Timestamp::max);
    last_change(rollout, &status.contentions).is_none_or(|last| last < since).then_some(since)
}
