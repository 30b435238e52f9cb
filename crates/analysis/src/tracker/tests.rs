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
struct Migrated {
    new: [i64; 2],
    old: [i64; 2],
}

impl Migrated {
    fn rows(&self, query: &str, instants: &[i64]) -> Vec<Row> {
        let is_classic = query.contains("_bucket");
        let mut rows = Vec::new();
        for (version, [ended, begun]) in [("new", self.new), ("old", self.old)] {
            let is_there = |at: &i64| if is_classic { *at <= ended } else { *at >= begun };
            let counted = |at: i64| (at as f64 / 10.0).mul_add(REQUESTS, 1_000_000.0);
            let seen: Vec<i64> = instants.iter().copied().filter(is_there).collect();
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
                let samples: Vec<_> = seen.iter().map(|at| Sample { at: second(*at), value: counted(*at) }).collect();
                let of = |le| Row { samples: samples.clone(), ..row(Some(le), "http_request_duration_seconds_bucket") };
                rows.extend(["0.5", "+Inf"].map(of));
            } else {
                let histogram = |at: &i64| Histogram {
                    at: second(*at),
                    count: counted(*at),
                    buckets: vec![Bucket { lower: 0.25, upper: 0.5, count: counted(*at) }],
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
        let instants = match (when, query.strip_suffix("ms]").and_then(|query| query.rsplit_once('['))) {
            (When::Grid { start, end, step }, _) => (start..=end).step_by(usize::try_from(step).unwrap()).collect(),
            (When::At(at), Some((_, window))) => {
                let oldest = at.as_second() - window.parse::<i64>().unwrap() / 1000;
                (oldest..=at.as_second()).filter(|at| at % 10 == 0).collect::<Vec<_>>()
            }
            (When::At(_), None) => Vec::new(),
        };
        let instants: Vec<_> = instants.iter().map(|at| at - SINCE).collect();
        let rows = self.rows(&query, &instants);
        Box::pin(async move { Ok(PromResponse::Numbers(Numbers::Matrix(rows))) })
    }
}

fn second(at: i64) -> Timestamp {
    Timestamp::from_second(SINCE + at).unwrap()
}

#[tokio::test]
async fn where_a_form_begins_long_after_the_other_ended_nothing_is_counted_twice() {
    for new in [[200, 210], [200, 240], [200, 260], [200, 300], [200, 400]] {
        for old in [[200, 210], [200, 300], [600, 610]] {
            let stages = json!([{"name": "full", "weight": "100%", "bake": "24h"}]);
            let latency = json!({"preset": "pod-http", "quantile": 0.95, "max": "500ms"});
            let lab = Lab::over(Migrated { new, old }, &stages, &json!({"name": "p95", "latency": latency}));
            for now in (1..=60).map(|look| look * 10 + 5) {
                let check = lab.look(now).await.checks[0].clone();
                let seen = check.sample.unwrap_or_default();
                let asked = now / 10 * 100;
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
