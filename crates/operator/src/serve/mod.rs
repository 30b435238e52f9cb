//! Health and metrics over HTTP.

mod metrics;
mod readiness;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::get,
};
use futures::FutureExt;
use tokio::{net::TcpListener, time::sleep};

pub use metrics::Metrics;
pub use readiness::Readiness;

/// As the `OpenMetrics` text format wants to be announced.
/// <https://prometheus.io/docs/specs/om/open_metrics_spec/#overall-structure>
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How long a client that is slow to ask or to read is waited for at the end.
const GRACE: Duration = Duration::from_secs(1);

/// Why health and metrics cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken, or not ours.
    #[error("cannot listen on {address} for health and metrics; choose another address with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The server broke down.
    #[error("the server of health and metrics broke down")]
    Serve(#[from] io::Error),
}

/// The HTTP server of one operator process, which listens already.
pub struct Server {
    listener: TcpListener,
    router: Router,
}

#[derive(Clone)]
struct Shown {
    metrics: Arc<Metrics>,
    readiness: Readiness,
}

impl Server {
    /// Listens on `address`; nothing is answered until [`run`](Self::run).
    ///
    /// - `/healthz` answers 200. All tasks of the process end together, so an answer says that they live.
    /// - `/readyz` answers 200, or 503 with the sentence that `readiness` has.
    /// - `/metrics` answers in the `OpenMetrics` text format.
    ///
    /// # Errors
    /// [`ServeError::Listen`].
    pub async fn bind(address: SocketAddr, metrics: Arc<Metrics>, readiness: Readiness) -> Result<Self, ServeError> {
        let listener = TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })?;
        let router = Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(ready))
            .route("/metrics", get(expose))
            .with_state(Shown { metrics, readiness });
        Ok(Self { listener, router })
    }

    /// Where it listens: tells the port when the address left it to the system.
    ///
    /// # Errors
    /// The system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until `shutdown`, and then for a moment what has been asked already.
    ///
    /// # Errors
    /// [`ServeError::Serve`].
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), ServeError> {
        let shutdown = shutdown.shared();
        let served = axum::serve(self.listener, self.router).with_graceful_shutdown(shutdown.clone());
        let overdue = shutdown.then(|()| sleep(GRACE));
        tokio::select! {
            served = served.into_future() => Ok(served?),
            () = overdue => Ok(()),
        }
    }
}

async fn ready(State(shown): State<Shown>) -> impl IntoResponse {
    match shown.readiness.waiting() {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(sentence) => (StatusCode::SERVICE_UNAVAILABLE, format!("{sentence}\n")),
    }
}

async fn expose(State(shown): State<Shown>) -> impl IntoResponse {
    shown
        .metrics
        .encode()
        .map(|text| ([(CONTENT_TYPE, OPEN_METRICS)], text))
        .map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, format!("the metrics cannot be written: {error}\n")))
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
        sync::oneshot,
        task::JoinHandle,
    };

    use super::*;

    struct Running {
        address: SocketAddr,
        stop: oneshot::Sender<()>,
        task: JoinHandle<Result<(), ServeError>>,
        readiness: Readiness,
    }

    impl Running {
        async fn start() -> Self {
            let readiness = Readiness::waiting_for("the caches are not filled yet");
            let any = SocketAddr::from(([127, 0, 0, 1], 0));
            let server = Server::bind(any, Arc::new(Metrics::new()), readiness.clone()).await.unwrap();
            let address = server.address().unwrap();
            let (stop, stopped) = oneshot::channel();
            let task = tokio::spawn(server.run(async {
                stopped.await.ok();
            }));
            Self { address, stop, task, readiness }
        }

        async fn get(&self, path: &str) -> String {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            let request = format!("GET {path} HTTP/1.1\r\nhost: tidegate\r\nconnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut response = String::new();
            stream.read_to_string(&mut response).await.unwrap();
            response
        }
    }

    #[tokio::test]
    async fn readiness_says_what_it_waits_for_while_health_is_fine() {
        let server = Running::start().await;
        assert!(server.get("/healthz").await.starts_with("HTTP/1.1 200"));
        let waiting = server.get("/readyz").await;
        assert!(waiting.starts_with("HTTP/1.1 503"), "{waiting}");
        assert!(waiting.ends_with("the caches are not filled yet\n"), "{waiting}");

        server.readiness.ready();
        assert!(server.get("/readyz").await.starts_with("HTTP/1.1 200"));
        server.readiness.wait_for("the CustomResourceDefinition is gone");
        assert!(server.get("/readyz").await.starts_with("HTTP/1.1 503"));
    }

    #[tokio::test]
    async fn metrics_are_announced_and_ended_as_open_metrics() {
        let response = Running::start().await.get("/metrics").await;
        assert!(response.starts_with("HTTP/1.1 200"), "{response}");
        assert!(response.contains("content-type: application/openmetrics-text; version=1.0.0"), "{response}");
        assert!(response.ends_with("# EOF\n"), "{response}");
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_named_with_the_remedy() {
        let server = Running::start().await;
        let Err(error) = Server::bind(server.address, Arc::new(Metrics::new()), Readiness::default()).await else {
            panic!("two servers on one port");
        };
        let error = error.to_string();
        assert!(error.starts_with(&format!("cannot listen on {} for health and metrics", server.address)), "{error}");
        assert!(error.ends_with("choose another address with --listen"), "{error}");
    }

    #[tokio::test]
    async fn it_ends_when_told_to() {
        let server = Running::start().await;
        server.stop.send(()).unwrap();
        server.task.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_client_that_never_finishes_its_question_does_not_keep_it_from_ending() {
        let server = Running::start().await;
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(b"GET /hea").await.unwrap();
        assert!(server.get("/healthz").await.starts_with("HTTP/1.1 200"));
        server.stop.send(()).unwrap();
        server.task.await.unwrap().unwrap();
    }
}
