//! `degrade`: a version whose checks fail may get by without something. It is switched off, once, and the version is judged anew
//! before `onFailure` applies.
//!
//! The traffic stays where it is meanwhile, for twice the plan's `wait` at most, and only the checks that it may help are silent
//! for so long, since one cause seldom fails one alone: any other that fails ends it at once.

use tidegate_api::{
    CheckStatus, Degrade, DegradeState, DegradedStatus, GateState, GateStatus, Phase, RevisionStatus, Stage, Verdict,
    condition::reason,
};

use crate::plan::{Planner, Reply, after, in_seconds, outcome::Outcome};

impl Planner<'_> {
    /// Whether the check fails for something that is being switched off at this moment.
    pub(super) fn is_being_mended(&self, stage: &Stage, check: &CheckStatus) -> bool {
        let Some((degraded, degrade)) = self.degrading(stage) else { return false };
        let wait = degrade.wait();
        (degraded.checks.contains(&check.name) || may_help(degrade, &check.name))
            && !self.has_elapsed(after(degraded.at, wait), wait)
    }

    /// Whether something is being switched off for the version in `stage`: it has failed, and nobody knows yet whether it gets by.
    pub(super) fn is_degrading(&self, stage: &Stage) -> bool {
        self.degrading(stage).is_some()
    }

    /// Asks for what may be switched off, unless that was tried before. Whether it does.
    pub(super) fn try_degrade(&mut self, stage: &Stage, failed: &str) -> bool {
        let Some(degrade) = self.rollout.spec.degrade_in(stage) else { return false };
        let is_known = self.status.canary.as_ref().is_some_and(|canary| self.failed(canary).is_some());
        let has_its_weight = self.status.stage.as_ref().is_some_and(|stage| stage.since.is_some());
        let checks: Vec<_> = self.failing(stage).map(|check| check.name.clone()).collect();
        let may_help_all = checks.iter().all(|check| may_help(degrade, check));
        if is_known || !has_its_weight || self.status.degraded.is_some() || checks.is_empty() || !may_help_all {
            return false;
        }
        let by = degrade.by.name.clone();
        // What the stage waited for is asked anew when it has passed.
        self.status.close_gates();
        self.status.remember_degrade(DegradedStatus {
            stage: stage.name.clone(),
            by: by.clone(),
            at: self.now,
            checks,
            ..DegradedStatus::default()
        });
        self.status.enter_phase(Phase::Progressing);
        self.record(reason::DEGRADED, format!("{failed}; {by} is asked to switch off what it may do without"));
        true
    }

    /// Of the checks that failed since, those that it may help as well are judged anew with the others.
    pub(super) fn join_degrade(&mut self, stage: &Stage) {
        let Some((degraded, degrade)) = self.degrading(stage) else { return };
        let joins = |check: &&CheckStatus| {
            let is_new = check.verdict == Verdict::Fail && !degraded.checks.contains(&check.name);
            is_new && may_help(degrade, &check.name) && self.decides(stage, &check.name)
        };
        let joining: Vec<_> = self.checks.iter().filter(joins).map(|check| check.name.clone()).collect();
        self.status.join_degrade(joining);
    }

    /// What is decided while something is being switched off.
    pub(super) fn await_degrade(&mut self, stage: &Stage, version: &RevisionStatus) -> Option<Outcome> {
        let (degraded, degrade) =
            self.degrading(stage).map(|(degraded, degrade)| (degraded.clone(), degrade.clone()))?;
        // Where its weight is not in force any more, that comes first.
        self.status.stage.as_ref()?.since?;
        let Degrade { by, .. } = &degrade;
        let (name, wait) = (&by.name, degrade.wait());
        let known = self.status.gate(&version.revision, name).cloned();
        if let Some(answered) = known.as_ref().and_then(|known| known.answered_at) {
            return Some(self.await_effect(stage, &degraded, (name, after(answered, wait))));
        }
        if known.is_none() {
            self.status.open_gate(GateStatus {
                name: name.clone(),
                revision: version.revision.clone(),
                place: format!("degrade {}", stage.name),
                since: self.now,
                ..GateStatus::default()
            });
        }
        self.status.ask_no_other_gate(&version.revision, Some(name));
        let checks = degraded.checks.join(", ");
        Some(match self.reply_of(by, version) {
            Reply::Go(said) => {
                self.status.answer_gate(&version.revision, name, GateState::Passed, &said, Some(self.now));
                self.await_effect(stage, &degraded, (name, after(self.now, wait)))
            }
            Reply::Stop(said) => {
                self.status.answer_gate(&version.revision, name, GateState::Stopped, &said, None);
                let numbers = self.numbers_of(&degraded);
                Outcome::Fail(reason::CHECK_FAILED, format!("{numbers}; {name} could not help: {said}"))
            }
            Reply::Wait(said) if self.has_elapsed(degraded.at, wait) => {
                self.status.answer_gate(&version.revision, name, GateState::TimedOut, &said, None);
                let numbers = self.numbers_of(&degraded);
                Outcome::Fail(reason::CHECK_FAILED, format!("{numbers}; {name} did not help within {wait}: {said}"))
            }
            Reply::Wait(said) => {
                self.status.answer_gate(&version.revision, name, GateState::Waiting, &said, None);
                self.wake_after(degraded.at, wait);
                Outcome::Wait(format!("stage {}: {checks} failed, and {name} is asked to help: {said}", stage.name))
            }
        })
    }

    /// It is switched off: the version is judged anew from `at` on.
    fn await_effect(
        &mut self,
        stage: &Stage,
        degraded: &DegradedStatus,
        (name, at): (&str, jiff::Timestamp),
    ) -> Outcome {
        let checks = degraded.checks.join(", ");
        if self.now < at {
            self.wake_at(at);
            return Outcome::Wait(format!(
                "stage {}: {checks} failed, and {name} helped: judged anew from {} on",
                stage.name,
                in_seconds(at)
            ));
        }
        self.status.judge_degraded(stage.bake(), self.now);
        let message =
            format!("stage {} goes on without what {name} switched off: judged anew, by {checks} too", stage.name);
        self.record(reason::DEGRADED, message.clone());
        self.wake_after(self.now, stage.bake());
        Outcome::Wait(message)
    }

    /// What the checks that failed said last.
    fn numbers_of(&self, degraded: &DegradedStatus) -> String {
        let told = degraded.checks.iter().map(|name| {
            let known = self.status.checks.iter().find(|check| check.name == *name);
            known.map_or_else(|| name.clone(), |check| format!("{name}: {}", check.message))
        });
        told.collect::<Vec<_>>().join("; ")
    }

    /// The failure that is being answered in `stage`, and how.
    fn degrading<'a>(&'a self, stage: &'a Stage) -> Option<(&'a DegradedStatus, &'a Degrade)> {
        let degraded =
            self.status.degraded.as_ref().filter(|it| it.state == DegradeState::Asking && it.stage == stage.name)?;
        let degrade = self.rollout.spec.degrade_in(stage).filter(|degrade| degrade.by.name == degraded.by)?;
        Some((degraded, degrade))
    }
}

/// Whether a check of that name may pass without what is switched off.
fn may_help(degrade: &Degrade, check: &str) -> bool {
    degrade.checks.as_ref().is_none_or(|checks| checks.iter().any(|name| name == check))
}
