//! How an endpoint is reached: over HTTP, with the platform team's credentials, and never further.

use std::path::{Path, PathBuf};

use reqwest::{
    Certificate, Client, Response,
    header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
    redirect::Policy,
};
use tidegate_api::Causes;

use super::endpoints::Endpoint;

/// Why an endpoint's file of certificates cannot be used.
#[derive(Debug, thiserror::Error)]
enum NoCertificates {
    #[error("{}", file.display())]
    Unreadable { file: PathBuf, source: std::io::Error },
    #[error("{} holds no PEM certificates", file.display())]
    Empty { file: PathBuf },
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The file with the credentials cannot be used.
    #[error("the file with its credentials cannot be used: {0}")]
    Credentials(String),
    /// Nobody answers there, or not to the end.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// It points elsewhere, with that status of HTTP.
    #[error("it redirects (HTTP {0}); configure the address that it redirects to")]
    Redirect(u16),
    /// It answers with more than that many bytes.
    #[error("it answers with more than {} KiB", .0 >> 10)]
    TooLarge(usize),
}

/// What an endpoint answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status of HTTP.
    pub status: u16,
    /// Whether it says of itself that it is a web page.
    pub html: bool,
    /// All of the body.
    pub body: Vec<u8>,
}

/// What is known of an answer before its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The status of HTTP.
    pub status: u16,
    /// Whether it says of itself that it is a web page.
    pub html: bool,
    /// Whether its body is compressed by gzip.
    pub is_gzip: bool,
}

/// A way to one endpoint.
#[derive(Debug)]
pub struct Connection {
    endpoint: Endpoint,
    headers: HeaderMap,
    client: Client,
}

impl Connection {
    /// A way to `endpoint`.
    ///
    /// # Errors
    /// The field of it that cannot be used, and why.
    pub fn new(endpoint: &Endpoint) -> Result<Self, (&'static str, String)> {
        // Fails only if somebody has chosen a provider already, which then is the one to use.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
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
        let mut headers = HeaderMap::new();
        for (name, value) in &endpoint.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                headers.insert(name, value);
            }
        }
        let connection = Self { endpoint: endpoint.clone(), headers, client };
        connection.headers().map_err(|fault| ("credentials", fault.to_string()))?;
        Ok(connection)
    }

    /// What sends requests.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The configured headers and the credentials, read anew so that they may be rotated.
    ///
    /// # Errors
    /// [`Fault::Credentials`].
    pub fn headers(&self) -> Result<HeaderMap, Fault> {
        let mut headers = self.headers.clone();
        for (name, file) in &self.endpoint.header_files {
            let mut value = HeaderValue::try_from(secret(file)?).map_err(|_| unfit(file))?;
            value.set_sensitive(true);
            headers.insert(HeaderName::try_from(name).map_err(|_| unfit(file))?, value);
        }
        let request = self.client.get(&self.endpoint.url);
        let (request, file) = if let Some(file) = &self.endpoint.bearer_token_file {
            (request.bearer_auth(secret(file)?), file)
        } else if let Some(basic) = &self.endpoint.basic_auth {
            (request.basic_auth(&basic.username, Some(secret(&basic.password_file)?)), &basic.password_file)
        } else {
            return Ok(headers);
        };
        // reqwest marks the header as sensitive, which keeps it out of every log.
        let request = request.build().map_err(|_| unfit(file))?;
        headers.extend(request.headers().get(AUTHORIZATION).map(|value| (AUTHORIZATION, value.clone())));
        Ok(headers)
    }

    /// What is known of an answer before its body.
    ///
    /// # Errors
    /// It is a redirection.
    pub fn head(response: &Response) -> Result<Head, Fault> {
        let status = response.status();
        if status.is_redirection() {
            return Err(Fault::Redirect(status.as_u16()));
        }
        let encoding = response.headers().get(CONTENT_ENCODING);
        let is_gzip = encoding.is_some_and(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"gzip"));
        Ok(Head { status: status.as_u16(), html: is_html(response), is_gzip })
    }

    /// Reads an answer of at most `limit` bytes.
    ///
    /// # Errors
    /// It is a redirection, or too large, or ends before its time.
    pub async fn read(&self, mut response: Response, limit: usize) -> Result<Answer, Fault> {
        let Head { status, html, .. } = Self::head(&response)?;
        if response.content_length().is_some_and(|length| length > limit as u64) {
            return Err(Fault::TooLarge(limit));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| Fault::unreachable(&error))? {
            if body.len() + chunk.len() > limit {
                return Err(Fault::TooLarge(limit));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, html, body })
    }
}

impl Fault {
    /// Nobody answers there: of the error, what is innermost.
    #[must_use]
    pub fn unreachable(error: &(dyn std::error::Error + 'static)) -> Self {
        Self::Unreachable(root_cause(error))
    }
}

/// What a file with a secret holds, without the end of its line.
///
/// # Errors
/// [`Fault::Credentials`], with the file.
pub fn secret(file: &Path) -> Result<String, Fault> {
    let text = std::fs::read_to_string(file);
    text.map(|text| text.trim().to_owned()).map_err(|error| Fault::Credentials(format!("{}: {error}", file.display())))
}

fn unfit(file: &Path) -> Fault {
    Fault::Credentials(format!("{}: its content does not fit into a header", file.display()))
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
