//! The application in a pod: a server of HTTP/1.1, HTTP/2 and gRPC that fails and dawdles as told, and counts what it did.
//!
//! A request may ask with `x-take` that its answer take so long. Each answer names the revision that gave it in
//! `x-revision`, and in `x-arrived` when the request had arrived, in microseconds since 1970.
//!
//! A copy of a request, which its host gives away, is served and counted as any other, and counted once more by itself.

mod connections;
mod exposition;
pub mod grpc;

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Result;
use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::map_request_with_state,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures::{FutureExt, future::join_all};
use jiff::Timestamp;
use rand::{SeedableRng, rngs::StdRng};
use rand_distr::{Binomial, Distribution};
use tidegate_api::Span;
use tokio::{
    net::TcpListener,
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};

/// What is wrong with an application.
#[derive(Debug, Clone, PartialEq)]
pub struct Faults {
    /// The share of requests that are answered 500; spread evenly, so that 0.2 is every fifth.
    pub error_rate: f64,
    /// How long every request takes.
    pub latency: Duration,
    /// How slow it is when it has just started.
    pub cold: Option<Cold>,
    /// Whether `/metrics` answers.
    pub metrics: bool,
    /// Requests that nobody sends, and that are counted all the same: verdicts need more of them than a test can send.
    pub crowd: Option<Crowd>,
    /// Whether pods that start from now on never become ready.
    pub never_ready: bool,
    /// Of so many routes its histogram tells by route and status; of none, in one.
    pub routes: u64,
}

/// A process that compiles what it runs, and fills its caches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cold {
    /// For how long after its start.
    pub lasts: Duration,
    /// How long every request takes until then.
    pub latency: Duration,
}

/// Requests that are only counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Crowd {
    /// How many in a second.
    pub per_second: f64,
    /// How likely each of them fails.
    pub error_rate: f64,
    /// Of the luck that they have.
    pub seed: u64,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            error_rate: 0.0,
            latency: Duration::ZERO,
            cold: None,
            metrics: true,
            crowd: None,
            never_ready: false,
            routes: 0,
        }
    }
}

/// The buckets that most client libraries start with, in seconds.
const BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

#[derive(Debug)]
struct Application {
    labels: String,
    revision: String,
    started: Instant,
    faults: RwLock<Faults>,
    requests: AtomicU64,
    ok: AtomicU64,
    errors: AtomicU64,
    /// How many of the requests were copies.
    copies: AtomicU64,
    /// One more than there are bounds: the last is `+Inf`. Not cumulative.
    buckets: [AtomicU64; BUCKETS.len() + 1],
    sum_in_microseconds: AtomicU64,
    /// Up to when the crowd was counted, and its luck.
    crowd: Mutex<Option<(Instant, StdRng)>>,
}

/// A serving application.
#[derive(Debug)]
pub struct PodServer {
    /// Where it listens on loopback.
    pub port: u16,
    application: Arc<Application>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

/// Which pod it is.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub pod: &'a str,
    /// Its `pod-template-hash`.
    pub revision: &'a str,
}

impl PodServer {
    /// Serves on `port` of loopback, and at an address of its own if it has one, until stopped or dropped.
    pub async fn start(port: u16, own: Option<SocketAddr>, who: Identity<'_>, faults: Faults) -> Result<Self> {
        let mut listeners = vec![TcpListener::bind(("127.0.0.1", port)).await?];
        if let Some(own) = own {
            listeners.push(TcpListener::bind(own).await?);
        }
        let application = Arc::new(Application {
            labels: format!("namespace=\"{}\",pod=\"{}\"", who.namespace, who.pod),
            revision: who.revision.to_owned(),
            started: Instant::now(),
            faults: RwLock::new(faults),
            requests: AtomicU64::new(0),
            ok: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            copies: AtomicU64::new(0),
            buckets: std::array::from_fn(|_| AtomicU64::new(0)),
            sum_in_microseconds: AtomicU64::new(0),
            crowd: Mutex::default(),
        });
        let routes = Router::new()
            .route("/metrics", get(metrics))
            .route(grpc::UNARY, post(grpc::unary))
            .route(grpc::STREAM, post(grpc::stream))
            .fallback(serve)
            .layer(map_request_with_state(Arc::clone(&application), count_copies))
            .with_state(Arc::clone(&application));
        let (stop, stopped) = watch::channel(false);
        let serve = move |listener| connections::serve(listener, routes.clone(), stopped.clone());
        let serving = tokio::spawn(join_all(listeners.into_iter().map(serve)).map(drop));
        Ok(Self { port, application, stop, serving })
    }

    /// Accepts no more requests, and finishes those under way; cuts off what is not over within `patience`.
    pub async fn stop(mut self, patience: Duration) {
        self.stop.send_replace(true);
        if timeout(patience, &mut self.serving).await.is_err() {
            self.serving.abort();
        }
    }

    /// How many requests came as copies of those that others answered.
    pub fn copies(&self) -> u64 {
        self.application.copies.load(Ordering::Relaxed)
    }

    /// From now on, other faults.
    pub fn set_faults(&self, faults: Faults) {
        if let Ok(mut current) = self.application.faults.write() {
            *current = faults;
        }
    }
}

impl Application {
    fn faults(&self) -> Faults {
        self.faults.read().map(|faults| faults.clone()).unwrap_or_default()
    }

    fn observe(&self, took: Duration) {
        let place = BUCKETS.iter().position(|bound| took.as_secs_f64() <= *bound).unwrap_or(BUCKETS.len());
        self.buckets[place].fetch_add(1, Ordering::Relaxed);
        self.sum_in_microseconds.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// What one request takes; whether it succeeds.
    async fn work(&self, asked: &HeaderMap) -> bool {
        let began = Instant::now();
        let faults = self.faults();
        let before = self.requests.fetch_add(1, Ordering::Relaxed);
        let cold = faults.cold.filter(|cold| self.started.elapsed() < cold.lasts);
        sleep(cold.map_or(faults.latency, |cold| cold.latency) + to_take(asked)).await;
        self.observe(began.elapsed());
        let errors_after = |requests: u64| (requests as f64 * faults.error_rate).floor();
        let fails = errors_after(before + 1) > errors_after(before);
        if fails { &self.errors } else { &self.ok }.fetch_add(1, Ordering::Relaxed);
        !fails
    }

    fn signature(&self, arrived: Timestamp) -> [(&'static str, String); 2] {
        [("x-revision", self.revision.clone()), ("x-arrived", arrived.as_microsecond().to_string())]
    }

    /// Counts the crowd's requests since the last time.
    fn count_crowd(&self) {
        let Some(crowd) = self.faults().crowd else { return };
        let mut counted = self.crowd.lock().unwrap_or_else(PoisonError::into_inner);
        let (until, luck) = counted.get_or_insert_with(|| (Instant::now(), StdRng::seed_from_u64(crowd.seed)));
        let one = Duration::from_secs_f64(crowd.per_second.recip());
        let requests = u32::try_from(until.elapsed().as_nanos() / one.as_nanos().max(1)).unwrap_or(u32::MAX);
        *until += one * requests;
        let requests = u64::from(requests);
        let errors = Binomial::new(requests, crowd.error_rate).map_or(0, |errors| errors.sample(luck));
        self.errors.fetch_add(errors, Ordering::Relaxed);
        self.ok.fetch_add(requests - errors, Ordering::Relaxed);
    }
}

async fn serve(State(application): State<Arc<Application>>, asked: HeaderMap) -> Response {
    let arrived = Timestamp::now();
    let status = if application.work(&asked).await { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
    (status, application.signature(arrived)).into_response()
}

/// Envoy marks the host of a copy: <https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto>
async fn count_copies(State(application): State<Arc<Application>>, asked: Request) -> Request {
    let host = asked.headers().get(header::HOST).and_then(|host| host.to_str().ok()).or_else(|| asked.uri().host());
    if host.is_some_and(|host| host.ends_with("-shadow")) {
        application.copies.fetch_add(1, Ordering::Relaxed);
    }
    asked
}

async fn metrics(State(application): State<Arc<Application>>) -> Response {
    if !application.faults().metrics {
        return StatusCode::NOT_FOUND.into_response();
    }
    application.count_crowd();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], application.exposition()).into_response()
}

fn to_take(asked: &HeaderMap) -> Duration {
    let span = asked.get("x-take").and_then(|take| take.to_str().ok()?.parse::<Span>().ok());
    span.map_or(Duration::ZERO, Span::duration)
}
