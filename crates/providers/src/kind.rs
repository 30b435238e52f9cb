//! What the kinds of services have in common.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::Fault;

/// How far back the newest value may be: these services are minutes behind, and have a value a minute.
const RECENT: SignedDuration = SignedDuration::from_mins(10);

/// How one kind of service is asked, and what it says.
pub(super) trait Kind: Send + Sync {
    /// What is sent to ask for what `text` yields at `at`.
    ///
    /// # Errors
    /// [`Fault`]: the text cannot be asked, or a file with credentials cannot be used.
    fn request(&self, text: &str, at: Timestamp) -> Result<Request, Fault>;

    /// The newest value of each series of an answer; nothing where it has no such shape.
    fn answer(&self, body: &Value) -> Option<Answer>;

    /// What HTTP 400 means with this body, where the service says more by it than that the text is wrong.
    fn refusal(&self, _body: &Value) -> Fault {
        Fault::Refused
    }
}

/// What a service says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answer {
    /// The newest value of each series.
    Numbers(Vec<f64>),
    /// The text is wrong.
    Refused,
    /// A part of the answer is missing.
    Partial,
}

/// What is sent to a service.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Request {
    pub(super) method: Method,
    /// What is added to the endpoint's URL, with its query.
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Request {
    /// A `GET` of `path` with `query`.
    pub(super) fn get(path: &str, query: &[(&str, &str)]) -> Self {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        let path = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        Self { method: Method::GET, path, headers: HeaderMap::new(), body: Vec::new() }
    }

    /// A `POST` of `body` to `path`.
    pub(super) fn post(path: &str, kind: &'static str, body: Vec<u8>) -> Self {
        let content = (http::header::CONTENT_TYPE, HeaderValue::from_static(kind));
        Self { method: Method::POST, path: path.to_owned(), headers: HeaderMap::from_iter([content]), body }
    }

    /// With a header more.
    pub(super) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }
}

/// The seconds since 1970 between which the newest value is looked for.
pub(super) fn recent(at: Timestamp) -> (i64, i64) {
    (at.saturating_sub(RECENT).unwrap_or(at).as_second(), at.as_second())
}

/// The last number of each of `series`, in whose list `points` the value stands at `place` in each point. Points without a value,
/// and series without any, are left out.
pub(super) fn newest_of_each(series: &Value, points: &str, place: usize) -> Option<Answer> {
    let mut numbers = Vec::new();
    for one in series.as_array()? {
        numbers.extend(one[points].as_array()?.iter().rev().find_map(|point| point.get(place)?.as_f64()));
    }
    Some(Answer::Numbers(numbers))
}
