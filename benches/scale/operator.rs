//! The real `tidegate run` as a process of its own, and what it costs.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result};
use tidegate_testkit::wait::until;
use tokio::time::Instant;

use crate::cluster::Cluster;

/// A running operator; killed when dropped.
pub struct Operator {
    child: Child,
    url: String,
    http: reqwest::Client,
    started: Instant,
}

impl Operator {
    /// Starts it on all namespaces of `cluster`; checks ask the Prometheus at `prometheus`, and `notifications` says who is told.
    pub fn start(cluster: &Cluster, prometheus: &str, notifications: Option<&Path>) -> Result<Self> {
        let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let endpoints = cluster.directory.path().join("prometheus.yaml");
        fs::write(&endpoints, format!("endpoints:\n- {{name: default, url: \"{prometheus}\"}}\n"))?;
        let log = fs::File::create(cluster.directory.path().join("operator.log"))?;
        let started = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .args(["run", "--log", "warn", "--listen", &address.to_string(), "--prometheus-config"])
            .arg(endpoints)
            .args(notifications.into_iter().flat_map(|file| ["--notifications".as_ref(), file.as_os_str()]))
            .env("KUBECONFIG", cluster.kubeconfig())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build()?;
        Ok(Self { child, url: format!("http://{address}"), http, started })
    }

    /// Waits until it has ended `count` reconciles well; returns how long after its start that was.
    pub async fn reconciled(&self, count: u64, patience: Duration) -> Result<Duration> {
        let what = format!("{count} reconciles");
        until(&what, patience, || async {
            let so_far = self.counter("tidegate_reconciles_total{result=\"ok\"}").await.ok()?;
            (so_far >= count).then(|| self.started.elapsed())
        })
        .await
    }

    /// One of its own counters.
    pub async fn counter(&self, name: &str) -> Result<u64> {
        let text = self.http.get(format!("{}/metrics", self.url)).send().await?.text().await?;
        let value = text.lines().find_map(|line| line.strip_prefix(name));
        Ok(value.and_then(|value| value.trim().parse().ok()).unwrap_or_default())
    }

    /// Its resident memory in MiB.
    pub fn resident(&self) -> Result<u64> {
        resident(&self.child.id().to_string())
    }

    /// The processor time that it has used so far.
    pub fn processor_time(&self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // Counted from behind the command's name, which may hold anything: `man 5 proc_pid_stat`.
        let fields = stat.rsplit_once(')').context("no stat of the operator")?.1.split_whitespace();
        let ticks: u64 = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
        Ok(Duration::from_millis(ticks * 10))
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        // Fails only when it has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The resident memory of a process in MiB; `self` is this one.
pub fn resident(process: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kibibytes / 1024)
}
