//! One Prometheus: its samples, and the queries that it was asked before.

use std::{collections::HashMap, time::Duration};

use promql_parser::parser::Expr;

use super::{
    error::QueryError,
    evaluate::Evaluator,
    labels::Labels,
    query::Query,
    range,
    storage::Storage,
    value::{Series, Value},
};

/// How many parsed queries are remembered.
const REMEMBERED: usize = 4096;

/// Whose rules are followed where they differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    /// Prometheus 2: a range includes the sample at its very beginning.
    V2,
    /// Prometheus 3: it does not.
    /// <https://prometheus.io/docs/prometheus/latest/migration/#range-selectors-and-lookback-exclude-samples-coinciding-with-the-left-boundary>
    #[default]
    V3,
}

/// How a [`Prometheus`] behaves.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Whose rules are followed.
    pub version: Version,
    /// How long samples are kept.
    pub retention: Duration,
    /// How many samples are kept at most, of 16 bytes each.
    pub capacity: usize,
    /// How old a series' newest sample may be to count as its value.
    pub lookback: Duration,
    /// The step of subqueries that name none.
    pub evaluation_interval: Duration,
    /// How many samples and steps one query may look at, before it is said to take too long.
    pub effort: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            version: Version::V3,
            retention: Duration::from_hours(24),
            capacity: 8_000_000,
            lookback: Duration::from_mins(5),
            evaluation_interval: Duration::from_mins(1),
            effort: 50_000_000,
        }
    }
}

/// A Prometheus in memory.
#[derive(Debug)]
pub struct Prometheus {
    pub(super) settings: Settings,
    pub(super) storage: Storage,
    queries: HashMap<String, Query>,
}

impl Default for Prometheus {
    fn default() -> Self {
        Self::new(Settings::default())
    }
}

impl Prometheus {
    /// An empty one.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, storage: Storage::new(settings.retention, settings.capacity), queries: HashMap::new() }
    }

    /// Takes a scrape, see [`Storage::append`].
    pub fn append(&mut self, at: i64, target: &str, samples: &[(Labels, f64)]) {
        self.storage.append(at, target, samples);
    }

    /// A target went, see [`Storage::vanish`].
    pub fn vanish(&mut self, at: i64, target: &str) {
        self.storage.vanish(at, target);
    }

    /// What `query` is at `at`, in milliseconds since 1970.
    ///
    /// # Errors
    /// [`QueryError`], as a Prometheus says it.
    pub fn instant(&mut self, query: &str, at: i64) -> Result<Value<'_>, QueryError> {
        if let Some((selector, window)) = plain_range(query)
            && self.prepare(selector).is_ok_and(|prepared| self.remember_selector(selector, prepared))
        {
            return self.samples(selector, window, at).map(Value::Matrix);
        }
        let prepared = self.prepare(query)?;
        let answer = Evaluator::new(&self.storage, &prepared, self.settings, (at, at)).value(at);
        // What was asked is asked again.
        Self::remember(&mut self.queries, query, prepared);
        answer
    }

    /// What `query` is at `start` and every `step` after it, up to `end`, all in milliseconds.
    ///
    /// # Errors
    /// [`QueryError`], as a Prometheus says it.
    pub fn range(&mut self, query: &str, start: i64, end: i64, step: i64) -> Result<Vec<Series<'static>>, QueryError> {
        let prepared = self.prepare(query)?;
        let evaluator = Evaluator::new(&self.storage, &prepared, self.settings, (start, end));
        let answer = range::evaluate(&evaluator, &prepared.expr, start, end, step);
        Self::remember(&mut self.queries, query, prepared);
        answer
    }

    /// The samples that `selector` has in the last `window` milliseconds up to `at`: `selector[window ms]`, without
    /// the way through text.
    ///
    /// # Errors
    /// [`QueryError`]: it is no selector.
    pub fn samples(&mut self, selector: &str, window: i64, at: i64) -> Result<Vec<Series<'_>>, QueryError> {
        let prepared = self.prepare(selector)?;
        let answer = Evaluator::new(&self.storage, &prepared, self.settings, (at, at)).samples(window, at);
        Self::remember(&mut self.queries, selector, prepared);
        answer
    }

    fn prepare(&mut self, text: &str) -> Result<Query, QueryError> {
        let mut query = self.queries.remove(text).map_or_else(|| Query::parse(text), Ok)?;
        query.select(&self.storage)?;
        Ok(query)
    }

    /// Keeps `query` if it is a plain selector.
    fn remember_selector(&mut self, text: &str, query: Query) -> bool {
        let is_selector = matches!(*query.expr, Expr::VectorSelector(_));
        if is_selector {
            Self::remember(&mut self.queries, text, query);
        }
        is_selector
    }

    fn remember(queries: &mut HashMap<String, Query>, text: &str, query: Query) {
        if queries.len() >= REMEMBERED {
            queries.clear();
        }
        queries.insert(text.to_owned(), query);
    }
}

/// What may be a selector, and the milliseconds of `selector{}[12345ms]`. Whoever looks at raw samples asks for another
/// window each time: parsing all of it anew would take longer than the answer.
fn plain_range(query: &str) -> Option<(&str, i64)> {
    let (selector, window) = query.strip_suffix("ms]")?.rsplit_once('[')?;
    let digits = (1..=12).contains(&window.len()) && window.bytes().all(|byte| byte.is_ascii_digit());
    let window = window.parse().ok().filter(|window| digits && *window > 0)?;
    selector.ends_with('}').then_some((selector, window))
}
