//! A real Prometheus that scrapes the pods every second.

use std::{
    fmt::Write as _,
    fs,
    ops::Range,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use serde_json::Value;
use tempfile::TempDir;

use super::{ports, process::Process, wait::until};

/// `VictoriaMetrics` answers with what was 30 s ago.
const START: Duration = Duration::from_mins(1);

/// A kind of server, and where its program is.
#[derive(Debug, Clone)]
pub enum Store {
    /// The real one.
    Prometheus(PathBuf),
    /// The same, which keeps histograms as native ones with the bounds that they have: of version 3.
    NativePrometheus(PathBuf),
    /// One that answers its queries.
    VictoriaMetrics(PathBuf),
}

impl Store {
    fn start(&self, address: &str, directory: &Path) -> Result<Process> {
        let (configuration, data) = (directory.join("prometheus.yml"), directory.join("data"));
        let (configuration, data) = (configuration.display(), data.display());
        let (program, arguments) = match self {
            Self::Prometheus(program) | Self::NativePrometheus(program) => {
                let [file, data] = [format!("--config.file={configuration}"), format!("--storage.tsdb.path={data}")];
                let mut all =
                    vec![file, data, format!("--web.listen-address={address}"), "--log.level=warn".to_owned()];
                if let Self::NativePrometheus(_) = self {
                    all.push("--enable-feature=native-histograms".to_owned());
                }
                (program, all)
            }
            Self::VictoriaMetrics(program) => {
                let [file, data] = [format!("-promscrape.config={configuration}"), format!("-storageDataPath={data}")];
                (
                    program,
                    vec![file, data, format!("-httpListenAddr={address}"), "-memory.allowedPercent=10".to_owned()],
                )
            }
        };
        Process::start(program, arguments, &[], ("prometheus", directory))
    }
}

/// Where a gateway tells its numbers.
#[derive(Debug)]
pub struct Target {
    /// As `host:port`.
    pub address: String,
    /// On it.
    pub path: &'static str,
}

/// A Prometheus server that can be killed and brought back with its data.
#[derive(Debug)]
pub struct Prometheus {
    /// Its address, the same over all its lives.
    pub url: String,
    process: Process,
    store: Store,
    address: String,
    http: reqwest::Client,
    directory: TempDir,
}

impl Prometheus {
    /// Starts a server that scrapes all pods, and the gateway where there is one, and returns when it does: it takes its
    /// time over its first targets.
    pub async fn start(store: Store, pods: Range<u16>, gateway: Option<Target>, http: reqwest::Client) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("tidegate-prometheus-").tempdir()?;
        fs::write(directory.path().join("prometheus.yml"), configuration(&store, pods, gateway)?)?;
        let address = format!("127.0.0.1:{}", ports::free()?);
        let process = store.start(&address, directory.path())?;
        let url = format!("http://{address}");
        let prometheus = Self { url, process, store, address, http, directory };
        prometheus.ready().await?;
        until("Prometheus to scrape", START, || async {
            prometheus.query("up").await.ok().filter(|targets| !targets.is_empty())
        })
        .await?;
        Ok(prometheus)
    }

    /// SIGKILL.
    pub fn kill(&self) {
        self.process.kill();
    }

    /// Comes back at the same address with the same data.
    pub async fn resume(&mut self) -> Result<()> {
        self.process = self.store.start(&self.address, self.directory.path())?;
        self.ready().await
    }

    /// The result vector of an instant query.
    pub async fn query(&self, expression: &str) -> Result<Vec<Value>> {
        let mut url = reqwest::Url::parse(&self.url)?.join("/api/v1/query")?;
        url.query_pairs_mut().append_pair("query", expression);
        let body = self.http.get(url).send().await?.text().await?;
        let answer: Value = serde_json::from_str(&body)?;
        answer["data"]["result"].as_array().cloned().with_context(|| body.clone())
    }

    async fn ready(&self) -> Result<()> {
        let ready = format!("{}/-/ready", self.url);
        let answers = || async { self.http.get(&ready).send().await.is_ok_and(|answer| answer.status().is_success()) };
        self.process.until_ready(START, answers).await
    }
}

/// See [`ports::PodPorts`] for why the targets are static. The pods name themselves in their labels.
fn configuration(store: &Store, pods: Range<u16>, gateway: Option<Target>) -> Result<String> {
    let mut text = "\
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
- job_name: pods
  honor_labels: true
"
    .to_owned();
    if let Store::NativePrometheus(_) = store {
        text.push_str("  convert_classic_histograms_to_nhcb: true\n");
    }
    text.push_str("  static_configs:\n  - targets:\n");
    for port in pods {
        writeln!(text, "    - 127.0.0.1:{port}")?;
    }
    if let Some(Target { address, path }) = gateway {
        writeln!(text, "- job_name: gateway\n  metrics_path: {path}")?;
        writeln!(text, "  static_configs:\n  - targets: [\"{address}\"]")?;
    }
    Ok(text)
}
