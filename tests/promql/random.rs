//! Expressions by chance: from PromQL's grammar, and from anything at all. The same each time.

use std::cell::{Cell, RefCell};

use proptest::{
    prelude::*,
    sample::select,
    strategy::Union,
    test_runner::{Config, TestCaseError, TestRng, TestRunner},
};
use tidegate_promql::Parameters;

use crate::{
    answers::{compare, instant},
    real::Real,
    samples::{START, Samples},
};

/// How many expressions of the grammar are compared.
const COMPARED: u32 = 1_000;
/// How many texts are only to be survived.
const SURVIVED: u32 = 5_000;

fn runner(cases: u32) -> TestRunner {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let algorithm = config.rng_algorithm;
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(algorithm))
}

#[test]
fn expressions_by_chance_have_the_real_answer() {
    let samples = Samples::seeded();
    let Some(real) = Real::start(&samples) else { return };
    let embedded = RefCell::new(samples.embedded());
    let telling = Cell::new(0);
    let minutes = 0..95_i64;
    let expressions = Union::new([vector(1), vector(2), vector(3)]);
    let compared = runner(COMPARED).run(&(expressions, minutes), |(expression, minute)| {
        let request = instant(&expression, START + minute * 60_000 + 7);
        let something = compare(&real, &mut embedded.borrow_mut(), &request, false).map_err(TestCaseError::fail)?;
        telling.set(telling.get() + u32::from(something));
        Ok(())
    });
    compared.unwrap_or_else(|failure| panic!("{failure}"));
    println!("{} of {COMPARED} answers tell something", telling.get());
    assert!(telling.get() > COMPARED / 3, "only {} of {COMPARED} answers tell something", telling.get());
}

#[test]
fn no_text_is_more_than_an_error() {
    let embedded = RefCell::new(Samples::seeded().embedded());
    let texts = Union::new([soup().boxed(), vector(6).boxed(), any::<String>().boxed(), mangled().boxed()]);
    let survived = runner(SURVIVED).run(&texts, |expression| {
        let (path, parameters) = instant(&expression, START + 3_000_000);
        let (status, body) = embedded.borrow_mut().answer(&path, &Parameters::parse(&parameters), START);
        prop_assert!(matches!(status, 200 | 400 | 422 | 503), "{status}: {body}");
        prop_assert!(serde_json::from_str::<serde_json::Value>(&body).is_ok(), "{body}");
        Ok(())
    });
    survived.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn what_is_nested_too_deeply_is_refused_and_not_followed() {
    let mut embedded = Samples::seeded().embedded();
    let nests = [
        format!("{}1{}", "(".repeat(10_000), ")".repeat(10_000)),
        format!("{}1", "-".repeat(30_000)),
        format!("1{}", " + 1".repeat(8_000)),
        format!("{}up{}", "abs(".repeat(59), ")".repeat(59)),
        format!("{}up{}", "sum(-".repeat(50), ")".repeat(50)),
        format!("up{}", " or up".repeat(190)),
        format!("up{}", "[1h:1s]".repeat(50)),
        format!("{}up{}", "sum_over_time(".repeat(20), "[1h:1s])".repeat(20)),
        "up[99999999999999999999]".to_owned(),
        "up[inf]".to_owned(),
        "up offset 1e30".to_owned(),
        "up offset -99999999999y".to_owned(),
        "up @ 1e300".to_owned(),
        "sum_over_time(up[999999y:1ms])".to_owned(),
        "x".repeat(1 << 20),
    ];
    for nest in nests {
        let (path, parameters) = instant(&nest, START);
        let (status, body) = embedded.answer(&path, &Parameters::parse(&parameters), START);
        assert!([200, 400, 503].contains(&status), "{status} {body}");
    }
}

/// The grammar's words.
const WORDS: &str = r#"
up temperature rate sum by on group_left ignoring bool offset @ ( ) [ ] { } , : 5m 1 -1 0x 1e9 Inf
NaN "a" ' ` + - * / % ^ == > =~ !~ = and or unless topk quantile_over_time start() job __name__ # \
🦀 histogram_quantile label_replace absent limitk without fill
"#;

/// The grammar's words in any order.
fn soup() -> impl Strategy<Value = String> {
    let words = select(WORDS.split_whitespace().collect::<Vec<_>>());
    prop::collection::vec(words, 0..14).prop_map(|words| words.join(" "))
}

/// An expression with one character less.
fn mangled() -> impl Strategy<Value = String> {
    (vector(3), any::<prop::sample::Index>()).prop_map(|(expression, at)| {
        let at = at.index(expression.chars().count());
        expression.chars().enumerate().filter(|(index, _)| *index != at).map(|(_, c)| c).collect()
    })
}

fn selector() -> impl Strategy<Value = String> {
    let metric = select(vec![
        "http_requests_total",
        "temperature",
        "build_info",
        "up",
        "steps",
        "flapping",
        "seldom",
        "nothing",
        "http_request_duration_seconds_bucket",
    ]);
    let matchers =
        select(vec!["", "", "{code=\"200\"}", "{pod=~\"checkout-new.*\"}", "{pod!~\".*[a-c]\"}", "{room!=\"hall\"}"]);
    (metric, matchers).prop_map(|(metric, matchers)| format!("{metric}{matchers}"))
}

fn moved() -> impl Strategy<Value = &'static str> {
    select(vec!["", "", "", "", " offset 3m", " offset -90s", " @ 1767228600", " @ end() offset 1m"])
}

fn number() -> impl Strategy<Value = String> {
    select(vec!["0", "1", "-2.5", "100", "0.9", "time()", "scalar(steps)", "Inf"]).prop_map(str::to_owned)
}

fn range(depth: u32) -> BoxedStrategy<String> {
    let lengths = select(vec!["30s", "1m", "5m", "17m"]);
    let plain = (selector(), lengths.clone(), moved()).prop_map(|(of, length, moved)| format!("{of}[{length}]{moved}"));
    if depth == 0 {
        return plain.boxed();
    }
    let steps = select(vec!["", "30s", "47s"]);
    let sub = (vector(depth - 1), lengths, steps, moved())
        .prop_map(|(of, length, step, moved)| format!("({of})[{length}:{step}]{moved}"));
    Union::new_weighted(vec![(3, plain.boxed()), (1, sub.boxed())]).boxed()
}

fn vector(depth: u32) -> BoxedStrategy<String> {
    let plain = (selector(), moved()).prop_map(|(of, moved)| format!("{of}{moved}")).boxed();
    if depth == 0 {
        return plain;
    }
    let inner = vector(depth - 1);
    let functions = select(vec!["abs", "ceil", "floor", "sgn", "sqrt", "timestamp", "sort", "absent", "round", "-"]);
    let ranges = select(vec![
        "rate",
        "increase",
        "delta",
        "irate",
        "idelta",
        "resets",
        "changes",
        "avg_over_time",
        "min_over_time",
        "max_over_time",
        "sum_over_time",
        "count_over_time",
        "last_over_time",
        "absent_over_time",
    ]);
    let operators = select(vec!["+", "-", "*", "/", ">", "<=", "== bool", "> bool", "and", "or", "unless"]);
    let matching = select(vec!["", "", "on (pod)", "ignoring (code)", "on ()", "on (pod, code)"]);
    let grouped = select(vec!["+", "*", "/", ">", "< bool"]);
    let included = select(vec!["", "(version)", "(code, room)"]);
    let aggregations = select(vec!["sum", "avg", "min", "max", "count", "group"]);
    let groupings = select(vec!["", "by (pod)", "by (le)", "without (pod)", "by (code, version)"]);
    let arithmetic = select(vec!["+", "-", "*", "/", ">", "!=", "<= bool"]);
    Union::new_weighted(vec![
        (2, plain),
        (3, (ranges, range(depth - 1)).prop_map(|(name, range)| format!("{name}({range})")).boxed()),
        (2, (functions, inner.clone()).prop_map(|(name, of)| format!("{name}({of})")).boxed()),
        (3, (aggregations, groupings, inner.clone()).prop_map(|(op, by, of)| format!("{op} {by} ({of})")).boxed()),
        (
            2,
            (inner.clone(), operators, matching, inner.clone())
                .prop_map(|(left, op, matching, right)| format!("({left}) {op} {matching} ({right})"))
                .boxed(),
        ),
        (
            1,
            (inner.clone(), grouped, included, inner.clone())
                .prop_map(|(left, op, included, right)| {
                    format!("({left}) {op} on (pod) group_left {included} ({right})")
                })
                .boxed(),
        ),
        (2, (inner.clone(), arithmetic, number()).prop_map(|(of, op, number)| format!("({of}) {op} {number}")).boxed()),
        (1, (number(), inner).prop_map(|(rank, of)| format!("histogram_quantile({rank}, {of})")).boxed()),
    ])
    .boxed()
}
