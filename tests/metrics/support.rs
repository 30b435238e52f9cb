//! Servers on loopback: an application with metrics, a Prometheus that scrapes it, and a rollout to look at.

use std::{
    collections::BTreeMap,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use jiff::Timestamp;
use tempfile::TempDir;
use tidegate::{
    api::{CheckStatus, RevisionStatus, RolloutSpec, Stage, StageBegun},
    metrics::{Analyst, Endpoints, Look, Looked, Templates},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

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
        self.exposed.lock().unwrap().counters.values_mut().for_each(|value| *value = 0.0);
    }

    /// From now on these series are not exposed any more.
    pub fn forget(&self, series: &str) {
        self.exposed.lock().unwrap().counters.remove(series);
    }

    /// Whether scrapes find nobody from now on.
    pub fn is_away(&self, away: bool) {
        self.exposed.lock().unwrap().away = away;
    }

    pub fn ok(&self, count: f64) {
        self.count(r#"http_requests_total{code="200"}"#, count);
    }

    pub fn fail(&self, count: f64) {
        self.count(r#"http_requests_total{code="500"}"#, count);
    }
}

async fn expose(State(exposed): State<Arc<Mutex<Exposed>>>) -> Result<String, StatusCode> {
    let exposed = exposed.lock().unwrap();
    if exposed.away {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    Ok(exposed.counters.iter().map(|(series, value)| format!("{series} {value}\n")).collect::<Vec<_>>().concat())
}

/// A Prometheus of our own that scrapes once a second.
pub struct Server {
    pub url: String,
    port: u16,
    child: Child,
    directory: TempDir,
}

impl Server {
    /// Starts the `prometheus` of the machine; without one the test is skipped, except on CI.
    pub async fn start(pods: &[&Pod]) -> Option<Self> {
        Self::replica("a", pods).await
    }

    /// The same as one of several: they scrape at other moments.
    pub async fn replica(name: &str, pods: &[&Pod]) -> Option<Self> {
        let directory = TempDir::new().unwrap();
        let targets: Vec<_> = pods
            .iter()
            .map(|pod| {
                format!("    - targets: [\"{}\"]\n      labels: {{namespace: shop, pod: {}}}\n", pod.address, pod.name)
            })
            .collect();
        let config = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 900ms, external_labels: {{replica: {name}}}}}\nscrape_configs:\n- job_name: pods\n  static_configs:\n{}",
            targets.concat()
        );
        std::fs::write(directory.path().join("prometheus.yml"), config).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let child = match Self::spawn(&directory, port) {
            Ok(child) => child,
            Err(error) => {
                assert!(
                    std::env::var("CI").as_deref() != Ok("true"),
                    "there is no prometheus on this machine: {error}"
                );
                println!("skipped: 1 (there is no prometheus on this machine)");
                return None;
            }
        };
        let server = Self { url: format!("http://127.0.0.1:{port}"), port, child, directory };
        server.ready().await;
        Some(server)
    }

    fn spawn(directory: &TempDir, port: u16) -> std::io::Result<Child> {
        Command::new("prometheus")
            .current_dir(directory.path())
            .arg("--config.file=prometheus.yml")
            .arg("--storage.tsdb.path=data")
            .arg("--web.enable-remote-write-receiver")
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
    }

    async fn ready(&self) {
        let address = format!("127.0.0.1:{}", self.port);
        eventually("Prometheus is ready", async || {
            let Ok(mut stream) = tokio::net::TcpStream::connect(&address).await else { return None };
            stream.write_all(b"GET /-/ready HTTP/1.0\r\n\r\n").await.ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.ok()?;
            answer.contains(" 200 ").then_some(())
        })
        .await;
    }

    /// Stops it, throws its data away, and starts it again.
    pub async fn lose_data(&mut self) {
        self.child.kill().await.unwrap();
        std::fs::remove_dir_all(self.directory.path().join("data")).unwrap();
        self.child = Self::spawn(&self.directory, self.port).unwrap();
        self.ready().await;
    }
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
pub struct Subject {
    spec: RolloutSpec,
    stage: Stage,
    stable: RevisionStatus,
    canary: RevisionStatus,
    pub since: Timestamp,
}

pub fn revision(name: &str) -> RevisionStatus {
    RevisionStatus { revision: name.to_owned(), replica_set: format!("checkout-{name}"), ..Default::default() }
}

impl Subject {
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

    pub async fn look(&self, analyst: &Analyst) -> Looked {
        let look = Look {
            uid: "uid",
            namespace: "shop",
            name: "checkout",
            spec: &self.spec,
            templates: &Templates::default(),
            stage: &self.stage,
            stable: &self.stable,
            canary: &self.canary,
            begun: &[StageBegun { stage: self.stage.name.clone(), since: self.since, part: None }],
            now: Timestamp::now(),
        };
        analyst.look(&look).await
    }

    /// Counts three times, each time when the time before was seen: so that they are different blocks.
    pub async fn count_in_steps(&self, analyst: &Analyst, count: impl Fn()) {
        for _ in 0..3 {
            let before = self.look(analyst).await.checks[0].sample;
            count();
            self.until(analyst, || {}, |check| check.sample > before).await;
        }
    }

    /// Looks whenever the analyst says it is worth it, until the first check satisfies `wanted`; `meanwhile` is what
    /// the world does before each look.
    pub async fn until(
        &self,
        analyst: &Analyst,
        meanwhile: impl Fn(),
        wanted: impl Fn(&CheckStatus) -> bool,
    ) -> CheckStatus {
        let deadline = Instant::now() + Duration::from_secs(40);
        loop {
            meanwhile();
            let looked = self.look(analyst).await;
            if wanted(&looked.checks[0]) {
                return looked.checks[0].clone();
            }
            assert!(Instant::now() < deadline, "still: {:?}", looked.checks[0]);
            let pause = looked.next.duration_since(Timestamp::now());
            sleep(Duration::try_from(pause).unwrap_or_default()).await;
        }
    }
}

/// An analyst whose default endpoint is at `url`.
pub fn analyst(url: &str) -> Analyst {
    let text = format!("endpoints: [{{name: default, url: \"{url}\", timeout: 2s}}]");
    Analyst::new(&Endpoints::parse(&text, "endpoints.yaml").unwrap()).unwrap()
}
