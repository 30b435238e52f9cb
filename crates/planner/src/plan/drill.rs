//! `drill` of a stage: when it has passed, its traffic goes back to the stage before, and the version goes on only if that was
//! quick enough.

use jiff::{SignedDuration, Timestamp};
use tidegate_api::{DrillState, DrillStatus, Phase, Span, Stage, condition::reason};

use crate::plan::{Planner, outcome::Outcome};

impl Planner<'_> {
    /// Whether `stage`, which has passed, is left for the one before it now.
    pub(super) fn has_to_drill(&self, stage: &Stage) -> bool {
        stage.drill.is_some() && self.status.drill.is_none() && !self.status.rolls_back && self.before(stage).is_some()
    }

    /// The traffic of `stage` goes back to the one before it.
    pub(super) fn begin_drill(&mut self, stage: &Stage) {
        let Some((place, before)) = self.before(stage) else { return };
        let within = stage.drill.clone().unwrap_or_default().within();
        let passed = format!("stage {} passed{}", stage.name, self.evidence());
        let from = self.status.stage.clone();
        self.enter(&before, place, from.as_ref());
        let drill = DrillStatus { stage: stage.name.clone(), at: self.now, ..DrillStatus::default() };
        self.status.keep_drill(drill);
        self.status.enter_phase(Phase::Progressing);
        self.record(
            reason::DRILL_STARTED,
            format!("{passed}; drill: {} has to be in force again within {within}", before.gives()),
        );
        self.wake_after(self.now, within);
    }

    /// What is decided when the traffic is not back in time.
    pub(super) fn late_drill(&mut self, stage: &Stage) -> Option<Outcome> {
        let (drill, within) = self.returning(stage)?;
        self.wake_after(drill.at, within);
        if !self.has_elapsed(drill.at, within) {
            return None;
        }
        let message =
            format!("drill of stage {}: {} was not in force again within {within}", drill.stage, stage.gives());
        Some(Outcome::Fail(reason::DRILL_FAILED, message))
    }

    /// The traffic is back since `since`: takes the time. What is decided when that is too late.
    pub(super) fn end_drill(&mut self, stage: &Stage, since: Timestamp) -> Option<Outcome> {
        let (drill, within) = self.returning(stage)?;
        let took = since.duration_since(drill.at);
        if took > SignedDuration::try_from(within.duration()).unwrap_or(SignedDuration::MAX) {
            let message = format!(
                "drill of stage {}: {} was in force again after {}, and not within {within}",
                drill.stage,
                stage.gives(),
                in_tenths(took)
            );
            return Some(Outcome::Fail(reason::DRILL_FAILED, message));
        }
        let told = format!(
            "drill of stage {}: {} in force again after {}, allowed {within}",
            drill.stage,
            stage.gives(),
            in_tenths(took)
        );
        self.status.keep_drill(DrillStatus { state: DrillState::Back, back_at: Some(since), ..drill });
        self.record(reason::DRILL_PASSED, told);
        None
    }

    /// What is waited for after a drill that went back to `stage` in time: the requests of that time are to be counted. A check that
    /// fails by them is heeded, and so is an outage of the routes.
    pub(super) fn await_counts_of_drill(&self, stage: &Stage) -> Option<Outcome> {
        let drill = self.status.drill.as_ref().filter(|drill| drill.state == DrillState::Back)?;
        self.drilled(drill, stage)?;
        let back_at = drill.back_at?;
        let behind = self.checks.iter().filter(|check| check.at.is_some_and(|at| at < back_at));
        let behind: Vec<_> = behind.map(|check| check.name.as_str()).collect();
        (!behind.is_empty()).then(|| {
            let names = behind.join(", ");
            Outcome::Wait(format!(
                "drill of stage {}: waits until {names} counted the requests of that time",
                drill.stage
            ))
        })
    }

    /// Whether a drill is on its way back to `stage`.
    pub(super) fn is_drilling(&self, stage: &Stage) -> bool {
        self.returning(stage).is_some()
    }

    /// Whether a drill went back to `stage` in time: the version has been in it before.
    pub(super) fn is_back_in_drill(&self, stage: &Stage) -> bool {
        self.left_for_good(stage).name != stage.name
    }

    /// The stage that is left when `stage` is: after a drill, the one that was left for it.
    pub(super) fn left_for_good(&self, stage: &Stage) -> Stage {
        let back = self.status.drill.as_ref().filter(|drill| drill.state == DrillState::Back);
        let drilled = back.and_then(|drill| self.drilled(drill, stage));
        drilled.unwrap_or_else(|| stage.clone())
    }

    /// The version goes on.
    pub(super) fn finish_drill(&mut self) {
        if let Some(drill) = self.status.drill.clone() {
            self.status.keep_drill(DrillStatus { state: DrillState::Over, ..drill });
        }
    }

    /// The drill that is under way in `stage`, and its time.
    fn returning(&self, stage: &Stage) -> Option<(DrillStatus, Span)> {
        let drill = self.status.drill.clone().filter(|drill| drill.state == DrillState::Returning)?;
        let within = self.drilled(&drill, stage)?.drill.unwrap_or_default().within();
        Some((drill, within))
    }

    /// The stage of that drill, if it is the one after `stage`.
    fn drilled(&self, drill: &DrillStatus, stage: &Stage) -> Option<Stage> {
        let stages = self.rollout.spec.stages();
        let place = stages.iter().position(|candidate| candidate.name == stage.name)?;
        stages.get(place + 1).filter(|next| next.name == drill.stage).cloned()
    }

    /// The stage before `stage`, with its place.
    fn before(&self, stage: &Stage) -> Option<(usize, Stage)> {
        let stages = self.rollout.spec.stages();
        let place = stages.iter().position(|candidate| candidate.name == stage.name)?.checked_sub(1)?;
        Some((place, stages.get(place)?.clone()))
    }
}

/// A time as people read what a stopwatch shows: `1.2s`.
fn in_tenths(took: SignedDuration) -> String {
    format!("{:.1}s", took.as_secs_f64())
}
