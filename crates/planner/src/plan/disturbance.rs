//! Other weights than the stage's are in force: its clock and its evidence stand still until its own are back.

use tidegate_api::{Percent, Span, Stage, StageBegun, StagePart};

use crate::plan::{
    Planner, capacity, contention, goal, in_force,
    outcome::Outcome,
    split::{self, Goal},
};

/// A disturbance that is over sooner is too short for the evidence to take notice of it.
const NOTICED: Span = Span::seconds(5);

impl Planner<'_> {
    /// What is decided while the routes say something else than the stage, and nothing while they do not.
    pub(super) fn answer_disturbance(&mut self, stage: &Stage) -> Option<Outcome> {
        let is_disturbed = contention::changed_routes(self.rollout, self.observed).next().is_some();
        let held = self.tend_routes();
        let known = self.status.stage.as_ref().and_then(|stage| stage.disturbance.clone());
        if !is_disturbed && known.is_none() {
            return held.map(Outcome::Hold);
        }
        let goal = self.status.stage.as_ref().map_or(Goal::Leave, |stage| Goal::Split(split::of_stage(stage)));
        if !is_disturbed && goal::goal(self.rollout, self.observed) != goal {
            // The new version has lost its pods meanwhile, and gets nothing at all.
            return None;
        }
        let missing = in_force::in_force(self.rollout, self.observed, goal).missing();
        match (held, missing) {
            (Some(held), _) => {
                self.stand_still();
                Some(Outcome::Hold(held))
            }
            (None, None) => {
                self.resume(stage);
                None
            }
            (None, Some(sentence)) => {
                self.stand_still();
                Some(Outcome::Wait(format!("stage {} stands still: {sentence}", stage.name)))
            }
        }
    }

    /// The stage's clock stops, and its status says what is in force instead.
    fn stand_still(&mut self) {
        let share = self.share_in_force();
        let Some(since) = self.status.stand_still(self.now) else { return };
        self.set_in_force(share);
        self.wake_after(since, NOTICED);
        if self.has_elapsed(since, NOTICED) {
            self.begin_part(StagePart::Disturbed);
        }
    }

    /// The stage's own weight is in force again: its clock goes on from where it stopped.
    fn resume(&mut self, spec: &Stage) {
        if !self.status.resume(spec.bake(), self.now) {
            return;
        }
        let is_noticed = self.status.begun.last().is_some_and(|begun| begun.part == Some(StagePart::Disturbed));
        if is_noticed {
            self.begin_part(StagePart::Resumed);
        }
    }

    fn begin_part(&mut self, part: StagePart) {
        let Some(begun) = self.status.begun.last() else { return };
        if begun.part != Some(part) {
            let stage = begun.stage.clone();
            self.status.begin(StageBegun { stage, since: self.now, part: Some(part), ..StageBegun::default() });
        }
    }

    /// The largest share that the new version has by any route, as they are written.
    fn share_in_force(&self) -> Percent {
        let (names, rollout) = (self.names(), self.rollout);
        let share = |route: &crate::plan::Route| {
            let (router, object) = (route.router(rollout, &names), route.object.as_ref()?);
            let by_pods = || capacity::share_of_pods(rollout, &self.status, self.observed);
            if router.is_whole(object) { Some(by_pods()) } else { router.canary_share(object) }
        };
        let shares = self.observed.routes.iter().filter_map(share);
        shares.reduce(|one, other| if one < other { other } else { one }).unwrap_or_default()
    }
}
