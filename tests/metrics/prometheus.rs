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
        canary.ok(400.0);
        stable.ok(2000.0);
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
    assert!(failed.message.contains(" requests failed, allowed 0.5%, stable at 0%; certain "), "{}", failed.message);
    assert!(took < 3_000, "{took} ms");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_healthy_canary_passes_with_enough_requests_and_not_before() {
    let (canary, stable) = pods().await;
    let Some(server) = Server::start(&[&canary, &stable]).await else { return };
    let analyst = analyst(&server.url);
    let subject = Subject::errors();
    subject.until(&analyst, || {}, |check| check.sample == Some(0)).await;

    canary.ok(500.0);
    let short = subject.until(&analyst, || {}, |check| check.more_time.is_some()).await;
    assert_eq!(
        (short.verdict, short.reason.as_str(), short.sample),
        (Verdict::NeedMoreData, "TooFewRequests", Some(500))
    );
    assert!(short.more_requests.is_some_and(|more| (300..600).contains(&more)), "{short:?}");
    let trickle = || canary.ok(10.0);
    let passed = subject.until(&analyst, trickle, |check| check.verdict == Verdict::Pass).await;
    assert!(passed.sample.is_some_and(|sample| (820..1000).contains(&sample)), "{passed:?}");
    assert!(passed.message.ends_with(" requests failed, allowed 0.5%; certain beyond 95%"), "{}", passed.message);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prometheus_that_lost_its_data_counts_nothing_twice() {
    let (canary, stable) = pods().await;
    let Some(mut server) = Server::start(&[&canary, &stable]).await else { return };
    let analyst = analyst(&server.url);
    let subject = Subject::errors();
    subject.until(&analyst, || {}, |check| check.sample == Some(0)).await;
    canary.ok(100.0);
    subject.until(&analyst, || {}, |check| check.sample == Some(100) && check.more_time.is_some()).await;

    server.lose_data().await;
    canary.ok(20.0);
    let remembered = subject.until(&analyst, || {}, |check| check.sample.is_some_and(|sample| sample > 100)).await;
    assert_eq!(remembered.sample, Some(120));

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
    subject.count_in_steps(&first, || canary.ok(500.0)).await;
    let passed = subject.until(&first, || {}, |check| check.verdict == Verdict::Pass).await;

    let mut long_ago = Subject::errors();
    long_ago.since = subject.since - SignedDuration::from_mins(3);
    for derived in [subject, long_ago] {
        let check = derived.until(&analyst(&server.url), || {}, |check| check.verdict == Verdict::Pass).await;
        assert_eq!((check.sample, &check.message), (Some(1500), &passed.message));
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
    subject.count_in_steps(&analyst, || requests(150.0, 45.0, 5.0)).await;
    let passed = subject.until(&analyst, || {}, |check| check.verdict == Verdict::Pass).await;
    let counted = "2.5% of 600 requests took longer than 1s, allowed 10% (p90), stable at 2.5%; certain beyond ";
    assert!(passed.message.starts_with(counted), "{}", passed.message);
    assert!(passed.warning, "{passed:?}");
    requests(0.0, 0.0, 100.0);
    let failed = subject.until(&analyst, || {}, |check| check.verdict == Verdict::Fail).await;
    assert_eq!((failed.value.as_deref(), failed.sample), (Some("100%"), Some(100)));
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
        {"name": "lowest", "query": {"expr": "up", "min": 1, "reduce": "min"}},
        {"name": "sum", "query": {"expr": "up", "max": 1, "reduce": "sum"}},
        {"name": "beside", "query": {"expr": r#"sum(up{pod=~"{{pods}}"})"#, "relative": {"max": 1.1, "min": 0.9}}},
        {"name": "itself", "query": {"expr": "sum(up)", "relative": {"max": 2}}},
    ]));
    subject.until(&analyst, || {}, |check| check.sample == Some(0)).await;
    canary.count("jobs_failed_total", 1.0);
    subject.count_in_steps(&analyst, || canary.count("jobs_total", 400.0)).await;
    let jobs = subject.until(&analyst, || {}, |check| check.verdict == Verdict::Pass).await;
    assert!(jobs.message.starts_with("0.083% of 1,200 requests failed, allowed 1%; certain "), "{}", jobs.message);
    let looked = subject.look(&analyst).await;
    let reasons: Vec<_> = looked.checks.iter().skip(1).map(|check| check.reason.as_str()).collect();
    let without_numbers = ["SeveralSeries", "NotANumber", "QueryRefused"];
    assert_eq!(reasons[1..4], without_numbers);
    assert_eq!(reasons[4..], ["WithinLimit", "AboveLimit", "WithinLimit", "ComparedWithItself"]);
    assert_eq!((reasons[0], looked.checks[7].stable.as_deref()), ("WithinLimit", Some("1")));
}
