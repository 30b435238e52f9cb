//! `onFailure: StepBack`: a stage that fails is left for the one before it, once. The weight falls, and what speaks for the
//! version is counted anew.
//!
//! What speaks against it is kept, but for the checks that failed: a threshold that was crossed stays crossed, so that by
//! what was counted until then the version would fail again at once, in a stage that has hardly begun. By those checks it is
//! judged anew, which makes a wrong step back as likely as a wrong revert is, and a wrong revert after it as likely again.

use tidegate_api::{CheckStatus, Phase, Span, Stage, SteppedBack, Verdict, condition::reason};

use crate::plan::Planner;

/// For so long a failure counts as answered while the lower weight is not in force. A gateway that is slower, or pods that are,
/// leave the version with requests that it fails.
const FALLS_WITHIN: Span = Span::seconds(60);

impl Planner<'_> {
    /// The checks that speak against the version in `stage`, and have not been answered.
    pub(super) fn failing(&self, stage: &Stage) -> impl Iterator<Item = &CheckStatus> {
        // After a drill, what happened meanwhile is held against the version where no check would be asked about it.
        let drilled = self.left_for_good(stage);
        let decides = move |check: &str| self.decides(stage, check) || self.decides(&drilled, check);
        let failing = move |check: &&CheckStatus| check.verdict == Verdict::Fail && decides(&check.name);
        let unanswered = move |check: &&CheckStatus| !self.is_answered(check) && !self.is_being_mended(stage, check);
        self.checks.iter().filter(failing).filter(unanswered)
    }

    /// Whether a step back answered what the check says: until the lower weight is in force, it says that still.
    fn is_answered(&self, check: &CheckStatus) -> bool {
        let answer = self.status.step_back_under_way();
        answer.is_some_and(|answer| answer.checks.contains(&check.name) && !self.has_elapsed(answer.at, FALLS_WITHIN))
    }

    /// Asks to be woken when the weight should have fallen.
    pub(super) fn await_step_back(&mut self) {
        if let Some(since) = self.status.step_back_under_way().map(|answer| answer.at) {
            self.wake_after(since, FALLS_WITHIN);
        }
    }

    /// Goes back to the stage before, if there is one and neither has failed before. Whether it does.
    pub(super) fn try_step_back(&mut self, stage: &Stage, failed: &str) -> bool {
        let stages = self.rollout.spec.stages();
        let place = stages.iter().position(|candidate| candidate.name == stage.name);
        let Some((place, before)) = place.and_then(|place| place.checked_sub(1)).map(|place| (place, &stages[place]))
        else {
            return false;
        };
        // Users meet as much of it there, or the failure is the one before's.
        let gives_as_much =
            (before.weight, &before.matches, before.mirror) == (stage.weight, &stage.matches, stage.mirror);
        // Where nobody meets it, nothing could be judged anew.
        let is_met = before.gives_requests();
        let had_its_weight = self.status.stage.as_ref().is_some_and(|stage| stage.since.is_some());
        if gives_as_much || !is_met || !had_its_weight && self.failing(stage).next().is_some() {
            return false;
        }
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
        // What it waited for there is asked anew when it comes there again.
        self.status.close_gates();
        self.status.remember_step_back(answer);
        self.status.enter_phase(Phase::Progressing);
        let gives = before.gives();
        self.record(
            reason::STEPPED_BACK,
            format!(
                "{failed}; back to stage {} with {gives}: when either fails again, all of it goes back",
                before.name
            ),
        );
        true
    }
}
