//! One Prometheus endpoint: what it is asked, and what of its answers is believed.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{
    FutureExt,
    future::{BoxFuture, WeakShared},
};
use jiff::Timestamp;
use tidegate_api::Reduce;
use tidegate_endpoints::{Endpoint, Endpoints, EndpointsError};
use tokio::time::{Instant, timeout_at};

use super::{
    answer::{Numbers, Row, read},
    error::QueryError,
    http::Http,
    transport::{PromQuery, PromResponse, Transport, When},
};

/// Is told of each query: the endpoint's name, and `ok` or the reason of the [`QueryError`].
pub type Tally = Arc<dyn Fn(&str, &'static str) + Send + Sync>;

/// One Prometheus endpoint.
pub(super) struct Prometheus {
    name: String,
    timeout: Duration,
    transport: Arc<dyn Transport>,
    tally: Tally,
    under_way: Mutex<HashMap<PromQuery, Asking>>,
}

/// A question that is being asked at this moment: whoever asks the same waits for the same answer.
type Asking = WeakShared<BoxFuture<'static, Result<Numbers, QueryError>>>;

/// Without the transport: it may hold secrets.
impl std::fmt::Debug for Prometheus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prometheus").field("endpoint", &self.name).finish_non_exhaustive()
    }
}

impl Prometheus {
    /// Asks `endpoint`, one of `endpoints`, over HTTP.
    pub(super) fn new(endpoint: &Endpoint, endpoints: &Endpoints, tally: Tally) -> Result<Self, EndpointsError> {
        let transport = Http::new(endpoint).map_err(|(field, why)| endpoints.unusable(endpoint, field, why))?;
        Ok(Self::over(&endpoint.name, Arc::new(transport), endpoint.timeout.duration(), tally))
    }

    /// Asks over `transport`; a look takes no longer than `timeout`.
    pub(super) fn over(name: &str, transport: Arc<dyn Transport>, timeout: Duration, tally: Tally) -> Self {
        Self { name: name.to_owned(), timeout, transport, tally, under_way: Mutex::default() }
    }

    /// How long one look may take.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The raw samples that `selector` has in the last `window` before `at`.
    pub(super) async fn samples(
        &self,
        selector: &str,
        window: Duration,
        at: Timestamp,
        deadline: Instant,
    ) -> Result<Vec<Row>, QueryError> {
        let query = format!("{selector}[{}ms]", window.as_millis());
        matrix(self.ask(PromQuery { query, when: When::At(at) }, deadline).await?)
    }

    /// What `expression` was at `start` and at every `step` seconds after it, up to `end`; all in whole seconds.
    pub(super) async fn grid(
        &self,
        expression: &str,
        start: i64,
        end: i64,
        step: i64,
        deadline: Instant,
    ) -> Result<Vec<Row>, QueryError> {
        let question = PromQuery { query: expression.to_owned(), when: When::Grid { start, end, step } };
        matrix(self.ask(question, deadline).await?)
    }

    /// The one number that `expression` yields at `at`; of several series, what `reduce` makes of them.
    pub(super) async fn number(
        &self,
        expression: &str,
        reduce: Option<Reduce>,
        at: Timestamp,
        deadline: Instant,
    ) -> Result<f64, QueryError> {
        let question = PromQuery { query: expression.to_owned(), when: When::At(at) };
        let value = match self.ask(question, deadline).await? {
            Numbers::Scalar(value) => value,
            Numbers::Vector(values) => return one_of(&values, reduce),
            Numbers::Matrix(_) => return Err(QueryError::WrongType { got: "range vector", wanted: "number" }),
        };
        one_of(&[value], None)
    }

    /// The numbers that `expression` yields at `at`, one for each series.
    pub(super) async fn numbers(
        &self,
        expression: &str,
        at: Timestamp,
        deadline: Instant,
    ) -> Result<Vec<f64>, QueryError> {
        let question = PromQuery { query: expression.to_owned(), when: When::At(at) };
        match self.ask(question, deadline).await? {
            Numbers::Scalar(value) => Ok(vec![value]),
            Numbers::Vector(values) => Ok(values),
            Numbers::Matrix(_) => Err(QueryError::WrongType { got: "range vector", wanted: "number" }),
        }
    }

    /// Sends a question and reads its answer, both before `deadline`.
    async fn ask(&self, question: PromQuery, deadline: Instant) -> Result<Numbers, QueryError> {
        let asking = {
            let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
            let known = under_way.get(&question).and_then(WeakShared::upgrade);
            known.unwrap_or_else(|| {
                under_way.retain(|_, asking| asking.upgrade().is_some());
                let asking = self.send(question.clone()).shared();
                under_way.extend(asking.downgrade().map(|weak| (question, weak)));
                asking
            })
        };
        let answer = timeout_at(deadline, asking).await;
        answer.unwrap_or_else(|_| {
            let fault = QueryError::Timeout { endpoint: self.name(), after: self.timeout };
            (self.tally)(&self.name, fault.reason());
            Err(fault)
        })
    }

    fn send(&self, question: PromQuery) -> BoxFuture<'static, Result<Numbers, QueryError>> {
        let (transport, tally, name) = (Arc::clone(&self.transport), Arc::clone(&self.tally), self.name());
        let asked = async move {
            let read = transport.query(question).await.and_then(|answer| match answer {
                PromResponse::Text { status, html, body } => read(&name, status, html, &body),
                PromResponse::Numbers(numbers) => Ok(numbers),
            });
            tally(&name, read.as_ref().map_or_else(QueryError::reason, |_| "ok"));
            read
        };
        asked.boxed()
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}

/// The one number that a query yielded; of several series, what `reduce` makes of them.
pub(super) fn one_of(values: &[f64], reduce: Option<Reduce>) -> Result<f64, QueryError> {
    let value = match (values, reduce) {
        ([], _) => return Err(QueryError::Empty { hint: "the expression selects something" }),
        ([one], _) => *one,
        (several, None) => return Err(QueryError::SeveralSeries { count: several.len() }),
        (several, Some(reduce)) => reduced(several, reduce),
    };
    if value.is_finite() { Ok(value) } else { Err(QueryError::NotFinite) }
}

/// One number of several; none where any of them is none, for nobody knows what it would have been.
fn reduced(values: &[f64], reduce: Reduce) -> f64 {
    if !values.iter().all(|value| value.is_finite()) {
        return f64::NAN;
    }
    let sum: f64 = values.iter().sum();
    match reduce {
        Reduce::Max => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        Reduce::Min => values.iter().copied().fold(f64::INFINITY, f64::min),
        Reduce::Sum => sum,
        // An answer has far fewer than 2⁵³ of them.
        Reduce::Mean => sum / values.len() as f64,
    }
}

fn matrix(numbers: Numbers) -> Result<Vec<Row>, QueryError> {
    match numbers {
        Numbers::Matrix(rows) => Ok(rows),
        Numbers::Vector(_) => Err(QueryError::WrongType { got: "vector", wanted: "range vector" }),
        Numbers::Scalar(_) => Err(QueryError::WrongType { got: "number", wanted: "range vector" }),
    }
}
