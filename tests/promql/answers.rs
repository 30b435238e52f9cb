//! Query by query.

use tidegate_promql::{Parameters, Prometheus};

use crate::{
    compare::difference,
    expressions,
    real::Real,
    samples::{END, START, Samples},
};

/// When instant queries are asked, in milliseconds after the first scrape: before it, on scrapes and between them,
/// around what happens to the pods, and after the end.
const TIMES: [i64; 12] = [
    -1_000,
    0,
    7_300,
    60_000,
    5 * 60_000,
    2_000_123,
    40 * 60_000 + 7_777,
    45 * 60_000 + 1,
    3_333_333,
    75 * 60_000,
    (END - START) + 299_000,
    (END - START) + 400_000,
];

/// Ranges: start and end after the first scrape, and step, in milliseconds.
const RANGES: [(i64, i64, i64); 3] =
    [(10 * 60_000, 80 * 60_000, 61_000), (29 * 60_000, 45 * 60_000, 15_000), (85 * 60_000 + 123, 99 * 60_000, 37_500)];

fn seconds(at: i64) -> String {
    format!("{}.{:03}", at.div_euclid(1000), at.rem_euclid(1000))
}

/// A request as path and encoded parameters.
fn request(path: &str, parameters: &[(&str, &str)]) -> (String, String) {
    let url = reqwest::Url::parse_with_params("http://prometheus/", parameters).unwrap();
    (format!("/api/v1/{path}"), url.query().unwrap_or_default().to_owned())
}

/// An instant query.
pub fn instant(expression: &str, at: i64) -> (String, String) {
    request("query", &[("query", expression), ("time", &seconds(at))])
}

fn range(expression: &str, (start, end, step): (i64, i64, i64)) -> (String, String) {
    let (start, end, step) = (seconds(START + start), seconds(START + end), seconds(step));
    request("query_range", &[("query", expression), ("start", &start), ("end", &end), ("step", &step)])
}

/// Asks both. Whether there was something in their answer, or how the embedded one's differs.
pub fn compare(
    real: &Real,
    embedded: &mut Prometheus,
    (path, parameters): &(String, String),
    ordered: bool,
) -> Result<bool, String> {
    let wanted = real.ask(path, parameters);
    let (status, body) = embedded.answer(path, &Parameters::parse(parameters), START);
    let got = (status, serde_json::from_str(&body).unwrap());
    let something = wanted.1["data"]["result"].as_array().is_none_or(|result| !result.is_empty());
    difference(&wanted, &got, ordered).map_or(Ok(wanted.0 == 200 && something), Err)
}

#[test]
fn every_expression_has_the_real_answer_at_any_time() {
    let samples = Samples::seeded();
    let Some(real) = Real::start(&samples) else { return };
    let mut embedded = samples.embedded();
    let (mut asked, mut telling, mut different) = (0, 0, Vec::new());
    for expression in expressions::all() {
        // The order of equals is by chance, and among the odd ones there are several NaN.
        let sorts = ["sort", "topk(", "bottomk("].iter().any(|name| expression.starts_with(name));
        let sorts = sorts && !expression.contains("odd");
        let instants = TIMES.iter().map(|time| (format!("at {time} ms"), instant(&expression, START + time), sorts));
        let ranges = RANGES.iter().map(|times| (format!("range {times:?}"), range(&expression, *times), true));
        for (when, request, ordered) in instants.chain(ranges) {
            asked += 1;
            match compare(&real, &mut embedded, &request, ordered) {
                Ok(something) => telling += usize::from(something),
                Err(difference) => {
                    different.push(format!("{expression}\n  {when}: {difference}"));
                    break;
                }
            }
        }
    }
    let expressions = expressions::all().len();
    println!(
        "asked {asked} questions of {expressions} expressions: {telling} tell something, {} differ",
        different.len()
    );
    assert!(telling > asked / 2, "{telling} of {asked} answers tell something");
    assert!(different.is_empty(), "{}", different.join("\n\n"));
}
