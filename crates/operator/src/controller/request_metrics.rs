//! Counts the calls to the API server, by verb and status code.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Method, Request, Response};
use tower::{Layer, Service};

use super::timeout::is_watch;
use crate::serve::Metrics;

/// Puts a [`Telemetry`] around a service.
#[derive(Clone)]
pub struct TelemetryLayer {
    metrics: Arc<Metrics>,
}

impl TelemetryLayer {
    /// Counts into `metrics`.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics }
    }
}

impl<S> Layer<S> for TelemetryLayer {
    type Service = Telemetry<S>;

    fn layer(&self, inner: S) -> Telemetry<S> {
        Telemetry { inner, metrics: self.metrics.clone() }
    }
}

/// Counts the calls that pass through it.
#[derive(Clone)]
pub struct Telemetry<S> {
    inner: S,
    metrics: Arc<Metrics>,
}

impl<S, Q, B> Service<Request<Q>> for Telemetry<S>
where
    S: Service<Request<Q>, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let verb = verb(&request);
        let metrics = self.metrics.clone();
        let response = self.inner.call(request);
        Box::pin(async move {
            let response = response.await;
            metrics.api_request(verb, response.as_ref().ok().map(|response| response.status().as_u16()));
            response
        })
    }
}

/// The verb by which RBAC knows a call; `get` also stands for `list`, which only the path would tell apart.
/// <https://kubernetes.io/docs/reference/access-authn-authz/authorization/#determine-the-request-verb>
fn verb<Q>(request: &Request<Q>) -> &'static str {
    match *request.method() {
        Method::GET if is_watch(request) => "watch",
        Method::GET => "get",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {

    use http_body_util::Empty;
    use tower::{ServiceExt, service_fn};

    use super::*;

    #[tokio::test]
    async fn calls_are_counted_by_verb_and_code() {
        let metrics = Arc::new(Metrics::new());
        let service = service_fn(|request: Request<()>| async move {
            let code = if request.method() == Method::PUT { 409 } else { 200 };
            Response::builder().status(code).body(Empty::<&[u8]>::new())
        });
        let service = TelemetryLayer::new(metrics.clone()).layer(service);
        for (method, uri) in
            [(Method::PUT, "/a"), (Method::GET, "/a?limit=1"), (Method::GET, "/a?&watch=true"), (Method::GET, "/a")]
        {
            let request = Request::builder().method(method).uri(uri).body(()).unwrap();
            service.clone().oneshot(request).await.unwrap();
        }
        let text = metrics.encode().unwrap();
        for (verb, code, count) in [("update", 409, 1), ("get", 200, 2), ("watch", 200, 1)] {
            let line = format!("tidegate_api_requests_total{{verb=\"{verb}\",code=\"{code}\"}} {count}");
            assert!(text.lines().any(|exposed| exposed == line), "{line} is not in\n{text}");
        }
    }

    #[tokio::test]
    async fn a_call_without_an_answer_is_counted_too() {
        let metrics = Arc::new(Metrics::new());
        let service = service_fn(|_: Request<()>| async { Err::<Response<()>, _>("gone") });
        TelemetryLayer::new(metrics.clone()).layer(service).oneshot(Request::new(())).await.unwrap_err();
        assert!(metrics.encode().unwrap().contains("tidegate_api_requests_total{verb=\"get\",code=\"none\"} 1"));
    }
}
