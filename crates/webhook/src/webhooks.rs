//! The webhooks that the platform team configured, over HTTP.

use std::{collections::HashMap, time::Duration};

use futures::future::BoxFuture;
use jiff::Timestamp;
use reqwest::{
    Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use tidegate_api::Span;
use tidegate_endpoints::{Connection, Endpoint, Endpoints, EndpointsError, Fault};

use super::{
    answer::{Answer, WebhookError, read},
    question::Question,
    signature::{signature, signing_key},
};

/// The largest answer that is read.
const BODY_LIMIT: usize = 64 << 10;

/// Whoever answers for gates: the network, or a simulation.
pub trait Webhooks: Send + Sync {
    /// Whether a webhook of that name is configured.
    fn knows(&self, endpoint: &str) -> bool;

    /// Asks it at `now`, at an address below its own.
    fn ask<'a>(
        &'a self,
        endpoint: &'a str,
        path: &'a str,
        question: &'a Question,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Answer, WebhookError>>;
}

/// None is configured.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoWebhooks;

impl Webhooks for NoWebhooks {
    fn knows(&self, _: &str) -> bool {
        false
    }

    fn ask<'a>(
        &'a self,
        endpoint: &'a str,
        _: &'a str,
        _: &'a Question,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<Answer, WebhookError>> {
        Box::pin(std::future::ready(Err(WebhookError::NotConfigured(endpoint.to_owned()))))
    }
}

/// Those of the platform team's file.
#[derive(Debug, Default)]
pub struct HttpWebhooks(HashMap<String, Webhook>);

#[derive(Debug)]
struct Webhook {
    endpoint: Endpoint,
    connection: Connection,
}

impl HttpWebhooks {
    /// Ways to all of `endpoints`.
    ///
    /// # Errors
    /// [`EndpointsError`] if a file that one of them names cannot be used.
    pub fn new(endpoints: &Endpoints) -> Result<Self, EndpointsError> {
        let reached = endpoints.iter().map(|endpoint| {
            let field = |(field, why)| endpoints.unusable(endpoint, field, why);
            if let Some(of_prometheus) = endpoint.of_prometheus() {
                return Err(field((of_prometheus, "is for Prometheus: a webhook is asked for no series".to_owned())));
            }
            if endpoint.provider.is_some() {
                return Err(field(("provider", "is for numbers: it belongs into the file of Prometheus".to_owned())));
            }
            let connection = Connection::new(endpoint).map_err(field)?;
            let webhook = Webhook { endpoint: endpoint.clone(), connection };
            webhook.secret().map_err(|fault| field(("signingKeyFile", fault.to_string())))?;
            Ok((endpoint.name.clone(), webhook))
        });
        Ok(Self(reached.collect::<Result<_, EndpointsError>>()?))
    }
}

impl Webhooks for HttpWebhooks {
    fn knows(&self, endpoint: &str) -> bool {
        self.0.contains_key(endpoint)
    }

    fn ask<'a>(
        &'a self,
        endpoint: &'a str,
        path: &'a str,
        question: &'a Question,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Answer, WebhookError>> {
        Box::pin(async move {
            let webhook = self.0.get(endpoint).ok_or_else(|| WebhookError::NotConfigured(endpoint.to_owned()))?;
            let timeout: Duration = webhook.endpoint.timeout.duration();
            let answered = tokio::time::timeout(timeout, webhook.ask(path, question, now)).await;
            answered.unwrap_or_else(|_| Err(WebhookError::Timeout(Span::from(timeout))))
        })
    }
}

impl Webhook {
    async fn ask(&self, path: &str, question: &Question, now: Timestamp) -> Result<Answer, WebhookError> {
        if climbs(path) {
            return Err(WebhookError::Climbs(path.to_owned()));
        }
        let body = serde_json::to_string(question).map_err(|_| WebhookError::NotAnAnswer)?;
        let mut headers = self.connection.headers()?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.identify(&mut headers, question, &body, now)?;
        let address = format!("{}{path}", self.endpoint.url.trim_end_matches('/'));
        let address = Url::parse(&address).map_err(|error| Fault::Unreachable(error.to_string()))?;
        let request = self.connection.client().post(address).headers(headers).body(body);
        let response = request.send().await.map_err(|error| Fault::unreachable(&error))?;
        read(&self.connection.read(response, BODY_LIMIT).await?)
    }

    /// Says which question it is, and, where there is a key, that it is the operator who asks.
    fn identify(&self, headers: &mut HeaderMap, question: &Question, body: &str, now: Timestamp) -> Result<(), Fault> {
        let time = now.as_second();
        let mut set = |name: &'static str, value: String| {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        set("webhook-id", question.id.clone());
        set("idempotency-key", question.id.clone());
        set("webhook-timestamp", time.to_string());
        if let Some(secret) = self.secret()? {
            set("webhook-signature", signature(&secret, &question.id, time, body));
        }
        Ok(())
    }

    fn secret(&self) -> Result<Option<String>, Fault> {
        self.endpoint.signing_key_file.as_deref().map(signing_key).transpose()
    }
}

/// Whether a path has a part that an address is read without, and the part before it, too.
///
/// <https://url.spec.whatwg.org/#double-dot-path-segment>
fn climbs(path: &str) -> bool {
    let mut parts = path.split(['/', '\\']).map(|part| part.to_ascii_lowercase().replace("%2e", "."));
    parts.any(|part| part == "." || part == "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_an_address_is_read_without_leads_out_of_it() {
        for path in ["/..", "/../x", "/a/../../x", "/./x", "/a/.", "/%2e%2E/x", "/.%2e", "\\..\\x"] {
            assert!(climbs(path), "{path}");
            let read = Url::parse(&format!("http://board/gates{path}")).unwrap();
            assert_ne!(read.path(), format!("/gates{path}"), "that is why");
        }
        for path in ["", "/", "/a", "/a..b/..c", "/.well-known/x", "/v1.2", "/..."] {
            assert!(!climbs(path), "{path}");
        }
    }

    #[test]
    fn nobody_is_asked_at_a_path_that_leads_out_of_the_address() {
        let endpoints = "endpoints: [{name: board, url: 'http://127.0.0.1:1/gates'}]";
        let webhooks = HttpWebhooks::new(&Endpoints::parse(endpoints, "webhooks.yaml").unwrap()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let asked = |path: &str| {
            let question = Question::default();
            runtime.block_on(webhooks.ask("board", path, &question, Timestamp::UNIX_EPOCH)).unwrap_err()
        };
        assert_eq!(asked("/changes/../../admin"), WebhookError::Climbs("/changes/../../admin".to_owned()));
        assert!(matches!(asked("/changes"), WebhookError::Fault(_)), "there is nobody");
    }

    #[test]
    fn an_empty_key_signs_nothing_at_start_and_after_it_was_written_anew() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().display();
        let text =
            format!("endpoints: [{{name: board, url: 'http://127.0.0.1:1', signingKeyFile: '{path}', timeout: 1s}}]");
        let endpoints = Endpoints::parse(&text, "webhooks.yaml").unwrap();
        let why = format!("the file with its credentials cannot be used: {path}: it is empty");
        let told = HttpWebhooks::new(&endpoints).unwrap_err().to_string();
        assert_eq!(told, format!("webhooks.yaml: endpoint \"board\": signingKeyFile: {why}"));
        std::fs::write(file.path(), "key\n").unwrap();
        let webhooks = HttpWebhooks::new(&endpoints).unwrap();
        std::fs::write(file.path(), " \n").unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let question = Question::default();
        let asked = runtime.block_on(webhooks.ask("board", "/", &question, Timestamp::UNIX_EPOCH));
        assert_eq!(
            asked.unwrap_err().to_string(),
            WebhookError::Fault(Fault::Credentials(format!("{path}: it is empty"))).to_string()
        );
    }
}
