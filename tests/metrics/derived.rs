//! Evidence is derived from Prometheus: whoever reads it, and whenever, comes to the same.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use rand::{SeedableRng, rngs::StdRng};
use rand_distr::{Binomial, Distribution};
use serde_json::{Value, json};
use tidegate_analysis::{
    AnalysisRequest, AnalysisResult, Analyzer, PromQuery, PromResponse, QueryError, Templates, Transport, When,
};
use tidegate_api::{CheckStatus, RolloutSpec, StageBegun, Verdict};
use tidegate_clock::Clock;
use tidegate_promql::Labels;
use tidegate_sim::endpoint::Endpoint;

use crate::support::revision;

/// Seconds between two scrapes.
const SCRAPE: i64 = 5;

/// A Prometheus without a network that remembers what it was asked.
#[derive(Clone)]
struct Asked {
    prometheus: Endpoint,
    questions: Arc<Mutex<Vec<PromQuery>>>,
}

impl Transport for Asked {
    fn query(&self, question: PromQuery) -> BoxFuture<'_, Result<PromResponse, QueryError>> {
        self.questions.lock().unwrap().push(question.clone());
        Box::pin(async {
            // As a network would, it lets others go on before it answers.
            tokio::task::yield_now().await;
            self.prometheus.query(question).await
        })
    }
}

/// A service whose canary and stable pods are scraped, from `at(0)` on.
struct Service {
    asked: Asked,
    spec: RolloutSpec,
    luck: StdRng,
    counted: [[f64; 3]; 2],
    scraped: i64,
    /// From then on all requests fail, whoever answers them.
    broken: i64,
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

impl Service {
    fn new(checks: &Value) -> Self {
        let spec = json!({
            "workload": {"kind": "Deployment", "name": "checkout"},
            "service": "checkout",
            "stages": [
                {"name": "canary", "weight": "5%"},
                {"name": "half", "weight": "50%", "checks": [{"name": "p95", "max": "500ms"}]},
                {"name": "full", "weight": "100%"},
            ],
            "analysis": {"interval": "10s", "checks": checks},
        });
        let prometheus = Endpoint::new(Clock::starting_at(at(0)));
        let asked = Asked { prometheus, questions: Arc::default() };
        Self {
            asked,
            spec: serde_json::from_value(spec).unwrap(),
            luck: StdRng::seed_from_u64(11),
            counted: [[0.0; 3]; 2],
            scraped: -2000,
            broken: i64::MAX,
        }
    }

    fn analyzer(&self) -> Analyzer {
        Analyzer::over("default", self.asked.clone(), Duration::from_secs(10))
    }

    /// Lets time pass: stable has 300 requests between two scrapes, and the canary 100; one in 300 fails, and one in 40
    /// takes longer than a quarter of a second, half of them longer than half a second.
    fn pass(&mut self, until: i64) {
        while self.scraped < until {
            self.scraped += SCRAPE;
            for (place, (pod, total)) in
                [("checkout-old-abcde", 300), ("checkout-new-fghij", 100)].into_iter().enumerate()
            {
                if place == 1 && self.scraped < 0 {
                    continue;
                }
                let mut draw = |of, rate: f64| Binomial::new(of, rate).unwrap().sample(&mut self.luck);
                let (failed, slow) = (draw(total, 1.0 / 300.0), draw(total, 1.0 / 40.0));
                let failed = if self.scraped > self.broken { total } else { failed };
                let slower = draw(slow, 0.5);
                for (counted, more) in self.counted[place].iter_mut().zip([failed, slow, slower]) {
                    *counted += f64::from(u32::try_from(more).unwrap());
                }
                let scrapes = u64::try_from((self.scraped + if place == 0 { 2000 } else { 0 }) / SCRAPE + 1).unwrap();
                let requests = f64::from(u32::try_from(scrapes * total).unwrap());
                self.scrape(pod, requests, self.counted[place]);
            }
        }
    }

    fn scrape(&self, pod: &str, requests: f64, [failed, slow, slower]: [f64; 3]) {
        let series = |name: &str, label: &str, value: &str| {
            Labels::new([("__name__", name), ("namespace", "shop"), ("pod", pod), (label, value)])
        };
        let (total, bucket) = ("http_requests_total", "http_request_duration_seconds_bucket");
        let samples = [
            (series(total, "code", "200"), requests - failed),
            (series(total, "code", "500"), failed),
            (series(bucket, "le", "0.25"), requests - slow),
            (series(bucket, "le", "0.5"), requests - slower),
            (series(bucket, "le", "+Inf"), requests),
        ];
        self.asked.prometheus.scrape(at(self.scraped), |prometheus, at| prometheus.append(at, pod, &samples));
    }

    async fn look(&self, analyzer: &Analyzer, begun: &[StageBegun], now: Timestamp) -> Vec<CheckStatus> {
        self.analysis(analyzer, begun, &[], now).await.checks
    }

    async fn analysis(
        &self,
        analyzer: &Analyzer,
        begun: &[StageBegun],
        written: &[Timestamp],
        now: Timestamp,
    ) -> AnalysisResult {
        let name = &begun.last().unwrap().stage;
        let stages = self.spec.stages();
        let stage = stages.iter().find(|stage| stage.name == *name).unwrap();
        let (stable, canary) = (revision("old"), revision("new"));
        let look = AnalysisRequest {
            uid: "uid",
            namespace: "shop",
            name: "checkout",
            spec: &self.spec,
            templates: &Templates::default(),
            stage,
            since: None,
            stable: &stable,
            canary: &canary,
            begun,
            replaced: None,
            written,
            presets: &[],
            now,
        };
        analyzer.analyze(&look).await
    }
}

fn checks() -> Value {
    json!([
        {"name": "errors", "errorRate": {"preset": "pod-http", "max": "1%", "relative": {}, "warn": "0.2%"}},
        {"name": "p95", "latency": {"preset": "pod-http", "quantile": 0.95, "max": "250ms"}},
    ])
}

fn begun(stages: &[(&str, i64)]) -> Vec<StageBegun> {
    stages
        .iter()
        .map(|(stage, since)| StageBegun {
            stage: (*stage).to_owned(),
            since: at(*since),
            part: None,
            ..StageBegun::default()
        })
        .collect()
}

#[tokio::test]
async fn another_process_comes_to_the_same_evidence_at_any_moment_of_any_stage() {
    let mut service = Service::new(&checks());
    let first = service.analyzer();
    let all = [("canary", 13), ("half", 447), ("full", 901)];
    for now in (20..1300).step_by(5) {
        service.pass(now);
        let begun = begun(all.iter().copied().filter(|(_, since)| *since <= now).collect::<Vec<_>>().as_slice());
        let now = at(now) + SignedDuration::from_millis(200);
        let known = service.look(&first, &begun, now).await;
        if known.iter().all(|check| check.more_requests.is_none() && check.value.is_none()) {
            continue;
        }
        let derived = service.look(&service.analyzer(), &begun, now).await;
        assert_eq!(known, derived, "at {now}");
    }
}

#[tokio::test]
async fn what_spoke_against_a_version_in_one_stage_is_not_forgotten_in_the_next() {
    let mut service = Service::new(&json!([{"name": "errors", "errorRate": {"preset": "pod-http", "max": "0.15%"}}]));
    service.pass(1100);
    let now = at(1100);
    let whole = service.look(&service.analyzer(), &begun(&[("canary", 0), ("half", 1000)]), now).await;
    let forgetful = service.look(&service.analyzer(), &begun(&[("half", 1000)]), now).await;
    assert_eq!(
        (format!("{:?}", whole[0].verdict), format!("{:?}", forgetful[0].verdict)),
        ("Fail".into(), "NeedMoreData".into())
    );
}

#[tokio::test]
async fn one_source_is_asked_once_for_each_look_however_many_checks_read_it() {
    let mut all = checks();
    let more = json!([
        {"name": "p99", "latency": {"preset": "pod-http", "quantile": 0.99, "max": "500ms"}},
        {"name": "one", "query": {"expr": "sum(up) or vector(1)", "max": 5}},
        {"name": "other", "query": {"expr": "sum(up) or vector(1)", "min": 1}},
    ]);
    all.as_array_mut().unwrap().extend(more.as_array().unwrap().iter().cloned());
    let mut service = Service::new(&all);
    let analyzer = service.analyzer();
    service.pass(300);
    service.look(&analyzer, &begun(&[("canary", 0)]), at(300)).await;
    service.asked.questions.lock().unwrap().clear();
    service.pass(310);
    service.look(&analyzer, &begun(&[("canary", 0)]), at(310)).await;
    let questions = service.asked.questions.lock().unwrap().clone();
    assert!(questions.iter().all(|question| question.when == When::At(at(310))), "{questions:?}");
    let mut distinct: Vec<_> = questions.iter().map(|question| question.query.split('{').next().unwrap()).collect();
    distinct.sort_unstable();
    assert_eq!(distinct, ["http_request_duration_seconds_bucket", "http_requests_total", "sum(up) or vector(1)"]);
}

#[tokio::test]
async fn what_breaks_by_a_write_is_found_by_any_process_within_two_scrapes_and_before_a_version_is_blamed() {
    let mut service = Service::new(&checks());
    let first = service.analyzer();
    (service.broken, service.luck) = (105, StdRng::seed_from_u64(12));
    // The first write gave nothing away, and the second is a minute later.
    let (begun, written) = (begun(&[("canary", 43)]), [at(43), at(100)]);
    for now in (45..=125).step_by(5) {
        service.pass(now);
        let at = at(now) + SignedDuration::from_millis(200);
        for analyzer in [&first, &service.analyzer()] {
            let result = service.analysis(analyzer, &begun, &written, at).await;
            let is_blamed = result.checks.iter().any(|check| check.verdict == Verdict::Fail);
            assert!(!is_blamed || result.outage.is_some(), "{now}: {result:?}");
            assert_eq!(result.outage.is_some(), now >= 110, "{now}: {result:?}");
        }
    }
}
