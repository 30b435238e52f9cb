//! One Prometheus endpoint: what it is asked, and what of its answers is believed.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use prometheus_http_query::response::{Data, RangeVector};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::{
    endpoints::{Endpoint, Endpoints, EndpointsError},
    fault::Fault,
    http::Http,
    transport::{Answer, Question, Transport, When},
};

/// Is told of each query: the endpoint's name, and `ok` or the reason of the [`Fault`].
pub type Tally = Arc<dyn Fn(&str, &'static str) + Send + Sync>;

/// One Prometheus endpoint.
pub(super) struct Prometheus {
    name: String,
    timeout: Duration,
    transport: Box<dyn Transport>,
    tally: Tally,
}

/// Without the transport: it may hold secrets.
impl std::fmt::Debug for Prometheus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prometheus").field("endpoint", &self.name).finish_non_exhaustive()
    }
}

/// The part of an answer that is around the numbers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    status: String,
    #[serde(default)]
    data: Value,
    #[serde(default)]
    error_type: String,
    #[serde(default)]
    warnings: Option<Vec<serde::de::IgnoredAny>>,
}

impl Prometheus {
    /// Asks `endpoint`, one of `endpoints`, over HTTP.
    pub(super) fn new(endpoint: &Endpoint, endpoints: &Endpoints, tally: Tally) -> Result<Self, EndpointsError> {
        let transport = Http::new(endpoint).map_err(|(field, why)| EndpointsError::Field {
            file: endpoints.file().to_owned(),
            endpoint: endpoint.name.clone(),
            field,
            why,
        })?;
        Ok(Self::over(&endpoint.name, Box::new(transport), endpoint.timeout.duration(), tally))
    }

    /// Asks over `transport`; a look takes no longer than `timeout`.
    pub(super) fn over(name: &str, transport: Box<dyn Transport>, timeout: Duration, tally: Tally) -> Self {
        Self { name: name.to_owned(), timeout, transport, tally }
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
    ) -> Result<Vec<RangeVector>, Fault> {
        let query = format!("{selector}[{}ms]", window.as_millis());
        matrix(self.ask(Question { query, when: When::At(at) }, deadline).await?)
    }

    /// What `expression` was at `start` and at every `step` seconds after it, up to `end`; all in whole seconds.
    pub(super) async fn grid(
        &self,
        expression: &str,
        start: i64,
        end: i64,
        step: i64,
        deadline: Instant,
    ) -> Result<Vec<RangeVector>, Fault> {
        let question = Question { query: expression.to_owned(), when: When::Grid { start, end, step } };
        matrix(self.ask(question, deadline).await?)
    }

    /// The one number that `expression` yields at `at`.
    pub(super) async fn number(&self, expression: &str, at: Timestamp, deadline: Instant) -> Result<f64, Fault> {
        let question = Question { query: expression.to_owned(), when: When::At(at) };
        let value = match self.ask(question, deadline).await? {
            Data::Scalar(sample) => sample.value(),
            Data::Vector(series) => match series.as_slice() {
                [] => return Err(Fault::Empty { hint: "the expression selects something" }),
                [one] => one.sample().value(),
                several => return Err(Fault::SeveralSeries { count: several.len() }),
            },
            Data::Matrix(_) => return Err(Fault::WrongType { got: "range vector", wanted: "number" }),
        };
        if value.is_finite() { Ok(value) } else { Err(Fault::NotFinite) }
    }

    /// Sends a question and reads its answer, both before `deadline`.
    async fn ask(&self, question: Question, deadline: Instant) -> Result<Data, Fault> {
        let answer = timeout_at(deadline, self.transport.ask(question)).await;
        let answer = answer.unwrap_or_else(|_| Err(Fault::Timeout { endpoint: self.name(), after: self.timeout }));
        let read = answer.and_then(|answer| self.data(&answer));
        (self.tally)(&self.name, read.as_ref().map_or_else(Fault::reason, |_| "ok"));
        read
    }

    fn data(&self, answer: &Answer) -> Result<Data, Fault> {
        let (endpoint, status, body) = (self.name(), answer.status, answer.body.as_slice());
        let envelope = serde_json::from_slice::<Envelope>(body);
        if matches!(status, 401 | 403) {
            return Err(Fault::Unauthorized { endpoint, status });
        }
        if !(200..300).contains(&status) {
            return Err(match envelope.ok().and_then(|envelope| error_kind(&envelope.error_type)) {
                Some(kind) if (400..500).contains(&status) => Fault::QueryRefused { endpoint, status, kind },
                _ => Fault::Status { endpoint, status },
            });
        }
        if answer.html || body.trim_ascii_start().starts_with(b"<") {
            return Err(Fault::Html { endpoint });
        }
        let envelope = envelope.ok().filter(|envelope| envelope.status == "success");
        let Some(envelope) = envelope else { return Err(Fault::NotJson { endpoint }) };
        if let Some(warnings) = envelope.warnings.filter(|warnings| !warnings.is_empty()) {
            return Err(Fault::Warnings { endpoint, count: warnings.len() });
        }
        if envelope.data.get("resultType").and_then(Value::as_str) == Some("string") {
            return Err(Fault::WrongType { got: "string", wanted: "number" });
        }
        serde_json::from_value(envelope.data).map_err(|_| Fault::NotJson { endpoint })
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}

fn matrix(data: Data) -> Result<Vec<RangeVector>, Fault> {
    match data {
        Data::Matrix(series) => Ok(series),
        Data::Vector(_) => Err(Fault::WrongType { got: "vector", wanted: "range vector" }),
        Data::Scalar(_) => Err(Fault::WrongType { got: "number", wanted: "range vector" }),
    }
}

/// The kinds of error that the API has, as words of our own.
/// <https://prometheus.io/docs/prometheus/latest/querying/api/#format-overview>
fn error_kind(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "bad_data" => "bad data",
        "execution" => "the query failed",
        "timeout" => "the query took too long",
        "canceled" => "the query was canceled",
        "not_found" => "not found",
        _ => return None,
    })
}
