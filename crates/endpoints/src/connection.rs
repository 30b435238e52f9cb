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
        connection.identified().map_err(|(field, fault)| (field, fault.to_string()))?;
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
        self.identified().map_err(|(_, fault)| fault)
    }

    /// The headers, or the field with the file that cannot be used, and why.
    fn identified(&self) -> Result<HeaderMap, (&'static str, Fault)> {
        let mut headers = self.headers.clone();
        for (name, file) in &self.endpoint.header_files {
            let no = |fault| ("headerFiles", fault);
            let mut value = HeaderValue::try_from(secret(file).map_err(no)?).map_err(|_| no(unfit(file)))?;
            value.set_sensitive(true);
            headers.insert(HeaderName::try_from(name).map_err(|_| no(unfit(file)))?, value);
        }
        let request = self.client.get(&self.endpoint.url);
        let (request, field, file) = if let Some(file) = &self.endpoint.bearer_token_file {
            let field = "bearerTokenFile";
            (request.bearer_auth(secret(file).map_err(|fault| (field, fault))?), field, file)
        } else if let Some(basic) = &self.endpoint.basic_auth {
            let (field, file) = ("basicAuth.passwordFile", &basic.password_file);
            let password = secret(file).map_err(|fault| (field, fault))?;
            (request.basic_auth(&basic.username, Some(password)), field, file)
        } else {
            return Ok(headers);
        };
        // reqwest marks the header as sensitive, which keeps it out of every log.
        let request = request.build().map_err(|_| (field, unfit(file)))?;
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

/// What a file with a secret holds, without the end of its line. One that holds nothing is none: with an empty key anybody could
/// sign. One with several lines is none either, since nobody knows which of them was meant.
///
/// # Errors
/// [`Fault::Credentials`], with the file.
pub fn secret(file: &Path) -> Result<String, Fault> {
    let no = |why: String| Fault::Credentials(format!("{}: {why}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| no(error.to_string()))?;
    let secret = text.trim();
    if secret.is_empty() {
        return Err(no("it is empty".to_owned()));
    }
    if secret.contains(['\n', '\r']) {
        return Err(no("it holds more than one line".to_owned()));
    }
    Ok(secret.to_owned())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoints::Endpoints;

    fn held(text: &str) -> (tempfile::NamedTempFile, PathBuf) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let path = file.path().to_owned();
        (file, path)
    }

    fn read(text: &str) -> Result<String, String> {
        let (_file, path) = held(text);
        secret(&path).map_err(|fault| fault.to_string().replace(&path.display().to_string(), "FILE"))
    }

    #[test]
    fn a_file_that_holds_nothing_is_no_secret() {
        let empty = "the file with its credentials cannot be used: FILE: it is empty";
        for text in ["", "\n", " \t\r\n\n"] {
            assert_eq!(read(text), Err(empty.to_owned()), "{text:?}");
        }
        assert_eq!(read("s3cret\n"), Ok("s3cret".to_owned()));
    }

    #[test]
    fn a_file_with_two_lines_is_no_secret_since_nobody_knows_which_was_meant() {
        let several = "the file with its credentials cannot be used: FILE: it holds more than one line";
        for text in ["a\nb", "a\r\nb\r\n", "a\n\nb", "a\rb"] {
            assert_eq!(read(text), Err(several.to_owned()), "{text:?}");
        }
        assert_eq!(read("a\r\n\n"), Ok("a".to_owned()), "the end of a line is no line");
    }

    #[test]
    fn credentials_that_cannot_be_used_are_told_with_their_field_and_file() {
        let (_file, path) = held("\n");
        let path = path.display();
        for (credentials, field) in [
            (format!("bearerTokenFile: '{path}'"), "bearerTokenFile"),
            (format!("basicAuth: {{username: me, passwordFile: '{path}'}}"), "basicAuth.passwordFile"),
            (format!("headerFiles: {{X-Key: '{path}'}}"), "headerFiles"),
        ] {
            let text = format!("endpoints: [{{name: a, url: 'http://a', {credentials}}}]");
            let endpoints = Endpoints::parse(&text, "endpoints.yaml").unwrap();
            let (told, why) = Connection::new(endpoints.get(Some("a")).unwrap()).unwrap_err();
            assert_eq!(told, field);
            assert_eq!(why, format!("the file with its credentials cannot be used: {path}: it is empty"));
        }
    }
}
