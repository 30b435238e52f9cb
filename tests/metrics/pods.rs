//! Which pod a request is of: where the series say it, where they say something else, and where they change their mind.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use rand::{SeedableRng, rngs::StdRng};
use rand_distr::{Binomial, Distribution};
use serde_json::{Value, json};
use tidegate_analysis::{AnalysisRequest, AnalysisResult, Analyzer, Templates};
use tidegate_api::{RolloutSpec, StageBegun, Verdict};
use tidegate_clock::Clock;
use tidegate_promql::Labels;
use tidegate_sim::endpoint::Endpoint;

use crate::support::revision;

/// Seconds between two scrapes.
const SCRAPE: i64 = 5;

/// So many requests each pod has between two scrapes.
const REQUESTS: u64 = 50;

/// When the stage's weight came into force; stable is older.
const BEGUN: i64 = 2000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// A pod: the version that it is of, its name, and how likely its requests fail.
type Pod = (&'static str, &'static str, f64);

const STABLE: [Pod; 2] = [("old", "checkout-old-aaaaa", 0.001), ("old", "checkout-old-bbbbb", 0.001)];
const WELL: [Pod; 2] = [("new", "checkout-new-aaaaa", 0.001), ("new", "checkout-new-bbbbb", 0.001)];
const BAD: [Pod; 2] = [("new", "checkout-new-aaaaa", 0.2), ("new", "checkout-new-bbbbb", 0.2)];
const ONE_BAD: [Pod; 2] = [("new", "checkout-new-aaaaa", 0.2), ("new", "checkout-new-bbbbb", 0.001)];

/// The labels of a pod at a second, besides its `version`.
type Labelled = fn(&'static str, i64) -> Vec<(&'static str, &'static str)>;

fn by_pod(pod: &'static str, _: i64) -> Vec<(&'static str, &'static str)> {
    vec![("namespace", "shop"), ("pod", pod)]
}

/// What Prometheus scraped of `canary` beside two pods of stable until `end`.
fn scraped(canary: [Pod; 2], labelled: Labelled, end: i64) -> Endpoint {
    let prometheus = Endpoint::new(Clock::starting_at(at(0)));
    let mut luck = StdRng::seed_from_u64(7);
    let mut counted: BTreeMap<&str, [u64; 2]> = BTreeMap::new();
    for second in (0..=end).step_by(5) {
        for (version, pod, rate) in STABLE.into_iter().chain(canary) {
            if version == "new" && second < BEGUN {
                continue;
            }
            let failed = Binomial::new(REQUESTS, rate).unwrap().sample(&mut luck);
            let counters = counted.entry(pod).or_default();
            *counters = [counters[0] + REQUESTS - failed, counters[1] + failed];
            let series = |code: &str| {
                let own = [("__name__", "http_requests_total"), ("version", version), ("code", code)];
                Labels::new(own.into_iter().chain(labelled(pod, second)))
            };
            let value = |count: u64| f64::from(u32::try_from(count).unwrap());
            let samples = [(series("200"), value(counters[0])), (series("500"), value(counters[1]))];
            prometheus.scrape(at(second), |prometheus, now| prometheus.append(now, pod, &samples));
        }
    }
    prometheus
}

fn analyzer(prometheus: &Endpoint) -> Analyzer {
    Analyzer::over("default", prometheus.clone(), Duration::from_secs(10))
}

async fn look(analyzer: &Analyzer, check: &Value, replaced: Option<&str>, now: i64) -> AnalysisResult {
    let spec: RolloutSpec = serde_json::from_value(json!({
        "workload": {"kind": "Deployment", "name": "checkout"},
        "service": "checkout",
        "stages": [{"name": "half", "weight": "50%"}, {"name": "full", "weight": "100%"}],
        "analysis": {"interval": "10s", "checks": [check]},
    }))
    .unwrap();
    let stages = spec.stages();
    let look = AnalysisRequest {
        uid: "uid",
        namespace: "shop",
        name: "checkout",
        spec: &spec,
        templates: &Templates::default(),
        stage: &stages[0],
        since: None,
        stable: &revision("old"),
        canary: &revision("new"),
        begun: &[StageBegun { stage: "half".to_owned(), since: at(BEGUN), part: None, ..StageBegun::default() }],
        replaced,
        written: &[],
        presets: &[],
        now: at(now),
    };
    analyzer.analyze(&look).await
}

fn preset() -> Value {
    json!({"name": "errors", "errorRate": {"preset": "pod-http", "max": "1%"}})
}

/// By the label `version` alone.
fn own() -> Value {
    let selector = |code: &str| format!("http_requests_total{{version=\"{{{{revision}}}}\",code=~\"{code}\"}}");
    let counters = json!({"errors": selector("5.."), "total": selector(".+")});
    json!({"name": "errors", "errorRate": {"counters": counters, "max": "1%"}})
}

#[tokio::test]
async fn the_bad_requests_of_a_check_that_fails_are_told_by_pod_and_by_each_process_alike() {
    let prometheus = scraped(ONE_BAD, by_pod, BEGUN + 60);
    let first = analyzer(&prometheus);
    for now in (BEGUN + 5..BEGUN + 60).step_by(5) {
        look(&first, &preset(), None, now).await;
    }
    let result = look(&first, &preset(), None, BEGUN + 60).await;
    assert_eq!(result.checks[0].verdict, Verdict::Fail, "{:?}", result.checks);
    let origin = result.spreads[0].origin(&BTreeMap::new()).unwrap();
    assert_eq!(origin.pod.as_deref(), Some("checkout-new-aaaaa"));
    assert!(result.spreads[0].spares_others(&origin), "{origin}");
    let derived = look(&analyzer(&prometheus), &preset(), None, BEGUN + 60).await;
    assert_eq!(result.spreads, derived.spreads);
}

#[tokio::test]
async fn without_the_pod_that_was_replaced_a_version_is_judged_as_if_it_had_never_been() {
    let prometheus = scraped(ONE_BAD, by_pod, BEGUN + 600);
    let [with, without] = [None, Some("checkout-new-aaaaa")]
        .map(async |replaced| look(&analyzer(&prometheus), &preset(), replaced, BEGUN + 600).await);
    let (with, without) = (with.await, without.await);
    assert_eq!((with.checks[0].verdict, without.checks[0].verdict), (Verdict::Fail, Verdict::Pass));
    let of_one_pod = i64::try_from(REQUESTS).unwrap() * 600 / SCRAPE;
    let counted = without.checks[0].sample.unwrap();
    assert!((of_one_pod - 300..=of_one_pod).contains(&counted), "{counted} of {of_one_pod}");
    assert_eq!(without.divided, with.divided, "what was served was served");
    assert!(without.divided.is_some());
}

#[tokio::test]
async fn without_a_label_that_names_their_pods_versions_are_judged_all_the_same_and_no_pod_is_named() {
    let nobodys: [Labelled; 2] = [
        |_, _| vec![("namespace", "shop")],
        |pod, _| {
            // One exporter for all: the address is all that tells its series apart.
            vec![("namespace", "shop"), ("pod", "exporter-5d9c7-x2x4q"), ("instance", pod)]
        },
    ];
    for labelled in nobodys {
        let labelled: Labelled = labelled;
        for (canary, verdict) in [(WELL, Verdict::Pass), (BAD, Verdict::Fail), (ONE_BAD, Verdict::Fail)] {
            let result = look(&analyzer(&scraped(canary, labelled, BEGUN + 600)), &own(), None, BEGUN + 600).await;
            assert_eq!(result.checks[0].verdict, verdict, "{:?}", result.checks);
            let named = result.spreads.iter().any(|spread| spread.pods.names_pods());
            assert!(!named && result.spreads.iter().all(|spread| spread.origin(&BTreeMap::new()).is_none()));
            let told = look(&analyzer(&scraped(canary, labelled, BEGUN + 600)), &preset(), None, BEGUN + 600).await;
            assert_eq!(told.checks[0].verdict, Verdict::NoData, "{:?}", told.checks);
            assert!(
                told.checks[0].message.contains("the label pod, which tells the versions apart")
                    || told.checks[0].message.contains("of its label pod there is"),
                "{:?}",
                told.checks
            );
        }
    }
}

#[tokio::test]
async fn series_that_change_their_labels_are_counted_once_and_judged_on() {
    let renamed: [Labelled; 2] = [
        |pod, second| vec![("namespace", "shop"), ("pod", pod), ("job", if second < BEGUN + 300 { "a" } else { "b" })],
        |pod, second| vec![("namespace", "shop"), ("pod", pod), ("zone", if second < BEGUN + 300 { "a" } else { "b" })],
    ];
    for labelled in renamed {
        for (canary, verdict) in [(WELL, Verdict::Pass), (BAD, Verdict::Fail)] {
            let (same, other) = (scraped(canary, by_pod, BEGUN + 600), scraped(canary, labelled, BEGUN + 600));
            for by_looks in [false, true] {
                let (first, second) = (analyzer(&same), analyzer(&other));
                for now in (BEGUN + 5..BEGUN + 600).step_by(5).filter(|_| by_looks) {
                    look(&first, &preset(), None, now).await;
                    look(&second, &preset(), None, now).await;
                }
                let [same, other] =
                    [&first, &second].map(async |analyzer| look(analyzer, &preset(), None, BEGUN + 600).await);
                let (same, other) = (same.await, other.await);
                assert_eq!((other.checks[0].verdict, same.checks[0].verdict), (verdict, verdict), "{:?}", other.checks);
                let [same, other] = [same, other].map(|result| result.checks[0].sample.unwrap());
                assert_eq!(other, same);
            }
        }
    }
}

#[tokio::test]
async fn series_that_change_their_labels_while_pods_warm_up_put_the_verdict_off_and_do_not_keep_it_away() {
    let labelled: Labelled =
        |pod, second| vec![("namespace", "shop"), ("pod", pod), ("job", if second < BEGUN + 30 { "a" } else { "b" })];
    let mut check = preset();
    check["warmUp"] = json!("1m");
    for (canary, verdict) in [(WELL, Verdict::Pass), (BAD, Verdict::Fail)] {
        let prometheus = scraped(canary, labelled, BEGUN + 600);
        let analyzer = analyzer(&prometheus);
        let cold = look(&analyzer, &check, None, BEGUN + 60).await;
        assert_eq!((cold.checks[0].verdict, cold.checks[0].reason.as_str()), (Verdict::NeedMoreData, "WarmingUp"));
        let result = look(&analyzer, &check, None, BEGUN + 600).await;
        assert_eq!(result.checks[0].verdict, verdict, "{:?}", result.checks);
    }
}
