//! Release plans that cannot be followed: hours of a zone that does not exist, a step back from where there is none.

use tidegate_api::{OnFailure, RolloutSpec};
use tidegate_planner::calendar::Calendar;

use super::finding::{Finding, LocatedDocument};

/// What the plan of `spec` has wrong.
pub fn check(rollout: &LocatedDocument, spec: &RolloutSpec) -> Vec<Finding> {
    let unknown = spec.schedule.as_ref().and_then(|schedule| Calendar::new(schedule).err());
    let unknown = unknown.map(|unknown| rollout.error("spec.schedule.timeZone", unknown.to_string()));
    unknown.into_iter().chain(nothing_before(rollout, spec)).collect()
}

/// A step back that is a revert.
fn nothing_before(rollout: &LocatedDocument, spec: &RolloutSpec) -> Option<Finding> {
    let stages = spec.stages();
    let first = stages.first()?;
    let field = match (first.on_failure, spec.on_failure) {
        (Some(OnFailure::StepBack), _) => "spec.stages[0].onFailure",
        (None, Some(OnFailure::StepBack)) if stages.len() == 1 => "spec.onFailure",
        _ => return None,
    };
    let message =
        format!("stage {} has no stage before it, so StepBack is Revert there: write Revert or Hold", first.name);
    Some(rollout.warning(field, message))
}
