//! Whether the stages are long enough for a verdict at the traffic at hand.

use std::time::Duration;

use tidegate_api::{Analysis, Mode, OnInconclusive, Rollout, RolloutSpec, Span, Stage};
use tidegate_judge::{ENOUGH, ErrorRates, Question, Supposed, Tolerance, about, about_time, count};

use super::{
    finding::{Finding, LocatedDocument},
    stages::{Asked, questions, reached},
};

/// What a healthy version is taken to be: a fifth of the limit.
const HEALTHY: f64 = 0.2;

/// What is assumed of how many requests go bad together, where nobody says it: nobody has looked yet.
const OVERDISPERSION: f64 = 2.0;

/// The stages of `rollout` in which a check sees too few requests, with `rate` requests in a second to all versions.
pub fn check(written: &LocatedDocument, rollout: &Rollout, rate: f64) -> Vec<Finding> {
    let spec = &rollout.spec;
    let Some(analysis) = &spec.analysis else { return Vec::new() };
    let stages = spec.stages();
    let mut findings = Vec::new();
    for (index, stage) in stages.iter().enumerate() {
        let share = reached(rollout, stage).fraction();
        // Without any traffic at all there is another finding.
        if rate * share <= 0.0 {
            continue;
        }
        let bounds = ErrorRates::of(analysis, index + 1 == stages.len());
        let asked = questions(spec, std::slice::from_ref(stage));
        let slowest = asked.iter().filter_map(|asked| Some((needed(analysis, &bounds, asked, share)?, asked)));
        let Some((needed, asked)) = slowest.max_by(|(a, _), (b, _)| a.total_cmp(b)) else { continue };
        let path = format!("spec.stages[{index}]");
        findings.extend(verdict(written, spec, &path, stage, asked, (needed, rate * share)));
    }
    findings
}

/// How many requests of a healthy version it takes until the check passes, if it counts requests and decides. One that
/// never passes has a finding of its own.
fn needed(analysis: &Analysis, bounds: &ErrorRates, asked: &Asked<'_>, share: f64) -> Option<f64> {
    let Question::Proportion { max, relative, .. } = &asked.question else { return None };
    if analysis.mode == Some(Mode::Threshold) {
        return (max.is_some() || relative.is_some()).then_some(ENOUGH);
    }
    let known = analysis.statistics.as_ref().and_then(|statistics| statistics.overdispersion);
    let requests = |tolerance: &Tolerance| {
        let line = &tolerance.boundary;
        let stable = line.margin * HEALTHY;
        let supposed = Supposed {
            canary: stable,
            stable,
            stable_for_each: (1.0 - share) / share,
            overdispersion: known.unwrap_or(OVERDISPERSION),
        };
        supposed.requests_to_pass(line, bounds)
    };
    max.iter().chain(relative).filter_map(requests).max_by(f64::total_cmp)
}

fn verdict(
    rollout: &LocatedDocument,
    spec: &RolloutSpec,
    path: &str,
    stage: &Stage,
    asked: &Asked<'_>,
    (needed, per_second): (f64, f64),
) -> Option<Finding> {
    let requests = |span: Span| per_second * span.duration().as_secs_f64();
    let sends = |span: Span, within: &str| {
        let sent = count(requests(span).floor());
        let needs = about(needed);
        format!(
            "stage {} sends about {sent} requests to the new version {within} {span}; check {} needs about {needs}",
            stage.name, asked.check.name
        )
    };
    if let Some(deadline) = stage.deadline.filter(|deadline| requests(*deadline) < needed) {
        let needs = sends(deadline, "before its deadline of");
        let place = format!("{path}.deadline");
        return Some(match spec.on_inconclusive.unwrap_or_default() {
            OnInconclusive::Hold => rollout.error(place, format!("{needs}: every release is held here")),
            OnInconclusive::Revert => rollout.error(place, format!("{needs}: every release is reverted here")),
            OnInconclusive::Advance => rollout.warning(place, format!("{needs}: it decides nothing here")),
        });
    }
    let bake = stage.bake();
    if requests(bake) >= needed {
        return None;
    }
    let time = about_time(Duration::try_from_secs_f64(needed / per_second).ok()?);
    let message = format!("{}: the stage lasts about {time}", sends(bake, "in its"));
    Some(rollout.warning(format!("{path}.bake"), message))
}
