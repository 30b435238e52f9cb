//! How a Prometheus endpoint is reached: over HTTP, with the platform team's credentials, and never further.

use std::path::{Path, PathBuf};

use futures::future::BoxFuture;
use prometheus_http_query::{Client, Error};
use reqwest::{
    Certificate, Response,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
    redirect::Policy,
};
use tidegate_api::Causes;

use super::{
    endpoints::Endpoint,
    error::QueryError,
    transport::{PromQuery, PromResponse, Transport, When},
};

/// The largest answer that is read.
const BODY_LIMIT: usize = 1 << 20;

/// Why an endpoint's file of certificates cannot be used.
#[derive(Debug, thiserror::Error)]
enum NoCertificates {
    #[error("{}", file.display())]
    Unreadable { file: PathBuf, source: std::io::Error },
    #[error("{} holds no PEM certificates", file.display())]
    Empty { file: PathBuf },
}

/// A way to one endpoint.
pub(super) struct Http {
    endpoint: Endpoint,
    headers: HeaderMap,
    client: Client,
}

impl Http {
    /// A way to `endpoint`, or the field of it that cannot be used, and why.
    pub(super) fn new(endpoint: &Endpoint) -> Result<Self, (&'static str, String)> {
        // Fails only if somebody has chosen a provider already, which then is the one to use.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(endpoint.timeout.duration())
            .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")));
        if let Some(file) = &endpoint.ca_file {
            builder =
                builder.tls_certs_only(certificates(file).map_err(|error| ("caFile", Causes(&error).to_string()))?);
        } else if !endpoint.url.starts_with("https:") {
            // Plain HTTP must work in an image without any certificates.
            builder = builder.tls_certs_only([]);
        }
        let client = builder.build().map_err(|error| {
            let cause = root_cause(&error);
            ("caFile", format!("no certificates to trust, neither here nor in the system: {cause}"))
        })?;
        let client = Client::from(client, &endpoint.url).map_err(|error| ("url", error.to_string()))?;
        let mut headers = HeaderMap::new();
        for (name, value) in &endpoint.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                headers.insert(name, value);
            }
        }
        let http = Self { endpoint: endpoint.clone(), headers, client };
        http.headers().map_err(|fault| ("credentials", fault.to_string()))?;
        Ok(http)
    }

    async fn send(&self, question: PromQuery) -> Result<Response, QueryError> {
        let headers = self.headers()?.into_iter().filter_map(|(name, value)| Some((name?, value)));
        let sent: Result<Response, Error> = match question.when {
            When::At(at) => {
                let at = at.as_millisecond();
                let time = format!("{}.{:03}", at.div_euclid(1000), at.rem_euclid(1000));
                let request = self.client.query(question.query).query("time", time);
                headers.fold(request, |request, (name, value)| request.header(name, value)).post_raw().await
            }
            When::Grid { start, end, step } => {
                // Steps are whole seconds far below 2⁵³.
                let request = self.client.query_range(question.query, start, end, step as f64);
                headers.fold(request, |request, (name, value)| request.header(name, value)).post_raw().await
            }
        };
        sent.map_err(|error| self.unreachable(&error))
    }

    async fn answer(&self, question: PromQuery) -> Result<PromResponse, QueryError> {
        let mut response = self.send(question).await?;
        let status = response.status();
        if status.is_redirection() {
            return Err(QueryError::Redirect { endpoint: self.name(), status: status.as_u16() });
        }
        let html = is_html(&response);
        let body = self.body(&mut response).await?;
        Ok(PromResponse::Text { status: status.as_u16(), html, body })
    }

    async fn body(&self, response: &mut Response) -> Result<Vec<u8>, QueryError> {
        let too_large = || QueryError::TooLarge { endpoint: self.name(), limit: BODY_LIMIT };
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

    /// The configured headers and the credentials, read anew so that they may be rotated.
    fn headers(&self) -> Result<HeaderMap, QueryError> {
        let unusable = |file: &Path, why: &str| QueryError::Credentials {
            endpoint: self.name(),
            why: format!("{}: {why}", file.display()),
        };
        let secret = |file: &Path| {
            let text = std::fs::read_to_string(file).map_err(|error| unusable(file, &error.to_string()))?;
            Ok::<_, QueryError>(text.trim().to_owned())
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

    fn unreachable(&self, error: &(dyn std::error::Error + 'static)) -> QueryError {
        QueryError::Unreachable { endpoint: self.name(), why: root_cause(error) }
    }

    fn name(&self) -> String {
        self.endpoint.name.clone()
    }
}

impl Transport for Http {
    fn query(&self, question: PromQuery) -> BoxFuture<'_, Result<PromResponse, QueryError>> {
        Box::pin(self.answer(question))
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

fn certificates(file: &Path) -> Result<Vec<Certificate>, NoCertificates> {
    let pem = std::fs::read(file).map_err(|source| NoCertificates::Unreadable { file: file.to_owned(), source })?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(NoCertificates::Empty { file: file.to_owned() }),
    }
}
