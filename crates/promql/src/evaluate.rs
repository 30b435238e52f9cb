//! What an expression is at an instant.

use std::{
    cell::Cell,
    collections::HashSet,
    time::{Duration, SystemTime},
};

use promql_parser::parser::{AtModifier, Expr, MatrixSelector, Offset, SubqueryExpr, VectorSelector};

use super::{
    aggregate, binary,
    error::QueryError,
    functions,
    query::Query,
    range,
    server::{Settings, Version},
    storage::Storage,
    value::{Sample, Series, Value},
};

/// Evaluates one query.
pub(super) struct Evaluator<'q, 'a> {
    storage: &'a Storage,
    query: &'q Query,
    settings: Settings,
    /// What `@ start()` and `@ end()` mean.
    span: (i64, i64),
    effort: Cell<u64>,
}

/// The series of a range selector or subquery, and which time they are from.
pub(super) struct Matrix<'a> {
    pub(super) series: Vec<Series<'a>>,
    /// In milliseconds.
    pub(super) start: i64,
    /// In milliseconds.
    pub(super) end: i64,
}

impl<'q, 'a> Evaluator<'q, 'a> {
    /// Of `query`, whose selectors have been resolved, between two instants.
    pub(super) fn new(storage: &'a Storage, query: &'q Query, settings: Settings, span: (i64, i64)) -> Self {
        Self { storage, query, settings, span, effort: Cell::new(0) }
    }

    /// Whose rules are followed.
    pub(super) fn version(&self) -> Version {
        self.settings.version
    }

    /// What the whole query is at `at`.
    pub(super) fn value(&self, at: i64) -> Result<Value<'a>, QueryError> {
        self.eval(&self.query.expr, at)
    }

    /// What `expr` is at `at`.
    pub(super) fn eval(&self, expr: &Expr, at: i64) -> Result<Value<'a>, QueryError> {
        self.spend(1)?;
        Ok(match expr {
            Expr::NumberLiteral(number) => Value::Scalar(number.val),
            Expr::StringLiteral(text) => Value::Text(text.val.clone()),
            Expr::Paren(paren) => self.eval(&paren.expr, at)?,
            Expr::VectorSelector(selector) => {
                let mut selected = self.select(selector, at)?;
                for sample in &mut selected {
                    sample.at = at;
                }
                Value::Vector(selected)
            }
            Expr::MatrixSelector(_) | Expr::Subquery(_) => Value::Matrix(self.matrix(expr, at)?.series),
            Expr::Unary(unary) => match self.eval(&unary.expr, at)? {
                Value::Scalar(value) => Value::Scalar(-value),
                other => Value::Vector(unique(map(vector(other)?, |value| -value))?),
            },
            Expr::Call(call) => functions::call(self, call, at)?,
            Expr::Binary(binary) => binary::evaluate(self, binary, at)?,
            Expr::Aggregate(aggregate) => Value::Vector(aggregate::evaluate(self, aggregate, at)?),
            Expr::Extension(_) => return Err(QueryError::unsupported("extensions of PromQL")),
        })
    }

    /// What `expr` is at `at`, which has to be a number.
    pub(super) fn scalar(&self, expr: &Expr, at: i64) -> Result<f64, QueryError> {
        match self.eval(expr, at)? {
            Value::Scalar(value) => Ok(value),
            other => Err(mistyped("scalar", &other)),
        }
    }

    /// What `expr` is at `at`, which has to be an instant vector.
    pub(super) fn vector(&self, expr: &Expr, at: i64) -> Result<Vec<Sample>, QueryError> {
        vector(self.eval(expr, at)?)
    }

    /// The newest sample of each series, with the time of its scrape.
    pub(super) fn select(&self, selector: &VectorSelector, at: i64) -> Result<Vec<Sample>, QueryError> {
        let last = self.moved(at, selector.at.as_ref(), selector.offset.as_ref());
        let first = self.first(last, self.settings.lookback);
        let series = self.query.selection(selector);
        self.spend(series.len())?;
        let sample = |id: &usize| {
            let newest = self.storage.newest(*id, first, last)?;
            Some(Sample { labels: self.storage.labels(*id)?.clone(), at: newest.at, value: newest.value })
        };
        Ok(series.iter().filter_map(sample).collect())
    }

    /// The series of a range selector or subquery.
    pub(super) fn matrix(&self, expr: &Expr, at: i64) -> Result<Matrix<'a>, QueryError> {
        match expr {
            Expr::Paren(paren) => self.matrix(&paren.expr, at),
            Expr::MatrixSelector(MatrixSelector { vs, range }) => {
                let end = self.moved(at, vs.at.as_ref(), vs.offset.as_ref());
                let series = self.window(vs, self.first(end, *range), end)?;
                Ok(Matrix { series, start: end.saturating_sub(millis(*range)), end })
            }
            Expr::Subquery(subquery) => self.subquery(subquery, at),
            other => Err(mistyped("range vector", &self.eval(other, at)?)),
        }
    }

    /// The samples of a query that is a plain selector, in the last `window` milliseconds.
    pub(super) fn samples(&self, window: i64, at: i64) -> Result<Vec<Series<'a>>, QueryError> {
        let Expr::VectorSelector(selector) = &*self.query.expr else {
            return Err(QueryError::parameter("query", "a selector was expected"));
        };
        let end = self.moved(at, selector.at.as_ref(), selector.offset.as_ref());
        let window = Duration::from_millis(u64::try_from(window).unwrap_or_default());
        self.window(selector, self.first(end, window), end)
    }

    fn window(&self, selector: &VectorSelector, first: i64, last: i64) -> Result<Vec<Series<'a>>, QueryError> {
        let mut found = Vec::new();
        for id in self.query.selection(selector) {
            let points = self.storage.points(*id, first, last);
            self.spend(points.len())?;
            if let Some(labels) = self.storage.labels(*id).filter(|_| !points.is_empty()) {
                found.push(Series { labels: labels.clone(), points });
            }
        }
        Ok(found)
    }

    fn subquery(&self, subquery: &SubqueryExpr, at: i64) -> Result<Matrix<'a>, QueryError> {
        let end = self.moved(at, subquery.at.as_ref(), subquery.offset.as_ref());
        let start = end.saturating_sub(millis(subquery.range));
        let step = millis(subquery.step.unwrap_or(self.settings.evaluation_interval)).max(1);
        // Steps are multiples of their length, so that queries at different times see the same instants.
        let mut first = start / step * step;
        if first < self.first(end, subquery.range) {
            first = first.saturating_add(step);
        }
        let series = range::steps(self, &subquery.expr, first, end, step)?;
        Ok(Matrix { series, start, end })
    }

    /// The first instant that counts in a range of length `range` up to `last`.
    fn first(&self, last: i64, range: Duration) -> i64 {
        let open = i64::from(self.version() == Version::V3);
        last.saturating_sub(millis(range)).saturating_add(open)
    }

    /// Where `at` is moved to by `@` and `offset`.
    fn moved(&self, at: i64, modifier: Option<&AtModifier>, offset: Option<&Offset>) -> i64 {
        let at = match modifier {
            None => at,
            Some(AtModifier::Start) => self.span.0,
            Some(AtModifier::End) => self.span.1,
            Some(AtModifier::At(time)) => since_1970(*time),
        };
        match offset {
            None => at,
            Some(Offset::Pos(by)) => at.saturating_sub(millis(*by)),
            Some(Offset::Neg(by)) => at.saturating_add(millis(*by)),
        }
    }

    /// Says so when the query asks for more than it may.
    pub(super) fn spend(&self, effort: usize) -> Result<(), QueryError> {
        self.effort.set(self.effort.get() + effort as u64);
        if self.effort.get() > self.settings.effort { Err(QueryError::Timeout) } else { Ok(()) }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn since_1970(time: SystemTime) -> i64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => millis(after),
        Err(before) => -millis(before.duration()),
    }
}

fn vector(value: Value<'_>) -> Result<Vec<Sample>, QueryError> {
    match value {
        Value::Vector(samples) => Ok(samples),
        other => Err(mistyped("instant vector", &other)),
    }
}

fn mistyped(wanted: &str, value: &Value<'_>) -> QueryError {
    QueryError::parameter("query", format!("expected type {wanted}, got {}", value.kind()))
}

/// Computes each value anew, which is then no longer the metric's.
pub(super) fn map(mut samples: Vec<Sample>, compute: impl Fn(f64) -> f64) -> Vec<Sample> {
    for sample in &mut samples {
        sample.value = compute(sample.value);
        sample.labels = sample.labels.without_metric();
    }
    samples
}

/// Refuses two elements with the same labels.
pub(super) fn unique(samples: Vec<Sample>) -> Result<Vec<Sample>, QueryError> {
    let mut seen = HashSet::with_capacity(samples.len());
    if samples.len() > 1 && !samples.iter().all(|sample| seen.insert(&sample.labels)) {
        return Err(QueryError::Execution("vector cannot contain metrics with the same labelset".to_owned()));
    }
    Ok(samples)
}
