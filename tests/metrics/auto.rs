//! `preset: auto`: what stands for it, and for how long.

use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Value, json};
use tidegate_analysis::{
    AnalysisRequest, AnalysisResult, Analyzer, PromQuery, PromResponse, QueryError, Templates, Transport,
};
use tidegate_api::{Preset, PresetStatus, RolloutSpec, StageBegun, Verdict};
use tidegate_clock::Clock;
use tidegate_promql::Labels;
use tidegate_sim::endpoint::Endpoint;

use crate::{
    store::{Server, Store, on_every_store},
    support::{CheckUnderTest, Pod, analyzer, revision},
};

on_every_store![a_preset_is_found_and_judged_by];

/// When the stage's weight came into force, and when it is looked at.
const BEGUN: i64 = 600;
const NOW: i64 = 1200;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// A counter or bucket of a pod, and how much it gains in five seconds.
type Counter = (&'static str, &'static [(&'static str, &'static str)], f64);

const PLAIN: &[Counter] = &[
    ("http_requests_total", &[("code", "200")], 50.0),
    ("http_requests_total", &[("code", "500")], 0.0),
    ("http_request_duration_seconds_bucket", &[("le", "0.5")], 50.0),
    ("http_request_duration_seconds_bucket", &[("le", "+Inf")], 50.0),
];
const SIDECAR: &[Counter] = &[
    ("istio_requests_total", &[("reporter", "destination"), ("response_code", "200")], 51.0),
    ("istio_request_duration_milliseconds_bucket", &[("reporter", "destination"), ("le", "500")], 51.0),
    ("istio_request_duration_milliseconds_bucket", &[("reporter", "destination"), ("le", "+Inf")], 51.0),
];
const FLASK: &[Counter] = &[("flask_http_request_total", &[("status", "200")], 50.0)];
const HEALTH: &[Counter] = &[("http_requests_total", &[("code", "200")], 1.0)];
const GRPC: &[Counter] = &[("grpc_server_handled_total", &[("grpc_code", "OK")], 50.0)];
const UNKNOWN: &[Counter] = &[("orders_total", &[("kind", "book")], 50.0)];

/// A Prometheus that scraped a pod of either version, with these counters.
fn scraped(stable: &[&[Counter]], canary: &[&[Counter]]) -> Analyzer {
    Analyzer::over("default", endpoint(stable, canary), Duration::from_secs(10))
}

fn endpoint(stable: &[&[Counter]], canary: &[&[Counter]]) -> Endpoint {
    let prometheus = Endpoint::new(Clock::starting_at(at(0)));
    for second in (0..=NOW).step_by(5) {
        for (pod, counters) in [("checkout-old-aaaaa", stable), ("checkout-new-aaaaa", canary)] {
            let samples = counters.iter().copied().flatten().map(|(name, labels, gain)| {
                let added = [("__name__", *name), ("namespace", "shop"), ("pod", pod)];
                #[allow(clippy::cast_precision_loss, reason = "a few seconds")]
                (Labels::new(added.into_iter().chain(labels.iter().copied())), gain * (second / 5) as f64)
            });
            let samples: Vec<_> = samples.collect();
            prometheus.scrape(at(second), |prometheus, now| prometheus.append(now, pod, &samples));
        }
    }
    prometheus
}

fn errors() -> Value {
    json!({"name": "errors", "errorRate": {"preset": "auto", "max": "2%"}})
}

fn latency() -> Value {
    json!({"name": "p95", "latency": {"preset": "auto", "quantile": 0.95, "max": "500ms"}})
}

async fn look(analyzer: &Analyzer, checks: &[Value], presets: &[PresetStatus]) -> AnalysisResult {
    let spec: RolloutSpec = serde_json::from_value(json!({
        "workload": {"kind": "Deployment", "name": "checkout"},
        "service": "checkout",
        "stages": [{"name": "half", "weight": "50%"}, {"name": "full", "weight": "100%"}],
        "analysis": {"interval": "10s", "statistics": {"overdispersion": 1}, "checks": checks},
    }))
    .unwrap();
    let stages = spec.stages();
    let request = AnalysisRequest {
        uid: "uid",
        namespace: "shop",
        name: "checkout",
        spec: &spec,
        templates: &Templates::default(),
        stage: &stages[0],
        since: None,
        stable: &revision("old"),
        canary: &revision("new"),
        begun: &[StageBegun { stage: "half".to_owned(), since: at(BEGUN), part: None, ..StageBegun::default() }],
        replaced: None,
        written: &[],
        presets,
        now: at(NOW),
    };
    analyzer.analyze(&request).await
}

fn taken(check: &str, preset: Preset) -> PresetStatus {
    PresetStatus { check: check.to_owned(), preset, reason: "reads something".to_owned() }
}

#[tokio::test]
async fn what_the_pods_of_stable_expose_decides_and_is_told() {
    let seen = look(&scraped(&[FLASK], &[FLASK]), &[errors()], &[]).await;
    assert_eq!(seen.checks[0].verdict, Verdict::Pass, "{seen:?}");
    assert_eq!(seen.presets.len(), 1);
    assert_eq!((seen.presets[0].check.as_str(), seen.presets[0].preset), ("errors", Preset::FrameworkHttp));
    assert_eq!(seen.presets[0].reason, "reads flask_http_request_total, which the pods expose");
}

#[tokio::test]
async fn of_several_that_fit_one_is_taken_for_all_checks_and_the_others_are_told() {
    let both: &[&[Counter]] = &[PLAIN, SIDECAR];
    let seen = look(&scraped(both, both), &[errors(), latency()], &[]).await;
    assert!(seen.checks.iter().all(|check| check.verdict == Verdict::Pass), "{seen:?}");
    assert!(seen.presets.iter().all(|taken| taken.preset == Preset::Istio), "{seen:?}");
    assert!(seen.presets[0].reason.ends_with("never answers; pod-http would fit as well"), "{seen:?}");
}

#[tokio::test]
async fn a_server_for_health_checks_is_not_taken_for_the_application() {
    let both: &[&[Counter]] = &[HEALTH, GRPC];
    let seen = look(&scraped(both, both), &[errors()], &[]).await;
    assert_eq!(seen.presets[0].preset, Preset::Grpc, "{seen:?}");
}

#[tokio::test]
async fn what_was_taken_stands_for_the_whole_release() {
    // Before the sidecar was there.
    let both: &[&[Counter]] = &[PLAIN, SIDECAR];
    let before = [taken("errors", Preset::PodHttp)];
    let seen = look(&scraped(both, both), &[errors()], &before).await;
    assert_eq!((seen.checks[0].verdict, &seen.presets[..]), (Verdict::Pass, &before[..]));
}

#[tokio::test]
async fn a_version_that_counts_otherwise_than_stable_passes_nothing_and_it_is_said_why() {
    let seen = look(&scraped(&[PLAIN], &[FLASK]), &[errors()], &[]).await;
    assert_eq!((seen.checks[0].verdict, seen.checks[0].reason.as_str()), (Verdict::NoData, "NoSeries"));
    let message = &seen.checks[0].message;
    assert!(message.starts_with("there is no http_requests_total of the version asked for"), "{message}");
    assert!(message.contains("; preset auto stands for pod-http, which reads http_request_duration"), "{message}");
}

#[tokio::test]
async fn where_nothing_fits_nothing_passes() {
    let seen = look(&scraped(&[UNKNOWN], &[UNKNOWN]), &[errors(), latency()], &[]).await;
    assert!(seen.checks.iter().all(|check| check.verdict == Verdict::NoData && check.reason == "NoPresetFits"));
    assert!(seen.checks[0].message.contains("none fits the 1 metrics of the pods"), "{seen:?}");
    assert_eq!(seen.presets, []);
    let nobody = look(&scraped(&[], &[]), &[errors()], &[]).await;
    assert!(nobody.checks[0].message.contains("check that they are scraped"), "{nobody:?}");
}

/// Prometheus answers when it is asked what there is, and not when it is asked for the numbers.
#[tokio::test]
async fn nothing_is_taken_while_prometheus_does_not_say_what_fits() {
    let prometheus = Silent(endpoint(&[PLAIN, SIDECAR], &[PLAIN, SIDECAR]));
    let seen = look(&Analyzer::over("default", prometheus, Duration::from_secs(10)), &[errors()], &[]).await;
    assert_eq!((seen.checks[0].verdict, seen.presets.len()), (Verdict::NoData, 0), "{seen:?}");
    assert_eq!(seen.checks[0].reason, "PrometheusFails", "{seen:?}");
}

/// A Prometheus that fails when it is asked about a sidecar.
#[derive(Clone)]
struct Silent(Endpoint);

impl Transport for Silent {
    fn query(&self, question: PromQuery) -> BoxFuture<'_, Result<PromResponse, QueryError>> {
        if question.query.contains("istio_requests_total") {
            let fault = QueryError::Status { endpoint: "default".to_owned(), status: 503 };
            return Box::pin(async { Err(fault) });
        }
        self.0.query(question)
    }
}

#[tokio::test]
async fn where_stable_is_not_scraped_any_more_the_new_version_decides() {
    let seen = look(&scraped(&[], &[FLASK]), &[errors()], &[]).await;
    assert_eq!((seen.checks[0].verdict, seen.presets[0].preset), (Verdict::Pass, Preset::FrameworkHttp));
}

#[tokio::test]
async fn a_check_that_names_its_preset_is_left_alone() {
    let mut named = errors();
    named["errorRate"]["preset"] = json!("pod-http");
    let seen = look(&scraped(&[PLAIN], &[PLAIN]), &[named], &[]).await;
    assert_eq!((seen.checks[0].verdict, seen.presets), (Verdict::Pass, Vec::new()));
}

async fn a_preset_is_found_and_judged_by(store: Store) {
    let (canary, stable) = (Pod::start("checkout-new-abcde").await, Pod::start("checkout-old-fghij").await);
    let both = |requests| {
        for pod in [&canary, &stable] {
            pod.count(r#"http_server_request_duration_count{http_response_status_code="200"}"#, requests);
        }
    };
    both(5.0);
    let Some(server) = Server::start(store, &[&canary, &stable]).await else { return };
    let analyzer = analyzer(&server.url);
    let subject = CheckUnderTest::new(&json!([errors()]));
    subject.until(&analyzer, || {}, |check| check.sample == Some(0)).await;
    assert_eq!(subject.look(&analyzer).await.presets[0].preset, Preset::OtelHttp);
    subject.count_in_steps(&analyzer, || both(400.0)).await;
    subject.until(&analyzer, || {}, |check| check.verdict == Verdict::Pass).await;
}
