//! Release plans that cannot be followed: a step back from where there is none, a way back that is never open, a watch in which
//! nobody looks.

use tidegate_api::{OnFailure, RolloutSpec, Stage};

use super::finding::{Finding, LocatedDocument};

/// What the plan of `spec` has wrong.
pub fn check(rollout: &LocatedDocument, spec: &RolloutSpec) -> Vec<Finding> {
    no_step_back(rollout, spec).into_iter().chain(no_way_back(rollout, spec)).chain(no_watch(rollout, spec)).collect()
}

/// A window that is over as soon as another version is stable.
fn no_way_back(rollout: &LocatedDocument, spec: &RolloutSpec) -> Option<Finding> {
    let lasting = spec.rollback_window.as_ref()?.lasting?;
    let message = "no version ever comes back within it: lengthen it, or leave rollbackWindow out";
    lasting.duration().is_zero().then(|| rollout.warning("spec.rollbackWindow.for", message))
}

/// A watch that is over as soon as a version is promoted.
fn no_watch(rollout: &LocatedDocument, spec: &RolloutSpec) -> Option<Finding> {
    let lasting = spec.watch.as_ref()?.lasting;
    let message = "the watch is over as soon as it begins: lengthen it, or leave watch out";
    lasting.duration().is_zero().then(|| rollout.warning("spec.watch.for", message))
}

/// Step backs that are reverts: those of a stage, and that of the Rollout where it is none in any stage.
fn no_step_back(rollout: &LocatedDocument, spec: &RolloutSpec) -> Vec<Finding> {
    let stages = spec.stages();
    let steps = |of: Option<OnFailure>| of == Some(OnFailure::StepBack);
    let own = stages.iter().enumerate().filter(|(_, stage)| steps(stage.on_failure));
    let mut findings: Vec<_> = own
        .filter_map(|(place, _)| {
            let why = is_revert(&stages, place)?;
            Some(rollout.warning(format!("spec.stages[{place}].onFailure"), why))
        })
        .collect();
    let heirs = stages.iter().enumerate().filter(|(_, stage)| stage.on_failure.is_none());
    let reverts: Option<Vec<_>> = heirs.map(|(place, _)| is_revert(&stages, place)).collect();
    let whole = reverts.filter(|_| steps(spec.on_failure)).and_then(|mut reasons| reasons.pop());
    findings.extend(whole.map(|why| rollout.warning("spec.onFailure", why)));
    findings
}

/// Why a step back from the stage at `place` is a revert, if it is.
fn is_revert(stages: &[Stage], place: usize) -> Option<String> {
    let name = &stages.get(place)?.name;
    let Some(before) = place.checked_sub(1).and_then(|before| stages.get(before)) else {
        return Some(format!("stage {name} has no stage before it, so StepBack is Revert there: write Revert or Hold"));
    };
    (!before.gives_requests()).then(|| {
        format!(
            "stage {} before stage {name} gives the new version no requests, so StepBack is Revert there: write Revert or Hold",
            before.name
        )
    })
}
