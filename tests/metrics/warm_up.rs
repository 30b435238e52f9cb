//! Pods that are slow until they are warm.

use tidegate_api::Verdict;

use crate::{
    store::{Server, Store, on_every_store},
    support::{CheckUnderTest, Pod, analyzer},
};

on_every_store!(a_version_whose_pods_are_slow_at_first_passes_by_what_they_answer_when_they_are_warm);

/// So many requests in half a second, or in two.
fn answer(pod: &Pod, count: f64, is_slow: bool) {
    for le in ["0.5", "2", "+Inf"] {
        let count = if is_slow && le == "0.5" { 0.0 } else { count };
        pod.count(&format!("http_request_duration_seconds_bucket{{le=\"{le}\"}}"), count);
    }
}

fn subject(warm_up: &str) -> CheckUnderTest {
    CheckUnderTest::new(&serde_json::json!([{
        "name": "slow",
        "warmUp": warm_up,
        "latency": {"preset": "pod-http", "quantile": 0.95, "max": "500ms"},
    }]))
}

async fn a_version_whose_pods_are_slow_at_first_passes_by_what_they_answer_when_they_are_warm(store: Store) {
    let (canary, stable) = (Pod::start("checkout-new-aaaaa").await, Pod::start("checkout-old-aaaaa").await);
    answer(&canary, 1.0, true);
    answer(&stable, 1.0, false);
    let Some(server) = Server::start(store, &[&canary, &stable]).await else { return };
    let (impatient, patient) = (subject("0s"), subject("20s"));
    let is_cold = || answer(&canary, 20.0, true);
    let failed = impatient.until(&analyzer(&server.url), is_cold, |check| check.verdict == Verdict::Fail).await;
    assert_eq!(failed.reason, "AboveLimit");
    let analyzer = analyzer(&server.url);
    let cold = patient.until(&analyzer, is_cold, |check| check.reason == "WarmingUp").await;
    assert!(cold.message.starts_with("the pods of the new version warm up: their requests count from 20"), "{cold:?}");
    let passed =
        patient.until(&analyzer, || answer(&canary, 50.0, false), |check| check.verdict == Verdict::Pass).await;
    assert_eq!(passed.value.as_deref(), Some("0%"), "{passed:?}");
}
