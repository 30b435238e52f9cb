//! Pods that are scraped twice, in real stores.

use serde_json::json;
use tidegate_api::Verdict;

use crate::{
    store::{Server, Store, on_every_store},
    support::{CheckUnderTest, Pod, analyzer},
};

on_every_store![a_pod_that_two_jobs_scrape_counts_once_and_it_is_said];

async fn a_pod_that_two_jobs_scrape_counts_once_and_it_is_said(store: Store) {
    let (canary, stable) = (Pod::start("checkout-new-abcde").await, Pod::start("checkout-old-fghij").await);
    let requests = |count| {
        for pod in [&canary, &stable] {
            pod.ok(count);
            pod.count(r#"http_request_duration_seconds_bucket{le="0.1"}"#, count);
            pod.count(r#"http_request_duration_seconds_bucket{le="+Inf"}"#, count);
        }
    };
    requests(5.0);
    let Some(server) = Server::with_jobs(store, &["pods", "web"], &[&canary, &stable]).await else { return };
    let checks = json!([
        {"name": "errors", "errorRate": {"preset": "pod-http", "max": "2%", "relative": {"margin": "1%"}}},
        {"name": "slow", "latency": {"preset": "pod-http", "quantile": 0.95, "max": "100ms"}},
    ]);
    let is_told =
        |message: &str| message.contains("are there twice and move together, once with job pods and once with web");
    let before = CheckUnderTest::new(&checks);
    before.until(&analyzer(&server.url), || requests(1.0), |check| is_told(&check.message)).await;
    // From now on it is known from the first look.
    let (analyzer, subject) = (analyzer(&server.url), CheckUnderTest::new(&checks));
    let counted = canary.counted(r#"http_requests_total{code="200"}"#);
    subject.until(&analyzer, || {}, |check| check.sample.is_some() && is_told(&check.message)).await;
    subject.count_in_steps(&analyzer, || requests(600.0)).await;
    let all = subject
        .until_all(
            &analyzer,
            || {},
            |checks| checks.iter().all(|check| check.verdict == Verdict::Pass && is_told(&check.message)),
        )
        .await;
    // With those that came between the last scrape and the beginning.
    let most = canary.counted(r#"http_requests_total{code="200"}"#) - counted + 200.0;
    for check in all {
        assert!(check.sample.is_some_and(|sample| sample > 0 && (sample as f64) <= most), "{most}: {check:?}");
    }
}
