//! What happens next, and when: the order in which a stage is left, as the operator goes by it.

use jiff::Timestamp;
use tidegate_api::{
    Gate, GateState, OnFailure, OnInconclusive, OnTimeout, OnWatchFailure, Phase, Rollout, RolloutStatus, Stage,
    StageStatus, Verdict, Window,
};

use crate::cli::{hours, moments, stage_clock};

/// The sentences, the soonest first.
pub fn told(rollout: &Rollout, now: Timestamp) -> Vec<String> {
    let status = rollout.status.clone().unwrap_or_default();
    match status.phase {
        Phase::Pending => vec!["it is taken over as soon as what is missing is there".to_owned()],
        Phase::Adopting | Phase::HandingBack => vec!["it goes on by itself, pod by pod, without a restart".to_owned()],
        Phase::Promoting => vec!["the pods of the version before go when their last requests are answered".to_owned()],
        Phase::Reverting => {
            vec!["the pods of the version that failed go when their last requests are answered".to_owned()]
        }
        Phase::Reverted => {
            vec!["nothing, until the Deployment asks for another version or somebody asks for a retry".to_owned()]
        }
        Phase::Stable => start(rollout, &status, now),
        Phase::Progressing | Phase::Held => {
            let stages = rollout.spec.stages();
            let place = status.stage.as_ref().and_then(|at| stages.iter().position(|stage| stage.name == at.name));
            let (Some(place), Some(at)) = (place, &status.stage) else { return Vec::new() };
            let road = Road { rollout, status: &status, at, place, stages: &stages, now };
            road.told()
        }
    }
}

/// How a version starts that the Deployment asks for, or would.
fn start(rollout: &Rollout, status: &RolloutStatus, now: Timestamp) -> Vec<String> {
    let (spec, workload) = (&rollout.spec, &rollout.spec.workload.name);
    let stages = spec.stages();
    let mut told: Vec<_> = watch(rollout, status, now).into_iter().collect();
    if spec.paused {
        told.push("nothing starts while spec.paused is set".to_owned());
    }
    told.extend(window(rollout, |schedule| &schedule.start, "a new version may start", now));
    let gates = spec.gates.iter().flat_map(|gates| &gates.start);
    told.extend(asked(gates.chain(stages.first().into_iter().flat_map(|first| &first.before)), status));
    let way = stages.iter().map(|stage| format!("{} with {} for {} at least", stage.name, stage.gives(), stage.bake()));
    told.push(format!(
        "a version that Deployment {workload} asks for then goes through {}",
        way.collect::<Vec<_>>().join(", ")
    ));
    told
}

/// How long the version that was promoted is judged on.
fn watch(rollout: &Rollout, status: &RolloutStatus, now: Timestamp) -> Option<String> {
    let (spec, watch) = (rollout.spec.watch.as_ref()?, status.watch.as_ref()?);
    let until = moments::told(watch.until?, now);
    if let Some(failed) = &watch.failed {
        return Some(format!(
            "the version failed after its promotion ({failed}) and serves on, as watch.onFailure says"
        ));
    }
    let then = match spec.on_failure.unwrap_or_default() {
        OnWatchFailure::Notify => "somebody is told",
        OnWatchFailure::Revert => "the version before it comes back",
    };
    Some(format!("the version is watched until {until}: when a check fails, {then}"))
}

/// The way of a version from the stage that it is in.
struct Road<'a> {
    rollout: &'a Rollout,
    status: &'a RolloutStatus,
    at: &'a StageStatus,
    place: usize,
    stages: &'a [Stage],
    now: Timestamp,
}

impl Road<'_> {
    fn told(&self) -> Vec<String> {
        if self.status.phase == Phase::Held {
            let back = "a Deployment that asks for another version ends it".to_owned();
            return vec!["nothing goes on until somebody acts".to_owned(), back];
        }
        let mut told = Vec::new();
        if self.rollout.spec.paused {
            told.push("spec.paused is set: the stage is not left; a failure still goes back".to_owned());
        }
        told.push(format!("bake: {}", stage_clock::bake(self.at, Some(self.stage()), self.now)));
        if self.at.since.is_none() {
            told.push(self.progress_deadline());
        } else {
            told.extend(self.evidence());
            told.extend(self.deadline());
        }
        if self.status.rolls_back {
            told = vec!["it was stable before: it has all of the traffic as soon as its pods are ready".to_owned()];
            return told;
        }
        told.extend(window(self.rollout, |schedule| &schedule.advance, "the stage may be left", self.now));
        told.extend(self.drill());
        told.extend(self.gates());
        told.push(match self.stages.get(self.place + 1) {
            Some(next) => format!("then comes stage {} with {}", next.name, next.gives()),
            None => "then the version is promoted, and is the stable one".to_owned(),
        });
        told.push(self.failure());
        told
    }

    fn stage(&self) -> &Stage {
        &self.stages[self.place]
    }

    fn progress_deadline(&self) -> String {
        let at = moments::after(self.at.entered_at, self.rollout.spec.progress_deadline());
        format!("pods and routes have until {} for that (spec.progressDeadline)", moments::told(at, self.now))
    }

    /// What each check that decides lacks.
    fn evidence(&self) -> Vec<String> {
        if !self.stage().gives_requests() {
            return Vec::new();
        }
        let checks = self.rollout.spec.checks_in(self.stage());
        let deciding = checks.filter(|check| check.decides(self.stage().override_of(&check.name)));
        let waiting = deciding.filter_map(|check| {
            let known = self.status.checks.iter().find(|known| known.name == check.name);
            if known.is_some_and(|known| known.verdict == Verdict::Pass) {
                return None;
            }
            let more = known.and_then(|known| known.more_requests).map(|more| format!(", about {more} more requests"));
            let time = known.and_then(|known| known.more_time).map(|time| format!(", about {time} at this traffic"));
            Some(format!("check {} has to pass{}{}", check.name, more.unwrap_or_default(), time.unwrap_or_default()))
        });
        let waiting: Vec<_> = waiting.collect();
        let all_pass = || vec!["every check that decides passes".to_owned()];
        if waiting.is_empty() && !self.status.checks.is_empty() { all_pass() } else { waiting }
    }

    fn deadline(&self) -> Option<String> {
        let left = stage_clock::deadline(self.at, self.stage(), self.now)?;
        let then = match self.rollout.spec.on_inconclusive.unwrap_or_default() {
            OnInconclusive::Hold => "it is held",
            OnInconclusive::Revert => "all traffic goes back",
            OnInconclusive::Advance => "the next stage begins all the same",
        };
        Some(format!("deadline: {left}; where a check has not passed by then, {then}"))
    }

    /// Those behind the stage, and before the next one.
    fn gates(&self) -> Vec<String> {
        let next = self.stages.get(self.place + 1);
        let promote = self.rollout.spec.gates.iter().filter(|_| next.is_none()).flat_map(|gates| &gates.promote);
        let before = next.into_iter().flat_map(|next| &next.before);
        asked(self.stage().after.iter().chain(before).chain(promote), self.status)
    }

    /// The way back that is tried when the stage has passed.
    fn drill(&self) -> Option<String> {
        let drill = self.stage().drill.as_ref().filter(|_| self.status.drill.is_none())?;
        let before = self.place.checked_sub(1).and_then(|place| self.stages.get(place))?;
        Some(format!("drill: {} is in force again before it goes on, within {}", before.gives(), drill.within()))
    }

    fn failure(&self) -> String {
        let stage = self.stage();
        let degrade = self.rollout.spec.degrade_in(stage).filter(|_| self.status.degraded.is_none());
        let answer = stage.on_failure.or(self.rollout.spec.on_failure).unwrap_or_default();
        let before = self.place.checked_sub(1).and_then(|place| self.stages.get(place));
        let has_fallen = self.status.stepped_back.iter().any(|back| back.stage == stage.name || back.to == stage.name);
        let then = match (answer, before) {
            (OnFailure::StepBack, Some(before)) if !has_fallen => {
                format!("stage {} comes back with {}", before.name, before.gives())
            }
            (OnFailure::Hold, _) => "everything stays as it is until somebody acts".to_owned(),
            _ => "all traffic goes back to the stable version at once".to_owned(),
        };
        match degrade {
            Some(degrade) => format!(
                "if a check fails meanwhile, {} is asked to switch something off; if that does not help, {then}",
                degrade.by.name
            ),
            None => format!("if a check fails meanwhile, {then}"),
        }
    }
}

/// When `what` may be, by the schedule, unless it is at any time.
fn window(
    rollout: &Rollout,
    windows: fn(&tidegate_api::Schedule) -> &[Window],
    what: &str,
    now: Timestamp,
) -> Option<String> {
    let schedule = rollout.spec.schedule.as_ref()?;
    Some(format!("schedule: hours in which {what} {}", hours::told(schedule, windows(schedule), now)))
}

/// What each gate that has not passed asks, or what it has said.
fn asked<'a>(gates: impl Iterator<Item = &'a Gate>, status: &RolloutStatus) -> Vec<String> {
    let open = gates.filter_map(|gate| {
        let known = status.gates.iter().rfind(|known| known.name == gate.name);
        let said = match known {
            Some(known) if known.state == GateState::Passed => return None,
            Some(known) => format!("is asked since {:.0}: {}", known.since, known.message),
            None => "is asked then".to_owned(),
        };
        let then = match gate.on_timeout.unwrap_or_default() {
            OnTimeout::Hold => "it is held",
            OnTimeout::Revert => "all traffic goes back",
        };
        let limit = gate.timeout.map(|timeout| format!("; without an answer after {timeout}, {then}"));
        Some(format!("gate {} {said}{}", gate.name, limit.unwrap_or_default()))
    });
    open.collect()
}
