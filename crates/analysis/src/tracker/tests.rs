//! What is counted where the form of a histogram changes.

use futures::future::BoxFuture;
use jiff::Timestamp;
use serde_json::json;
use tidegate_judge::Sample;

use crate::{
    Bucket, Histogram, Numbers, PromQuery, PromResponse, QueryError, Row, Transport, When,
    tests::lab::{Lab, SINCE},
};

/// Each version answers so many fast requests between two scrapes, ten seconds apart.
const REQUESTS: f64 = 100.0;

/// The histogram of a pod of each version: classic buckets up to some second of the stage, a native histogram after that. In
/// between, nobody reaches the pod.
#[derive(Clone, Copy)]
struct Migrated {
    new: [i64; 2],
    old: [i64; 2],
    /// From then on there are classic buckets again, and no native histogram.
    returns: i64,
    /// At instants, for so many seconds, the store shows the last sample of what is there no more.
    shown_for: i64,
}

impl Migrated {
    fn rows(&self, query: &str, instants: &[i64], shown_for: i64) -> Vec<Row> {
        let is_classic = query.contains("_bucket");
        let mut rows = Vec::new();
        for (version, [ended, begun]) in [("new", self.new), ("old", self.old)] {
            let is_native = |at: i64| at >= begun && at < self.returns;
            let is_there = |at: i64| if is_classic { at <= ended || at >= self.returns } else { is_native(at) };
            let counted = |at: i64| (at as f64 / 10.0).mul_add(REQUESTS, 1_000_000.0);
            let last = |at: &i64| (at - shown_for..=*at).rev().find(|of| is_there(*of) && (of == at || of % 10 == 0));
            let seen: Vec<_> = instants.iter().filter_map(|at| Some((*at, last(at)?))).collect();
            let pod = format!("checkout-{version}-abcde");
            let row = |le: Option<&str>, name: &str| Row {
                labels: [("__name__", name), ("pod", &pod)]
                    .into_iter()
                    .chain(le.map(|le| ("le", le)))
                    .map(|(name, value)| (name.into(), value.into()))
                    .collect(),
                samples: Vec::new(),
                histograms: Vec::new(),
            };
            if is_classic {
                let samples: Vec<_> =
                    seen.iter().map(|(at, of)| Sample { at: second(*at), value: counted(*of) }).collect();
                let of = |le| Row { samples: samples.clone(), ..row(Some(le), "http_request_duration_seconds_bucket") };
                rows.extend(["0.5", "+Inf"].map(of));
            } else {
                let histogram = |(at, of): &(i64, i64)| Histogram {
                    at: second(*at),
                    count: counted(*of),
                    buckets: vec![Bucket { lower: 0.25, upper: 0.5, count: counted(*of) }],
                };
                let histograms = seen.iter().map(histogram).collect();
                rows.push(Row { histograms, ..row(None, "http_request_duration_seconds") });
            }
        }
        rows
    }
}

impl Transport for Migrated {
    fn query(&self, PromQuery { query, when }: PromQuery) -> BoxFuture<'_, Result<PromResponse, QueryError>> {
        let (instants, shown_for) = match (when, query.strip_suffix("ms]").and_then(|query| query.rsplit_once('['))) {
            (When::Grid { start, end, step }, _) => {
                ((start..=end).step_by(usize::try_from(step).unwrap()).collect(), self.shown_for)
            }
            (When::At(at), Some((_, window))) => {
                let oldest = at.as_second() - window.parse::<i64>().unwrap() / 1000;
                ((oldest..=at.as_second()).filter(|at| at % 10 == 0).collect::<Vec<_>>(), 0)
            }
            (When::At(_), None) => (Vec::new(), 0),
        };
        let instants: Vec<_> = instants.iter().map(|at| at - SINCE).collect();
        let rows = self.rows(&query, &instants, shown_for);
        Box::pin(async move { Ok(PromResponse::Numbers(Numbers::Matrix(rows))) })
    }
}

fn second(at: i64) -> Timestamp {
    Timestamp::from_second(SINCE + at).unwrap()
}

/// How many requests of the new version are counted of those that it answered, at each of these looks.
async fn counted(migrated: Migrated, looks: impl Iterator<Item = i64>) -> Vec<(i64, i64, i64)> {
    let stages = json!([{"name": "full", "weight": "100%", "bake": "24h"}]);
    let latency = json!({"preset": "pod-http", "quantile": 0.95, "max": "500ms"});
    let lab = Lab::over(migrated, &stages, &json!({"name": "p95", "latency": latency}));
    let mut counted = Vec::new();
    for now in looks {
        let check = lab.look(now).await.checks[0].clone();
        counted.push((now, check.sample.unwrap_or_default(), now / 10 * 100));
    }
    counted
}

#[tokio::test]
async fn where_a_form_begins_long_after_the_other_ended_nothing_is_counted_twice() {
    for new in [[200, 210], [200, 240], [200, 260], [200, 300], [200, 400]] {
        for old in [[200, 210], [200, 300], [600, 610]] {
            let migrated = Migrated { new, old, returns: i64::MAX, shown_for: 0 };
            for (now, seen, asked) in counted(migrated, (1..=60).map(|look| look * 10 + 5)).await {
                assert!(seen <= asked, "new {new:?}, old {old:?}: {seen} of {asked} requests after {now} s");
                let lost = asked - seen;
                let unseen = (new[1] - new[0]) / 10 * 100;
                let is_over = now > new[1] + 60;
                assert!(
                    !is_over || lost <= unseen + 500,
                    "new {new:?}, old {old:?}: {lost} requests lost after {now} s"
                );
            }
        }
    }
}

#[tokio::test]
async fn what_a_store_shows_of_a_form_that_is_there_no_more_is_not_counted() {
    for shown_for in [0, 60, 300] {
        for apart in [10, 30, 110, 130, 250] {
            let migrated = Migrated { new: [200, 210], old: [200, 210], returns: 500, shown_for };
            for (now, seen, asked) in counted(migrated, (1..=1000 / apart).map(|look| look * apart + 5)).await {
                let lost = asked - seen;
                let is_right = (0..=2 * (apart * 10 + 600)).contains(&lost);
                assert!(is_right, "{shown_for} s, looks {apart} s apart: {seen} of {asked} requests after {now} s");
            }
        }
    }
}
