//! How a Prometheus is asked over HTTP.

use std::{io::Write as _, time::Duration};

use flate2::write::GzDecoder;
use futures::future::BoxFuture;
use prometheus_http_query::{Client, Error};
use reqwest::{
    Response,
    header::{ACCEPT_ENCODING, HeaderValue},
};
use tidegate_endpoints::{Connection, Endpoint, Fault, Store};
use tokio::time::timeout;

use super::{
    answer::{Limits, Numbers, Reading},
    error::{Excess, QueryError},
    store::{Recognition, of_build_information, parameters},
    transport::{PromQuery, PromResponse, Transport, When},
};

/// What is added to an endpoint's URL, and what people leave at its end.
const API: [&str; 3] = ["/api/v1", "/api/v1/query", "/api/v1/query_range"];
/// Where a server says what it is, how long that may take, and how much of it is read.
const BUILD_INFORMATION: &str = "/api/v1/status/buildinfo";
const SHORT: Duration = Duration::from_secs(1);
const FEW: usize = 16 << 10;
/// What gzip begins with, and no JSON: some proxies compress an answer and leave out to say so.
const GZIP: u8 = 0x1f;

/// A way to one endpoint.
pub(super) struct Http {
    name: String,
    connection: Connection,
    client: Client,
    limits: Limits,
    /// What the platform team sends with each query.
    params: Vec<(&'static str, String)>,
    recognition: Recognition,
}

impl Http {
    /// A way to `endpoint`, or the field of it that cannot be used, and why.
    pub(super) fn new(endpoint: &Endpoint) -> Result<Self, (&'static str, String)> {
        ends_before_the_api(&endpoint.url).map_err(|why| ("url", why))?;
        if endpoint.signing_key_file.is_some() {
            return Err(("signingKeyFile", "is for webhooks: nothing is signed for a Prometheus".to_owned()));
        }
        let connection = Connection::new(endpoint)?;
        let client = Client::from(connection.client().clone(), &endpoint.url);
        let client = client.map_err(|error| ("url", error.to_string()))?;
        let limits = Limits { series: endpoint.most_series() };
        // The client takes names that live as long as it does, and that is until the process ends.
        let params = endpoint.params.iter().map(|(name, value)| (&*name.clone().leak(), value.clone())).collect();
        let recognition = Recognition::new(endpoint.store);
        Ok(Self { name: endpoint.name.clone(), connection, client, limits, params, recognition })
    }

    /// What is sent with each query, besides the question.
    async fn params(&self) -> Vec<(&'static str, String)> {
        if self.recognition.is_due() {
            // Whoever says nothing is asked as a Prometheus is.
            if let Ok(Some(store)) = timeout(SHORT, self.recognized()).await {
                self.recognition.take(store);
            }
        }
        let of_store = self.recognition.store().map_or(&[][..], parameters);
        let is_told = |name| self.params.iter().any(|(told, _)| *told == name);
        let of_store =
            of_store.iter().filter(|(name, _)| !is_told(*name)).map(|(name, value)| (*name, (*value).to_owned()));
        of_store.chain(self.params.iter().cloned()).collect()
    }

    /// Which server is there, as it says.
    async fn recognized(&self) -> Option<Store> {
        let headers = self.connection.headers().ok()?;
        let url = format!("{}{BUILD_INFORMATION}", self.client.base_url().as_str().trim_end_matches('/'));
        let answer = self.connection.client().get(url).headers(headers).send().await.ok()?;
        of_build_information(&self.connection.read(answer, FEW).await.ok()?.body)
    }

    async fn send(&self, question: PromQuery) -> Result<Response, QueryError> {
        let params = self.params().await;
        let mut headers = self.connection.headers().map_err(|fault| self.told(fault))?;
        headers.entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static("gzip"));
        let headers = headers.into_iter().filter_map(|(name, value)| Some((name?, value)));
        let sent: Result<Response, Error> = match question.when {
            When::At(at) => {
                let at = at.as_millisecond();
                let time = format!("{}.{:03}", at.div_euclid(1000), at.rem_euclid(1000));
                let request = self.client.query(question.query).query("time", time);
                let request = params.into_iter().fold(request, |request, (name, value)| request.query(name, value));
                headers.fold(request, |request, (name, value)| request.header(name, value)).post_raw().await
            }
            When::Grid { start, end, step } => {
                // Steps are whole seconds far below 2⁵³.
                let request = self.client.query_range(question.query, start, end, step as f64);
                let request = params.into_iter().fold(request, |request, (name, value)| request.query(name, value));
                headers.fold(request, |request, (name, value)| request.header(name, value)).post_raw().await
            }
        };
        sent.map_err(|error| self.told(Fault::unreachable(&error)))
    }

    /// Reads an answer while it comes in.
    async fn answer(&self, question: PromQuery) -> Result<PromResponse, QueryError> {
        let mut response = self.send(question).await?;
        let head = Connection::head(&response).map_err(|fault| self.told(fault))?;
        let reading = Reading::new(&self.name, head.status, head.html, self.limits);
        let unreachable = |error: reqwest::Error| self.told(Fault::unreachable(&error));
        let mut next = response.chunk().await.map_err(unreachable)?;
        let is_gzip = head.is_gzip || next.as_ref().is_some_and(|first| first.first() == Some(&GZIP));
        let mut body = Body::new(reading, is_gzip);
        while let Some(chunk) = next {
            body.push(&chunk)?;
            next = response.chunk().await.map_err(unreachable)?;
        }
        Ok(PromResponse::Numbers(body.numbers(&self.name)?))
    }

    /// As the checks tell of it.
    fn told(&self, fault: Fault) -> QueryError {
        let endpoint = self.name.clone();
        match fault {
            Fault::Credentials(why) => QueryError::Credentials { endpoint, why },
            Fault::Unreachable(why) => QueryError::Unreachable { endpoint, why },
            Fault::Redirect(status) => QueryError::Redirect { endpoint, status },
            Fault::TooLarge(limit) => QueryError::TooLarge { endpoint, excess: Excess::Around(limit) },
        }
    }
}

/// A body, as it is or compressed. Of what is decompressed nothing is kept but what [`Reading`] keeps.
enum Body {
    Plain(Box<Reading>),
    Gzip(Box<GzDecoder<Decompressed>>),
}

/// Where decompressed text goes.
struct Decompressed {
    reading: Reading,
    /// Why no more of it is taken.
    fault: Option<QueryError>,
}

impl Body {
    fn new(reading: Reading, is_gzip: bool) -> Self {
        if is_gzip {
            Self::Gzip(Box::new(GzDecoder::new(Decompressed { reading, fault: None })))
        } else {
            Self::Plain(Box::new(reading))
        }
    }

    fn push(&mut self, chunk: &[u8]) -> Result<(), QueryError> {
        match self {
            Self::Plain(reading) => reading.push(chunk),
            Self::Gzip(decoder) => {
                let written = decoder.write_all(chunk);
                // What is no gzip is noticed at the end, when there is no answer.
                decoder.get_mut().fault.take().filter(|_| written.is_err()).map_or(Ok(()), Err)
            }
        }
    }

    fn numbers(self, endpoint: &str) -> Result<Numbers, QueryError> {
        match self {
            Self::Plain(reading) => reading.numbers(),
            Self::Gzip(decoder) => match decoder.finish() {
                Ok(decompressed) => decompressed.fault.map_or(decompressed.reading.numbers(), Err),
                Err(_) => Err(QueryError::NotJson { endpoint: endpoint.to_owned() }),
            },
        }
    }
}

impl std::io::Write for Decompressed {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        match self.reading.push(text) {
            Ok(()) => Ok(text.len()),
            Err(fault) => {
                self.fault = Some(fault);
                Err(std::io::ErrorKind::Other.into())
            }
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Transport for Http {
    fn query(&self, question: PromQuery) -> BoxFuture<'_, Result<PromResponse, QueryError>> {
        Box::pin(self.answer(question))
    }
}

/// Whether what is added to the URL is not there already; a sentence where it is.
fn ends_before_the_api(url: &str) -> Result<(), String> {
    let Ok(url) = reqwest::Url::parse(url) else { return Ok(()) };
    let path = url.path().trim_end_matches('/');
    let Some(prefix) = API.iter().find_map(|end| path.strip_suffix(end)) else { return Ok(()) };
    let left = if prefix.is_empty() { "leave the path out".to_owned() } else { format!("end it with {prefix}") };
    Err(format!("must not end in /api/v1, which is added to it; {left}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_has_the_path_of_the_api_already_is_told_what_to_leave_out() {
        assert_eq!(ends_before_the_api("http://a/prom"), Ok(()));
        let told = ends_before_the_api("http://a/api/v1/").unwrap_err();
        assert_eq!(told, "must not end in /api/v1, which is added to it; leave the path out");
        let told = ends_before_the_api("http://a/select/0/prometheus/api/v1/query").unwrap_err();
        assert_eq!(told, "must not end in /api/v1, which is added to it; end it with /select/0/prometheus");
    }
}
