//! Applications with ten thousand series: all of them are judged in one look, and no more is asked for than it takes.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::future::BoxFuture;
use jiff::Timestamp;
use serde_json::json;
use tidegate_analysis::{AnalysisRequest, Analyzer, PromQuery, PromResponse, QueryError, Templates, Transport};
use tidegate_api::{CheckStatus, RolloutSpec, StageBegun, Verdict};
use tidegate_clock::Clock;
use tidegate_endpoints::Endpoints;
use tidegate_promql::Labels;
use tidegate_sim::endpoint::Endpoint;

use crate::{
    store::{Server, Store, on_every_store},
    support::{CheckUnderTest, Pod, revision},
};

on_every_store!(ten_thousand_series_pass_a_good_version_and_fail_a_bad_one);

const ROUTES: usize = 30;
const STATUSES: [&str; 3] = ["200", "404", "500"];
const BOUNDS: [&str; 12] = ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf"];

/// A bucket of a route.
fn bucket(route: usize, status: &str, le: &str) -> String {
    format!("http_request_duration_seconds_bucket{{code=\"{status}\",handler=\"/route/{route}\",le=\"{le}\"}}")
}

/// Counts so many requests of each route and status, of which `fast` take no longer than 0.3 s and all no longer than 2 s.
fn count(pod: &Pod, fast: f64, all: f64) {
    for route in 0..ROUTES {
        for status in STATUSES {
            for le in BOUNDS {
                let counted = match le.parse::<f64>().unwrap() {
                    ..0.3 => 0.0,
                    0.3..2.0 => fast,
                    _ => all,
                };
                pod.count(&bucket(route, status, le), counted);
            }
        }
    }
}

async fn ten_thousand_series_pass_a_good_version_and_fail_a_bad_one(store: Store) {
    let mut pods = vec![Pod::start("checkout-new-abcde").await];
    for letter in ["a", "b", "c", "d", "e", "f", "g", "h", "i"] {
        pods.push(Pod::start(&format!("checkout-old-{}", letter.repeat(5))).await);
    }
    let all = |count_of: &dyn Fn(&Pod)| {
        for pod in &pods {
            count_of(pod);
        }
    };
    all(&|pod| count(pod, 0.0, 0.0));
    let Some(server) = Server::start(store, &pods.iter().collect::<Vec<_>>()).await else { return };
    let text = format!("endpoints: [{{name: default, url: \"{}\"}}]", server.url);
    let analyzer = Analyzer::new(&Endpoints::parse(&text, "endpoints.yaml").unwrap()).unwrap();
    let subject = CheckUnderTest::new(&json!([
        {"name": "p95", "latency": {"preset": "pod-http", "quantile": 0.95, "max": "500ms"}},
    ]));
    subject.until(&analyzer, || {}, |check| check.sample == Some(0)).await;
    subject.count_in_steps(&analyzer, || all(&|pod| count(pod, 10.0, 10.0))).await;
    let passed = subject.until(&analyzer, || {}, |check| check.verdict == Verdict::Pass).await;
    assert!(passed.message.starts_with("0% of 2,700 requests took longer than 500ms"), "{}", passed.message);
    let failed = subject.until(&analyzer, || count(&pods[0], 0.0, 1.0), |check| check.verdict == Verdict::Fail).await;
    assert!(failed.message.contains("requests took longer than 500ms, allowed 5%"), "{}", failed.message);
}

/// Seconds between two scrapes.
const SCRAPE: i64 = 5;

/// Requests of a route and status between two scrapes.
const REQUESTS: f64 = 20.0;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// A service of 30 routes in a Prometheus without a network that remembers what it was asked.
#[derive(Clone)]
struct Service {
    prometheus: Endpoint,
    questions: Arc<Mutex<Vec<String>>>,
    scraped: i64,
}

impl Transport for Service {
    fn query(&self, question: PromQuery) -> BoxFuture<'_, Result<PromResponse, QueryError>> {
        self.questions.lock().unwrap().push(question.query.clone());
        self.prometheus.query(question)
    }
}

impl Service {
    fn new() -> Self {
        let prometheus = Endpoint::new(Clock::starting_at(at(-100)));
        Self { prometheus, questions: Arc::default(), scraped: -100 - SCRAPE }
    }

    /// Lets time pass, in which each request takes 0.3 s; the histograms of both versions have these bounds.
    fn pass(&mut self, until: i64, bounds: &[&str]) {
        self.serve(until, &[("checkout-new-abcde", -100, bounds), ("checkout-old-fghij", -100, bounds)]);
    }

    /// The same with these pods, when they began, and their bounds.
    fn serve(&mut self, until: i64, pods: &[(&str, i64, &[&str])]) {
        while self.scraped < until {
            self.scraped += SCRAPE;
            for (pod, born, bounds) in pods {
                let scrapes = (self.scraped - born) / SCRAPE;
                let mut samples = Vec::new();
                for (route, status) in (0..ROUTES).flat_map(|route| STATUSES.map(|status| (route, status))) {
                    for le in *bounds {
                        let requests = if le.parse::<f64>().unwrap() < 0.3 { 0.0 } else { REQUESTS * scrapes as f64 };
                        let labels = [
                            ("__name__", "http_request_duration_seconds_bucket".to_owned()),
                            ("namespace", "shop".to_owned()),
                            ("pod", (*pod).to_owned()),
                            ("code", status.to_owned()),
                            ("handler", format!("/route/{route}")),
                            ("le", (*le).to_owned()),
                        ];
                        samples.push((Labels::new(labels), requests));
                    }
                }
                self.prometheus.scrape(at(self.scraped), |prometheus, at| prometheus.append(at, pod, &samples));
            }
        }
    }

    /// A look in the first stage, which began at second 0.
    async fn look(&self, analyzer: &Analyzer, second: i64) -> CheckStatus {
        self.look_in(&[("canary", 0)], analyzer, second).await
    }

    /// A look in the last of these stages, which began at these seconds.
    async fn look_in(&self, begun: &[(&str, i64)], analyzer: &Analyzer, second: i64) -> CheckStatus {
        let spec: RolloutSpec = serde_json::from_value(json!({
            "workload": {"kind": "Deployment", "name": "checkout"},
            "service": "checkout",
            "stages": [
                {"name": "canary", "weight": "5%"},
                {"name": "full", "weight": "100%", "checks": [{"name": "p95", "max": "2500ms"}]},
            ],
            "analysis": {"interval": "30s", "statistics": {"overdispersion": 1}, "checks": [
                {"name": "p95", "latency": {"preset": "pod-http", "quantile": 0.95, "max": "500ms"}},
            ]},
        }))
        .unwrap();
        let stages = spec.stages();
        let begun: Vec<_> = begun
            .iter()
            .map(|(stage, since)| StageBegun { stage: (*stage).to_owned(), since: at(*since), ..StageBegun::default() })
            .collect();
        let stage = stages.iter().find(|stage| begun.last().is_some_and(|begun| begun.stage == stage.name)).unwrap();
        let look = AnalysisRequest {
            uid: "uid",
            namespace: "shop",
            name: "checkout",
            spec: &spec,
            templates: &Templates::default(),
            stage,
            since: None,
            stable: &revision("old"),
            canary: &revision("new"),
            begun: &begun,
            replaced: None,
            written: &[],
            presets: &[],
            now: at(second),
        };
        analyzer.analyze(&look).await.checks.remove(0)
    }

    /// What was asked since it was asked for last, but for native histograms.
    fn questions(&self) -> Vec<String> {
        let all = self.all_questions();
        all.into_iter().filter(|asked| !asked.starts_with(NATIVE)).collect()
    }

    fn all_questions(&self) -> Vec<String> {
        std::mem::take(&mut *self.questions.lock().unwrap())
    }
}

const SELECTOR: &str = "http_request_duration_seconds_bucket{namespace=~\"shop|\",pod=~\"checkout-new-[a-z0-9]{5}|checkout-old-[a-z0-9]{5}\"";

const NATIVE: &str = "http_request_duration_seconds{";

#[tokio::test]
async fn what_is_not_around_a_limit_is_never_asked_for() {
    let mut service = Service::new();
    let analyzer = Analyzer::over("default", service.clone(), Duration::from_secs(10));
    service.pass(0, &BOUNDS);
    service.pass(31, &BOUNDS);
    service.look(&analyzer, 31).await;
    let asked = service.questions();
    assert_eq!(asked[0], format!("count by (le) ({SELECTOR}}})"));
    let narrow = format!("{SELECTOR},le=~\"\\\\+Inf|0\\\\.5\"}}");
    assert_eq!(asked[1], format!("{narrow}[60000ms]"));
    assert!(asked.len() > 2 && asked[2..].iter().all(|asked| *asked == narrow), "the history, in pages: {asked:?}");
    for second in [36, 41, 46] {
        service.pass(second, &BOUNDS);
        service.look(&analyzer, second).await;
        let asked = service.questions();
        assert!(asked.len() == 1 && asked[0].starts_with(&format!("{narrow}[")), "{asked:?}");
    }
    service.pass(96, &BOUNDS);
    service.look(&analyzer, 96).await;
    assert_eq!(service.questions()[0], format!("count by (le) ({SELECTOR}}})"), "others may have come");
}

#[tokio::test]
async fn a_small_application_is_asked_one_question() {
    let mut service = Service::new();
    let analyzer = Analyzer::over("default", service.clone(), Duration::from_secs(10));
    service.pass(31, &BOUNDS[9..]);
    service.look(&analyzer, 31).await;
    let asked = service.questions();
    assert_eq!(asked[0], format!("count by (le) ({SELECTOR}}})"), "how large it is");
    assert!(asked[1..].iter().all(|asked| asked.starts_with(&format!("{SELECTOR}}}"))), "{asked:?}");
    for second in [36, 41, 46, 51, 56] {
        service.pass(second, &BOUNDS[9..]);
        service.look(&analyzer, second).await;
        let asked = service.all_questions();
        assert!(asked.len() == 1 && asked[0].starts_with(&format!("{SELECTOR}}}[")), "{asked:?}");
    }
    service.pass(61, &BOUNDS[9..]);
    service.look(&analyzer, 61).await;
    let asked = service.all_questions();
    assert!(asked.len() == 2 && asked[1].starts_with(NATIVE), "whether there are native histograms by now: {asked:?}");
}

#[tokio::test]
async fn a_pod_with_other_bounds_is_noticed_at_once_and_no_request_counts_twice() {
    let other = ["0.005", "0.01", "0.025", "0.05", "0.1", "0.2", "0.4", "1.0", "2", "4", "8", "+Inf"];
    let mut service = Service::new();
    let analyzer = Analyzer::over("default", service.clone(), Duration::from_secs(10));
    let [new, stable] = [("checkout-new-abcde", -100), ("checkout-old-fghij", -100)];
    let all = |(pod, born)| (pod, born, &BOUNDS[..]);
    for second in (6..40).step_by(5) {
        service.serve(second, &[all(new), all(stable)]);
        service.look(&analyzer, second).await;
    }
    service.questions();
    // Two looks later it is known what the pod stood at when it began.
    let pods = [all(new), ("checkout-new-zzzzz", 40, &other[..]), all(stable)];
    let mut plain = 0;
    for second in (46..170).step_by(5) {
        service.serve(second, &pods);
        service.look(&analyzer, second).await;
        plain += service.questions().iter().filter(|asked| asked.starts_with(&format!("{SELECTOR}}}["))).count();
    }
    assert!((1..=13).contains(&plain), "until it is asked again which bounds there are: {plain}");
    let told = service.look(&analyzer, 166).await;
    let anew = Analyzer::over("default", service.clone(), Duration::from_secs(10));
    assert_eq!((told.sample, &told.message), (Some(93_600), &service.look(&anew, 166).await.message));
    assert!(told.message.starts_with("0% of "), "{}", told.message);
}

#[tokio::test]
async fn a_stage_with_another_limit_has_its_bound_asked_for_and_nothing_counts_that_was_before() {
    let mut service = Service::new();
    let analyzer = Analyzer::over("default", service.clone(), Duration::from_secs(10));
    let begun = |second| if second < 60 { &[("canary", 0)][..] } else { &[("canary", 0), ("full", 60)] };
    for second in (6..130).step_by(5) {
        service.pass(second, &BOUNDS);
        let told = service.look_in(begun(second), &analyzer, second).await;
        let asked = service.questions();
        if second < 60 {
            continue;
        }
        assert!(asked.last().unwrap().contains("le=~\"\\\\+Inf|0\\\\.5|2\\\\.5\""), "{asked:?}");
        let anew = Analyzer::over("default", service.clone(), Duration::from_secs(10));
        let derived = service.look_in(begun(second), &anew, second).await;
        assert_eq!((told.sample, told.message), (derived.sample, derived.message), "{second}");
        service.questions();
    }
}
