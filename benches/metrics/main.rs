//! What one look costs at an application with 10,800 series of one histogram: the analyzer, over HTTP, on a real Prometheus.
//!
//! `cargo bench --bench metrics` prints figures, and asserts that the looks judged: the figures depend on the machine.

mod application;
mod process;
#[path = "../../tests/promql/remote_write.rs"]
mod remote_write;
mod store;
mod wire;

use std::{env, slice, time::Duration};

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use serde_json::json;
use tidegate_analysis::{AnalysisRequest, Analyzer, Templates};
use tidegate_api::{CheckStatus, RevisionStatus, RolloutSpec, StageBegun, Verdict};
use tidegate_endpoints::Endpoints;
use tokio::runtime::Builder;

use application::{Application, REPLICA_SETS, SCRAPE};
use store::Store;
use wire::Wire;

/// As the binary has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// So many looks come before those that are measured, and so many are measured.
const BEFORE: i64 = 4;
const MEASURED: i64 = 20;

fn main() -> Result<()> {
    // reqwest is built without a choice of its own.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let program = env::var_os("PROMETHEUS").unwrap_or_else(|| "prometheus".into());
    let store = Store::start(&program)?;
    let application = Application::until(Timestamp::now());
    store.write(&application)?;
    let wire = Wire::to(store.port())?;
    let looks = Looks::new(&wire.url(), &application)?;

    let rest = process::memory()?;
    process::forget_the_most_memory()?;
    let (first, first_bytes) = measured(&wire, || runtime.block_on(looks.look(0)))?;
    let most_at_first = process::most_memory()?;
    for number in 1..BEFORE {
        runtime.block_on(looks.look(number))?;
    }
    process::forget_the_most_memory()?;
    let rest_between = process::memory()?;
    let (all, bytes) =
        measured(&wire, || (BEFORE..BEFORE + MEASURED).try_for_each(|number| runtime.block_on(looks.look(number))))?;
    let most = process::most_memory()?;
    let checks = runtime.block_on(looks.checks(BEFORE + MEASURED - 1));
    let series = application.series();
    let plain = store.asked_plainly(&looks.plain_question(BEFORE + MEASURED - 1))?;

    let look = all / u32::try_from(MEASURED)?;
    let bytes = bytes / u64::try_from(MEASURED)?;
    let mib = |kib: u64| kib as f64 / 1024.0;
    println!(
        "one look at {series} series of one histogram, scraped each {SCRAPE} s, with two limits between its bounds:"
    );
    println!(
        "  {:.1} ms of processor time, {:.0} KiB on the wire, {:.1} MiB above what the process had before",
        ms(look),
        bytes as f64 / 1024.0,
        mib(most.saturating_sub(rest_between))
    );
    println!(
        "  all of its buckets, as plain text: {:.0} KiB, {:.0} times as much",
        plain as f64 / 1024.0,
        plain as f64 / bytes as f64,
    );
    println!(
        "  the first look, with history: {:.1} ms, {:.0} KiB, {:.1} MiB",
        ms(first),
        first_bytes as f64 / 1024.0,
        mib(most_at_first.saturating_sub(rest))
    );
    for check in checks {
        println!("  {}: {}", check.name, check.message);
    }
    let most = mib(most.saturating_sub(rest).max(most_at_first.saturating_sub(rest)));
    println!("metrics: series={series} look_ms={:.1} bytes={bytes} mib={most:.1}", ms(look));
    Ok(())
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// What `look` takes of the processor, and how many bytes go over the wire for it.
fn measured(wire: &Wire, look: impl FnOnce() -> Result<()>) -> Result<(Duration, u64)> {
    let (before, bytes) = (process::processor_time()?, wire.bytes());
    look()?;
    Ok((process::processor_time()?.saturating_sub(before), wire.bytes() - bytes))
}

/// Looks at a release of the application, in its first stage.
struct Looks {
    analyzer: Analyzer,
    spec: RolloutSpec,
    begun: StageBegun,
    versions: [RevisionStatus; 2],
}

impl Looks {
    fn new(url: &str, application: &Application) -> Result<Self> {
        let spec: RolloutSpec = serde_json::from_value(json!({
            "workload": {"kind": "Deployment", "name": "checkout"}, "service": "checkout",
            "traffic": {"gatewayAPI": {"routes": [{"name": "checkout"}]}},
            "analysis": {"checks": [
                {"name": "p95", "latency": {"preset": "pod-http", "quantile": 0.95, "max": "400ms"}},
                {"name": "p99", "latency": {"preset": "pod-http", "quantile": 0.99, "max": "2s"}},
            ]},
        }))?;
        let stage = spec.stages().first().context("no stage")?.name.clone();
        let endpoints = Endpoints::parse(&format!("endpoints: [{{name: default, url: '{url}'}}]"), "endpoints")?;
        let versions = REPLICA_SETS.map(|replica_set| RevisionStatus {
            revision: replica_set.trim_start_matches("checkout-").to_owned(),
            replica_set: replica_set.to_owned(),
            ..RevisionStatus::default()
        });
        let since = Timestamp::from_second(application.begun())?;
        let begun = StageBegun { stage, since, part: None, ..StageBegun::default() };
        Ok(Self { analyzer: Analyzer::new(&endpoints)?, spec, begun, versions })
    }

    /// When the look of that number is: behind the scrape of that number.
    fn at(&self, number: i64) -> i64 {
        self.begun.since.as_second() + SCRAPE * (number + 2) + SCRAPE - 1
    }

    async fn look(&self, number: i64) -> Result<()> {
        let checks = self.checks(number).await;
        let is_judged = checks.iter().all(|check| !matches!(check.verdict, Verdict::NoData | Verdict::Fail));
        ensure!(checks.len() == 2 && is_judged, "look {number}: {checks:?}");
        Ok(())
    }

    async fn checks(&self, number: i64) -> Vec<CheckStatus> {
        let (stages, [canary, stable]) = (self.spec.stages(), &self.versions);
        let Some(stage) = stages.first() else { return Vec::new() };
        let look = AnalysisRequest {
            uid: "uid",
            namespace: "shop",
            name: "checkout",
            spec: &self.spec,
            templates: &Templates::default(),
            stage,
            since: None,
            stable,
            canary,
            begun: slice::from_ref(&self.begun),
            replaced: None,
            written: &[],
            presets: &[],
            now: Timestamp::from_second(self.at(number)).unwrap_or_default(),
        };
        self.analyzer.analyze(&look).await.checks
    }

    /// What the same look would ask that asks for all buckets, as the form of a GET.
    fn plain_question(&self, number: i64) -> String {
        let pods = REPLICA_SETS.map(|replica_set| format!("{replica_set}-[a-z0-9]{{5}}")).join("|");
        let selector = format!("http_request_duration_seconds_bucket{{namespace=\"shop\",pod=~\"{pods}\"}}");
        let question = format!("{selector}[{}s]", 5 * SCRAPE);
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("query", &question).append_pair("time", &self.at(number).to_string()).finish()
    }
}
