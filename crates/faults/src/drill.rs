//! What must be true of drills.

use tidegate_api::{DrillState, Phase, RolloutStatus, StageStatus};

use crate::invariants::Invariants;

impl Invariants {
    /// One stage back to prove the way, once for each version, and never to more of the traffic.
    pub fn drilled(&mut self, last: &RolloutStatus, next: &RolloutStatus, from: &StageStatus, to: &StageStatus) {
        let (name, back) = (&from.name, &to.name);
        self.hold(last.drill.is_none(), || format!("stage {name} is drilled once more"));
        self.hold(next.phase == Phase::Progressing, || format!("stage {name} is left for {back}, and not under way"));
        self.hold(to.index + 1 == from.index, || format!("from stage {name} a drill goes back as far as {back}"));
        self.hold(to.weight <= from.weight, || format!("a drill of stage {name} goes back to more of the traffic"));
    }

    /// The stage that is left for good when `stage` is: after a drill, the one that it left. The drill has to have ended well.
    pub fn left_for_good(&mut self, last: &RolloutStatus, next: &RolloutStatus, stage: &StageStatus) -> Option<String> {
        let was_open = last.drill.as_ref().is_some_and(|drill| drill.state != DrillState::Over);
        let drill = next.drill.clone().filter(|_| was_open)?;
        self.hold(drill.back_at.is_some(), || format!("stage {} is left in the midst of a drill", stage.name));
        Some(drill.stage)
    }
}
