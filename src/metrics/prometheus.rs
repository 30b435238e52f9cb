//! One Prometheus endpoint: how it is asked, and what of its answers is believed.

use std::{path::Path, sync::Arc, time::Duration};

use jiff::Timestamp;
use prometheus_http_query::{
    Client, Error,
    response::{Data, RangeVector},
};
use reqwest::{
    Certificate, Response, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
    redirect::Policy,
};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::{
    endpoints::{Endpoint, Endpoints, EndpointsError},
    fault::Fault,
};

/// The largest answer that is read.
const BODY_LIMIT: usize = 1 << 20;

/// Is told of each query: the endpoint's name, and `ok` or the reason of the [`Fault`].
pub type Tally = Arc<dyn Fn(&str, &'static str) + Send + Sync>;

/// One Prometheus endpoint.
pub(super) struct Prometheus {
    endpoint: Endpoint,
    headers: HeaderMap,
    client: Client,
    tally: Tally,
}

/// Without headers: they may hold secrets.
impl std::fmt::Debug for Prometheus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prometheus").field("endpoint", &self.endpoint.name).finish_non_exhaustive()
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
    /// A client for `endpoint`, one of `endpoints`.
    pub(super) fn new(endpoint: &Endpoint, endpoints: &Endpoints, tally: Tally) -> Result<Self, EndpointsError> {
        let field = |field, why: String| EndpointsError::Field {
            file: endpoints.file().to_owned(),
            endpoint: endpoint.name.clone(),
            field,
            why,
        };
        // Fails only if somebody has chosen a provider already, which then is the one to use.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(endpoint.timeout.duration())
            .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")));
        if let Some(file) = &endpoint.ca_file {
            builder = builder.tls_certs_only(certificates(file).map_err(|why| field("caFile", why))?);
        } else if !endpoint.url.starts_with("https:") {
            // Plain HTTP must work in an image without any certificates.
            builder = builder.tls_certs_only([]);
        }
        let client = builder.build().map_err(|error| {
            field("caFile", format!("no certificates to trust, neither here nor in the system: {}", root_cause(&error)))
        })?;
        let client = Client::from(client, &endpoint.url).map_err(|error| field("url", error.to_string()))?;
        let mut headers = HeaderMap::new();
        for (name, value) in &endpoint.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                headers.insert(name, value);
            }
        }
        let prometheus = Self { endpoint: endpoint.clone(), headers, client, tally };
        prometheus.headers().map_err(|fault| field("credentials", fault.to_string()))?;
        Ok(prometheus)
    }

    /// How long one look may take.
    pub(super) fn timeout(&self) -> Duration {
        self.endpoint.timeout.duration()
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
        matrix(self.instant(&query, at, deadline).await?)
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
        let headers = self.headers()?;
        // Steps are whole seconds far below 2⁵³.
        let mut request = self.client.query_range(expression, start, end, step as f64);
        for (name, value) in &headers {
            request = request.header(name.clone(), value.clone());
        }
        matrix(self.read(request.post_raw(), deadline).await?)
    }

    /// The one number that `expression` yields at `at`.
    pub(super) async fn number(&self, expression: &str, at: Timestamp, deadline: Instant) -> Result<f64, Fault> {
        let value = match self.instant(expression, at, deadline).await? {
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

    async fn instant(&self, query: &str, at: Timestamp, deadline: Instant) -> Result<Data, Fault> {
        let time = format!("{}.{:03}", at.as_millisecond().div_euclid(1000), at.as_millisecond().rem_euclid(1000));
        let headers = self.headers()?;
        let mut request = self.client.query(query).query("time", time);
        for (name, value) in &headers {
            request = request.header(name.clone(), value.clone());
        }
        self.read(request.post_raw(), deadline).await
    }

    /// Sends a request and reads its answer, both before `deadline`.
    async fn read(
        &self,
        request: impl Future<Output = Result<Response, Error>>,
        deadline: Instant,
    ) -> Result<Data, Fault> {
        let read = self.answer(request, deadline).await;
        (self.tally)(&self.endpoint.name, read.as_ref().map_or_else(Fault::reason, |_| "ok"));
        read
    }

    async fn answer(
        &self,
        request: impl Future<Output = Result<Response, Error>>,
        deadline: Instant,
    ) -> Result<Data, Fault> {
        let answer = async {
            let mut response = request.await.map_err(|error| self.unreachable(&error))?;
            let status = response.status();
            if status.is_redirection() {
                return Err(Fault::Redirect { endpoint: self.name(), status: status.as_u16() });
            }
            let html = is_html(&response);
            let body = self.body(&mut response).await?;
            Ok((status, html, body))
        };
        let (status, html, body) = timeout_at(deadline, answer)
            .await
            .map_err(|_| Fault::Timeout { endpoint: self.name(), after: self.timeout() })??;
        self.data(status, html, &body)
    }

    async fn body(&self, response: &mut Response) -> Result<Vec<u8>, Fault> {
        let too_large = || Fault::TooLarge { endpoint: self.name(), limit: BODY_LIMIT };
        if response.content_length().is_some_and(|length| length > BODY_LIMIT as u64) {
            return Err(too_large());
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            if body.len() + chunk.len() > BODY_LIMIT {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn data(&self, status: StatusCode, html: bool, body: &[u8]) -> Result<Data, Fault> {
        let (endpoint, code) = (self.name(), status.as_u16());
        let envelope = serde_json::from_slice::<Envelope>(body);
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Err(Fault::Unauthorized { endpoint, status: code });
        }
        if !status.is_success() {
            return Err(match envelope.ok().and_then(|envelope| error_kind(&envelope.error_type)) {
                Some(kind) if status.is_client_error() => Fault::QueryRefused { endpoint, status: code, kind },
                _ => Fault::Status { endpoint, status: code },
            });
        }
        if html || body.trim_ascii_start().starts_with(b"<") {
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

    /// The configured headers and the credentials, read anew so that they may be rotated.
    fn headers(&self) -> Result<HeaderMap, Fault> {
        let unusable = |file: &Path, why: &str| Fault::Credentials {
            endpoint: self.name(),
            why: format!("{}: {why}", file.display()),
        };
        let secret = |file: &Path| {
            let text = std::fs::read_to_string(file).map_err(|error| unusable(file, &error.to_string()))?;
            Ok::<_, Fault>(text.trim().to_owned())
        };
        let mut headers = self.headers.clone();
        let request = self.client.inner().get(self.client.base_url().clone());
        let (request, file) = if let Some(file) = &self.endpoint.bearer_token_file {
            (request.bearer_auth(secret(file)?), file)
        } else if let Some(basic) = &self.endpoint.basic_auth {
            (request.basic_auth(&basic.username, Some(secret(&basic.password_file)?)), &basic.password_file)
        } else {
            return Ok(headers);
        };
        // reqwest marks the header as sensitive, which keeps it out of every log.
        let request = request.build().map_err(|_| unusable(file, "its content does not fit into a header"))?;
        headers.extend(request.headers().get(AUTHORIZATION).map(|value| (AUTHORIZATION, value.clone())));
        Ok(headers)
    }

    fn unreachable(&self, error: &(dyn std::error::Error + 'static)) -> Fault {
        Fault::Unreachable { endpoint: self.name(), why: root_cause(error) }
    }

    fn name(&self) -> String {
        self.endpoint.name.clone()
    }
}

fn matrix(data: Data) -> Result<Vec<RangeVector>, Fault> {
    match data {
        Data::Matrix(series) => Ok(series),
        Data::Vector(_) => Err(Fault::WrongType { got: "vector", wanted: "range vector" }),
        Data::Scalar(_) => Err(Fault::WrongType { got: "number", wanted: "range vector" }),
    }
}

/// The innermost error: `connection refused` instead of what was being done at the time.
fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string().chars().filter(|c| !c.is_control()).take(120).collect()
}

fn is_html(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("text/html"))
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

fn certificates(file: &Path) -> Result<Vec<Certificate>, String> {
    let pem = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(format!("{} holds no PEM certificates", file.display())),
    }
}
