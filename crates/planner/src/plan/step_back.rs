//! `onFailure: StepBack`: a stage that fails is left for the one before it, once. The weight falls as on the way back, and
//! what speaks for the version is counted anew.
//!
//! What speaks against it is kept, but for the checks that failed: a threshold that was crossed stays crossed, so that by
//! what was counted until then the version would fail again at once, in a stage that has hardly begun. By those checks it is
//! judged anew, which makes a wrong step back as likely as a wrong revert is, and a wrong revert after it as likely again.

use tidegate_api::{CheckStatus, Phase, Stage, SteppedBack, Verdict, condition::reason};

use crate::plan::Planner;

impl Planner<'_> {
    /// The checks that speak against the version in `stage`, and have not been answered.
    pub(super) fn failing(&self, stage: &Stage) -> impl Iterator<Item = &CheckStatus> {
        let failing = |check: &&CheckStatus| check.verdict == Verdict::Fail && self.decides(stage, &check.name);
        self.checks.iter().filter(failing).filter(|check| !self.is_answered(check))
    }

    /// Whether a step back answered what the check says: until the lower weight is in force, it says that still.
    fn is_answered(&self, check: &CheckStatus) -> bool {
        self.status.step_back_under_way().is_some_and(|answer| answer.checks.contains(&check.name))
    }

    /// Goes back to the stage before, if there is one and neither has failed before. Whether it does.
    pub(super) fn try_step_back(&mut self, stage: &Stage, failed: &str) -> bool {
        let stages = self.rollout.spec.stages();
        let place = stages.iter().position(|candidate| candidate.name == stage.name);
        let Some((place, before)) = place.and_then(|place| place.checked_sub(1)).map(|place| (place, &stages[place]))
        else {
            return false;
        };
        let is_known = self.status.canary.as_ref().is_some_and(|canary| self.failed(canary).is_some());
        let has_failed = |answer: &SteppedBack| answer.stage == stage.name || answer.to == stage.name;
        if is_known || self.status.stepped_back.iter().any(has_failed) {
            return false;
        }
        let answer = SteppedBack {
            stage: stage.name.clone(),
            to: before.name.clone(),
            at: self.now,
            checks: self.failing(stage).map(|check| check.name.clone()).collect(),
        };
        let from = self.status.stage.clone();
        self.enter(before, place, from.as_ref());
        self.status.remember_step_back(answer);
        self.status.enter_phase(Phase::Progressing);
        let gives = before.gives();
        self.record(
            reason::STEPPED_BACK,
            format!(
                "{failed}; back to stage {} with {gives}: when one of the two fails again, all of it goes back",
                before.name
            ),
        );
        true
    }
}
