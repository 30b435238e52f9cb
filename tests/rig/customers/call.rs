//! One request and all of its answer.

use anyhow::{Context, Result, bail, ensure};
use axum::body::Bytes;
use http_body_util::{BodyExt, Collected, Full};
use hyper::{Method, Request, http::response::Parts};
use jiff::Timestamp;

use super::{
    Answer, Kind,
    connections::{Connections, Whole},
};
use crate::rig::pod_server::grpc;

/// An empty message, uncompressed.
const NOTHING: &[u8] = &[0; 5];

/// Sends a request of one kind, and reads its answer to the end.
///
/// # Errors
/// What came instead of an answer by a pod that is whole and good.
pub async fn answer_to(connections: &Connections, kind: Kind) -> Result<Answer> {
    let request = request(connections, kind)?;
    let (head, body) = match kind {
        Kind::Short | Kind::Long => {
            let (answer, connection) = connections.http1(request).await?;
            let (head, body) = answer.into_parts();
            let body = body.collect().await?;
            connections.give_back(connection);
            (head, body)
        }
        Kind::Http2 | Kind::Unary | Kind::Stream => {
            let (head, body) = connections.http2(request).await?.into_parts();
            (head, body.collect().await?)
        }
    };
    let over = Timestamp::now();
    let Some((revision, arrived)) = signature(&head) else {
        let said = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        bail!("no pod answered, but the gateway: {} {:?} {said}", head.status, head.headers);
    };
    ensure!(head.status.is_success(), "{revision} answered {}", head.status);
    if matches!(kind, Kind::Unary | Kind::Stream) {
        is_whole(kind, &revision, body)?;
    }
    Ok(Answer { kind, revision, arrived, over })
}

fn request(connections: &Connections, kind: Kind) -> Result<Whole> {
    let authority = connections.authority.as_str();
    let request = Request::builder().header("x-take", format!("{}s", kind.takes().as_secs()));
    let request = match kind {
        Kind::Short | Kind::Long => request.uri("/").header("host", authority).body(Full::default()),
        Kind::Http2 => request.uri(format!("http://{authority}/")).body(Full::default()),
        Kind::Unary | Kind::Stream => {
            let method = if kind == Kind::Unary { grpc::UNARY } else { grpc::STREAM };
            let request = request.method(Method::POST).uri(format!("http://{authority}{method}"));
            let request = request.header("content-type", "application/grpc").header("te", "trailers");
            request.body(Full::new(Bytes::from_static(NOTHING)))
        }
    };
    Ok(request?)
}

/// Which revision answered, and when the request had arrived there.
fn signature(head: &Parts) -> Option<(String, Timestamp)> {
    let header = |name: &str| head.headers.get(name)?.to_str().ok();
    let arrived = Timestamp::from_microsecond(header("x-arrived")?.parse().ok()?).ok()?;
    Some((header("x-revision")?.to_owned(), arrived))
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
