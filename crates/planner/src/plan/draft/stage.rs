//! `status.stage`, `status.begun`, `status.steppedBack`, `status.checks` and `status.presets`: the stage under way, from when on evidence counts, and what it says.

use jiff::Timestamp;
use tidegate_api::{
    CheckStatus, DegradeState, DegradedStatus, Disturbance, DrillStatus, Percent, PresetStatus, SessionGeneration,
    Span, Stage, StageBegun, StageStatus, SteppedBack,
};
use tidegate_judge::{Served, percent};

use super::Draft;
use crate::plan::after;

/// How many stages are remembered that had their weight; one that lost it and got it back counts again.
const BEGUN: usize = 32;

impl Draft {
    /// The stage under way.
    pub(in crate::plan) fn enter_stage(&mut self, stage: StageStatus) {
        self.0.stage = Some(stage);
    }

    /// Takes over what the spec says of the stage at `place` of `of`, counted from 1. With other requests than it had, it
    /// begins anew, and users are given their version by `generation`.
    pub(in crate::plan) fn follow_spec(
        &mut self,
        spec: &Stage,
        (place, of): (u32, u32),
        generation: Option<SessionGeneration>,
        now: Timestamp,
    ) {
        let Some(stage) = &mut self.0.stage else { return };
        stage.name.clone_from(&spec.name);
        (stage.index, stage.of) = (place, of);
        let matches = spec.matches.as_deref().unwrap_or_default();
        if stage.weight != spec.weight || stage.matches != matches || stage.mirror != spec.mirror {
            stage.session_generation = generation;
            stage.weight = spec.weight;
            stage.matches = matches.to_vec();
            stage.mirror = spec.mirror;
            lose_weight(stage);
            stage.entered_at = now;
        }
        stage.stable_replicas = StageStatus::stable_replicas_after(Some(stage), spec);
        stage.until = stage.since.filter(|_| stage.disturbance.is_none()).map(|since| after(since, spec.bake()));
    }

    /// The stage has its weight since `now`: it bakes, and the checks begin anew.
    pub(in crate::plan) fn come_into_force(&mut self, spec: &Stage, now: Timestamp) {
        if let Some(stage) = &mut self.0.stage {
            (stage.since, stage.until) = (Some(now), Some(after(now, spec.bake())));
        }
        if !spec.gives_requests() {
            // There is nothing to count.
            return;
        }
        let answered = self.step_back_under_way().map(|answer| answer.checks.clone()).unwrap_or_default();
        self.begin(StageBegun { stage: spec.name.clone(), since: now, part: None, answered });
        self.0.checks.clear();
    }

    /// The failure that is being answered: the stage that was fallen back to has not had its weight since.
    pub(in crate::plan) fn step_back_under_way(&self) -> Option<&SteppedBack> {
        let (stage, begun) = (self.0.stage.as_ref()?, self.0.begun.last()?);
        self.0.stepped_back.last().filter(|answer| answer.to == stage.name && answer.to != begun.stage)
    }

    /// The stage failed, and the one before it takes its place.
    pub(in crate::plan) fn remember_step_back(&mut self, answer: SteppedBack) {
        self.0.stepped_back.push(answer);
    }

    /// A check failed, and something is switched off that the version may do without.
    pub(in crate::plan) fn remember_degrade(&mut self, degraded: DegradedStatus) {
        self.0.degraded = Some(degraded);
    }

    /// These checks failed as well, while somebody was asked to help.
    pub(in crate::plan) fn join_degrade(&mut self, checks: Vec<String>) {
        if let Some(degraded) = &mut self.0.degraded {
            degraded.checks.extend(checks);
        }
    }

    /// What could be switched off is: the stage bakes anew, and what failed is judged anew.
    pub(in crate::plan) fn judge_degraded(&mut self, bake: Span, now: Timestamp) {
        let (Some(stage), Some(degraded)) = (&mut self.0.stage, &mut self.0.degraded) else { return };
        (stage.since, stage.until) = (Some(now), Some(after(now, bake)));
        (degraded.state, degraded.since) = (DegradeState::Helped, Some(now));
        let answered = degraded.checks.clone();
        let stage = stage.name.clone();
        self.begin(StageBegun { stage, since: now, part: None, answered });
        self.0.checks.clear();
    }

    /// Whatever is being switched off comes too late.
    pub(in crate::plan) fn give_up_degrade(&mut self) {
        if let Some(degraded) = self.0.degraded.as_mut().filter(|known| known.state == DegradeState::Asking) {
            degraded.state = DegradeState::InVain;
        }
    }

    /// The stage was left for the one before it, or how that ended.
    pub(in crate::plan) fn keep_drill(&mut self, drill: DrillStatus) {
        self.0.drill = Some(drill);
    }

    /// Remembers where evidence begins to count anew.
    pub(in crate::plan) fn begin(&mut self, begun: StageBegun) {
        self.0.begun.push(begun);
        let oldest = self.0.begun.len().saturating_sub(BEGUN);
        self.0.begun.drain(..oldest);
    }

    /// What has its time for coming into force has it anew.
    pub(in crate::plan) fn renew_wait(&mut self, now: Timestamp) {
        if let Some(stage) = &mut self.0.stage {
            stage.entered_at = now;
        }
    }

    /// The weight that the new version has.
    pub(in crate::plan) fn set_in_force(&mut self, weight: Percent) {
        if let Some(stage) = &mut self.0.stage {
            stage.weight_in_force = weight;
        }
    }

    /// Every pod of the new version is gone: it has no weight, and waits for it anew.
    pub(in crate::plan) fn lose_canary(&mut self, now: Timestamp) {
        if let Some(stage) = &mut self.0.stage {
            lose_weight(stage);
            stage.weight_in_force = Percent::ZERO;
            stage.entered_at = now;
        }
    }

    /// Other weights are in force: the clock stops. Since when they are.
    pub(in crate::plan) fn stand_still(&mut self, now: Timestamp) -> Option<Timestamp> {
        let stage = self.0.stage.as_mut()?;
        let weight = stage.weight_in_force;
        stage.until = None;
        Some(stage.disturbance.get_or_insert(Disturbance { since: now, weight }).since)
    }

    /// The stage's own weight is in force again: the clock goes on from where it stopped. Whether it had stopped.
    pub(in crate::plan) fn resume(&mut self, bake: Span, now: Timestamp) -> bool {
        let Some(stage) = &mut self.0.stage else { return false };
        let Some(disturbance) = stage.disturbance.take() else { return false };
        stage.weight_in_force = disturbance.weight;
        let stood = now.duration_since(disturbance.since);
        stage.since = stage.since.map(|since| since.checked_add(stood).unwrap_or(now));
        stage.until = stage.since.map(|since| after(since, bake));
        true
    }

    /// The way back begins, with `weight` left.
    pub(in crate::plan) fn turn_back(&mut self, weight: Percent, now: Timestamp) {
        if let Some(stage) = &mut self.0.stage {
            stage.weight = weight;
            (stage.disturbance, stage.since, stage.until) = (None, None, None);
            stage.entered_at = now;
        }
    }

    /// One step of the way back, to `weight`.
    pub(in crate::plan) fn lower_weight(&mut self, weight: Percent, now: Timestamp) {
        if let Some(stage) = &mut self.0.stage {
            (stage.weight, stage.entered_at) = (weight, now);
        }
    }

    /// How requests were divided, where the routes promise a share; and since when that has been another one, if it is.
    pub(in crate::plan) fn measure(&mut self, served: Option<Served>, is_off: bool, now: Timestamp) {
        let Some(stage) = &mut self.0.stage else { return };
        stage.weight_measured = served.map(|served| percent(served.share));
        stage.weight_range = served.map(|served| format!("{} to {}", percent(served.low), percent(served.high)));
        stage.weight_off_since = is_off.then(|| stage.weight_off_since.unwrap_or(now));
    }

    /// Since when the stage waits for a stable version that is unwell, if it does.
    pub(in crate::plan) fn note_unwell(&mut self, since: Option<Timestamp>) {
        if let Some(stage) = &mut self.0.stage {
            stage.stable_unwell_since = since;
        }
    }

    /// What the checks say.
    pub(in crate::plan) fn keep_checks(&mut self, checks: &[CheckStatus]) {
        self.0.checks = checks.to_vec();
    }

    /// What `preset: auto` stands for: until the next rollout begins.
    pub(in crate::plan) fn keep_presets(&mut self, presets: &[PresetStatus]) {
        self.0.presets = presets.to_vec();
    }

    /// What the checks said is about another version.
    pub(in crate::plan) fn forget_checks(&mut self) {
        self.0.checks.clear();
    }

    /// No stage has begun, nor failed.
    pub(in crate::plan) fn forget_begun(&mut self) {
        self.0.begun.clear();
        self.0.stepped_back.clear();
        (self.0.degraded, self.0.drill) = (None, None);
    }

    /// No stage is under way.
    pub(super) fn leave_stage(&mut self) {
        self.0.stage = None;
        self.forget_begun();
    }
}

/// Its weight is not in force any more: its clock begins anew when it is.
fn lose_weight(stage: &mut StageStatus) {
    stage.weight_in_force = stage.own_weight();
    (stage.disturbance, stage.since, stage.until) = (None, None, None);
    (stage.weight_measured, stage.weight_range, stage.weight_off_since) = (None, None, None);
}
