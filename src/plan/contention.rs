//! Somebody else changes what Tidegate writes: answered with growing pauses, and never without end.

use crate::{
    api::{AdoptionStep, Contention, Phase, Rollout, Span, condition::reason},
    plan::{
        Observed, Plan, Refusal, Route, after,
        split::{self, Goal},
    },
    traffic::{Names, RouteId},
};

/// How long a quarrel is remembered.
const WINDOW: Span = Span::seconds(600);
/// How often a route is written back within [`WINDOW`] before the rollout holds.
const ROUTE_LIMIT: u32 = 3;
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

/// Looks for a change that was not Tidegate's.
#[must_use]
pub fn suspect(rollout: &Rollout, observed: &Observed) -> Option<Suspect> {
    let status = rollout.status.as_ref()?;
    let adopted = status.adoption.as_ref().is_some_and(|adoption| adoption.step == AdoptionStep::Adopted);
    if !adopted || rollout.metadata.deletion_timestamp.is_some() {
        return None;
    }
    if observed.living_workload().is_some_and(|workload| workload.replicas() > 0) {
        return Some(Suspect::Workload);
    }
    changed_route(rollout, observed).map(|route| Suspect::Route(route.id.clone()))
}

/// A route that does not say what was in force.
pub(super) fn changed_route<'a>(rollout: &Rollout, observed: &'a Observed) -> Option<&'a Route> {
    let status = rollout.status.as_ref()?;
    let stage = status.stage.as_ref()?;
    let settled = matches!(status.phase, Phase::Progressing | Phase::Held) && stage.since.is_some();
    let goal = split::goal(rollout, observed);
    if !settled || goal != Goal::Split(split::of_stage(stage)) {
        return None;
    }
    let names = Names::of(&rollout.spec.service);
    observed.routes.iter().find(|route| !split::says(rollout, &names, route, goal))
}

impl Plan<'_> {
    /// Decides whether to scale back a Deployment that somebody scaled up.
    pub(super) fn tend_workload(&mut self) {
        let Some(workload) = self.observed.living_workload() else { return };
        let object = format!("Deployment {}", self.rollout.spec.workload.name);
        if workload.replicas() == 0 {
            if let Some(known) = self.status.contention.clone().filter(|known| known.object == object)
                && self.passed(known.last, WINDOW)
            {
                self.status.contention = None;
            }
            return;
        }
        let known = self.known(&object);
        let generation = workload.metadata.generation.unwrap_or(0);
        if known.as_ref().is_some_and(|known| known.generation == generation) {
            return;
        }
        if let Some(known) = &known {
            let pause = Span::seconds(1_u64.checked_shl(known.count).unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE));
            if !self.passed(known.last, pause) {
                return;
            }
        }
        let replicas = workload.replicas();
        let manager = self.answer(object, generation, known);
        self.record(
            reason::FOREIGN_PODS,
            format!(
                "{manager} scaled Deployment {} to {replicas}; it is scaled back to 0, since its pods belong to the Rollout: leave out spec.replicas where the Deployment is written, and scale the Rollout",
                self.rollout.spec.workload.name
            ),
        );
    }

    /// Decides whether to write back a route that somebody changed; the refusal when it was done too often.
    pub(super) fn contended_route(&mut self) -> Option<Refusal> {
        let route = changed_route(self.rollout, self.observed)?;
        let (object, generation) = (route.id.to_string(), route.generation());
        let known = self.known(&object);
        if let Some(known) = &known {
            if known.count >= ROUTE_LIMIT && known.generation != generation {
                let end = after(known.since, WINDOW);
                self.wake_at(end);
                let message = format!(
                    "{} changed the weights of {object} {} times; holding until it stops: let that writer leave them alone while a rollout lasts",
                    known.manager,
                    known.count + 1
                );
                return Some(Refusal::new(reason::CONTENTION, message));
            }
            if known.generation == generation {
                return None;
            }
        }
        let manager = self.answer(object.clone(), generation, known);
        self.record(reason::CONTENTION, format!("{manager} changed the weights of {object}; they are written back"));
        None
    }

    fn known(&self, object: &str) -> Option<Contention> {
        let known = self.status.contention.clone().filter(|known| known.object == object);
        known.filter(|known| self.now < after(known.since, WINDOW))
    }

    /// Records that a change is answered; the name of who made it.
    fn answer(&mut self, object: String, generation: i64, known: Option<Contention>) -> String {
        let manager = self.observed.editor.clone().unwrap_or_else(|| "somebody".to_owned());
        let (count, since) = known.map_or((0, self.now), |known| (known.count, known.since));
        self.status.contention =
            Some(Contention { object, manager: manager.clone(), count: count + 1, generation, since, last: self.now });
        manager
    }
}

/// Whether the committed status says that this change, at this generation, is to be undone.
pub(super) fn is_answered(rollout: &Rollout, object: &str, generation: i64) -> bool {
    let contention = rollout.status.as_ref().and_then(|status| status.contention.as_ref());
    contention.is_some_and(|known| known.object == object && known.generation == generation)
}
