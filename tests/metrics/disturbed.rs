//! Whatever happens between a counter and its Prometheus, each request is counted exactly once.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tidegate_analysis::Analyzer;
use tidegate_api::Verdict;
use tidegate_promql::{Labels, Point};

use crate::{
    balancer, remote_write,
    store::{Server, Store, on_every_store},
    support::{CheckUnderTest, Pod, analyzer, eventually},
};

on_every_store![
    two_replicas_that_disagree_count_each_request_once,
    what_was_counted_while_nobody_scraped_counts_once,
    a_process_that_starts_anew_loses_none_of_the_requests_that_were_scraped,
    pods_that_come_and_go_are_counted_from_their_first_request_to_the_last_that_was_scraped,
    labels_that_change_in_mid_flight_lose_nothing,
    samples_that_come_late_are_counted_when_they_come,
    buckets_that_another_version_has_are_each_read_by_their_own_bounds,
];

async fn pods() -> (Pod, Pod) {
    let (canary, stable) = (Pod::start("checkout-new-abcde").await, Pod::start("checkout-old-fghij").await);
    canary.ok(5.0);
    stable.ok(5.0);
    (canary, stable)
}

/// Waits until so many requests were counted, and then that all of them settled and no more came.
async fn counted(subject: &CheckUnderTest, analyzer: &Analyzer, requests: i64) {
    let seen = subject.until(analyzer, || {}, |check| check.sample == Some(requests)).await.at.unwrap();
    let settled = subject.until(analyzer, || {}, |check| check.at.unwrap() > seen + SignedDuration::from_secs(4)).await;
    assert_eq!(settled.sample, Some(requests), "{settled:?}");
}

async fn two_replicas_that_disagree_count_each_request_once(store: Store) {
    let (canary, stable) = pods().await;
    let Some(one) = Server::replica(store, "a", &[&canary, &stable]).await else { return };
    let Some(other) = Server::replica(store, "b", &[&canary, &stable]).await else { return };
    let subject = CheckUnderTest::errors();
    // What a replica has not seen before is no increase.
    for replica in [&one, &other] {
        subject.until(&analyzer(&replica.url), || {}, |check| check.sample == Some(0)).await;
    }
    let analyzer = analyzer(&balancer::start(&[&one.url, &other.url]).await);
    for sample in (100..=800).step_by(100) {
        canary.ok(100.0);
        subject.until(&analyzer, || {}, |check| check.sample >= Some(sample)).await;
    }
    counted(&subject, &analyzer, 800).await;
}

async fn what_was_counted_while_nobody_scraped_counts_once(store: Store) {
    let (canary, stable) = pods().await;
    let Some(server) = Server::start(store, &[&canary, &stable]).await else { return };
    let analyzer = analyzer(&server.url);
    let subject = CheckUnderTest::errors();
    subject.until(&analyzer, || {}, |check| check.sample == Some(0)).await;
    canary.ok(100.0);
    subject.until(&analyzer, || {}, |check| check.sample == Some(100)).await;
    canary.is_away(true);
    let away = Timestamp::now();
    let old = |check: &tidegate_api::CheckStatus| {
        check.at.is_none_or(|at| Timestamp::now().duration_since(at) > SignedDuration::from_secs(3))
    };
    subject.until(&analyzer, || canary.ok(10.0), old).await;
    canary.is_away(false);
    let back =
        subject.until(&analyzer, || {}, |check| check.at.is_some_and(|at| at > away) && check.sample > Some(100));
    let sample = back.await.sample.unwrap();
    counted(&subject, &analyzer, sample).await;
    let exposed = canary.counted(r#"http_requests_total{code="200"}"#);
    assert_eq!(sample.to_string(), (exposed - 5.0).to_string());
}

async fn a_process_that_starts_anew_loses_none_of_the_requests_that_were_scraped(store: Store) {
    let (canary, stable) = pods().await;
    let Some(server) = Server::start(store, &[&canary, &stable]).await else { return };
    let analyzer = analyzer(&server.url);
    let subject = CheckUnderTest::errors();
    subject.until(&analyzer, || {}, |check| check.sample == Some(0)).await;
    canary.ok(300.0);
    subject.until(&analyzer, || {}, |check| check.sample == Some(300)).await;
    canary.restart();
    canary.ok(20.0);
    counted(&subject, &analyzer, 320).await;
}

async fn pods_that_come_and_go_are_counted_from_their_first_request_to_the_last_that_was_scraped(store: Store) {
    let (canary, stable) = pods().await;
    let late = Pod::start("checkout-new-zzzzz").await;
    late.is_away(true);
    late.ok(40.0);
    let Some(server) = Server::start(store, &[&canary, &stable, &late]).await else { return };
    let analyzer = analyzer(&server.url);
    let subject = CheckUnderTest::errors();
    let seen = subject.until(&analyzer, || {}, |check| check.sample == Some(0)).await.at.unwrap();
    // Long enough that a pod which comes now is new.
    subject.until(&analyzer, || {}, |check| check.at.unwrap() > seen + SignedDuration::from_secs(4)).await;
    late.is_away(false);
    subject.until(&analyzer, || {}, |check| check.sample == Some(40)).await;
    canary.ok(60.0);
    subject.until(&analyzer, || {}, |check| check.sample == Some(100)).await;
    canary.is_away(true);
    late.ok(11.0);
    counted(&subject, &analyzer, 111).await;
}

async fn labels_that_change_in_mid_flight_lose_nothing(store: Store) {
    let (canary, stable) = pods().await;
    let Some(server) = Server::start(store, &[&canary, &stable]).await else { return };
    let analyzer = analyzer(&server.url);
    let subject = CheckUnderTest::errors();
    subject.until(&analyzer, || {}, |check| check.sample == Some(0)).await;
    canary.ok(100.0);
    subject.until(&analyzer, || {}, |check| check.sample == Some(100)).await;
    canary.forget(r#"http_requests_total{code="200"}"#);
    canary.count(r#"http_requests_total{code="200",path="/cart"}"#, 30.0);
    canary.count(r#"http_requests_total{status="500",path="/"}"#, 2.0);
    counted(&subject, &analyzer, 132).await;
}

async fn samples_that_come_late_are_counted_when_they_come(store: Store) {
    let pod = Pod::start("checkout-none-abcde").await;
    let Some(server) = Server::start(store, &[&pod]).await else { return };
    let start = Timestamp::now().as_millisecond() / 1000 * 1000 - 60_000;
    let series = |pod: &str, code: &str| {
        let name = "http_requests_total";
        Labels::new([("__name__", name), ("namespace", "shop"), ("pod", pod), ("code", code)])
    };
    let write = async |pod: &str, from: i64, until: i64, value: f64| {
        let points: Vec<_> = (from..until).map(|second| Point { at: start + second * 1000, value }).collect();
        let labels = series(pod, "200");
        let body = remote_write::request([(&labels, points.as_slice())].into_iter());
        eventually("the samples are written", async || {
            let request = reqwest::Client::new().post(format!("{}/api/v1/write", server.url)).body(body.clone());
            let request = request.header("content-encoding", "snappy");
            let answer = request.header("content-type", "application/x-protobuf").send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
    };
    let (canary, other) = ("checkout-new-abcde", "checkout-new-fghij");
    for pod in [canary, other, "checkout-old-abcde"] {
        write(pod, 0, 30, 7.0).await;
    }
    let analyzer = analyzer(&server.url);
    let mut subject = CheckUnderTest::errors();
    subject.since = Timestamp::from_millisecond(start + 10_000).unwrap();
    // The samples of one pod come at once, those of the other when the first ones have settled long since.
    write(canary, 30, 58, 107.0).await;
    subject.until(&analyzer, || {}, |check| check.sample == Some(100)).await;
    write(other, 30, 58, 57.0).await;
    subject.until(&analyzer, || {}, |check| check.sample == Some(150)).await;
}

async fn buckets_that_another_version_has_are_each_read_by_their_own_bounds(store: Store) {
    let (canary, stable) = pods().await;
    let Some(server) = Server::start(store, &[&canary, &stable]).await else { return };
    let analyzer = analyzer(&server.url);
    let count = |pod: &Pod, bounds: &[&str], fast: f64, all: f64| {
        for le in bounds {
            let count = if *le == "+Inf" { all } else { fast };
            pod.count(&format!("http_request_duration_seconds_bucket{{le=\"{le}\"}}"), count);
        }
    };
    let both = |times: f64| {
        count(&canary, &["0.25", "1.0", "+Inf"], 398.0 * times, 400.0 * times);
        count(&stable, &["0.5", "1", "2.5", "+Inf"], 99.0 * times, 100.0 * times);
    };
    both(0.0);
    let subject = CheckUnderTest::new(
        &json!([{"name": "p90", "latency": {"preset": "pod-http", "quantile": 0.9, "max": "1s", "relative": {}}}]),
    );
    subject.until(&analyzer, || {}, |check| check.sample == Some(0)).await;
    subject.count_in_steps(&analyzer, || both(1.0)).await;
    // How many it takes depends on the blocks into which they fall.
    let passed = subject.until(&analyzer, || both(0.2), |check| check.verdict == Verdict::Pass).await;
    assert!(passed.message.contains(", stable at 1%"), "{}", passed.message);
}
