//! Real servers that scrape once a second and answer questions: Prometheus, old and new, and `VictoriaMetrics`.

use std::{env, ffi::OsString, fs, process::Stdio};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
};

use crate::support::{Pod, eventually};

/// The job that scrapes the pods.
const JOB: &str = "pods";

/// A kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// The one that the machine has, 2.42 on Debian 12.
    Prometheus2,
    Prometheus3,
    VictoriaMetrics,
}

impl Store {
    fn program(self) -> Option<OsString> {
        match self {
            Self::Prometheus2 => Some("prometheus".into()),
            Self::Prometheus3 => env::var_os("PROMETHEUS_3"),
            Self::VictoriaMetrics => env::var_os("VICTORIA_METRICS"),
        }
    }

    fn command(self, port: u16, kept: Kept) -> Option<Command> {
        let mut command = Command::new(self.program()?);
        match self {
            Self::Prometheus2 | Self::Prometheus3 => command
                .arg("--config.file=scrape.yml")
                .arg("--storage.tsdb.path=data")
                .arg("--web.enable-remote-write-receiver")
                .arg(format!("--web.listen-address=127.0.0.1:{port}")),
            Self::VictoriaMetrics => command
                .arg("-promscrape.config=scrape.yml")
                .arg("-storageDataPath=data")
                .arg("-memory.allowedPercent=10")
                .arg(format!("-httpListenAddr=127.0.0.1:{port}")),
        };
        if kept != Kept::Classic {
            command.arg("--enable-feature=native-histograms");
        }
        Some(command)
    }
}

/// Which histograms a server keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Those that the text has.
    Classic,
    /// Native ones, of pods that expose them.
    Native,
    /// The same, and their classic buckets.
    Both,
    /// Classic ones made native.
    Custom,
}

impl Kept {
    fn settings(self) -> &'static str {
        match self {
            Self::Classic | Self::Native => "",
            Self::Both => "  always_scrape_classic_histograms: true\n",
            Self::Custom => "  convert_classic_histograms_to_nhcb: true\n",
        }
    }
}

/// Makes of each `async fn behaviour(store: Store)` one test for each kind of server.
macro_rules! on_every_store {
    ($($behaviour:ident),* $(,)?) => {
        $crate::store::on_every_store!(@ prometheus_2 Prometheus2 $($behaviour)*);
        $crate::store::on_every_store!(@ prometheus_3 Prometheus3 $($behaviour)*);
        $crate::store::on_every_store!(@ victoria_metrics VictoriaMetrics $($behaviour)*);
    };
    (@ $module:ident $store:ident $($behaviour:ident)*) => {
        mod $module {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $behaviour() {
                    super::$behaviour($crate::store::Store::$store).await;
                }
            )*
        }
    };
}
pub(crate) use on_every_store;

/// A server of our own.
pub struct Server {
    pub url: String,
    store: Store,
    kept: Kept,
    port: u16,
    child: Child,
    directory: TempDir,
}

impl Server {
    /// Starts a server; where the machine has none of that kind the test is skipped, except on CI.
    pub async fn start(store: Store, pods: &[&Pod]) -> Option<Self> {
        Self::replica(store, "a", pods).await
    }

    /// One that keeps native histograms, or does not, as they are.
    pub async fn keeping(kept: Kept, pods: &[&Pod]) -> Option<Self> {
        Self::with((Store::Prometheus3, kept), "a", &[JOB], pods).await
    }

    /// The same as one of several: they scrape at other moments.
    pub async fn replica(store: Store, name: &str, pods: &[&Pod]) -> Option<Self> {
        Self::with((store, Kept::Classic), name, &[JOB], pods).await
    }

    /// One in which several jobs scrape all pods.
    pub async fn with_jobs(store: Store, jobs: &[&str], pods: &[&Pod]) -> Option<Self> {
        Self::with((store, Kept::Classic), "a", jobs, pods).await
    }

    async fn with((store, kept): (Store, Kept), name: &str, jobs: &[&str], pods: &[&Pod]) -> Option<Self> {
        let directory = TempDir::new().unwrap();
        let targets: Vec<_> = pods
            .iter()
            .map(|pod| {
                format!("    - targets: [\"{}\"]\n      labels: {{namespace: shop, pod: {}}}\n", pod.address, pod.name)
            })
            .collect();
        // VictoriaMetrics would keep it with each series.
        let name = if store == Store::VictoriaMetrics { "{}".to_owned() } else { format!("{{replica: {name}}}") };
        let job = |job: &&str| format!("- job_name: {job}\n{}  static_configs:\n{}", kept.settings(), targets.concat());
        let jobs: String = jobs.iter().map(job).collect();
        let config = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 900ms, external_labels: {name}}}\nscrape_configs:\n{jobs}"
        );
        fs::write(directory.path().join("scrape.yml"), config).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let Some(child) = Self::spawn((store, kept), &directory, port) else {
            assert!(env::var("CI").as_deref() != Ok("true"), "there is no {store:?} on this machine");
            println!("skipped: 1 (there is no {store:?} on this machine)");
            return None;
        };
        let server = Self { url: format!("http://127.0.0.1:{port}"), store, kept, port, child, directory };
        server.ready().await;
        Some(server)
    }

    fn spawn((store, kept): (Store, Kept), directory: &TempDir, port: u16) -> Option<Child> {
        let mut command = store.command(port, kept)?;
        command.current_dir(directory.path()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        command.spawn().ok()
    }

    async fn ready(&self) {
        let address = format!("127.0.0.1:{}", self.port);
        eventually("the server is ready", async || {
            let Ok(mut stream) = TcpStream::connect(&address).await else { return None };
            stream.write_all(b"GET /-/ready HTTP/1.0\r\n\r\n").await.ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.ok()?;
            answer.contains(" 200 ").then_some(())
        })
        .await;
    }

    /// Waits until the server itself answers `query` with this number, however long it takes to show what it scraped.
    pub async fn shows(&self, query: &str, number: &str) {
        let client = reqwest::Client::new();
        let url = format!("{}/api/v1/query", self.url);
        // VictoriaMetrics answers for 30 s ago otherwise.
        let parameters = [("query", query), ("latency_offset", "1ms"), ("nocache", "1")];
        eventually(query, async || {
            let answer = client.post(&url).form(&parameters).send().await.ok()?;
            let answer: serde_json::Value = serde_json::from_str(&answer.text().await.ok()?).ok()?;
            (answer["data"]["result"][0]["value"][1] == number).then_some(())
        })
        .await;
    }

    /// Stops it, throws its data away, and starts it again.
    pub async fn lose_data(&mut self) {
        self.child.kill().await.unwrap();
        fs::remove_dir_all(self.directory.path().join("data")).unwrap();
        self.child = Self::spawn((self.store, self.kept), &self.directory, self.port).unwrap();
        self.ready().await;
    }

    /// Stops it, and goes on with the same data as one that keeps other histograms.
    pub async fn keep(&mut self, kept: Kept) {
        self.stop().await;
        let config = fs::read_to_string(self.directory.path().join("scrape.yml")).unwrap();
        let lines = config.lines().filter(|line| !line.contains("histograms"));
        let config = lines.fold(String::new(), |config, line| config + line + "\n");
        let config = config.replace("- job_name: pods\n", &format!("- job_name: pods\n{}", kept.settings()));
        fs::write(self.directory.path().join("scrape.yml"), config).unwrap();
        self.kept = kept;
        self.child = Self::spawn((self.store, kept), &self.directory, self.port).unwrap();
        self.ready().await;
    }

    async fn stop(&mut self) {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
        self.child.wait().await.unwrap();
    }

    /// Stops it, and goes on as another kind of server with the same data; whether the machine has one.
    pub async fn become_a(&mut self, store: Store) -> bool {
        self.stop().await;
        let Some(child) = Self::spawn((store, self.kept), &self.directory, self.port) else {
            assert!(env::var("CI").as_deref() != Ok("true"), "there is no {store:?} on this machine");
            println!("skipped: 1 (there is no {store:?} on this machine)");
            return false;
        };
        (self.store, self.child) = (store, child);
        self.ready().await;
        true
    }
}
