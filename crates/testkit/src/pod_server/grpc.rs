//! The application's gRPC methods: one that answers once, and one that answers every now and then until it is over.
//!
//! Framed by hand, since five bytes before each message and one trailer are all there is to it:
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures::{StreamExt, stream};
use http_body_util::StreamBody;
use hyper::body::Frame;
use jiff::Timestamp;
use tokio::time::{Instant, sleep_until};

use super::{Application, to_take};

/// Answers once.
pub const UNARY: &str = "/shop.Checkout/Order";

/// Answers every [`PAUSE`], as long as the request asks with `x-take`.
pub const STREAM: &str = "/shop.Checkout/Follow";

/// Between two messages of a stream.
pub const PAUSE: Duration = Duration::from_millis(100);

/// `OK` and `INTERNAL`.
const STATUSES: [&str; 2] = ["0", "13"];

pub(super) async fn unary(State(application): State<Arc<Application>>, asked: HeaderMap) -> Response {
    let arrived = Timestamp::now();
    let status = STATUSES[usize::from(!application.work(&asked).await)];
    let frames = [Frame::data(message(&application.revision)), trailers(status)];
    respond(&application, arrived, Body::new(StreamBody::new(stream::iter(frames.map(Ok::<_, Infallible>)))))
}

pub(super) async fn stream(State(application): State<Arc<Application>>, asked: HeaderMap) -> Response {
    let (arrived, began) = (Timestamp::now(), Instant::now());
    let messages = u32::try_from(to_take(&asked).as_millis() / PAUSE.as_millis()).unwrap_or(u32::MAX);
    let revision = application.revision.clone();
    let frames = stream::iter(1..=messages).then(move |number| {
        let message = Frame::data(message(&revision));
        async move {
            sleep_until(began + PAUSE * number).await;
            message
        }
    });
    let frames = frames.chain(stream::iter([trailers(STATUSES[0])])).map(Ok::<_, Infallible>);
    respond(&application, arrived, Body::new(StreamBody::new(frames)))
}

fn respond(application: &Application, arrived: Timestamp, body: Body) -> Response {
    ([(header::CONTENT_TYPE, "application/grpc")], application.signature(arrived), body).into_response()
}

/// A message as it is sent: uncompressed, with the revision as its only field.
pub fn message(revision: &str) -> Bytes {
    let length = u8::try_from(revision.len()).unwrap_or(u8::MAX);
    let field = [&[0x0A, length][..], revision.as_bytes()].concat();
    let length = u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&[0][..], &length[..], &field[..]].concat().into()
}

fn trailers(status: &'static str) -> Frame<Bytes> {
    let trailer = (HeaderName::from_static("grpc-status"), HeaderValue::from_static(status));
    Frame::trailers(HeaderMap::from_iter([trailer]))
}
