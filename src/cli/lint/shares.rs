//! A Rollout that is to hold when the share that was served is off, and can never know.

use tidegate_api::{OnShareOff, RolloutSpec};
use tidegate_judge::Question;

use super::{
    finding::{Finding, LocatedDocument},
    stages::questions,
};

/// Why `onShareOff` never holds, if the Rollout asks for it.
pub fn check(rollout: &LocatedDocument, spec: &RolloutSpec) -> Option<Finding> {
    let traffic = spec.traffic.as_ref().filter(|traffic| traffic.on_share_off == Some(OnShareOff::Hold))?;
    let stages = spec.stages();
    let counts = questions(spec, &stages).iter().any(|asked| matches!(asked.question, Question::Proportion { .. }));
    let nothing_counts = || (!counts).then(|| "no check counts requests".to_owned());
    let why = traffic.promises_no_share().or_else(nothing_counts)?;
    Some(rollout.warning("spec.traffic.onShareOff", format!("{why}, so onShareOff never holds: remove it")))
}
