//! One request and all of its answer.

use anyhow::{Context, Result, bail, ensure};
use axum::body::Bytes;
use http_body_util::{BodyExt, Collected, Full};
use hyper::{
    Method, Request,
    http::{request::Builder, response::Parts},
};
use jiff::Timestamp;

use super::{
    Kind,
    connections::{Connections, Whole},
    customer::{Customer, Jar},
};
use crate::pod_server::grpc;

/// An empty message, uncompressed.
const NOTHING: &[u8] = &[0; 5];

/// What came, whoever sent it.
pub struct Reply {
    /// Its status and headers.
    pub head: Parts,
    /// All of its body, with trailers.
    pub body: Collected<Bytes>,
}

/// Sends a customer's request of one kind, and reads its answer to the end: which revision gave it, when the request
/// had arrived there, and when all of the answer was here.
///
/// # Errors
/// What came instead of an answer by a pod that is whole and good.
pub async fn answer_to(
    connections: &Connections,
    kind: Kind,
    customer: &Customer,
    jar: &mut Jar,
) -> Result<(String, [Timestamp; 2])> {
    let Reply { head, body } = reply_to(connections, kind, customer, jar).await?;
    let over = Timestamp::now();
    let Some((revision, arrived)) = signature(&head) else {
        let said = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        bail!("no pod answered, but the gateway: {} {:?} {said}", head.status, head.headers);
    };
    ensure!(head.status.is_success(), "{revision} answered {}", head.status);
    if matches!(kind, Kind::Unary | Kind::Stream) {
        is_whole(kind, &revision, body)?;
    }
    Ok((revision, [arrived, over]))
}

/// The same, whatever comes.
///
/// # Errors
/// Why nothing came, or only a part.
pub async fn reply_to(connections: &Connections, kind: Kind, customer: &Customer, jar: &mut Jar) -> Result<Reply> {
    let request = request(connections, kind, customer, jar)?;
    let (head, body) = match kind {
        Kind::Short | Kind::Long => {
            let (answer, connection) = connections.http1(request).await?;
            let (head, body) = answer.into_parts();
            let body = body.collect().await.with_context(|| cut_off(&head))?;
            connections.give_back(connection);
            (head, body)
        }
        Kind::Http2 | Kind::Unary | Kind::Stream => {
            let (head, body) = connections.http2(request).await?.into_parts();
            let body = body.collect().await.with_context(|| cut_off(&head))?;
            (head, body)
        }
    };
    jar.keep(&head.headers);
    Ok(Reply { head, body })
}

fn request(connections: &Connections, kind: Kind, customer: &Customer, jar: &Jar) -> Result<Whole> {
    let authority = connections.authority.as_str();
    let request = said_by(customer, jar).header("x-take", format!("{}s", kind.takes().as_secs()));
    let place = customer.place();
    let request = match kind {
        Kind::Short | Kind::Long => {
            request.method(customer.method.clone()).uri(place).header("host", authority).body(Full::default())
        }
        Kind::Http2 => {
            request.method(customer.method.clone()).uri(format!("http://{authority}{place}")).body(Full::default())
        }
        Kind::Unary | Kind::Stream => {
            let method = if kind == Kind::Unary { grpc::UNARY } else { grpc::STREAM };
            let request = request.method(Method::POST).uri(format!("http://{authority}{method}"));
            let request = request.header("content-type", "application/grpc").header("te", "trailers");
            request.body(Full::new(Bytes::from_static(NOTHING)))
        }
    };
    Ok(request?)
}

fn said_by(customer: &Customer, jar: &Jar) -> Builder {
    let headers = customer.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let request = headers.fold(Request::builder(), |request, (name, value)| request.header(name, value));
    match jar.header() {
        Some(cookies) => request.header("cookie", cookies),
        None => request,
    }
}

/// Which revision answered, and when the request had arrived there.
fn signature(head: &Parts) -> Option<(String, Timestamp)> {
    let header = |name: &str| head.headers.get(name)?.to_str().ok();
    let arrived = Timestamp::from_microsecond(header("x-arrived")?.parse().ok()?).ok()?;
    Some((header("x-revision")?.to_owned(), arrived))
}

/// Whose answer did not come to its end.
fn cut_off(head: &Parts) -> String {
    match signature(head) {
        Some((revision, arrived)) => format!("the answer of {revision} to what arrived at {arrived} was cut off"),
        None => "an answer of the gateway was cut off".to_owned(),
    }
}

/// Fails unless a gRPC answer has all of its messages and says that it is good.
fn is_whole(kind: Kind, revision: &str, body: Collected<Bytes>) -> Result<()> {
    let status = body.trailers().and_then(|trailers| trailers.get("grpc-status")).cloned();
    let status = status.context("the stream was cut: there is no grpc-status")?;
    ensure!(status == "0", "{revision} answered grpc-status {status:?}");
    let messages = if kind == Kind::Stream { kind.takes().as_millis() / grpc::PAUSE.as_millis() } else { 1 };
    let (bytes, wanted) = (body.to_bytes().len(), usize::try_from(messages)? * grpc::message(revision).len());
    ensure!(bytes == wanted, "{bytes} bytes of messages came instead of {wanted}");
    Ok(())
}
