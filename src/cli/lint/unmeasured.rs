//! A check of latencies that nothing stands beside to count the requests that nobody measured.

use tidegate_api::RolloutSpec;

use super::{
    finding::{Finding, LocatedDocument},
    stages::questions,
};

/// The checks of latencies by which a version may look fast that answers little: what ran into a timeout, raised or was refused is
/// in no histogram of most libraries.
pub fn check(rollout: &LocatedDocument, spec: &RolloutSpec) -> Vec<Finding> {
    let stages = spec.stages();
    let questions = questions(spec, &stages);
    let deciding: Vec<_> = questions.iter().filter(|asked| asked.question.decides()).collect();
    let counts_errors = |stage: &str| {
        let mut beside = deciding.iter().filter(|asked| asked.stage.name == stage);
        beside.any(|asked| asked.check.error_rate.is_some())
    };
    let mut told = Vec::new();
    for asked in deciding.iter().filter(|asked| asked.check.latency.is_some() && !counts_errors(&asked.stage.name)) {
        if !told.iter().any(|(check, _)| *check == &asked.check.name) {
            told.push((&asked.check.name, *asked));
        }
    }
    let finding = |(_, asked): (_, &super::stages::Asked<'_>)| {
        let message = format!(
            "check {} sees only requests that were measured, and in stage {} no errorRate decides beside it: what runs into a \
             timeout, raises or is refused is in no histogram, so a version may be fast because it answers little; add one",
            asked.check.name, asked.stage.name
        );
        rollout.warning(&*asked.path, message)
    };
    told.into_iter().map(finding).collect()
}
