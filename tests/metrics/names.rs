//! Metrics that are called otherwise after an upgrade of the library, in real stores.

use serde_json::json;
use tidegate_api::Verdict;

use crate::{
    store::{Server, Store, on_every_store},
    support::{CheckUnderTest, Pod, analyzer},
};

on_every_store![a_version_that_renamed_its_metrics_is_judged_beside_the_one_before_and_no_request_counts_twice];

/// So many requests at each step, as OpenTelemetry counted them before and counts them now.
fn before(pod: &Pod, requests: f64) {
    pod.count(r#"http_server_duration_milliseconds_count{http_status_code="200"}"#, requests);
}

fn now(pod: &Pod, requests: f64) {
    pod.count(r#"http_server_request_duration_seconds_count{http_response_status_code="200"}"#, requests);
}

async fn a_version_that_renamed_its_metrics_is_judged_beside_the_one_before_and_no_request_counts_twice(store: Store) {
    let (canary, stable) = (Pod::start("checkout-new-abcde").await, Pod::start("checkout-old-fghij").await);
    let both = |requests| {
        before(&stable, requests);
        // In between, a pod tells both.
        before(&canary, requests);
        now(&canary, requests);
    };
    both(5.0);
    let Some(server) = Server::start(store, &[&canary, &stable]).await else { return };
    let analyzer = analyzer(&server.url);
    let relative = json!({"margin": "1%"});
    let subject = CheckUnderTest::new(
        &json!([{"name": "errors", "errorRate": {"preset": "otel-http", "max": "2%", "relative": relative}}]),
    );
    subject.until(&analyzer, || {}, |check| check.sample == Some(0)).await;
    subject.count_in_steps(&analyzer, || both(600.0)).await;
    let check = subject.until(&analyzer, || {}, |check| check.verdict == Verdict::Pass).await;
    assert!(check.sample.is_some_and(|sample| (1..=1800).contains(&sample)), "{check:?}");
    assert!(check.stable.is_some(), "{check:?}");
}
