use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Value, json};
use tidegate_api::{CheckStatus, RevisionStatus, RolloutSpec, StageBegun, Verdict};
use tidegate_judge::Sample;

use crate::{
    AnalysisRequest, AnalysisResult, Analyzer, Numbers, PromQuery, PromResponse, QueryError, Row, Templates, Transport,
    When,
};

/// When the weight of the stage came into force, in seconds since 1970.
const SINCE: i64 = 1_000_000;

/// What a store holds of a query, so many seconds into the stage; nothing while it does not answer.
type Curve = fn(&str, i64) -> Option<f64>;

/// A Prometheus whose numbers are a function of time, scraped every ten seconds.
#[derive(Clone)]
struct Store {
    curve: Curve,
    asked: Arc<Mutex<Vec<i64>>>,
}

impl Store {
    /// What `query` selects: counters of both versions, or one series.
    fn rows(&self, query: &str, instants: impl Iterator<Item = i64> + Clone) -> Result<Numbers, QueryError> {
        let counter = query
            .trim_start_matches('(')
            .split_once('{')
            .map(|(name, _)| name)
            .filter(|name| ["bad", "all"].contains(name));
        let series = match counter {
            Some(name) => ["new", "old"].map(|version| format!("{name} {version}")).to_vec(),
            None => vec![query.to_owned()],
        };
        let row = |series: &String| {
            let sample = |at| Some(Sample { at: second(at), value: (self.curve)(series, at - SINCE)? });
            let samples = instants.clone().map(sample).collect::<Option<_>>().ok_or_else(down)?;
            let pod = format!("checkout-{}-abcde", series.split(' ').next_back().unwrap_or_default());
            Ok(Row { labels: [("pod".into(), pod.into())].into(), samples })
        };
        Ok(Numbers::Matrix(series.iter().map(row).collect::<Result<_, QueryError>>()?))
    }
}

fn down() -> QueryError {
    QueryError::Unreachable { endpoint: "default".to_owned(), why: "it is down".to_owned() }
}

impl Transport for Store {
    fn query(&self, PromQuery { query, when }: PromQuery) -> BoxFuture<'_, Result<PromResponse, QueryError>> {
        let numbers = match (when, query.strip_suffix("ms]").and_then(|query| query.rsplit_once('['))) {
            (When::Grid { start, end, step }, _) => {
                self.rows(&query, (start..=end).step_by(usize::try_from(step).unwrap()))
            }
            (When::At(at), Some((selector, window))) => {
                self.asked.lock().unwrap().push(at.as_second() - SINCE);
                let oldest = at.as_second() - window.parse::<i64>().unwrap() / 1000;
                self.rows(selector, (oldest..=at.as_second()).filter(|at| at % 10 == 0))
            }
            (When::At(at), None) => {
                self.asked.lock().unwrap().push(at.as_second() - SINCE);
                (self.curve)(&query, at.as_second() - SINCE).map(|value| Numbers::Vector(vec![value])).ok_or_else(down)
            }
        };
        Box::pin(async move { numbers.map(PromResponse::Numbers) })
    }
}

fn second(at: i64) -> Timestamp {
    Timestamp::from_second(at).unwrap()
}

/// A stage with this cadence, at which somebody looks.
struct Lab {
    store: Store,
    analyzer: Analyzer,
    spec: RolloutSpec,
}

impl Lab {
    fn new(curve: Curve, check: &Value, cadence: &Value) -> Self {
        let mut stage = json!({"name": "full", "weight": "100%", "bake": "24h", "cadence": cadence});
        stage.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let spec = json!({
            "workload": {"kind": "Deployment", "name": "checkout"}, "service": "checkout",
            "stages": [stage], "analysis": {"checks": [check]},
        });
        let store = Store { curve, asked: Arc::default() };
        let analyzer = Analyzer::over("default", store.clone(), Duration::from_secs(10));
        Self { store, analyzer, spec: serde_json::from_value(spec).unwrap() }
    }

    /// What is seen so many seconds into the stage.
    async fn look(&self, seconds: i64) -> AnalysisResult {
        let revision = |name: &str| RevisionStatus {
            revision: name.to_owned(),
            replica_set: format!("checkout-{name}"),
            ..RevisionStatus::default()
        };
        let begun = [StageBegun { stage: "full".to_owned(), since: second(SINCE), ..StageBegun::default() }];
        let request = AnalysisRequest {
            uid: "it",
            namespace: "shop",
            name: "checkout",
            spec: &self.spec,
            templates: &Templates::default(),
            stage: &self.spec.stages()[0],
            since: Some(second(SINCE)),
            stable: &revision("old"),
            canary: &revision("new"),
            begun: &begun,
            replaced: None,
            written: &[],
            now: second(SINCE + seconds),
        };
        self.analyzer.analyze(&request).await
    }

    /// Looks whenever the analyzer asks for it, and returns the times up to `end` at which Prometheus was asked, and what
    /// was said in the end.
    async fn play(&self, end: i64) -> (Vec<i64>, CheckStatus) {
        let mut now = 0;
        loop {
            let seen = self.look(now).await;
            let next = (seen.next.as_millisecond() + 999) / 1000 - SINCE;
            assert!(next > now, "a tight loop at {now}");
            if next > end {
                let mut asked = self.store.asked.lock().unwrap().clone();
                asked.retain(|at| *at > 0);
                asked.dedup();
                return (asked, seen.checks[0].clone());
            }
            now = next;
        }
    }
}

fn value(limits: Value) -> Value {
    let mut query = limits;
    query["expr"] = json!("it");
    json!({"name": "it", "query": query})
}

fn errors() -> Value {
    let counters = json!({"errors": "bad{pod=~\"{{pods}}\"}", "total": "all{pod=~\"{{pods}}\"}"});
    json!({"name": "errors", "errorRate": {"counters": counters, "max": "1%"}})
}

#[tokio::test(start_paused = true)]
async fn prometheus_is_asked_at_the_times_of_the_cadence_and_at_no_others() {
    let cadence = json!([{"every": "1m"}, {"after": "5m", "every": "5m"}]);
    let lab = Lab::new(|_, _| Some(1.0), &value(json!({"max": 2})), &cadence);
    let (asked, said) = lab.play(1200).await;
    assert_eq!(asked, [60, 120, 180, 240, 300, 600, 900, 1200]);
    assert_eq!(said.verdict, Verdict::Pass);
    for between in [1201, 1300, 1499] {
        assert_eq!(lab.look(between).await.checks, [said.clone()], "what was said stands");
    }
    assert_eq!(lab.store.asked.lock().unwrap().last(), Some(&1200));
}

#[tokio::test(start_paused = true)]
async fn a_look_in_vain_is_made_up_for_without_waiting_for_the_next_one() {
    let down_for_a_while: Curve = |_, at| (at < 295 || at > 330).then_some(1.0);
    let lab = Lab::new(down_for_a_while, &value(json!({"max": 2})), &json!([{"every": "5m"}]));
    let (asked, said) = lab.play(600).await;
    assert_eq!(asked, [300, 310, 320, 330, 340, 600]);
    assert_eq!(said.verdict, Verdict::Pass);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_failed_between_two_looks_fails_at_the_next_one() {
    // Beyond the limit for three minutes, and well again when somebody looks.
    let spell: Curve = |_, at| Some(if (400..580).contains(&at) { 3.0 } else { 1.0 });
    let every = json!([{"every": "15m"}]);
    for (limits, verdict) in [
        (json!({"max": 2}), Verdict::Fail),
        (json!({"max": 2, "for": "2m"}), Verdict::Fail),
        (json!({"max": 2, "failureLimit": 10}), Verdict::Fail),
        (json!({"max": 2, "for": "5m"}), Verdict::Pass),
        (json!({"max": 2, "failureLimit": 20}), Verdict::Pass),
    ] {
        let rare = Lab::new(spell, &value(limits.clone()), &every).play(900).await.1;
        assert_eq!(rare.verdict, verdict, "{limits}: {}", rare.message);
    }
}

#[tokio::test(start_paused = true)]
async fn a_comparison_with_stable_has_its_values_between_two_looks_too() {
    let worse: Curve = |query, at| Some(if query.contains("new") && (400..580).contains(&at) { 3.0 } else { 1.0 });
    let check =
        json!({"name": "it", "query": {"expr": "it{pod=\"{{revision}}\"}", "relative": {"max": 2}, "failureLimit": 2}});
    let said = Lab::new(worse, &check, &json!([{"every": "15m"}])).play(900).await.1;
    assert_eq!(said.verdict, Verdict::Fail, "{}", said.message);
}

#[tokio::test(start_paused = true)]
async fn a_new_process_looks_back_as_far_as_the_last_look_can_have_been() {
    let spell: Curve = |_, at| Some(if (400..580).contains(&at) { 3.0 } else { 1.0 });
    let lab = Lab::new(spell, &value(json!({"max": 2})), &json!([{"every": "15m"}]));
    assert_eq!(lab.look(700).await.checks[0].verdict, Verdict::Fail);
}

#[tokio::test(start_paused = true)]
async fn rare_looks_count_the_requests_that_frequent_ones_count() {
    // Twenty requests a second, of which one in a thousand fails; a process that restarts counts from zero.
    let healthy: Curve = |query, at| {
        let running = if query.contains("new") && at >= 1000 { at - 1000 } else { at + 10_000 };
        Some((running * if query.starts_with("bad") { 1 } else { 1000 } / 50) as f64)
    };
    let often = Lab::new(healthy, &errors(), &Value::Null).play(3600).await;
    let rarely = Lab::new(healthy, &errors(), &json!([{"every": "20m"}])).play(3600).await;
    assert!(often.0.len() > 300 && rarely.0.len() < 20, "{} and {}", often.0.len(), rarely.0.len());
    let counted = |(_, said): &(_, CheckStatus)| (said.verdict, said.value.clone(), said.sample);
    assert_eq!(counted(&rarely), counted(&often));
}

#[tokio::test(start_paused = true)]
async fn errors_between_two_looks_fail_the_version_at_the_next_one() {
    let spell: Curve = |query, at| {
        let bad = if query.contains("new") { (at - 400).clamp(0, 60) } else { 0 };
        Some((if query.starts_with("bad") { bad * 20 } else { (at + 10_000) * 20 }) as f64)
    };
    let lab = Lab::new(spell, &errors(), &json!([{"every": "15m"}]));
    let before = lab.play(899).await.1;
    assert_eq!(before.verdict, Verdict::NeedMoreData, "{}", before.message);
    assert_eq!(lab.look(900).await.checks[0].verdict, Verdict::Fail);
}
