//! Native histograms on a real Prometheus 3, and the same release in every form that a histogram has in any store.

use std::{collections::BTreeSet, sync::Mutex, time::Duration};

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tidegate_api::{CheckStatus, Verdict};

use crate::{
    store::{Kept, Server, Store},
    support::{CheckUnderTest, Pod, analyzer},
};

/// Of how long requests are they, in seconds: fast ones, and slow ones.
const FAST: f64 = 0.2;
const SLOW: f64 = 0.9;

/// A form in which pods expose their histogram, and in which it is kept.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Form {
    Classic(Store),
    /// Made native with the bounds that it had.
    Custom,
    /// With exponential buckets.
    Exponential,
    /// The same with classic buckets beside them.
    Both,
    /// With ranges, as the library of `VictoriaMetrics` has them.
    Ranges(Store),
}

const FORMS: [Form; 8] = [
    Form::Classic(Store::Prometheus2),
    Form::Classic(Store::Prometheus3),
    Form::Classic(Store::VictoriaMetrics),
    Form::Custom,
    Form::Exponential,
    Form::Both,
    Form::Ranges(Store::Prometheus3),
    Form::Ranges(Store::VictoriaMetrics),
];

impl Form {
    async fn server(self, pods: &[&Pod]) -> Option<Server> {
        match self {
            Self::Classic(store) | Self::Ranges(store) => Server::start(store, pods).await,
            Self::Custom => Server::keeping(Kept::Custom, pods).await,
            Self::Exponential => Server::keeping(Kept::Native, pods).await,
            Self::Both => Server::keeping(Kept::Both, pods).await,
        }
    }

    /// Counts so many requests that took so long.
    fn observe(self, pod: &Pod, seconds: f64, count: u32) {
        match self {
            Self::Classic(_) | Self::Custom => {
                for le in ["0.1", "0.25", "0.5", "1", "+Inf"] {
                    let counted = if seconds <= le.parse().unwrap() { f64::from(count) } else { 0.0 };
                    pod.count(&format!("http_request_duration_seconds_bucket{{le=\"{le}\"}}"), counted);
                }
                pod.count("http_request_duration_seconds_sum", seconds * f64::from(count));
                pod.count("http_request_duration_seconds_count", f64::from(count));
            }
            Self::Exponential | Self::Both => pod.observe(3, seconds, count),
            Self::Ranges(_) => {
                let range = if seconds == FAST { "1.896e-01...2.154e-01" } else { "8.799e-01...1.000e+00" };
                let series = format!("http_request_duration_seconds_bucket{{vmrange=\"{range}\"}}");
                pod.count(&series, f64::from(count));
            }
        }
    }
}

async fn pods(form: Form) -> (Pod, Pod) {
    let (canary, stable) = (Pod::start("checkout-new-abcde").await, Pod::start("checkout-old-fghij").await);
    for pod in [&canary, &stable] {
        form.observe(pod, FAST, 1);
        form.observe(pod, SLOW, 1);
    }
    (canary, stable)
}

fn p95() -> CheckUnderTest {
    CheckUnderTest::new(&json!([
        {"name": "p95", "latency": {"preset": "pod-http", "quantile": 0.95, "max": "500ms"}},
    ]))
}

/// What is said of a release that is good at first, and then not, and how many scrapes after its slow requests.
async fn judged(form: Form) -> Option<(String, String, usize)> {
    let (canary, stable) = pods(form).await;
    let server = form.server(&[&canary, &stable]).await?;
    let (analyzer, subject) = (analyzer(&server.url), p95());
    subject.until(&analyzer, || {}, |check| check.sample == Some(0)).await;
    let good = || {
        for pod in [&canary, &stable] {
            form.observe(pod, FAST, 199);
            form.observe(pod, SLOW, 1);
        }
    };
    subject.count_in_steps(&analyzer, good).await;
    let passed = subject.until(&analyzer, || {}, |check| check.verdict == Verdict::Pass).await;
    form.observe(&canary, SLOW, 60);
    let scrapes = Mutex::new(BTreeSet::new());
    let is_failed = |check: &CheckStatus| {
        scrapes.lock().unwrap().insert(check.at);
        check.verdict == Verdict::Fail
    };
    let failed = subject.until(&analyzer, || {}, is_failed).await;
    let scrapes = scrapes.into_inner().unwrap().len();
    println!("{form:?}: fails {scrapes} scrapes after its slow requests");
    Some((passed.message, failed.message, scrapes))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_release_comes_to_the_same_verdicts_in_every_form_and_store_within_two_scrapes() {
    let all = join_all(FORMS.map(judged)).await;
    let Some(all) = all.into_iter().collect::<Option<Vec<_>>>() else { return };
    for (form, (passed, failed, scrapes)) in FORMS.into_iter().zip(all) {
        let begins = |message: &str, wanted: &str| assert!(message.starts_with(wanted), "{form:?}: {message}");
        begins(
            &passed,
            "0.5% of 600 requests took longer than 500ms, allowed 5% (p95), stable at 0.5%; certain beyond ",
        );
        assert!(failed.contains("100% of 60 requests took longer than 500ms"), "{form:?}: {failed}");
        assert!(scrapes <= 4, "{form:?}: {scrapes}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_with_native_histograms_is_held_against_one_with_classic_buckets() {
    let (canary, stable) = (Pod::start("checkout-new-abcde").await, Pod::start("checkout-old-fghij").await);
    let (new, old) = (Form::Exponential, Form::Classic(Store::Prometheus3));
    let both = |fast, slow| {
        for (form, pod) in [(new, &canary), (old, &stable)] {
            form.observe(pod, FAST, fast);
            form.observe(pod, SLOW, slow);
        }
    };
    both(1, 1);
    let Some(server) = Server::keeping(Kept::Native, &[&canary, &stable]).await else { return };
    let analyzer = analyzer(&server.url);
    let latency = json!({"preset": "pod-http", "quantile": 0.9, "max": "450ms", "relative": {"margin": "5%"}});
    let subject = CheckUnderTest::new(&json!([{"name": "p90", "latency": latency}]));
    subject.until(&analyzer, || {}, |check| check.sample == Some(0)).await;
    subject.count_in_steps(&analyzer, || both(950, 50)).await;
    let passed = subject.until(&analyzer, || {}, |check| check.verdict == Verdict::Pass).await;
    assert!(passed.message.starts_with("5% of 3,000 requests took longer than 450ms"), "{}", passed.message);
    assert!(passed.message.contains("stable at 5%"), "{}", passed.message);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_between_two_exponential_buckets_is_judged_with_both() {
    let form = Form::Exponential;
    let (canary, stable) = pods(form).await;
    let Some(server) = Server::keeping(Kept::Native, &[&canary, &stable]).await else { return };
    let analyzer = analyzer(&server.url);
    let latency = json!({"preset": "pod-http", "quantile": 0.9, "max": "450ms"});
    let subject = CheckUnderTest::new(&json!([{"name": "p90", "latency": latency}]));
    subject.until(&analyzer, || {}, |check| check.sample == Some(0)).await;
    // At a resolution of 3 the bounds around it are 0.42 and 0.46.
    let doubtful = || {
        form.observe(&canary, FAST, 450);
        form.observe(&canary, 0.44, 40);
        form.observe(&canary, SLOW, 10);
    };
    subject.count_in_steps(&analyzer, doubtful).await;
    let said = subject.until(&analyzer, || {}, |check| check.reason == "LimitBetweenBuckets").await;
    let counted =
        "2% of 1,500 requests took longer than 450ms, allowed 10% (p90), up to 10% as the limit lies between two ";
    assert!(said.verdict == Verdict::NeedMoreData && said.message.starts_with(counted), "{said:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_lost_or_counted_twice_when_resolution_falls_and_a_pod_restarts() {
    let form = Form::Exponential;
    let (canary, stable) = pods(form).await;
    let Some(server) = Server::keeping(Kept::Native, &[&canary, &stable]).await else { return };
    let first = analyzer(&server.url);
    let subject = CheckUnderTest::new(&json!([
        {"name": "p95", "latency": {"preset": "pod-http", "quantile": 0.95, "max": "500ms"}},
    ]));
    subject.until(&first, || {}, |check| check.sample == Some(0)).await;
    let mut counted = 0;
    for schema in [4, 3, 2, 1, 0] {
        canary.observe(schema, FAST, 90);
        canary.observe(schema, 0.44, 5);
        canary.observe(schema, SLOW, 5);
        counted += 100;
        subject.until(&first, || {}, |check| check.sample == Some(counted)).await;
    }
    canary.restart();
    let restarted = Timestamp::now();
    canary.observe(3, FAST, 400);
    let seen = |check: &CheckStatus| check.sample == Some(900) && check.at.unwrap() > restarted;
    let said = subject.until(&first, || {}, seen).await;
    let derived = subject.until(&analyzer(&server.url), || {}, |check| check.sample == Some(900)).await;
    assert_eq!((said.value, said.message), (derived.value, derived.message));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prometheus_that_begins_to_make_histograms_native_under_a_release_counts_none_twice() {
    let form = Form::Custom;
    let (canary, stable) = pods(form).await;
    let Some(mut server) = Server::keeping(Kept::Native, &[&canary, &stable]).await else { return };
    let first = analyzer(&server.url);
    let subject = p95();
    let both = |count| [&canary, &stable].into_iter().for_each(|pod| form.observe(pod, FAST, count));
    subject.until(&first, || {}, |check| check.sample == Some(0)).await;
    subject.count_in_steps(&first, || both(100)).await;
    for (kept, counted) in [(Kept::Custom, 350), (Kept::Native, 400)] {
        // What is newer than two scrapes is counted anew with each look.
        let settled = Timestamp::now() + SignedDuration::from_secs(4);
        subject.until(&first, || {}, |check| check.at.unwrap() > settled).await;
        server.keep(kept).await;
        let since = Timestamp::now() + SignedDuration::from_secs(1);
        subject.until(&first, || {}, |check| check.at.unwrap() > since).await;
        both(50);
        subject.until(&first, || {}, |check| check.sample == Some(counted)).await;
    }
    let said = subject.until(&first, || {}, |check| check.sample == Some(400)).await;
    assert!(said.message.starts_with("0% of 400 requests took longer than 500ms"), "{}", said.message);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_only_a_histogram_counts_are_counted_where_it_is_native() {
    let form = Form::Exponential;
    let (canary, stable) = pods(form).await;
    let Some(server) = Server::keeping(Kept::Native, &[&canary, &stable]).await else { return };
    let analyzer = analyzer(&server.url);
    let of_pods = |name: &str| format!("{name}{{pod=~\"{{{{pods}}}}\"}}");
    let [errors, total] = ["errors_total", "http_request_duration_seconds_count"].map(of_pods);
    let counters = json!({"errors": errors, "total": total});
    let subject = CheckUnderTest::new(&json!([{"name": "errors", "errorRate": {"counters": counters, "max": "5%"}}]));
    subject.until(&analyzer, || {}, |check| check.sample == Some(0)).await;
    subject.count_in_steps(&analyzer, || form.observe(&canary, FAST, 100)).await;
    let passed = subject.until(&analyzer, || {}, |check| check.verdict == Verdict::Pass).await;
    assert!(passed.message.starts_with("0% of 300 requests failed"), "{}", passed.message);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_past_of_native_histograms_is_surveyed_as_that_of_others() {
    let form = Form::Exponential;
    let (canary, stable) = pods(form).await;
    let Some(server) = Server::keeping(Kept::Native, &[&canary, &stable]).await else { return };
    let (analyzer, subject) = (analyzer(&server.url), p95());
    subject.until(&analyzer, || {}, |check| check.sample == Some(0)).await;
    let steps = || {
        form.observe(&canary, FAST, 90);
        form.observe(&stable, SLOW, 10);
    };
    subject.count_in_steps(&analyzer, steps).await;
    let for_long = Timestamp::now() + SignedDuration::from_secs(2);
    subject.until(&analyzer, || {}, |check| check.at.unwrap() > for_long).await;
    let found = subject.survey(&server.url, Duration::from_mins(1)).await.unwrap();
    let counts: Vec<_> = found.iter().map(|found| (found.counts.bad, found.counts.total)).collect();
    assert_eq!(counts, [(30.0, 300.0)]);
}

/// What is judged of a version by `preset: auto`, where it has its histogram in this form.
async fn by_auto(form: Form) -> Option<CheckStatus> {
    let (canary, stable) = pods(form).await;
    let server = form.server(&[&canary, &stable]).await?;
    let latency = json!({"preset": "auto", "quantile": 0.95, "max": "500ms"});
    let subject = CheckUnderTest::new(&json!([{"name": "p95", "latency": latency}]));
    let analyzer = analyzer(&server.url);
    subject.until(&analyzer, || {}, |check| check.sample == Some(0)).await;
    subject.count_in_steps(&analyzer, || form.observe(&canary, FAST, 200)).await;
    Some(subject.until(&analyzer, || {}, |check| check.verdict == Verdict::Pass).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn preset_auto_finds_native_histograms() {
    let all = join_all([Form::Custom, Form::Exponential].map(by_auto)).await;
    for passed in all.into_iter().flatten() {
        assert!(passed.message.starts_with("0% of 600 requests took longer than 500ms"), "{passed:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn preset_auto_takes_no_summary_for_a_native_histogram() {
    let (canary, stable) = (Pod::start("checkout-new-abcde").await, Pod::start("checkout-old-fghij").await);
    for pod in [&canary, &stable] {
        pod.count(r#"http_request_duration_seconds{quantile="0.95"}"#, 0.2);
    }
    let Some(server) = Server::keeping(Kept::Native, &[&canary, &stable]).await else { return };
    let latency = json!({"preset": "auto", "quantile": 0.95, "max": "500ms"});
    let subject = CheckUnderTest::new(&json!([{"name": "p95", "latency": latency}]));
    let is_told = |check: &CheckStatus| check.message.contains("for want of a histogram of latencies");
    let told = subject.until(&analyzer(&server.url), || {}, is_told).await;
    assert_eq!((told.verdict, told.reason.as_str()), (Verdict::NoData, "NoPresetFits"));
}
