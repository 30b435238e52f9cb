//! Requests that are counted, and whose time nobody measured, in real stores.

use serde_json::{Value, json};
use tidegate_api::Verdict;

use crate::{
    store::{Server, Store, on_every_store},
    support::{CheckUnderTest, Pod, analyzer},
};

on_every_store![a_version_whose_requests_run_into_a_timeout_is_not_called_fast];

/// A latency of which at least 95 of 100 have to be within a tenth of a second.
fn latency(name: &str, source: &Value) -> Value {
    let mut latency = json!({"quantile": 0.95, "max": "100ms"});
    latency.as_object_mut().unwrap().extend(source.as_object().unwrap().clone());
    json!({"name": name, "latency": latency})
}

/// Requests as two libraries count them: all that were answered in time are fast, and nobody measures the others.
fn answer(pod: &Pod, measured: f64, timed_out: f64) {
    for bound in ["0.1", "+Inf"] {
        pod.count(&format!("http_request_duration_seconds_bucket{{le=\"{bound}\"}}"), measured);
        pod.count(&format!("starlette_requests_processing_time_seconds_bucket{{le=\"{bound}\"}}"), measured);
    }
    for (status, count) in [("200", measured), ("504", timed_out)] {
        pod.count(&format!("http_requests_total{{code=\"{status}\"}}"), count);
        pod.count(&format!("starlette_responses_total{{status_code=\"{status}\"}}"), count);
    }
}

async fn a_version_whose_requests_run_into_a_timeout_is_not_called_fast(store: Store) {
    let canary = Pod::start("checkout-new-abcde").await;
    answer(&canary, 5.0, 0.0);
    let Some(server) = Server::start(store, &[&canary]).await else { return };
    let analyzer = analyzer(&server.url);
    let buckets = r#"http_request_duration_seconds_bucket{pod=~"{{pods}}"}"#;
    let total = r#"http_requests_total{pod=~"{{pods}}"}"#;
    let subject = CheckUnderTest::new(&json!([
        latency("starlette", &json!({"preset": "framework-http"})),
        latency("own", &json!({"histogram": {"buckets": buckets, "total": total}})),
        latency("alone", &json!({"histogram": {"buckets": buckets}})),
    ]));
    subject.until(&analyzer, || {}, |check| check.sample == Some(0)).await;
    subject.count_in_steps(&analyzer, || answer(&canary, 900.0, 100.0)).await;
    let told = "of 3,000 requests that were counted, 300 are in no histogram and may have been slower";
    let checks = subject
        .until_all(
            &analyzer,
            || {},
            |checks| {
                let [held @ .., alone] = checks else { return false };
                let is_held = held.iter().all(|check| check.message.contains(told));
                is_held && alone.verdict == Verdict::Pass
            },
        )
        .await;
    for check in &checks[..2] {
        assert_eq!((check.verdict, &*check.reason), (Verdict::NeedMoreData, "NotInHistogram"), "{check:?}");
    }
    let canary = || {
        for _ in 0..20 {
            answer(&canary, 1000.0, 0.0);
        }
    };
    subject.until_all(&analyzer, canary, |checks| checks.iter().all(|check| check.verdict == Verdict::Pass)).await;
}
