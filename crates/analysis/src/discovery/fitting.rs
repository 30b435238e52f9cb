//! Whether a preset counts what the pods of a version expose.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;
use promql_parser::parser::{Expr, parse};
use tidegate_api::{Preset, RevisionStatus};
use tidegate_judge::Series;
use tokio::time::Instant;

use super::{RECENT, Subject};
use crate::{
    absent,
    buckets::Bounds,
    error::QueryError,
    prometheus::Prometheus,
    reading::{Asked, Stretch},
    recipe::{self, Recipe},
    source::{Selector, Source, nanoseconds},
};

/// Over so long requests are counted.
const LATELY: Duration = Duration::from_mins(5);

/// What a preset counts of the pods of a version.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitting {
    /// The preset.
    pub preset: Preset,
    /// The metrics that it counts requests by, and how long they take.
    pub metrics: Vec<String>,
    /// Whether it tells which requests failed, and if not, why.
    pub errors: Result<(), QueryError>,
    /// How many requests there were in the last five minutes; nothing where it does not count them.
    pub requests: Option<f64>,
    /// The histogram by which it tells how long they take; nothing where there is none.
    pub histogram: Option<ExposedHistogram>,
}

/// A histogram, and which limits of a latency it decides.
#[derive(Debug, Clone, PartialEq)]
pub enum ExposedHistogram {
    /// Of classic buckets with these bounds in seconds, without `+Inf`: a limit is decided best at one of them.
    Classic(Vec<f64>),
    /// A native one, whose buckets change with what is in them: any limit.
    Native,
}

/// What `preset` counts; nothing where the pods have none of its metrics, or it does not take the parameters that are given.
///
/// # Errors
/// [`QueryError`]: Prometheus does not say it. Which preset is taken must not depend on who answered in time.
pub(super) async fn look(
    prometheus: &Prometheus,
    subject: &Subject<'_>,
    exposed: &BTreeSet<String>,
    preset: Preset,
    at: Timestamp,
    deadline: Instant,
) -> Result<Option<Fitting>, QueryError> {
    let source = |part| {
        let nobody = RevisionStatus::default();
        let recipe: Recipe<'_> = recipe::of_preset(preset, subject.parameters, part)?;
        Source::reading(recipe, &subject.scope, subject.version, &nobody)
    };
    let (requests, buckets) = (source(recipe::requests).ok(), source(recipe::buckets).ok());
    let of = |source: &Option<Source>| source.as_ref().map(|source| Named::by(source, exposed)).unwrap_or_default();
    let (counters, histograms) = (of(&requests), of(&buckets));
    let counted = match requests {
        Some(source) if counters.is_empty() => {
            Err(QueryError::NoMetric { metric: absent::titles(&source), counting: source.counting })
        }
        Some(source) => series(prometheus, &source, at, deadline).await,
        None => Err(QueryError::TemplateWithout { template: crate::presets::title(preset), part: "requests" }),
    };
    let counted = match counted {
        Err(fault) if !is_of_the_metrics(&fault) => return Err(fault),
        counted => counted,
    };
    let histogram = match buckets.filter(|_| !histograms.is_empty()) {
        Some(source) => histogram(prometheus, &source, at, deadline).await?,
        None => None,
    };
    let metrics: BTreeSet<_> = counters.are(counted.is_ok()).chain(histograms.are(histogram.is_some())).collect();
    if metrics.is_empty() {
        return Ok(None);
    }
    Ok(Some(Fitting {
        preset,
        metrics: metrics.into_iter().collect(),
        requests: counted.as_ref().ok().map(|series| series.iter().map(gained).sum()),
        errors: counted.map(drop),
        histogram,
    }))
}

/// Whether a fault says something of the metrics, and not of whoever was asked for them.
fn is_of_the_metrics(fault: &QueryError) -> bool {
    let misfits = matches!(fault, QueryError::NoStatusLabel { .. } | QueryError::TemplateWithout { .. });
    misfits || fault.is_absence()
}

/// What is exposed under the names that a source asks for.
#[derive(Debug, Default)]
struct Named {
    plain: Vec<String>,
    /// Under the names of native histograms. A summary may have such a name too: only an answer tells.
    native: Vec<String>,
}

impl Named {
    fn by(source: &Source, exposed: &BTreeSet<String>) -> Self {
        let selects = |selector: &str, name: &str| {
            let Ok(Expr::VectorSelector(selector)) = parse(selector) else { return false };
            let mut matchers = selector.matchers.matchers.iter().filter(|matcher| matcher.name == "__name__");
            match &selector.name {
                Some(own) => own == name,
                None => matchers.next().is_some_and(|matcher| matcher.is_match(name)),
            }
        };
        let of = |which: fn(&Selector) -> Option<&str>| {
            let is_asked_for =
                |name: &&String| source.judged().filter_map(which).any(|selector| selects(selector, name));
            exposed.iter().filter(is_asked_for).cloned().collect()
        };
        Self { plain: of(|selector| Some(&selector.promql)), native: of(|selector| selector.native.promql()) }
    }

    fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.native.is_empty()
    }

    /// The names that are the source's, where it is known whether it `answers`.
    fn are(self, answers: bool) -> impl Iterator<Item = String> {
        let native = if answers && self.plain.is_empty() { self.native } else { Vec::new() };
        self.plain.into_iter().chain(native)
    }
}

/// The series by which `source` counts requests lately.
async fn series(
    prometheus: &Prometheus,
    source: &Source,
    at: Timestamp,
    deadline: Instant,
) -> Result<Vec<Series>, QueryError> {
    let read = source.read(prometheus, &Asked::default(), Stretch::Window(LATELY, at), deadline).await?;
    if read.series.is_empty() { Err(QueryError::Empty { hint: source.counting.hint() }) } else { Ok(read.series) }
}

/// What a counter gained, where it did not begin anew.
fn gained(series: &Series) -> f64 {
    let ends = series.samples.first().zip(series.samples.last());
    ends.map_or(0.0, |(first, last)| (last.value - first.value).max(0.0))
}

/// The histogram that `source` reads: of several names, the first that is there.
async fn histogram(
    prometheus: &Prometheus,
    source: &Source,
    at: Timestamp,
    deadline: Instant,
) -> Result<Option<ExposedHistogram>, QueryError> {
    let (start, end) = (at.as_second().saturating_sub(RECENT), at.as_second());
    for selector in source.judged() {
        let question = Bounds::question(&selector.promql);
        let rows = prometheus.grid(&question, start, end, RECENT, deadline).await?;
        let Some(unit) = selector.unit() else { continue };
        let mut bounds: Vec<_> =
            rows.iter().filter_map(|row| nanoseconds(row.label("le")?, unit)).map(|bound| bound / 1e9).collect();
        if bounds.contains(&f64::INFINITY) {
            bounds.retain(|bound| bound.is_finite());
            bounds.sort_by(f64::total_cmp);
            bounds.dedup();
            return Ok(Some(ExposedHistogram::Classic(bounds)));
        }
        if let Some(native) = selector.native.promql() {
            let rows = prometheus.grid(native, start, end, RECENT, deadline).await?;
            if rows.iter().any(|row| !row.histograms.is_empty()) {
                return Ok(Some(ExposedHistogram::Native));
            }
        }
    }
    Ok(None)
}
