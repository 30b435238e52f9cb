//! What each check needs to know: of which Prometheus, by which query or counters, held against which limits.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tidegate_api::{Analysis, Check, Percent, Span, Stage};
use tidegate_endpoints::Endpoints;
use tidegate_judge::{InvalidLimit, Question, SampleBounds, WarmUp, question};
use tidegate_planner::traffic::Names;

use super::{
    analyzer::AnalysisRequest,
    error::QueryError,
    parameters::Parameters,
    sampling_plan::{Kind, Limit, SamplingPlan, StagePlan},
    source::{Source, expression},
    template::{Backends, Scope},
    values,
};

/// How long one block of evidence is, unless the analysis says otherwise.
const INTERVAL: Span = Span::seconds(10);

/// A `rate()` over less than this has too few samples in most places.
pub(super) const SHORTEST_RATE: Span = Span::seconds(60);

/// How often a provider is asked at most: it has a value a minute, and so many questions an hour are free.
const PROVIDERS: Duration = Duration::from_mins(1);

/// What a check needs, once its template is filled in and its limits are known.
pub(super) enum Wanted {
    Counters(SamplingPlan),
    Value(values::ValuePlan),
}

/// How long one block of evidence is at first.
pub(super) fn interval(analysis: &Analysis) -> Duration {
    analysis.interval.unwrap_or(INTERVAL).duration()
}

/// The checks that are asked: those of the Rollout, and of the stage's own once its weight has been in force, each with
/// whether it is one.
pub(super) fn asked_checks<'a>(
    analysis: &'a Analysis,
    request: &AnalysisRequest<'a>,
) -> impl Iterator<Item = (&'a Check, bool)> {
    let has_begun = request.begun.last().is_some_and(|begun| begun.stage == request.stage.name);
    let own = request.stage.own_checks().filter(move |_| has_begun);
    analysis.checks.iter().map(|check| (check, false)).chain(own.map(|check| (check, true)))
}

/// What each check needs, in their order.
pub(super) fn all_wanted(analysis: &Analysis, request: &AnalysisRequest<'_>) -> Vec<Result<Wanted, QueryError>> {
    let (name, interval) = (Endpoints::name_of(analysis.prometheus.as_deref()), interval(analysis));
    asked_checks(analysis, request).map(|check| want(check, request, name, interval)).collect()
}

/// What `check` needs, in this stage and, where it counts requests, in those before.
fn want(
    (check, is_own): (&Check, bool),
    request: &AnalysisRequest<'_>,
    endpoint: &str,
    interval: Duration,
) -> Result<Wanted, QueryError> {
    let names = names(request);
    let scope = Scope { window: Span::from(interval).max(SHORTEST_RATE), ..scope(request, &names) };
    let endpoint = endpoint.to_owned();
    let entered = request.begun.iter().rfind(|begun| begun.part.is_none()).or(request.begun.first());
    let since = whole_second(entered.map_or(request.now, |begun| begun.since));
    if let Question::Value(limits) = asked(check, request.stage)? {
        let promql = expression(check, request.templates, &scope)?;
        let of_stable = || expression(check, request.templates, &Scope { revision: request.stable, ..scope });
        let stable = limits.relative.map(|_| of_stable()).transpose()?;
        if stable.as_ref() == Some(&promql) {
            return Err(QueryError::ComparedWithItself);
        }
        let reduce = check.query.as_ref().and_then(|query| query.reduce);
        let provider = check.provider().map(str::to_owned);
        let interval = if provider.is_some() { interval.max(PROVIDERS) } else { interval };
        let check = check.name.clone();
        return Ok(Wanted::Value(values::ValuePlan {
            check,
            endpoint,
            provider,
            promql,
            stable,
            reduce,
            limits,
            since,
            interval,
            rarest: request.stage.rarest_looks(),
        }));
    }
    let warm_up = warm_up(check, request.spec.analysis.as_ref());
    let source = Source { warm_up, ..Source::of(check, request.templates, &scope, request.canary, request.stable)? };
    let written = request.spec.stages();
    // What a check of the stage's own counts begins with the stage.
    let earlier = if is_own { request.begun.iter().rposition(|begun| begun.stage != request.stage.name) } else { None };
    let stages = request.begun.iter().skip(earlier.map_or(0, |place| place + 1)).map(|begun| {
        // A stage that was taken out of the spec since is judged as if it had said nothing of its own.
        let watch = Some(request.stage).filter(|stage| stage.is_watch());
        let stage = written.iter().find(|stage| stage.name == begun.stage).or(watch);
        let asked = stage.map_or_else(|| question(check, None), |stage| asked(check, stage))?;
        let weight = stage.map_or(Percent::FULL, |stage| stage.weight);
        let limits = limits_of(check, &asked, (begun.answered.contains(&check.name), watch.is_some()));
        Ok(StagePlan { since: whole_second(begun.since), part: begun.part, weight, limits })
    });
    let stages = stages.collect::<Result<_, QueryError>>()?;
    let overdispersion =
        request.spec.analysis.as_ref().and_then(|analysis| analysis.statistics.as_ref()?.overdispersion);
    let without = request.replaced.map(Arc::from);
    Ok(Wanted::Counters(SamplingPlan { endpoint, source, stages, is_own, interval, overdispersion, without }))
}

/// The Services of the two versions.
pub(super) fn names(request: &AnalysisRequest<'_>) -> Names {
    let mut names = Names::of(&request.spec.service);
    if request.stage.is_watch() {
        // The routes name the Service again, and all that it gets is the version's.
        names.canary.clone_from(&names.service);
    }
    names
}

/// What variables stand for that are the same for all checks.
pub(super) fn scope<'a>(request: &AnalysisRequest<'a>, names: &'a Names) -> Scope<'a> {
    Scope {
        namespace: request.namespace,
        rollout: request.name,
        service: &request.spec.service,
        backends: request.spec.is_routed().then_some(Backends { names, canary: request.canary }),
        revision: request.canary,
        window: SHORTEST_RATE,
        parameters: Parameters::NONE,
    }
}

/// For how long the requests of new pods do not count for `check`.
fn warm_up(check: &Check, analysis: Option<&Analysis>) -> WarmUp {
    let lasts = check.warm_up.or(analysis.and_then(|analysis| analysis.warm_up));
    WarmUp(lasts.map_or(SignedDuration::ZERO, |lasts| SignedDuration::try_from(lasts.duration()).unwrap_or_default()))
}

/// What `check` asks in `stage`.
fn asked(check: &Check, stage: &Stage) -> Result<Question, InvalidLimit> {
    question(check, stage.override_of(&check.name))
}

/// What the status keeps of an instant, and what range queries start at.
pub(super) fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

fn limits_of(check: &Check, question: &Question, (is_answered, is_watched): (bool, bool)) -> Vec<Limit> {
    let Question::Proportion { max, relative, warn } = question else { return Vec::new() };
    let limits = [(Kind::Max, max), (Kind::Relative, relative), (Kind::Warn, warn)];
    let written = limits.into_iter().filter_map(|(kind, tolerance)| {
        // After its promotion a version is looked at all the time: its first requests say nothing new.
        let first = SampleBounds::of(check).at_most.filter(|_| kind != Kind::Warn && !is_watched);
        Some(Limit { check: check.name.clone(), kind, tolerance: (*tolerance)?, first, is_answered })
    });
    written.collect()
}

#[cfg(test)]
mod tests;
