//! An application with metrics, and a rollout to look at.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{
        HeaderMap, HeaderName, StatusCode,
        header::{ACCEPT, CONTENT_TYPE},
    },
    routing::get,
};
use jiff::Timestamp;
use tidegate_analysis::{
    AnalysisRequest, AnalysisResult, Analyzer, BacktestRequest, Found, Past, QueryError, Templates,
};
use tidegate_api::{CheckStatus, RevisionStatus, RolloutSpec, Stage, StageBegun};
use tidegate_endpoints::Endpoints;
use tokio::{
    net::TcpListener,
    time::{Instant, sleep, timeout},
};

#[path = "exponential.rs"]
pub mod exponential;

use self::exponential::Exponential;

/// One pod that serves `/metrics`.
#[derive(Clone)]
pub struct Pod {
    pub name: String,
    pub address: String,
    exposed: Arc<Mutex<Exposed>>,
}

#[derive(Default)]
struct Exposed {
    counters: BTreeMap<String, f64>,
    /// What `http_request_duration_seconds` is to whoever reads native histograms.
    native: Option<Exponential>,
    /// Whether scrapes find nobody.
    away: bool,
}

impl Pod {
    pub async fn start(name: &str) -> Self {
        let exposed = Arc::<Mutex<Exposed>>::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let app = Router::new().route("/metrics", get(expose)).with_state(exposed.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { name: name.to_owned(), address, exposed }
    }

    /// Counts `count` more in `series`, such as `http_requests_total{code="200"}`.
    pub fn count(&self, series: &str, count: f64) {
        *self.exposed.lock().unwrap().counters.entry(series.to_owned()).or_default() += count;
    }

    /// What `series` stands at.
    pub fn counted(&self, series: &str) -> f64 {
        self.exposed.lock().unwrap().counters.get(series).copied().unwrap_or_default()
    }

    /// The process starts anew, with all of its counters at nothing.
    pub fn restart(&self) {
        let mut exposed = self.exposed.lock().unwrap();
        exposed.counters.values_mut().for_each(|value| *value = 0.0);
        if let Some(native) = &mut exposed.native {
            *native = Exponential::new(native.schema);
        }
    }

    /// From now on these series are not exposed any more.
    pub fn forget(&self, series: &str) {
        self.exposed.lock().unwrap().counters.remove(series);
    }

    /// Whether scrapes find nobody from now on.
    pub fn is_away(&self, away: bool) {
        self.exposed.lock().unwrap().away = away;
    }

    /// Observes so many requests in a native histogram, each of which took so many seconds; others of this `schema` begin
    /// with the first.
    pub fn observe(&self, schema: i32, seconds: f64, count: u32) {
        let mut exposed = self.exposed.lock().unwrap();
        let native = exposed.native.get_or_insert_with(|| Exponential::new(schema));
        native.reduce_to(schema);
        native.observe(seconds, count);
    }

    pub fn ok(&self, count: f64) {
        self.count(r#"http_requests_total{code="200"}"#, count);
    }

    pub fn fail(&self, count: f64) {
        self.count(r#"http_requests_total{code="500"}"#, count);
    }
}

async fn expose(
    headers: HeaderMap,
    State(exposed): State<Arc<Mutex<Exposed>>>,
) -> Result<([(HeaderName, &'static str); 1], Vec<u8>), StatusCode> {
    let exposed = exposed.lock().unwrap();
    if exposed.away {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    let accepts = headers.get(ACCEPT).and_then(|accepted| accepted.to_str().ok()).unwrap_or_default();
    if let Some(native) = exposed.native.as_ref().filter(|_| accepts.contains(exponential::MEDIA_TYPE)) {
        return Ok(([(CONTENT_TYPE, exponential::CONTENT_TYPE)], native.family("http_request_duration_seconds")));
    }
    let mut text = String::new();
    for (series, value) in &exposed.counters {
        // What is no histogram by its type keeps its bounds as they are written.
        let histogram = series.split_once("_bucket{").map(|(name, _)| format!("# TYPE {name} histogram\n"));
        text.extend(histogram.filter(|kind| !text.contains(kind)));
        text.extend([series, " ", &value.to_string(), "\n"]);
    }
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4")], text.into_bytes()))
}

/// Waits until `condition` yields something.
pub async fn eventually<T>(what: &str, condition: impl AsyncFn() -> Option<T>) -> T {
    timeout(Duration::from_secs(40), async {
        loop {
            if let Some(value) = condition().await {
                return value;
            }
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("not in time: {what}"))
}

/// A rollout from `checkout-old` to `checkout-new`, and the stage that it is in.
pub struct CheckUnderTest {
    spec: RolloutSpec,
    stage: Stage,
    stable: RevisionStatus,
    canary: RevisionStatus,
    pub since: Timestamp,
}

pub fn revision(name: &str) -> RevisionStatus {
    RevisionStatus { revision: name.to_owned(), replica_set: format!("checkout-{name}"), ..Default::default() }
}

impl CheckUnderTest {
    /// With these checks, asked each second.
    pub fn new(checks: &serde_json::Value) -> Self {
        let spec: RolloutSpec = serde_json::from_value(serde_json::json!({
            "workload": {"kind": "Deployment", "name": "checkout"},
            "service": "checkout",
            // There is no history to learn from.
            "analysis": {"interval": "1s", "statistics": {"overdispersion": 1}, "checks": checks},
        }))
        .unwrap();
        let stage = spec.stages()[0].clone();
        Self { spec, stage, stable: revision("old"), canary: revision("new"), since: Timestamp::now() }
    }

    pub fn errors() -> Self {
        Self::new(&serde_json::json!([{"name": "errors", "errorRate": {"preset": "pod-http", "max": "0.5%"}}]))
    }

    /// From now on a gateway carries the traffic of both versions.
    pub fn split_a_route(&mut self) {
        let traffic = serde_json::json!({"gatewayAPI": {"routes": [{"name": "checkout"}]}});
        self.spec.traffic = serde_json::from_value(traffic).unwrap();
    }

    pub async fn look(&self, analyzer: &Analyzer) -> AnalysisResult {
        let look = AnalysisRequest {
            uid: "uid",
            namespace: "shop",
            name: "checkout",
            spec: &self.spec,
            templates: &Templates::default(),
            stage: &self.stage,
            since: None,
            stable: &self.stable,
            canary: &self.canary,
            begun: &[StageBegun {
                stage: self.stage.name.clone(),
                since: self.since,
                part: None,
                ..StageBegun::default()
            }],
            replaced: None,
            written: &[],
            presets: &[],
            now: Timestamp::now(),
        };
        analyzer.analyze(&look).await
    }

    /// What the first check finds of the last `over` in the store at `url`.
    pub async fn survey(&self, url: &str, over: Duration) -> Result<Vec<Found>, QueryError> {
        let text = format!("endpoints: [{{name: default, url: \"{url}\"}}]");
        let past = Past::new(&Endpoints::parse(&text, "endpoints.yaml").unwrap(), None).unwrap().unwrap();
        let (namespace, name, templates) = ("shop", "checkout", &Templates::default());
        let request = BacktestRequest { namespace, name, spec: &self.spec, templates };
        past.survey(request, over, Timestamp::now()).await.remove(0).found
    }

    /// Counts three times, each time when the time before was seen, so that they are different blocks; and as a block begins, which
    /// is with a second, so that what several pods count is in the same one, whoever of them is scraped first.
    pub async fn count_in_steps(&self, analyzer: &Analyzer, count: impl Fn()) {
        for _ in 0..3 {
            let before = self.look(analyzer).await.checks[0].sample;
            let begun = Timestamp::now().as_millisecond().rem_euclid(1000).unsigned_abs();
            sleep(Duration::from_millis(1000 - begun)).await;
            count();
            self.until(analyzer, || {}, |check| check.sample > before).await;
        }
    }

    /// Looks whenever the analyzer says it is worth it, until the first check satisfies `wanted`; `meanwhile` is what
    /// the world does before each look.
    pub async fn until(
        &self,
        analyzer: &Analyzer,
        meanwhile: impl Fn(),
        wanted: impl Fn(&CheckStatus) -> bool,
    ) -> CheckStatus {
        self.until_all(analyzer, meanwhile, |checks| wanted(&checks[0])).await.remove(0)
    }

    /// The same, until all checks together satisfy `wanted`.
    pub async fn until_all(
        &self,
        analyzer: &Analyzer,
        meanwhile: impl Fn(),
        wanted: impl Fn(&[CheckStatus]) -> bool,
    ) -> Vec<CheckStatus> {
        // A minute is what VictoriaMetrics takes to answer for a range.
        let deadline = Instant::now() + Duration::from_secs(90);
        loop {
            meanwhile();
            let result = self.look(analyzer).await;
            if wanted(&result.checks) {
                return result.checks;
            }
            assert!(Instant::now() < deadline, "still: {:?}", result.checks);
            let pause = result.next.duration_since(Timestamp::now());
            sleep(Duration::try_from(pause).unwrap_or_default()).await;
        }
    }
}

/// An analyzer whose default endpoint is at `url`.
pub fn analyzer(url: &str) -> Analyzer {
    let text = format!("endpoints: [{{name: default, url: \"{url}\", timeout: 30s}}]");
    Analyzer::new(&Endpoints::parse(&text, "endpoints.yaml").unwrap()).unwrap()
}
