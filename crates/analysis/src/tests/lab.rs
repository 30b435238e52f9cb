//! A Prometheus whose numbers are a function of time, and a rollout that is looked at.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Value, json};
use tidegate_api::{CheckStatus, RevisionStatus, RolloutSpec, StageBegun};
use tidegate_judge::Sample;

use crate::{
    AnalysisRequest, AnalysisResult, Analyzer, Numbers, PromQuery, PromResponse, QueryError, Row, Templates, Transport,
    When,
};

/// When the weight of the stage came into force, in seconds since 1970.
pub(crate) const SINCE: i64 = 1_000_000;

/// What a store holds of a query, so many seconds into the stage; nothing while it does not answer.
pub(crate) type Curve = fn(&str, i64) -> Option<f64>;

/// A Prometheus whose numbers are a function of time, scraped every ten seconds.
pub(crate) struct Store {
    curve: Curve,
    asked: Arc<Mutex<Vec<i64>>>,
}

impl Store {
    /// What `query` selects: counters of both versions, or one series.
    fn rows(&self, query: &str, instants: &(impl Iterator<Item = i64> + Clone)) -> Result<Numbers, QueryError> {
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
            Ok(Row { labels: [("pod".into(), pod.into())].into(), samples, histograms: Vec::new() })
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
                self.rows(&query, &(start..=end).step_by(usize::try_from(step).unwrap()))
            }
            (When::At(at), Some((selector, window))) => {
                self.asked.lock().unwrap().push(at.as_second() - SINCE);
                let oldest = at.as_second() - window.parse::<i64>().unwrap() / 1000;
                self.rows(selector, &(oldest..=at.as_second()).filter(|at| at % 10 == 0))
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

/// A rollout at which somebody looks.
pub(crate) struct Lab {
    analyzer: Analyzer,
    spec: RolloutSpec,
    /// When a [`Store`] was asked.
    pub(crate) asked: Arc<Mutex<Vec<i64>>>,
}

impl Lab {
    /// One stage, called `full`, with one check and this cadence.
    pub(crate) fn new(curve: Curve, check: &Value, cadence: &Value) -> Self {
        let mut stage = json!({"name": "full", "weight": "100%", "bake": "24h", "cadence": cadence});
        stage.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        Self::in_stages(curve, &json!([stage]), check)
    }

    /// Several stages, and one check of the Rollout's.
    pub(crate) fn in_stages(curve: Curve, stages: &Value, check: &Value) -> Self {
        let asked = Arc::default();
        let store = Store { curve, asked: Arc::clone(&asked) };
        Self { asked, ..Self::over(store, stages, check) }
    }

    /// The same, whose numbers are in another store.
    pub(crate) fn over(store: impl Transport + 'static, stages: &Value, check: &Value) -> Self {
        let spec = json!({
            "workload": {"kind": "Deployment", "name": "checkout"}, "service": "checkout",
            "stages": stages, "analysis": {"checks": [check]},
        });
        let analyzer = Analyzer::over("default", store, Duration::from_secs(10));
        Self { analyzer, spec: serde_json::from_value(spec).unwrap(), asked: Arc::default() }
    }

    /// What is seen so many seconds into the stage.
    pub(crate) async fn look(&self, seconds: i64) -> AnalysisResult {
        self.look_in("full", &[("full", 0)], seconds).await
    }

    /// What is seen in `stage`, where the weights of stages came into force so many seconds after [`SINCE`].
    pub(crate) async fn look_in(&self, stage: &str, begun: &[(&str, i64)], seconds: i64) -> AnalysisResult {
        let revision = |name: &str| RevisionStatus {
            revision: name.to_owned(),
            replica_set: format!("checkout-{name}"),
            ..RevisionStatus::default()
        };
        let of = |(stage, since): &(&str, i64)| StageBegun {
            stage: (*stage).to_owned(),
            since: second(SINCE + since),
            ..StageBegun::default()
        };
        let begun: Vec<_> = begun.iter().map(of).collect();
        let stages = self.spec.stages();
        let last = begun.last().filter(|begun| begun.stage == stage);
        let request = AnalysisRequest {
            uid: "it",
            namespace: "shop",
            name: "checkout",
            spec: &self.spec,
            templates: &Templates::default(),
            stage: stages.iter().find(|known| known.name == stage).unwrap(),
            since: last.map(|begun| begun.since),
            stable: &revision("old"),
            canary: &revision("new"),
            begun: &begun,
            replaced: None,
            written: &[],
            presets: &[],
            now: second(SINCE + seconds),
        };
        self.analyzer.analyze(&request).await
    }

    /// Looks whenever the analyzer asks for it, and returns the times up to `end` at which Prometheus was asked, and what
    /// was said in the end.
    pub(crate) async fn play(&self, end: i64) -> (Vec<i64>, CheckStatus) {
        let mut now = 0;
        loop {
            let seen = self.look(now).await;
            let next = (seen.next.as_millisecond() + 999) / 1000 - SINCE;
            assert!(next > now, "a tight loop at {now}");
            if next > end {
                let mut asked = self.asked.lock().unwrap().clone();
                asked.retain(|at| *at > 0);
                asked.dedup();
                return (asked, seen.checks[0].clone());
            }
            now = next;
        }
    }
}

/// A check that counts requests.
pub(crate) fn errors() -> Value {
    let counters = json!({"errors": "bad{pod=~\"{{pods}}\"}", "total": "all{pod=~\"{{pods}}\"}"});
    json!({"name": "errors", "errorRate": {"counters": counters, "max": "1%"}})
}
