//! What it costs the operator to judge a thousand rollouts.

use std::{
    collections::HashMap,
    fmt::Write as _,
    fs,
    ops::Range,
    slice,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use futures::future::BoxFuture;
use jiff::Timestamp;
use serde_json::json;
use tidegate_analysis::{AnalysisRequest, Analyzer, PromQuery, PromResponse, QueryError, Templates, Transport, When};
use tidegate_api::{RevisionStatus, RolloutSpec, StageBegun, Verdict};

const ROLLOUTS: usize = 1_000;
const PODS: i64 = 10;
const CANARIES: i64 = 1;

/// Seconds from one scrape of a pod to the next, and from one look to the next.
const SCRAPE: i64 = 10;

/// Requests of a pod from one scrape to the next.
const REQUESTS: i64 = 200;

/// So many looks come before those that are measured, and so many are measured.
const BEFORE: usize = 6;
const MEASURED: usize = 12;

/// Of a thousand requests so many are at most so slow.
const BUCKETS: [(&str, i64); 12] = [
    ("0.005", 50),
    ("0.01", 200),
    ("0.025", 500),
    ("0.05", 700),
    ("0.1", 850),
    ("0.25", 950),
    ("0.5", 985),
    ("1", 996),
    ("2.5", 999),
    ("5", 1000),
    ("10", 1000),
    ("+Inf", 1000),
];

const REPLICA_SETS: [&str; 2] = ["checkout-7f9c6b54d", "checkout-5d8f7c9b6"];

/// When the pods were started, and when the stage began.
const BORN: i64 = 1_750_000_000;
const BEGUN: i64 = BORN + 3600;

pub fn measure() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let pods = Pods::default();
    let rollouts = Rollouts::new(Analyzer::over("default", pods.clone(), Duration::from_secs(10)))?;
    let look = |rounds: Range<usize>| -> Result<Duration> {
        let before = processor_time()?;
        for round in rounds {
            runtime.block_on(rollouts.look(round))?;
        }
        Ok(processor_time()?.saturating_sub(before))
    };
    let first = look(0..1)?;
    look(1..BEFORE)?;
    pods.forget();
    let busy = look(BEFORE..BEFORE + MEASURED)?;
    let looks = (ROLLOUTS * MEASURED) as f64;
    let share = busy.as_secs_f64() / (MEASURED as f64 * SCRAPE as f64);
    let [asked, sent] = [&pods.asked, &pods.sent].map(|counted| counted.load(Ordering::Relaxed) as f64 / looks);
    println!(
        "judging {ROLLOUTS} rollouts with 4 checks each {SCRAPE} s, {PODS} pods with 2 status codes and {} buckets each:",
        BUCKETS.len()
    );
    println!(
        "  {:.1}% of one core, {:.0} us a look; {asked:.1} questions a look, {:.0} KiB of answers; the first look, with \
         history, {:.0} us",
        share * 100.0,
        busy.as_micros() as f64 / looks,
        sent / 1024.0,
        first.as_micros() as f64 / ROLLOUTS as f64,
    );
    Ok(())
}

/// Rollouts with two checks of errors and two of latencies, in their first stage.
struct Rollouts {
    analyzer: Analyzer,
    spec: RolloutSpec,
    begun: StageBegun,
    canary: RevisionStatus,
    stable: RevisionStatus,
    /// The UID and the namespace of each.
    places: Vec<(String, String)>,
}

impl Rollouts {
    fn new(analyzer: Analyzer) -> Result<Self> {
        let spec: RolloutSpec = serde_json::from_value(json!({
            "workload": {"kind": "Deployment", "name": "checkout"}, "service": "checkout",
            "traffic": {"gatewayAPI": {"routes": [{"name": "checkout"}]}},
            "analysis": {"checks": [
                {"name": "errors", "errorRate": {"preset": "pod-http", "max": "0.5%"}},
                {"name": "compared", "errorRate": {"preset": "pod-http", "relative": {}}},
                {"name": "p95", "latency": {"preset": "pod-http", "quantile": 0.95, "max": "500ms"}},
                {"name": "p99", "latency": {"preset": "pod-http", "quantile": 0.99, "max": "2500ms"}},
            ]},
        }))?;
        let stage = spec.stages().first().context("no stage")?.name.clone();
        let [canary, stable] = REPLICA_SETS.map(|replica_set| RevisionStatus {
            revision: replica_set.trim_start_matches("checkout-").to_owned(),
            replica_set: replica_set.to_owned(),
            ..RevisionStatus::default()
        });
        let places = (0..ROLLOUTS).map(|number| (format!("uid-{number}"), format!("team-{number:04}"))).collect();
        let begun = StageBegun { stage, since: Timestamp::from_second(BEGUN)?, part: None, ..StageBegun::default() };
        Ok(Self { analyzer, spec, begun, canary, stable, places })
    }

    /// One look at each, behind the scrape of that number.
    async fn look(&self, round: usize) -> Result<()> {
        let stages = self.spec.stages();
        let stage = stages.first().context("no stage")?;
        let now = Timestamp::from_second(BEGUN + 1 + SCRAPE * i64::try_from(round + 1)?)?;
        for (uid, namespace) in &self.places {
            let look = AnalysisRequest {
                uid,
                namespace,
                name: "checkout",
                spec: &self.spec,
                templates: &Templates::default(),
                stage,
                since: None,
                stable: &self.stable,
                canary: &self.canary,
                begun: slice::from_ref(&self.begun),
                replaced: None,
                written: &[],
                presets: &[],
                now,
            };
            let analyzed = self.analyzer.analyze(&look).await;
            let is_judged = analyzed.checks.iter().all(|check| check.verdict != Verdict::NoData);
            ensure!(analyzed.checks.len() == 4 && is_judged, "round {round}: {:?}", analyzed.checks);
        }
        Ok(())
    }
}

/// What this thread has used of its core.
fn processor_time() -> Result<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = text.split_whitespace().next().context("no schedstat")?.parse()?;
    Ok(Duration::from_nanos(nanoseconds))
}

/// A Prometheus that answers in text. All rollouts have pods of the same names, so that each answer is written only once:
/// what is measured is reading it.
#[derive(Clone, Default)]
struct Pods {
    asked: Arc<AtomicUsize>,
    sent: Arc<AtomicUsize>,
    answers: Arc<Mutex<HashMap<String, Vec<u8>>>>,
}

impl Pods {
    /// Begins to count anew.
    fn forget(&self) {
        self.asked.store(0, Ordering::Relaxed);
        self.sent.store(0, Ordering::Relaxed);
    }
}

impl Transport for Pods {
    fn query(&self, question: PromQuery) -> BoxFuture<'_, Result<PromResponse, QueryError>> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let (is_count, is_latency) =
                (question.query.starts_with("count by (le)"), question.query.contains("_bucket"));
            let window = question.query.rsplit_once('[').map_or("", |(_, window)| window);
            let key = format!("{is_count} {is_latency} {window} {:?}", question.when);
            let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            let write = || if is_count { counted(question.when) } else { written(is_latency, window, question.when) };
            let body = answers.entry(key).or_insert_with(write).clone();
            self.sent.fetch_add(body.len(), Ordering::Relaxed);
            Ok(PromResponse::Text { status: 200, html: false, body })
        })
    }
}

/// How many series have each bound.
fn counted(when: When) -> Vec<u8> {
    let at = match when {
        When::At(at) => at.as_second(),
        When::Grid { end, .. } => end,
    };
    let row = |(le, _): &(&str, i64)| format!(r#"{{"metric":{{"le":"{le}"}},"values":[[{at},"{PODS}"]]}}"#);
    let rows: Vec<_> = BUCKETS.iter().map(row).collect();
    format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{}]}}}}"#, rows.join(",")).into_bytes()
}

fn written(is_latency: bool, window: &str, when: When) -> Vec<u8> {
    let mut rows = Vec::new();
    for pod in 0..PODS {
        let replica_set = REPLICA_SETS[usize::from(pod >= CANARIES)];
        let born = if pod < CANARIES { BEGUN - 60 } else { BORN };
        let times = times(pod, born, window, when);
        if times.is_empty() {
            continue;
        }
        let series: Vec<(&str, &str, &str, i64)> = if is_latency {
            let bucket = "http_request_duration_seconds_bucket";
            BUCKETS.iter().map(|(le, of_a_thousand)| (bucket, "le", *le, *of_a_thousand)).collect()
        } else {
            vec![("http_requests_total", "code", "200", 999), ("http_requests_total", "code", "500", 1)]
        };
        for (name, label, value, of_a_thousand) in series {
            let mut row = format!(
                r#"{{"metric":{{"__name__":"{name}","{label}":"{value}","container":"app","endpoint":"http","instance":"10.4.{pod}.17:8080","job":"shop/checkout","namespace":"shop","node":"worker-{pod}","pod":"{replica_set}-abcd{pod}"}},"values":["#
            );
            for (place, (shown, scraped)) in times.iter().enumerate() {
                let count = (scraped - born) / SCRAPE * REQUESTS * of_a_thousand / 1000;
                let comma = if place > 0 { "," } else { "" };
                // Writing to a text does not fail.
                let _ = write!(row, r#"{comma}[{shown}.{pod}23,"{count}"]"#);
            }
            rows.push(row + "]}");
        }
    }
    format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{}]}}}}"#, rows.join(",")).into_bytes()
}

/// The instants of a pod's samples, with the scrape that each of them is of.
fn times(pod: i64, born: i64, window: &str, when: When) -> Vec<(i64, i64)> {
    let scrape = |at: i64| at - (at - pod).rem_euclid(SCRAPE);
    match when {
        When::At(at) => {
            let window: i64 = window.trim_end_matches("ms]").parse().unwrap_or_default();
            let start = at.as_second() - window / 1000;
            let scrapes = (start + 1..at.as_second()).filter(|second| scrape(*second) == *second && *second > born);
            scrapes.map(|second| (second, second)).collect()
        }
        When::Grid { start, end, step } => {
            let step = usize::try_from(step).unwrap_or(1);
            let instants = (start..=end).step_by(step).filter(|second| scrape(*second) > born);
            instants.map(|second| (second, scrape(second))).collect()
        }
    }
}
