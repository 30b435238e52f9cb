//! What the status tells people and tools: counts, and the conditions that `kubectl wait` and kstatus read.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use tidegate_api::{
    Phase, RevisionStatus,
    condition::{kind, reason},
};

use crate::{
    plan::{Observed, Planner, capacity, in_seconds},
    workload::selector_string,
};

/// A condition as it should be: its type, whether it holds, why, and the sentence.
type Wanted = (&'static str, bool, String, String);

impl Planner<'_> {
    /// Fills in how many pods each revision has, and what the scale subresource reads.
    pub(super) fn count_pods(&mut self) {
        let observed = self.observed;
        self.status.count_pods(|revision| count(revision, observed));
        let mostly_canary = self.status.stage.as_ref().is_some_and(|stage| stage.weight_in_force.percent() > 50.0);
        let carrying = self.status.canary.as_ref().filter(|_| mostly_canary).or(self.status.stable.as_ref());
        if let Some(set) = carrying.and_then(|revision| self.observed.replica_set(&revision.replica_set)) {
            self.status.select(selector_string(&set.spec.selector));
        }
    }

    /// Sets the conditions; those of kstatus (`Reconciling`, `Stalled`) and `Warning` are there only while they hold.
    pub(super) fn set_conditions(&mut self, warning: Option<(&str, String)>) {
        let generation = self.rollout.metadata.generation;
        let now = self.now;
        let before = &self.status.conditions;
        let conditions = self
            .wanted_conditions()
            .into_iter()
            .chain(warning.map(|(reason, warning)| (kind::WARNING, true, reason.to_owned(), warning)))
            .map(|(kind, holds, reason, message)| {
                let status = if holds { "True" } else { "False" };
                let known = before.iter().find(|condition| condition.type_ == kind && condition.status == status);
                Condition {
                    type_: kind.to_owned(),
                    status: status.to_owned(),
                    reason,
                    message,
                    observed_generation: generation,
                    last_transition_time: known.map_or_else(|| time(now), |known| known.last_transition_time.clone()),
                }
            })
            .collect();
        self.status.set_conditions(conditions);
    }

    fn wanted_conditions(&self) -> Vec<Wanted> {
        let phase = self.status.phase;
        let awaited = self.awaited_image().filter(|_| self.refusal.is_none() && is_an_end(phase));
        let behind = awaited.is_some();
        let why = if behind { reason::WORKLOAD_BEHIND.to_owned() } else { self.reason() };
        let message = awaited.unwrap_or_else(|| self.status.message.clone());
        let moving = matches!(
            phase,
            Phase::Adopting | Phase::Progressing | Phase::Promoting | Phase::Reverting | Phase::HandingBack
        );
        let refused = self.refusal.is_some();
        let waits = behind || phase == Phase::Stable && !self.serves_what_is_asked();
        let ready = phase == Phase::Stable && !refused && !waits;
        let stalled = refused || !behind && matches!(phase, Phase::Held | Phase::Reverted);
        let (healthy, health) = self.health();
        let mut conditions: Vec<Wanted> = vec![
            (kind::READY, ready, why.clone(), message.clone()),
            (kind::PROGRESSING, moving && !stalled, why.clone(), message.clone()),
            (
                kind::HEALTHY,
                healthy,
                if healthy { reason::PODS_READY } else { reason::PODS_NOT_READY }.to_owned(),
                health,
            ),
        ];
        if stalled {
            conditions.push((kind::STALLED, true, why, message));
        } else if moving || waits || phase == Phase::Pending {
            conditions.push((kind::RECONCILING, true, why, message));
        }
        conditions
    }

    /// Why the Rollout stands where it stands, in one word.
    fn reason(&self) -> String {
        if let Some(refusal) = &self.refusal {
            return refusal.reason.to_owned();
        }
        let word = match self.status.phase {
            Phase::Pending => reason::WORKLOAD_INCOMPLETE,
            Phase::Adopting => reason::ADOPTING,
            Phase::Stable if self.serves_what_is_asked() => reason::STABLE,
            Phase::Stable | Phase::Progressing | Phase::Held if self.rollout.spec.paused => reason::PAUSED,
            Phase::Stable => reason::VERSION_WAITS,
            Phase::HandingBack => reason::HANDING_BACK,
            Phase::Reverted => reason::REVERTED,
            Phase::Progressing | Phase::Held | Phase::Promoting | Phase::Reverting => {
                // A command that was ignored changes nothing about where it stands.
                let mut steps = self.status.history.iter().filter(|step| step.reason != reason::COMMAND_IGNORED);
                return steps.next().map_or_else(|| reason::STARTED.to_owned(), |step| step.reason.clone());
            }
        };
        word.to_owned()
    }

    fn health(&self) -> (bool, String) {
        let Some(stable) = &self.status.stable else { return (false, "no version is known to serve yet".to_owned()) };
        let wanted = match self.observed.replica_set(&stable.replica_set) {
            Some(set) => set.replicas(),
            None => capacity::wanted(self.rollout),
        };
        let healthy = stable.ready >= wanted;
        (healthy, format!("{} of {wanted} pods of version {stable} are ready", stable.ready))
    }
}

/// Whether the phase answers for the version that the Deployment asks for.
fn is_an_end(phase: Phase) -> bool {
    matches!(phase, Phase::Stable | Phase::Held | Phase::Reverted)
}

fn count(revision: &mut RevisionStatus, observed: &Observed) {
    let status = observed.replica_set(&revision.replica_set).map(|set| set.status.clone()).unwrap_or_default();
    revision.replicas = status.replicas;
    revision.ready = status.ready_replicas;
}

/// Kubernetes keeps condition times to the second.
fn time(now: Timestamp) -> Time {
    Time(in_seconds(now))
}
