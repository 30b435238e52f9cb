//! Whatever a Prometheus answers, it is a typed reason or numbers that make sense, and never a pass by mistake.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::future::BoxFuture;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};
use tidegate_analysis::{AnalysisRequest, Analyzer, PromQuery, PromResponse, QueryError, Templates, Transport, When};
use tidegate_api::{CheckStatus, RolloutSpec, StageBegun, Verdict};

use crate::support::revision;

/// Answers as a healthy Prometheus would, until it is told what to answer instead.
#[derive(Clone, Default)]
struct Server {
    instead: Arc<Mutex<Option<Said>>>,
}

/// A status and a body.
type Said = (u16, Vec<u8>);

const START: i64 = 1_800_000_000;

/// A counter that rises by 500 a second since the start, sampled each second.
fn series(pod: &str, code: &str, per_second: i64, seconds: impl Iterator<Item = i64>) -> Value {
    let values: Vec<_> =
        seconds.map(|second| json!([second, (per_second * (second - START + 1000)).to_string()])).collect();
    json!({"metric": {"__name__": "http_requests_total", "namespace": "shop", "pod": pod, "code": code}, "values": values})
}

fn healthy(question: &PromQuery) -> Value {
    let seconds: Vec<_> = match question.when {
        When::At(at) => (at.as_second() - 60..=at.as_second()).collect(),
        When::Grid { start, end, step } => (start..=end).step_by(usize::try_from(step).unwrap()).collect(),
    };
    let of = |pod, code, rate| series(pod, code, rate, seconds.iter().copied());
    let result = vec![
        of("checkout-new-abcde", "200", 500),
        of("checkout-new-abcde", "500", 0),
        of("checkout-old-abcde", "200", 500),
    ];
    json!({"status": "success", "data": {"resultType": "matrix", "result": result}})
}

impl Transport for Server {
    fn query(&self, question: PromQuery) -> BoxFuture<'_, Result<PromResponse, QueryError>> {
        let instead = self.instead.lock().unwrap().clone();
        let (status, body) = instead.unwrap_or_else(|| (200, healthy(&question).to_string().into_bytes()));
        Box::pin(async move { Ok(PromResponse::Text { status, html: false, body }) })
    }
}

fn spec() -> RolloutSpec {
    serde_json::from_value(json!({
        "workload": {"kind": "Deployment", "name": "checkout"},
        "service": "checkout",
        "analysis": {"interval": "1s", "checks": [
            {"name": "errors", "errorRate": {"preset": "pod-http", "max": "1%"}},
        ]},
    }))
    .unwrap()
}

async fn look(analyzer: &Analyzer, second: i64) -> CheckStatus {
    let spec = spec();
    let (stable, canary) = (revision("old"), revision("new"));
    let begun = [StageBegun {
        stage: spec.stages()[0].name.clone(),
        since: Timestamp::from_second(START).unwrap(),
        part: None,
        ..StageBegun::default()
    }];
    let stage = spec.stages()[0].clone();
    let now = Timestamp::from_second(START + second).unwrap();
    let look = AnalysisRequest {
        uid: "uid",
        namespace: "shop",
        name: "checkout",
        spec: &spec,
        templates: &Templates::default(),
        stage: &stage,
        since: None,
        stable: &stable,
        canary: &canary,
        begun: &begun,
        replaced: None,
        written: &[],
        presets: &[],
        now,
    };
    analyzer.analyze(&look).await.checks.remove(0)
}

/// What a check that passes says when its Prometheus answers this instead of what is so.
fn answered(status: u16, body: Vec<u8>) -> CheckStatus {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let server = Server::default();
        let analyzer = Analyzer::over("default", server.clone(), Duration::from_secs(10));
        let before = look(&analyzer, 20).await;
        assert_eq!(before.verdict, Verdict::Pass, "{before:?}");
        *server.instead.lock().unwrap() = Some((status, body));
        look(&analyzer, 22).await
    })
}

/// A right answer at that moment.
fn right() -> Value {
    let at = Timestamp::from_second(START + 22).unwrap();
    healthy(&PromQuery { query: String::new(), when: When::At(at) })
}

/// Values that no counter has.
fn no_counter() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!("+Inf")),
        Just(json!("-Inf")),
        Just(json!("many")),
        Just(json!("")),
        Just(json!(null)),
        Just(json!([1])),
        (0.1..1e9f64).prop_map(|value| json!((-value).to_string())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn bytes_that_are_no_answer_never_pass(status in 200u16..600, body in prop::collection::vec(any::<u8>(), 0..200)) {
        let said = answered(status, body);
        prop_assert!(said.verdict == Verdict::NoData && !said.reason.is_empty(), "{said:?}");
    }

    #[test]
    fn an_answer_that_ends_in_the_middle_never_passes(length in any::<prop::sample::Index>()) {
        let body = right().to_string().into_bytes();
        let said = answered(200, body[..length.index(body.len())].to_vec());
        prop_assert!(said.verdict == Verdict::NoData && !said.reason.is_empty(), "{said:?}");
    }

    #[test]
    fn a_value_that_no_counter_has_never_passes(row in 0usize..3, sample in 0usize..61, value in no_counter()) {
        let mut answer = right();
        answer["data"]["result"][row]["values"][sample][1] = value;
        let said = answered(200, answer.to_string().into_bytes());
        prop_assert!(said.verdict == Verdict::NoData && !said.reason.is_empty(), "{said:?}");
    }

    #[test]
    fn a_counter_that_stays_no_number_never_passes(row in 0usize..3, sample in 0usize..58) {
        let mut answer = right();
        for sample in sample..sample + 3 {
            answer["data"]["result"][row]["values"][sample][1] = json!("NaN");
        }
        let said = answered(200, answer.to_string().into_bytes());
        prop_assert!(said.verdict == Verdict::NoData && !said.reason.is_empty(), "{said:?}");
    }

    #[test]
    fn a_part_of_another_type_never_passes(
        path in prop::sample::select(vec!["/status", "/data", "/data/resultType", "/data/result", "/data/result/0/metric", "/data/result/0/values", "/data/result/0/values/5", "/data/result/0/values/5/0"]),
        value in prop::sample::select(vec![json!(true), json!({"a": 1}), json!("x"), json!([[]]), json!(null)]),
    ) {
        let mut answer = right();
        *answer.pointer_mut(path).unwrap() = value;
        let said = answered(200, answer.to_string().into_bytes());
        prop_assert!(said.verdict == Verdict::NoData && !said.reason.is_empty(), "{said:?}");
    }

    #[test]
    fn labels_that_say_nothing_of_the_request_never_pass(
        label in prop::sample::select(vec!["pod", "code"]),
        value in prop::sample::select(vec![json!(1), json!([]), json!(null), json!({})]),
    ) {
        let mut answer = right();
        answer["data"]["result"][0]["metric"][label] = value;
        let said = answered(200, answer.to_string().into_bytes());
        prop_assert!(said.verdict == Verdict::NoData && !said.reason.is_empty(), "{said:?}");
    }
}

#[test]
fn an_answer_with_warnings_or_without_the_canary_never_passes() {
    let mut warned = right();
    warned["warnings"] = json!(["a store did not answer"]);
    let mut empty = right();
    empty["data"]["result"] = json!([]);
    for (answer, reason) in [(warned, "AnswerIncomplete"), (empty, "NoSeries")] {
        let said = answered(200, answer.to_string().into_bytes());
        assert_eq!((said.verdict, said.reason.as_str()), (Verdict::NoData, reason));
    }
}

#[test]
fn a_series_that_does_not_tell_whether_its_requests_failed_never_passes() {
    let mut answer = right();
    answer["data"]["result"][1]["metric"].as_object_mut().unwrap().remove("code");
    let said = answered(200, answer.to_string().into_bytes());
    assert_eq!((said.verdict, said.reason.as_str()), (Verdict::NoData, "NoStatusLabel"));
}

#[test]
fn a_right_answer_still_passes() {
    assert_eq!(answered(200, right().to_string().into_bytes()).verdict, Verdict::Pass);
}
