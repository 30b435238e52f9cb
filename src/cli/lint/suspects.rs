//! A Rollout that is to replace a pod that is bad alone, and can never know which.

use tidegate_analysis::{Counting, counting};
use tidegate_api::{RolloutSpec, SuspectPod};

use super::{
    finding::{Finding, LocatedDocument},
    stages::questions,
    templates::among,
};

/// Why `suspectPod` never replaces a pod, if the Rollout asks for it.
pub fn check(rollout: &LocatedDocument, spec: &RolloutSpec, all: &[LocatedDocument]) -> Option<Finding> {
    let asked = spec.analysis.as_ref().and_then(|analysis| analysis.suspect_pod);
    if asked != Some(SuspectPod::Replace) {
        return None;
    }
    let (stages, templates) = (spec.stages(), among(rollout, all));
    let questions = questions(spec, &stages);
    let deciding = questions.iter().filter(|asked| asked.question.decides());
    let counted: Vec<_> =
        deciding.filter_map(|asked| Some((&asked.check.name, counting(asked.check, &templates)?))).collect();
    let at_gateway = counted.iter().find(|(_, counting)| *counting == Counting::Gateway);
    let why = match (at_gateway, counted.is_empty()) {
        (Some((check, _)), _) => format!("check {check} reads what a gateway counts, which does not say of which pod"),
        (None, true) => "no check that decides counts requests".to_owned(),
        (None, false) => return None,
    };
    Some(rollout.warning("spec.analysis.suspectPod", format!("{why}, so suspectPod never replaces a pod: remove it")))
}
