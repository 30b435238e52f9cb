//! Release plans that cannot be followed: a step back from where there is none, a way back that is never open.

use tidegate_api::{OnFailure, RolloutSpec};

use super::finding::{Finding, LocatedDocument};

/// What the plan of `spec` has wrong.
pub fn check(rollout: &LocatedDocument, spec: &RolloutSpec) -> Vec<Finding> {
    nothing_before(rollout, spec).into_iter().chain(no_way_back(rollout, spec)).collect()
}

/// A window that is over as soon as another version is stable.
fn no_way_back(rollout: &LocatedDocument, spec: &RolloutSpec) -> Option<Finding> {
    let lasting = spec.rollback_window.as_ref()?.lasting?;
    let message = "no version ever comes back within it: lengthen it, or leave rollbackWindow out";
    lasting.duration().is_zero().then(|| rollout.warning("spec.rollbackWindow.for", message))
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
