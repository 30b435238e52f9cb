//! A time limit on every call to the API server.
//!
//! kube's own timeouts are for single reads and writes of the connection, and its `read_timeout` has to stay off for
//! watches to live. So the limit stands here, around a whole call from the first byte sent to the last one read. A
//! watch has to begin within the limit and may then last: `kube::runtime::watcher` drops one that fell silent.

use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::{Method, Request, Response};
use http_body_util::{BodyExt, Collected, Either};
use tower::{Layer, Service};

/// The error type of services, as tower has it.
type BoxError = Box<dyn Error + Send + Sync>;

/// A call to the API server that takes longer is given up. Pages of 500 objects take well under a second.
pub const CALL: Duration = Duration::from_secs(10);

/// A call that was given up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{method} {path}: the API server did not answer within {limit:?}")]
pub struct TimedOut {
    /// The method of the call.
    pub method: Method,
    /// The path of the call, without its query.
    pub path: String,
    /// How long was waited.
    pub limit: Duration,
}

/// Puts a [`Timeout`] around a service.
#[derive(Debug, Clone, Copy)]
pub struct TimeoutLayer {
    limit: Duration,
}

impl TimeoutLayer {
    /// No call may take longer than `limit`.
    #[must_use]
    pub fn new(limit: Duration) -> Self {
        Self { limit }
    }
}

impl<S> Layer<S> for TimeoutLayer {
    type Service = Timeout<S>;

    fn layer(&self, inner: S) -> Timeout<S> {
        Timeout { inner, limit: self.limit }
    }
}

/// Gives up calls that take too long, with [`TimedOut`].
#[derive(Debug, Clone)]
pub struct Timeout<S> {
    inner: S,
    limit: Duration,
}

impl<S, Q, B> Service<Request<Q>> for Timeout<S>
where
    S: Service<Request<Q>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: BodyExt + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Response = Response<Either<Collected<B::Data>, B>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let limit = self.limit;
        let timed_out = TimedOut { method: request.method().clone(), path: request.uri().path().to_owned(), limit };
        let lasts = is_watch(&request);
        let response = self.inner.call(request);
        let answer = async move {
            let (head, body) = response.await.map_err(Into::into)?.into_parts();
            let body =
                if lasts { Either::Right(body) } else { Either::Left(body.collect().await.map_err(Into::into)?) };
            Ok(Response::from_parts(head, body))
        };
        Box::pin(async move { tokio::time::timeout(limit, answer).await.unwrap_or_else(|_| Err(timed_out.into())) })
    }
}

pub(super) fn is_watch<Q>(request: &Request<Q>) -> bool {
    request.uri().query().is_some_and(|query| query.split('&').any(|pair| pair == "watch=true" || pair == "watch=1"))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::{TryStreamExt, stream};
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::{
        Api, Client,
        api::{ListParams, WatchParams},
        client::Body,
    };
    use tokio::time::{Instant, sleep};
    use tower::service_fn;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);
    const LIST: &str = r#"{"apiVersion":"v1","kind":"ConfigMapList","metadata":{"resourceVersion":"1"},"items":[]}"#;
    const EVENT: &str = r#"{"type":"ADDED","object":{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}}"#;

    /// A resource of an API server that waits, begins to answer, waits again and sends `text`.
    fn config_maps(before: Duration, between: Duration, text: &'static str) -> Api<ConfigMap> {
        let service = service_fn(move |_: Request<Body>| async move {
            sleep(before).await;
            let body = stream::once(async move {
                sleep(between).await;
                Ok::<_, Infallible>(text)
            });
            Ok::<_, Infallible>(Response::new(axum::body::Body::from_stream(body)))
        });
        Api::all(Client::new(TimeoutLayer::new(LIMIT).layer(service), "default"))
    }

    /// The error of a call that was given up, after how long.
    fn given_up(error: kube::Error, since: Instant) -> (TimedOut, Duration) {
        let kube::Error::Service(error) = error else { panic!("{error} is not from a layer") };
        (*error.downcast().unwrap(), since.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_answered_in_time_is_left_alone() {
        let second = Duration::from_secs(1);
        let list = config_maps(second, second, LIST).list(&ListParams::default()).await.unwrap();
        assert_eq!(list.metadata.resource_version.as_deref(), Some("1"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_not_answered_is_given_up_with_its_name() {
        let start = Instant::now();
        let error = config_maps(Duration::MAX, Duration::ZERO, LIST).get("a").await.unwrap_err();
        let (error, after) = given_up(error, start);
        assert_eq!(error.to_string(), "GET /api/v1/configmaps/a: the API server did not answer within 10s");
        assert!(after >= LIMIT && after < LIMIT + Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_begins_and_does_not_end_is_given_up() {
        let start = Instant::now();
        let stuck = config_maps(Duration::from_secs(6), Duration::from_secs(6), LIST);
        let error = stuck.list(&ListParams::default()).await.unwrap_err();
        let (_, after) = given_up(error, start);
        assert!(after < LIMIT + Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_may_be_silent_for_longer() {
        let quiet = config_maps(Duration::from_secs(1), Duration::from_secs(200), EVENT);
        let events = quiet.watch(&WatchParams::default(), "0").await.unwrap();
        assert_eq!(events.try_collect::<Vec<_>>().await.unwrap().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_does_not_begin_is_given_up() {
        let start = Instant::now();
        let dead = config_maps(Duration::MAX, Duration::ZERO, EVENT);
        let Err(error) = dead.watch(&WatchParams::default(), "0").await else { panic!("it began") };
        given_up(error, start);
    }
}
