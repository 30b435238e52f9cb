//! A Prometheus as the operator meets it: asked without a network, and out of order when a scenario says so.

use std::{
    future::pending,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::future::BoxFuture;
use jiff::Timestamp;
use tidegate_analysis::{Numbers, PromQuery, PromResponse, QueryError, Row, Transport, When};
use tidegate_clock::Clock;
use tidegate_judge::Sample;
use tidegate_promql::{Parameters, Point, Prometheus, Series, Value};

/// What is the matter with a Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Condition {
    /// Nothing.
    #[default]
    Well,
    /// Nobody listens, and nothing is scraped.
    Down,
    /// Questions are taken and never answered.
    Hanging,
    /// Every answer takes so long.
    Slow(Duration),
    /// Questions are answered, but nothing is scraped.
    NotScraping,
    /// This part of its scrapes fails, each by itself.
    Missing(f64),
    /// Its clock is so many milliseconds ahead, or behind if it is negative.
    Ahead(i64),
}

/// A Prometheus that others share. Cheap to clone; all clones are the same one.
#[derive(Debug, Clone)]
pub struct Endpoint {
    clock: Clock,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    prometheus: Prometheus,
    condition: Condition,
}

impl Endpoint {
    /// An empty one that is well.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, state: Arc::default() }
    }

    /// From now on this is the matter with it.
    pub fn set(&self, condition: Condition) {
        self.lock().condition = condition;
    }

    /// Starts it anew on an empty disk.
    pub fn lose_data(&self) {
        self.lock().prometheus = Prometheus::default();
    }

    /// Lets it take a scrape at `now`, unless something is the matter with it: in milliseconds since 1970, by its own clock.
    pub fn scrape(&self, now: Timestamp, scrape: impl FnOnce(&mut Prometheus, i64)) {
        let mut state = self.lock();
        let at = now.as_millisecond();
        match state.condition {
            Condition::Well | Condition::Slow(_) | Condition::Missing(_) => scrape(&mut state.prometheus, at),
            Condition::Ahead(milliseconds) => scrape(&mut state.prometheus, at.saturating_add(milliseconds)),
            Condition::Down | Condition::Hanging | Condition::NotScraping => {}
        }
    }

    /// Whether its scrape of `target` at `now` fails, though the target is well.
    #[must_use]
    pub fn misses(&self, target: &str, now: Timestamp) -> bool {
        let Condition::Missing(part) = self.condition() else { return false };
        // Names of pods are drawn at random; with them, this is.
        let mut hash = DefaultHasher::new();
        (target, now.as_millisecond()).hash(&mut hash);
        (hash.finish() % 1_000_000) as f64 / 1e6 < part
    }

    /// Answers a request to its HTTP API: the status and the body.
    #[must_use]
    pub fn answer(&self, path: &str, parameters: &Parameters) -> (u16, String) {
        self.lock().prometheus.answer(path, parameters, self.clock.now().as_millisecond())
    }

    /// The answer without the way through text; nothing where the question is refused.
    fn numbers(&self, question: &PromQuery) -> Option<Numbers> {
        let mut state = self.lock();
        match question.when {
            When::At(at) => match state.prometheus.instant(&question.query, at.as_millisecond()).ok()? {
                Value::Scalar(value) => Some(Numbers::Scalar(value)),
                Value::Text(_) => None,
                Value::Vector(samples) => Some(Numbers::Vector(samples.iter().map(|sample| sample.value).collect())),
                Value::Matrix(series) => Some(Numbers::Matrix(series.iter().map(row).collect())),
            },
            When::Grid { start, end, step } => {
                let [start, end, step] = [start, end, step].map(|seconds| seconds.saturating_mul(1000));
                let series = state.prometheus.range(&question.query, start, end, step).ok()?;
                Some(Numbers::Matrix(series.iter().map(row).collect()))
            }
        }
    }

    fn condition(&self) -> Condition {
        self.lock().condition
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transport for Endpoint {
    fn query(&self, question: PromQuery) -> BoxFuture<'_, Result<PromResponse, QueryError>> {
        Box::pin(async move {
            match self.condition() {
                Condition::Well | Condition::NotScraping | Condition::Missing(_) | Condition::Ahead(_) => {}
                Condition::Slow(delay) => tokio::time::sleep(delay).await,
                Condition::Hanging => pending().await,
                Condition::Down => {
                    let why = "connection refused".to_owned();
                    return Err(QueryError::Unreachable { endpoint: "default".to_owned(), why });
                }
            }
            if let Some(numbers) = self.numbers(&question) {
                return Ok(PromResponse::Numbers(numbers));
            }
            // What goes wrong is told in the words of the API.
            let (path, parameters) = request(question);
            let (status, body) = self.answer(path, &parameters);
            Ok(PromResponse::Text { status, html: false, body: body.into_bytes() })
        })
    }
}

fn row(series: &Series<'_>) -> Row {
    let sample = |point: &Point| Some(Sample { at: Timestamp::from_millisecond(point.at).ok()?, value: point.value });
    let samples = series.points.iter().filter_map(sample).collect();
    Row { labels: series.labels.shared(), samples, histograms: Vec::new() }
}

fn request(question: PromQuery) -> (&'static str, Parameters) {
    let query = ("query", question.query);
    match question.when {
        When::At(at) => {
            let at = at.as_millisecond();
            let time = format!("{}.{:03}", at.div_euclid(1000), at.rem_euclid(1000));
            ("/api/v1/query", Parameters::new([query, ("time", time)]))
        }
        When::Grid { start, end, step } => {
            let [start, end, step] = [start, end, step].map(|seconds| seconds.to_string());
            ("/api/v1/query_range", Parameters::new([query, ("start", start), ("end", end), ("step", step)]))
        }
    }
}
