//! A Prometheus in this process, over HTTP, which scrapes all pods of a cluster.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::Result;
use axum::{
    Router,
    body::to_bytes,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use tidegate_apiserver::{ApiServer, Object};
use tidegate_clock::Clock;
use tidegate_promql::{Labels, Parameters};
use tidegate_sim::endpoint::Endpoint;
use tokio::{net::TcpListener, time::interval};

/// How often each pod is scraped.
pub const SCRAPE: Duration = Duration::from_secs(15);

/// How often it is looked which pods' turn it is.
const TICK: Duration = Duration::from_millis(250);

/// What each pod answers in one interval.
const REQUESTS: f64 = 150.0;

/// A running Prometheus.
pub struct Scraping {
    /// Where it answers.
    pub url: String,
    pods: Arc<Mutex<Pods>>,
}

#[derive(Default)]
struct Pods {
    /// By namespace and name: what they have counted so far.
    counters: HashMap<(String, String), Counters>,
    /// Names of Deployments whose newest version fails half of its requests.
    failing: BTreeSet<String>,
    /// By name of the Deployment: when a scrape with failed requests could first be asked for.
    failed: BTreeMap<String, Timestamp>,
}

#[derive(Default)]
struct Counters {
    ok: f64,
    errors: f64,
    scraped: Option<Timestamp>,
}

impl Scraping {
    /// Starts it.
    pub async fn start(server: ApiServer) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let endpoint = Endpoint::new(Clock::System);
        let pods = Arc::<Mutex<Pods>>::default();
        let router = Router::new().fallback(answer).with_state(endpoint.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let scraped = pods.clone();
        tokio::spawn(async move {
            let mut ticks = interval(TICK);
            loop {
                ticks.tick().await;
                for pod in server.list("pods", None) {
                    lock(&scraped).scrape(&endpoint, &pod);
                }
            }
        });
        Ok(Self { url, pods })
    }

    /// From now on, pods of `version` of that Deployment fail half of their requests.
    pub fn fail(&self, deployment: &str) {
        lock(&self.pods).failing.insert(deployment.to_owned());
    }

    /// By Deployment: when the first scrape with failed requests could be asked for.
    pub fn failed(&self) -> BTreeMap<String, Timestamp> {
        lock(&self.pods).failed.clone()
    }
}

impl Pods {
    /// Scrapes a pod if it is its turn. Each has a turn of its own, as with a real Prometheus.
    fn scrape(&mut self, endpoint: &Endpoint, pod: &Object) {
        let now = Timestamp::now();
        let key = (pod.namespace().to_owned(), pod.name().to_owned());
        let counters = self.counters.entry(key).or_default();
        let offset = pod.name().bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
        let turn = |at: Timestamp| {
            let milliseconds = u64::try_from(at.as_millisecond()).unwrap_or_default();
            milliseconds.wrapping_add(offset % 15_000) / 15_000
        };
        if counters.scraped.is_some_and(|before| turn(before) == turn(now)) {
            return;
        }
        counters.scraped = Some(now);
        let app = pod.value().pointer("/metadata/labels/app").and_then(|app| app.as_str()).unwrap_or_default();
        let image = pod.value().pointer("/spec/containers/0/image").and_then(|image| image.as_str());
        let fails = self.failing.contains(app) && image.is_some_and(|image| !image.ends_with(":v1"));
        counters.ok += if fails { REQUESTS / 2.0 } else { REQUESTS };
        counters.errors += if fails { REQUESTS / 2.0 } else { 0.0 };
        let samples = counters.samples(pod);
        endpoint.scrape(now, |prometheus, at| prometheus.append(at, pod.name(), &samples));
        if fails {
            self.failed.entry(app.to_owned()).or_insert_with(Timestamp::now);
        }
    }
}

impl Counters {
    fn samples(&self, pod: &Object) -> Vec<(Labels, f64)> {
        let labels = |metric: &str, name: &str, value: &str| {
            Labels::new([("__name__", metric), ("namespace", pod.namespace()), ("pod", pod.name()), (name, value)])
        };
        let mut samples = vec![(labels("http_requests_total", "code", "200"), self.ok)];
        if self.errors > 0.0 {
            samples.push((labels("http_requests_total", "code", "500"), self.errors));
        }
        let all = self.ok + self.errors;
        for (bound, share) in [("0.05", 0.6), ("0.1", 0.9), ("0.25", 0.99), ("0.5", 1.0), ("1", 1.0), ("+Inf", 1.0)] {
            samples.push((labels("http_request_duration_seconds_bucket", "le", bound), (all * share).floor()));
        }
        samples
    }
}

fn lock(pods: &Mutex<Pods>) -> MutexGuard<'_, Pods> {
    pods.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(State(endpoint): State<Endpoint>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, 1 << 20).await else { return StatusCode::BAD_REQUEST.into_response() };
    let query = parts.uri.query().unwrap_or_default();
    let form = String::from_utf8_lossy(&body);
    let (code, text) = endpoint.answer(parts.uri.path(), &Parameters::parse(&format!("{query}&{form}")));
    let code = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (code, [("content-type", "application/json")], text).into_response()
}
