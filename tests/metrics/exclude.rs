//! Probes and scrapes, which are no requests of users.

use std::time::Duration;

use serde_json::{Value, json};
use tidegate_api::{CheckStatus, Verdict};
use tokio::time::sleep;

use crate::{
    store::{Server, Store, on_every_store},
    support::{CheckUnderTest, Pod, analyzer, eventually},
};

on_every_store!(
    a_version_that_no_user_reached_is_not_judged_by_its_probes_and_scrapes,
    a_service_that_answers_nothing_else_counts_them_where_it_says_so,
);

/// As many requests for `handler`, each of which was fast.
fn answer(pod: &Pod, handler: &str, code: u16, count: f64) {
    pod.count(&format!("http_requests_total{{handler=\"{handler}\",code=\"{code}\"}}"), count);
    for le in ["0.5", "+Inf"] {
        let series = format!("http_request_duration_seconds_bucket{{handler=\"{handler}\",le=\"{le}\"}}");
        pod.count(&series, count);
    }
}

/// Between two looks the kubelet and Prometheus come by, far more often than they do; some probes fail.
fn probe(pod: &Pod) {
    answer(pod, "/healthz", 200, 50.0);
    answer(pod, "/readyz", 503, 5.0);
    answer(pod, "/metrics", 200, 50.0);
}

fn subject(exclude: &Value) -> CheckUnderTest {
    CheckUnderTest::new(&json!([
        {"name": "errors", "errorRate": {"preset": "pod-http", "exclude": exclude, "max": "10%"}},
        {"name": "slow", "latency": {"preset": "pod-http", "exclude": exclude, "quantile": 0.9, "max": "500ms"}},
    ]))
}

async fn a_version_that_no_user_reached_is_not_judged_by_its_probes_and_scrapes(store: Store) {
    let (canary, stable) = (Pod::start("checkout-new-aaaaa").await, Pod::start("checkout-old-aaaaa").await);
    let Some(server) = Server::start(store, &[&canary, &stable]).await else { return };
    let subject = subject(&Value::Null);
    let analyzer = analyzer(&server.url);
    let probed = || {
        probe(&canary);
        probe(&stable);
        answer(&stable, "/orders", 200, 100.0);
    };
    let is_told = |check: &CheckStatus| check.reason == "AllExcluded";
    let checks = subject.until_all(&analyzer, probed, |checks| checks.iter().all(is_told)).await;
    for check in &checks {
        assert_eq!((check.verdict, check.sample), (Verdict::NeedMoreData, Some(0)), "{check:?}");
        let told = r#"what there was is left out, "/healthz", "/metrics", "/readyz"; "#;
        assert!(check.message.contains(told), "{check:?}");
    }
    // So many that they would have been enough many times over.
    while canary.counted(r#"http_requests_total{handler="/healthz",code="200"}"#) < 1000.0 {
        let looked = subject.look(&analyzer).await;
        assert!(looked.checks.iter().all(is_told), "{:?}", looked.checks);
        probed();
        sleep(Duration::from_millis(200)).await;
    }
    let none = subject.survey(&server.url, Duration::from_mins(1)).await;
    assert!(none.is_ok(), "stable has requests of users: {none:?}");
    // The first requests of users count from the first on.
    answer(&canary, "/orders", 200, 3.0);
    let first = subject
        .until_all(&analyzer, probed, |checks| checks.iter().all(|check| check.sample.is_some_and(|sample| sample > 0)))
        .await;
    assert!(first.iter().all(|check| check.sample == Some(3)), "{first:?}");
    let asked = || {
        probed();
        answer(&canary, "/orders", 200, 50.0);
    };
    let passed = |checks: &[CheckStatus]| checks.iter().all(|check| check.verdict == Verdict::Pass);
    let passed = subject.until_all(&analyzer, asked, passed).await;
    assert_eq!(passed[0].value.as_deref(), Some("0%"), "failed probes are none either: {passed:?}");
}

async fn a_service_that_answers_nothing_else_counts_them_where_it_says_so(store: Store) {
    let (canary, stable) = (Pod::start("checkout-new-aaaaa").await, Pod::start("checkout-old-aaaaa").await);
    let Some(server) = Server::start(store, &[&canary, &stable]).await else { return };
    let probed = || {
        probe(&canary);
        probe(&stable);
    };
    let leaving_out = subject(&Value::Null);
    leaving_out.until(&analyzer(&server.url), probed, |check| check.reason == "AllExcluded").await;
    // The past begins with the second scrape.
    let surveyed = async || {
        let fault = leaving_out.survey(&server.url, Duration::from_mins(1)).await.err()?;
        (fault.reason() != "NoSeries").then_some(fault)
    };
    let none = eventually("a survey of what there was", surveyed).await;
    assert_eq!(none.reason(), "AllExcluded", "{none}");
    let counting = subject(&json!({"probes": "Count"}));
    let passed = |checks: &[CheckStatus]| checks.iter().all(|check| check.verdict == Verdict::Pass);
    counting.until_all(&analyzer(&server.url), probed, passed).await;
}
