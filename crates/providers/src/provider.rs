//! One service that is asked for numbers: over HTTP, with the platform team's credentials.

use std::time::Duration;

use http::HeaderMap;
use jiff::Timestamp;
use reqwest::Url;
use serde_json::Value;
use tidegate_endpoints::{Connection, Endpoint, Fault as Unreached, ProviderKind};
use tokio::time::timeout;

use super::{
    cloud_watch::CloudWatch,
    datadog::Datadog,
    graphite::Graphite,
    influx_db::InfluxDb,
    kind::{Answer, Kind, Request},
    new_relic::NewRelic,
    open_search::OpenSearch,
    web::Web,
};

/// More of an answer is not read.
const MOST: usize = 1 << 20;

/// Why there are no numbers. What a service says in its own words is not repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nobody answers there, or not as is expected.
    #[error(transparent)]
    Unreached(#[from] Unreached),
    /// It did not answer in that time.
    #[error("it did not answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// It does not know the operator, or does not let it ask.
    #[error("it refuses the operator (HTTP {0}); check its credentials")]
    Unauthorized(u16),
    /// It does not take the text.
    #[error("it refuses the query; check the expr of the check, which is in the language of that service")]
    Refused,
    /// It fails, or is asked too often.
    #[error("it fails (HTTP {0})")]
    Status(u16),
    /// What it says is not the API that was expected.
    #[error("it answers with something that is not {0}, or that has not just one number in each row")]
    Shape(&'static str),
    /// A part is missing.
    #[error("it says that its answer is partial")]
    Partial,
    /// The text is no path below the endpoint's URL.
    #[error("the expr of the check must be a path that begins with / and stays below the endpoint's URL")]
    NoPath,
}

/// A service of the platform team's that is no Prometheus.
pub struct Provider {
    endpoint: Endpoint,
    connection: Connection,
    title: &'static str,
    kind: Box<dyn Kind>,
}

/// Without the connection: it may hold secrets.
impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Provider").field("endpoint", &self.endpoint.name).finish_non_exhaustive()
    }
}

impl Provider {
    /// A way to `endpoint`; nothing where that is a Prometheus.
    ///
    /// # Errors
    /// The field of it that cannot be used, and why.
    pub fn new(endpoint: &Endpoint) -> Result<Option<Self>, (&'static str, String)> {
        let Some(kind) = &endpoint.provider else { return Ok(None) };
        let (title, kind): (_, Box<dyn Kind>) = match kind {
            ProviderKind::Datadog => ("the API of Datadog", Box::new(Datadog)),
            ProviderKind::Graphite => ("the API of Graphite", Box::new(Graphite)),
            ProviderKind::OpenSearch => ("the API of OpenSearch", Box::new(OpenSearch)),
            ProviderKind::NewRelic { account } => ("the API of New Relic", Box::new(NewRelic { account: *account })),
            ProviderKind::InfluxDb { database } => {
                ("the API of InfluxDB", Box::new(InfluxDb { database: database.clone() }))
            }
            ProviderKind::Web { value } => {
                ("JSON with a number where the endpoint's value points", Box::new(Web { value: value.clone() }))
            }
            ProviderKind::CloudWatch { region, access_key_file, secret_key_file, session_token_file } => {
                let kind = CloudWatch {
                    host: host(&endpoint.url).ok_or(("url", "must name a host".to_owned()))?,
                    region: region.clone(),
                    access_key_file: access_key_file.clone(),
                    secret_key_file: secret_key_file.clone(),
                    session_token_file: session_token_file.clone(),
                };
                // Like other credentials, they have to be there from the start.
                kind.request("", Timestamp::UNIX_EPOCH).map_err(|fault| ("credentials", fault.to_string()))?;
                ("the API of CloudWatch", Box::new(kind))
            }
        };
        Ok(Some(Self { endpoint: endpoint.clone(), connection: Connection::new(endpoint)?, title, kind }))
    }

    /// The newest value of each series that `text` yields at `at`.
    ///
    /// # Errors
    /// [`Fault`]: there is none that can be trusted.
    pub async fn numbers(&self, text: &str, at: Timestamp) -> Result<Vec<f64>, Fault> {
        let limit = self.endpoint.timeout.duration();
        timeout(limit, self.ask(text, at)).await.unwrap_or(Err(Fault::Timeout(limit)))
    }

    async fn ask(&self, text: &str, at: Timestamp) -> Result<Vec<f64>, Fault> {
        let Request { method, path, headers, body } = self.kind.request(text, at)?;
        let url = format!("{}{path}", self.endpoint.url.trim_end_matches('/'));
        let all: HeaderMap = self.connection.headers()?.into_iter().chain(headers).filter_map(named).collect();
        let request = self.connection.client().request(method, url).headers(all).body(body);
        let response = request.send().await.map_err(|error| Unreached::unreachable(&error))?;
        let answer = self.connection.read(response, MOST).await?;
        match answer.status {
            200..300 => {}
            401 | 403 => return Err(Fault::Unauthorized(answer.status)),
            400 | 422 => {
                let body = serde_json::from_slice(&answer.body).unwrap_or_default();
                return Err(self.kind.refusal(&body));
            }
            other => return Err(Fault::Status(other)),
        }
        let body: Value = serde_json::from_slice(&answer.body).map_err(|_| Fault::Shape(self.title))?;
        match self.kind.answer(&body).ok_or(Fault::Shape(self.title))? {
            Answer::Numbers(numbers) => Ok(numbers),
            Answer::Refused => Err(Fault::Refused),
            Answer::Partial => Err(Fault::Partial),
        }
    }
}

/// A header whose name is not left out, as it is behind one of the same name.
fn named<N, V>((name, value): (Option<N>, V)) -> Option<(N, V)> {
    Some((name?, value))
}

/// The host of a URL as it is sent, with its port where that is not the usual one.
fn host(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}
