//! Real servers that scrape real applications once a second.

use std::{collections::BTreeSet, sync::Mutex};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tidegate_api::{CheckStatus, Verdict};

use crate::{
    store::{Server, Store, on_every_store},
    support::{CheckUnderTest, Pod, analyzer},
};

on_every_store![
    twenty_percent_errors_fail_as_soon_as_they_can_be_seen,
    a_healthy_canary_passes_with_enough_requests_and_not_before,
    a_prometheus_that_lost_its_data_counts_nothing_twice,
    another_process_derives_the_same_evidence,
    a_bucket_bound_is_a_number_however_it_is_written,
    counters_of_ones_own_and_queries_are_judged_too,
    a_query_is_about_the_newest_scrape,
    a_pod_that_is_gone_takes_no_check_with_it,
    a_limit_above_the_largest_bucket_concerns_its_own_check_alone,
    the_release_that_adds_the_missing_bucket_is_judged_by_it,
    where_there_is_nothing_of_the_new_version_it_is_told_what_there_is,
    a_gateways_missing_numbers_are_looked_for_at_the_gateway,
];

async fn pods() -> (Pod, Pod) {
    let (canary, stable) = (Pod::start("checkout-new-abcde").await, Pod::start("checkout-old-fghij").await);
    canary.ok(5.0);
    stable.ok(5.0);
    (canary, stable)
}

async fn twenty_percent_errors_fail_as_soon_as_they_can_be_seen(store: Store) {
    let (canary, stable) = pods().await;
    let Some(server) = Server::start(store, &[&canary, &stable]).await else { return };
    let analyzer = analyzer(&server.url);
    let subject = CheckUnderTest::errors();
    let healthy = || {
        canary.ok(400.0);
        stable.ok(2000.0);
    };
    subject.until(&analyzer, healthy, |check| check.verdict == Verdict::Pass).await;

    canary.fail(20.0);
    canary.ok(80.0);
    // VictoriaMetrics shows a series only about 13 s after its first sample, and the first failure begins one.
    server.shows(r#"sum(http_requests_total{pod="checkout-new-abcde",code="500"})"#, "20").await;
    let scrapes = Mutex::new(BTreeSet::new());
    let is_failed = |check: &CheckStatus| {
        scrapes.lock().unwrap().insert(check.at);
        check.verdict == Verdict::Fail
    };
    let failed = subject.until(&analyzer, || {}, is_failed).await;
    assert!(failed.message.contains(" requests failed, allowed 0.5%"), "{}", failed.message);
    // One scrape later what is there has settled.
    let scrapes = scrapes.into_inner().unwrap();
    assert!(scrapes.len() <= 2, "{scrapes:?}");
}

async fn a_healthy_canary_passes_with_enough_requests_and_not_before(store: Store) {
    let (canary, stable) = pods().await;
    let Some(server) = Server::start(store, &[&canary, &stable]).await else { return };
    let analyzer = analyzer(&server.url);
    let subject = CheckUnderTest::errors();
    subject.until(&analyzer, || {}, |check| check.sample == Some(0)).await;

    canary.ok(500.0);
    let short = subject.until(&analyzer, || {}, |check| check.more_time.is_some()).await;
    assert_eq!(
        (short.verdict, short.reason.as_str(), short.sample),
        (Verdict::NeedMoreData, "TooFewRequests", Some(500))
    );
    assert!(short.more_requests.is_some_and(|more| (300..600).contains(&more)), "{short:?}");
    let trickle = || canary.ok(10.0);
    let passed = subject.until(&analyzer, trickle, |check| check.verdict == Verdict::Pass).await;
    assert!(passed.sample.is_some_and(|sample| (820..1000).contains(&sample)), "{passed:?}");
    assert!(passed.message.ends_with(" requests failed, allowed 0.5%; certain beyond 95%"), "{}", passed.message);
}

async fn a_prometheus_that_lost_its_data_counts_nothing_twice(store: Store) {
    let (canary, stable) = pods().await;
    let Some(mut server) = Server::start(store, &[&canary, &stable]).await else { return };
    let analyzer = analyzer(&server.url);
    let subject = CheckUnderTest::errors();
    subject.until(&analyzer, || {}, |check| check.sample == Some(0)).await;
    canary.ok(100.0);
    subject.until(&analyzer, || {}, |check| check.sample == Some(100) && check.more_time.is_some()).await;

    server.lose_data().await;
    canary.ok(20.0);
    let remembered = subject.until(&analyzer, || {}, |check| check.sample.is_some_and(|sample| sample > 100)).await;
    assert_eq!(remembered.sample, Some(120));

    let restarted = crate::support::analyzer(&server.url);
    let anew = subject.until(&restarted, || {}, |check| check.sample.is_some()).await;
    assert_eq!((anew.verdict, anew.sample), (Verdict::NeedMoreData, Some(0)));
}

async fn another_process_derives_the_same_evidence(store: Store) {
    let (canary, stable) = pods().await;
    let Some(server) = Server::start(store, &[&canary, &stable]).await else { return };
    let first = analyzer(&server.url);
    let subject = CheckUnderTest::errors();
    let seen = subject.until(&first, || {}, |check| check.sample == Some(0)).await.at.unwrap();
    // The count before the requests has to stand at one of the whole seconds that are asked for later.
    let for_long = |check: &CheckStatus| check.at.unwrap() > seen + SignedDuration::from_millis(1500);
    subject.until(&first, || {}, for_long).await;
    subject.count_in_steps(&first, || canary.ok(500.0)).await;
    let passed = subject.until(&first, || {}, |check| check.verdict == Verdict::Pass).await;

    let mut long_ago = CheckUnderTest::errors();
    long_ago.since = subject.since - SignedDuration::from_mins(3);
    // VictoriaMetrics leaves the last 30 s out of what it answers for many instants, and all of this is younger.
    let all = if store == Store::VictoriaMetrics { vec![subject] } else { vec![subject, long_ago] };
    for derived in all {
        let check = derived.until(&analyzer(&server.url), || {}, |check| check.verdict == Verdict::Pass).await;
        assert_eq!((check.sample, &check.message), (Some(1500), &passed.message));
    }
}

async fn a_bucket_bound_is_a_number_however_it_is_written(store: Store) {
    let (canary, stable) = pods().await;
    let Some(server) = Server::start(store, &[&canary, &stable]).await else { return };
    let analyzer = analyzer(&server.url);
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
    let subject = CheckUnderTest::new(&checks);
    subject.until(&analyzer, || {}, |check| check.sample == Some(0)).await;
    subject.count_in_steps(&analyzer, || requests(150.0, 45.0, 5.0)).await;
    let passed = subject.until(&analyzer, || {}, |check| check.verdict == Verdict::Pass).await;
    let counted = "2.5% of 600 requests took longer than 1s, allowed 10% (p90), stable at 2.5%; certain beyond ";
    assert!(passed.message.starts_with(counted), "{}", passed.message);
    assert!(passed.warning, "{passed:?}");
    requests(0.0, 0.0, 100.0);
    let failed = subject.until(&analyzer, || {}, |check| check.verdict == Verdict::Fail).await;
    assert_eq!((failed.value.as_deref(), failed.sample), (Some("100%"), Some(100)));
}

/// Seconds in which samples of before and after are in one answer.
const WINDOW: SignedDuration = SignedDuration::from_secs(4);

async fn a_pod_that_is_gone_takes_no_check_with_it(store: Store) {
    let (canary, stable) = pods().await;
    let gone = Pod::start("checkout-new-zzzzz").await;
    gone.ok(5.0);
    let Some(server) = Server::start(store, &[&canary, &stable, &gone]).await else { return };
    let analyzer = analyzer(&server.url);
    let subject = CheckUnderTest::errors();
    subject.until(&analyzer, || {}, |check| check.sample == Some(0)).await;
    subject.until(&analyzer, || canary.ok(10.0), |check| check.more_time.is_some()).await;
    gone.is_away(true);
    let away = Timestamp::now();
    let later = |check: &CheckStatus| {
        assert!(check.verdict != Verdict::NoData, "{check:?}");
        check.at.unwrap() > away + WINDOW
    };
    subject.until(&analyzer, || canary.ok(10.0), later).await;
}

/// Counts requests in a histogram that ends at one second, or at `more`.
fn histogram(pod: &Pod, fast: f64, all: f64, more: Option<&str>) {
    for (le, count) in [("0.5", fast), ("1", all)].into_iter().chain(more.map(|le| (le, all))).chain([("+Inf", all)]) {
        pod.count(&format!("http_request_duration_seconds_bucket{{le=\"{le}\"}}"), count);
    }
}

fn latency(name: &str, quantile: f64, max: &str) -> serde_json::Value {
    json!({"name": name, "latency": {"preset": "pod-http", "quantile": quantile, "max": max}})
}

async fn a_limit_above_the_largest_bucket_concerns_its_own_check_alone(store: Store) {
    let (canary, stable) = pods().await;
    let both = |fast, all| [&canary, &stable].into_iter().for_each(|pod| histogram(pod, fast, all, None));
    both(0.0, 0.0);
    let Some(server) = Server::start(store, &[&canary, &stable]).await else { return };
    let analyzer = analyzer(&server.url);
    let subject = CheckUnderTest::new(&json!([latency("p95", 0.95, "500ms"), latency("p99", 0.99, "2s")]));
    subject.until(&analyzer, || {}, |check| check.sample == Some(0)).await;
    subject.count_in_steps(&analyzer, || both(399.0, 400.0)).await;
    let checks = subject.until_all(&analyzer, || {}, |checks| checks[0].verdict == Verdict::Pass).await;
    assert_eq!((checks[1].verdict, checks[1].reason.as_str()), (Verdict::NoData, "LimitAboveBuckets"));
    let sentence = "the limit of 2s is above 1s, the largest bucket of the histogram of the new version; ";
    assert!(checks[1].message.starts_with(sentence), "{}", checks[1].message);
}

async fn the_release_that_adds_the_missing_bucket_is_judged_by_it(store: Store) {
    let (canary, stable) = pods().await;
    let both = |fast, all| {
        histogram(&canary, fast, all, Some("2"));
        histogram(&stable, fast, all, None);
    };
    both(0.0, 0.0);
    let Some(server) = Server::start(store, &[&canary, &stable]).await else { return };
    let analyzer = analyzer(&server.url);
    let mut compared = latency("compared", 0.95, "2s");
    compared["latency"]["relative"] = json!({});
    let subject = CheckUnderTest::new(&json!([latency("p95", 0.95, "2s"), compared]));
    subject.until(&analyzer, || {}, |check| check.sample == Some(0)).await;
    subject.count_in_steps(&analyzer, || both(399.0, 400.0)).await;
    let checks = subject.until_all(&analyzer, || {}, |checks| checks[0].verdict == Verdict::Pass).await;
    assert!(!checks[0].message.contains("stable"), "{}", checks[0].message);
    assert!(checks[1].message.contains("the histogram of the stable version"), "{}", checks[1].message);
}

async fn where_there_is_nothing_of_the_new_version_it_is_told_what_there_is(store: Store) {
    let (stable, other) = (Pod::start("checkout-old-fghij").await, Pod::start("secret-old-fghij").await);
    for pod in [&stable, &other] {
        pod.ok(5.0);
        histogram(pod, 1.0, 1.0, None);
    }
    let Some(server) = Server::start(store, &[&stable, &other]).await else { return };
    let analyzer = analyzer(&server.url);
    let mut unlabelled = json!({"name": "unlabelled", "errorRate": {"max": "1%", "counters": {}}});
    for (name, metric) in [("errors", "failed_total"), ("total", "http_requests_total")] {
        unlabelled["errorRate"]["counters"][name] = json!(format!("{metric}{{release=~\"{{{{revision}}}}\"}}"));
    }
    let subject = CheckUnderTest::new(&json!([
        {"name": "errors", "errorRate": {"preset": "pod-http", "max": "1%"}},
        {"name": "grpc", "latency": {"preset": "grpc", "quantile": 0.95, "max": "1s"}},
        unlabelled,
    ]));
    let is_there = |checks: &[CheckStatus]| {
        checks[0].message.contains("checkout-old-fghij") && checks[2].message.contains("label release")
    };
    let checks = subject.until_all(&analyzer, || {}, is_there).await;
    assert!(checks.iter().all(|check| check.reason == "NoSeries"), "{checks:?}");
    assert_eq!(
        checks[0].message,
        "there is no http_requests_total of the version asked for: of its label pod there is \"checkout-old-fghij\"; check that \
         the pods of the version are scraped and expose the metric"
    );
    let neither = "there is no grpc_server_handling_seconds_bucket or grpc_server_handled_latency_seconds_bucket at all, nor a native \
                   histogram grpc_server_handling_seconds or grpc_server_handled_latency_seconds; ";
    assert!(checks[1].message.starts_with(neither), "{checks:?}");
    let labels = "no http_requests_total has the label release, which tells the versions apart (it has code, instance, job, \
                  namespace, pod)";
    assert!(checks[2].message.starts_with(labels), "{checks:?}");
}

async fn a_gateways_missing_numbers_are_looked_for_at_the_gateway(store: Store) {
    let gateway = Pod::start("traefik").await;
    let service = |name: &str| format!("traefik_service_requests_total{{code=\"200\",service=\"{name}\"}}");
    gateway.count(&service("shop-checkout-http-80@kubernetesgateway"), 1.0);
    gateway.count(&service("bank-vault-http-80@kubernetesgateway"), 1.0);
    let Some(server) = Server::start(store, &[&gateway]).await else { return };
    let mut subject =
        CheckUnderTest::new(&json!([{"name": "errors", "errorRate": {"preset": "traefik", "max": "1%"}}]));
    subject.split_a_route();
    let is_there = |check: &CheckStatus| check.message.contains("of the version asked for");
    let check = subject.until(&analyzer(&server.url), || {}, is_there).await;
    assert_eq!(
        check.message,
        "there is no traefik_service_requests_total of the version asked for: of its label service there is \
         \"shop-checkout-http-80@kubernetesgateway\"; check that the gateway is scraped, counts the requests of each \
         backend for itself, and gives the version any"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prometheus_that_is_upgraded_from_2_to_3_under_a_release_loses_no_request_and_counts_none_twice() {
    let (canary, stable) = pods().await;
    let both = |fast, all| [&canary, &stable].into_iter().for_each(|pod| histogram(pod, fast, all, None));
    both(0.0, 0.0);
    let Some(mut server) = Server::start(Store::Prometheus2, &[&canary, &stable]).await else { return };
    let first = analyzer(&server.url);
    let subject = CheckUnderTest::new(&json!([latency("p95", 0.95, "1s")]));
    subject.until(&first, || {}, |check| check.sample == Some(0)).await;
    subject.count_in_steps(&first, || both(90.0, 100.0)).await;
    if !server.become_a(Store::Prometheus3).await {
        return;
    }
    both(90.0, 100.0);
    subject.until(&first, || {}, |check| check.sample == Some(400)).await;
    subject.count_in_steps(&first, || both(90.0, 100.0)).await;
    let passed = subject.until(&first, || {}, |check| check.verdict == Verdict::Pass).await;
    assert!(passed.message.starts_with("0% of 700 requests took longer than 1s"), "{}", passed.message);
    let derived = subject.until(&analyzer(&server.url), || {}, |check| check.verdict == Verdict::Pass).await;
    assert_eq!((derived.sample, derived.message), (passed.sample, passed.message));
}

async fn counters_of_ones_own_and_queries_are_judged_too(store: Store) {
    let (canary, stable) = pods().await;
    canary.count("jobs_total", 0.0);
    let Some(server) = Server::start(store, &[&canary, &stable]).await else { return };
    let analyzer = analyzer(&server.url);
    let subject = CheckUnderTest::new(&json!([
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
    subject.until(&analyzer, || {}, |check| check.sample == Some(0)).await;
    canary.count("jobs_failed_total", 1.0);
    subject.count_in_steps(&analyzer, || canary.count("jobs_total", 400.0)).await;
    // VictoriaMetrics shows the failure when its requests have settled long since: it counts with those that follow.
    let is_seen = |check: &CheckStatus| check.verdict == Verdict::Pass && check.value.as_deref() != Some("0%");
    let jobs = subject.until(&analyzer, || canary.count("jobs_total", 1.0), is_seen).await;
    assert!(jobs.message.starts_with("0.0"), "{}", jobs.message);
    assert!(jobs.message.contains(" requests failed, allowed 1%; certain "), "{}", jobs.message);
    let result = subject.look(&analyzer).await;
    let reasons: Vec<_> = result.checks.iter().skip(1).map(|check| check.reason.as_str()).collect();
    // VictoriaMetrics leaves out what is no number.
    let no_number = if store == Store::VictoriaMetrics { "NoSeries" } else { "NotANumber" };
    assert_eq!(reasons[1..4], ["SeveralSeries", no_number, "QueryRefused"]);
    assert_eq!(reasons[4..], ["WithinLimit", "AboveLimit", "WithinLimit", "ComparedWithItself"]);
    assert_eq!((reasons[0], result.checks[7].stable.as_deref()), ("WithinLimit", Some("1")));
}

async fn a_query_is_about_the_newest_scrape(store: Store) {
    let (canary, stable) = pods().await;
    canary.count("queue_length", 1.0);
    let Some(server) = Server::start(store, &[&canary, &stable]).await else { return };
    let analyzer = analyzer(&server.url);
    let expr = r#"max(queue_length{pod=~"{{pods}}"})"#;
    let subject = CheckUnderTest::new(&json!([{"name": "queue", "query": {"expr": expr, "max": 5}}]));
    subject.until(&analyzer, || {}, |check| check.verdict == Verdict::Pass).await;
    canary.count("queue_length", 10.0);
    server.shows("max(queue_length)", "11").await;
    let shown = Timestamp::now();
    let seen = subject.until(&analyzer, || {}, |check| check.at >= Some(shown)).await;
    assert_eq!(seen.verdict, Verdict::Fail, "{seen:?}");
}
