//! A real Prometheus that scrapes real servers once a second.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tidegate::api::{CheckStatus, Verdict};

use crate::support::{Pod, Server, Subject, analyst};

async fn pods() -> (Pod, Pod) {
    let (canary, stable) = (Pod::start("checkout-new-abcde").await, Pod::start("checkout-old-fghij").await);
    canary.ok(5.0);
    stable.ok(5.0);
    (canary, stable)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_percent_errors_fail_within_a_second_of_being_scraped() {
    let (canary, stable) = pods().await;
    let Some(server) = Server::start(&[&canary, &stable]).await else { return };
    let analyst = analyst(&server.url);
    let subject = Subject::errors();
    let healthy = || {
        canary.ok(20.0);
        stable.ok(100.0);
    };
    subject.until(&analyst, healthy, |check| check.verdict == Verdict::Pass).await;

    canary.fail(20.0);
    canary.ok(80.0);
    let failing = Timestamp::now();
    let failed = subject.until(&analyst, || {}, |check| check.verdict == Verdict::Fail).await;
    let took = Timestamp::now().duration_since(failing).as_millis();
    let scraped = failed.at.unwrap();
    let behind = Timestamp::now().duration_since(scraped).as_millis();
    println!("a failing canary was seen {took} ms after it failed, {behind} ms after the scrape");
    assert!(failed.message.contains("allowed 0.5%, stable at 0%"), "{}", failed.message);
    assert!(took < 3_000, "{took} ms");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_healthy_canary_passes_with_a_hundred_requests_and_not_before() {
    let (canary, stable) = pods().await;
    let Some(server) = Server::start(&[&canary, &stable]).await else { return };
    let analyst = analyst(&server.url);
    let subject = Subject::errors();
    subject.until(&analyst, || {}, |check| check.sample == Some(0)).await;

    canary.ok(99.0);
    let short = subject.until(&analyst, || {}, |check| check.sample == Some(99)).await;
    assert_eq!((short.verdict, short.reason.as_str()), (Verdict::NeedMoreData, "TooFewRequests"));
    canary.ok(1.0);
    let passed = subject.until(&analyst, || {}, |check| check.verdict == Verdict::Pass).await;
    assert_eq!((passed.sample, passed.value.as_deref()), (Some(100), Some("0%")));
    assert_eq!(passed.message, "0% of 100 requests failed, allowed 0.5%");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prometheus_that_lost_its_data_counts_nothing_twice() {
    let (canary, stable) = pods().await;
    let Some(mut server) = Server::start(&[&canary, &stable]).await else { return };
    let analyst = analyst(&server.url);
    let subject = Subject::errors();
    subject.until(&analyst, || {}, |check| check.sample == Some(0)).await;
    canary.ok(100.0);
    let settled = subject.until(&analyst, || {}, |check| check.verdict == Verdict::Pass).await;
    assert_eq!(settled.sample, Some(100));

    server.lose_data().await;
    canary.ok(20.0);
    let remembered = subject.until(&analyst, || {}, |check| check.sample.is_some_and(|sample| sample > 100)).await;
    assert_eq!((remembered.verdict, remembered.sample), (Verdict::Pass, Some(120)));

    let restarted = crate::support::analyst(&server.url);
    let anew = subject.until(&restarted, || {}, |check| check.sample.is_some()).await;
    assert_eq!((anew.verdict, anew.sample), (Verdict::NeedMoreData, Some(0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_derives_the_same_evidence() {
    let (canary, stable) = pods().await;
    let Some(server) = Server::start(&[&canary, &stable]).await else { return };
    let first = analyst(&server.url);
    let subject = Subject::errors();
    let seen = subject.until(&first, || {}, |check| check.sample == Some(0)).await.at.unwrap();
    // The count before the requests has to stand at one of the whole seconds that are asked for later.
    let for_long = |check: &CheckStatus| check.at.unwrap() > seen + SignedDuration::from_millis(1500);
    subject.until(&first, || {}, for_long).await;
    canary.ok(150.0);
    let passed = subject.until(&first, || {}, |check| check.verdict == Verdict::Pass).await;

    let mut long_ago = Subject::errors();
    long_ago.since = subject.since - SignedDuration::from_mins(3);
    for derived in [subject, long_ago] {
        let check = derived.until(&analyst(&server.url), || {}, |check| check.verdict == Verdict::Pass).await;
        assert_eq!((check.sample, &check.message), (Some(150), &passed.message));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_bound_is_a_number_however_it_is_written() {
    let (canary, stable) = pods().await;
    let Some(server) = Server::start(&[&canary, &stable]).await else { return };
    let analyst = analyst(&server.url);
    let checks =
        json!([{"name": "p90", "latency": {"preset": "pod-http", "quantile": 0.9, "max": "1s", "warn": "500ms"}}]);
    let bucket = |pod: &Pod, le: &str, count| {
        pod.count(&format!("http_request_duration_seconds_bucket{{le=\"{le}\"}}"), count);
    };
    let requests = |fast: f64, middling: f64, slow: f64| {
        for (pod, one) in [(&canary, "1.0"), (&stable, "1")] {
            bucket(pod, "0.5", fast);
            bucket(pod, one, fast + middling);
            bucket(pod, "+Inf", fast + middling + slow);
        }
    };
    requests(0.0, 0.0, 0.0);
    let subject = Subject::new(&checks);
    subject.until(&analyst, || {}, |check| check.sample == Some(0)).await;
    requests(150.0, 45.0, 5.0);
    let passed = subject.until(&analyst, || {}, |check| check.verdict == Verdict::Pass).await;
    assert_eq!(passed.message, "2.5% of 200 requests took longer than 1s, allowed 10% (p90), stable at 2.5%");
    assert!(passed.warning, "{passed:?}");
    requests(0.0, 0.0, 100.0);
    let failed = subject.until(&analyst, || {}, |check| check.verdict == Verdict::Fail).await;
    assert_eq!(failed.value.as_deref(), Some("35%"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_of_ones_own_and_queries_are_judged_too() {
    let (canary, stable) = pods().await;
    canary.count("jobs_total", 0.0);
    let Some(server) = Server::start(&[&canary, &stable]).await else { return };
    let analyst = analyst(&server.url);
    let subject = Subject::new(&json!([
        {"name": "jobs", "errorRate": {"max": "1%", "counters": {
            "errors": r#"jobs_failed_total{pod=~"{{pods}}"}"#, "total": r#"jobs_total{pod=~"{{pods}}"}"#}}},
        {"name": "up", "query": {"expr": r#"min(up{pod=~"{{pods}}"})"#, "min": 1, "failureLimit": 1}},
        {"name": "several", "query": {"expr": "up", "max": 1}},
        {"name": "nan", "query": {"expr": "0/0", "max": 1}},
        {"name": "typo", "query": {"expr": "sum(", "max": 1}},
    ]));
    subject.until(&analyst, || {}, |check| check.sample == Some(0)).await;
    canary.count("jobs_total", 200.0);
    canary.count("jobs_failed_total", 1.0);
    let jobs = subject.until(&analyst, || {}, |check| check.verdict == Verdict::Pass).await;
    assert_eq!(jobs.message, "0.5% of 200 requests failed, allowed 1%");
    let looked = subject.look(&analyst).await;
    let reasons: Vec<_> = looked.checks.iter().skip(1).map(|check| check.reason.as_str()).collect();
    assert_eq!(reasons, ["WithinLimit", "SeveralSeries", "NotANumber", "QueryRefused"]);
}
