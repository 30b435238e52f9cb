//! Whether the stages are long enough for a verdict at the traffic at hand.

use std::time::Duration;

use super::{
    finding::{Finding, Written},
    stages::{Asked, questions, reached},
};
use crate::{
    api::{OnInconclusive, Rollout, RolloutSpec, Span, Stage},
    judge::{ENOUGH, Question, count, exact_percent},
};

/// The stages of `rollout` in which a check sees too few requests, with `rate` requests in a second to all versions.
pub fn check(written: &Written, rollout: &Rollout, rate: f64) -> Vec<Finding> {
    let spec = &rollout.spec;
    let stages = spec.stages();
    let mut findings = Vec::new();
    for (index, stage) in stages.iter().enumerate() {
        let per_second = rate * reached(rollout, stage).fraction();
        // Without any traffic at all there is another finding.
        if per_second <= 0.0 {
            continue;
        }
        let asked = questions(spec, std::slice::from_ref(stage));
        let strictest = asked.iter().filter_map(|asked| Some((share(asked)?, asked)));
        let Some((share, asked)) = strictest.min_by(|(a, _), (b, _)| a.total_cmp(b)) else { continue };
        let path = format!("spec.stages[{index}]");
        findings.extend(verdict(written, spec, &path, stage, asked, (share, per_second)));
    }
    findings
}

/// The share that a check tolerates, if it counts requests and decides.
fn share(asked: &Asked<'_>) -> Option<f64> {
    match &asked.question {
        Question::Share { max, .. } => max.map(|max| max.share),
        Question::Value(_) => None,
    }
}

fn verdict(
    rollout: &Written,
    spec: &RolloutSpec,
    path: &str,
    stage: &Stage,
    asked: &Asked<'_>,
    (share, per_second): (f64, f64),
) -> Option<Finding> {
    let bake = stage.bake();
    let requests = |span: Span| per_second * span.duration().as_secs_f64();
    let sends = |span: Span, within: &str| {
        let count = count(requests(span).floor());
        format!("stage {} sends about {count} requests to the new version {within} {span}", stage.name)
    };
    let (name, limit) = (&asked.check.name, exact_percent(share));
    let limit = if asked.check.latency.is_some() { format!("{limit} slower requests") } else { format!("max {limit}") };
    if let Some(deadline) = stage.deadline.filter(|deadline| requests(*deadline) < ENOUGH) {
        let needs = format!("{}; check {name} needs at least {ENOUGH}", sends(deadline, "before its deadline of"));
        let place = format!("{path}.deadline");
        return Some(match spec.on_inconclusive.unwrap_or_default() {
            OnInconclusive::Hold => rollout.error(place, format!("{needs}: every release is held here")),
            OnInconclusive::Revert => rollout.error(place, format!("{needs}: every release is reverted here")),
            OnInconclusive::Advance => rollout.warning(place, format!("{needs}: it decides nothing here")),
        });
    }
    let place = format!("{path}.bake");
    if requests(bake) < ENOUGH {
        let time = Span::from(Duration::try_from_secs_f64((ENOUGH / per_second).ceil()).ok()?);
        let message =
            format!("{}; check {name} needs at least {ENOUGH}: the stage lasts about {time}", sends(bake, "in its"));
        return Some(rollout.warning(place, message));
    }
    // As many requests as one failure may stand among: with fewer, a single one is more than the limit allows.
    let needed = (1.0 / share).ceil();
    (share > 0.0 && requests(bake) < needed).then(|| {
        let message = format!(
            "{}; check {name} with {limit} needs at least {}, or a single bad request fails it: bake longer, or give the stage a higher limit",
            sends(bake, "in its"),
            count(needed)
        );
        rollout.warning(place, message)
    })
}
