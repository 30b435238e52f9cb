//! A Prometheus whose numbers are written down: how many requests each version has had by when, and how many failed.

use std::{
    fmt::Write,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::future::{BoxFuture, pending};
use jiff::Timestamp;
use tidegate_analysis::{PromQuery, PromResponse, QueryError, Transport, When};

/// A scrape every so many seconds.
const SCRAPE: i64 = 5;
/// Requests per second of each version.
const RATE: f64 = 20.0;

/// A number that gates ask for: how well something else is that versions need.
pub const DEPENDENCY: &str = "dependency_ready";

/// How Prometheus answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Manner {
    /// As it should.
    #[default]
    Honest,
    /// Nobody listens.
    Down,
    /// Not at all.
    Hangs,
    /// With a status that says that it failed.
    Failing(u16),
    /// With a web page.
    WebPage,
    /// Without any series.
    Empty,
    /// With NaN.
    NotANumber,
    /// With an infinite number.
    Infinite,
    /// With a vector instead of a range.
    WrongType,
    /// With a warning that the answer is incomplete.
    Warning,
    /// As if it had been restarted: without anything from before this moment on.
    Restarted(Timestamp),
    /// As another replica, which is a scrape behind.
    Behind,
    /// With half of an answer.
    Truncated,
}

/// Which requests fail.
#[derive(Debug, Clone)]
struct Numbers {
    manner: Manner,
    /// From when on which part of the requests to the pods of a ReplicaSet, by the start of its name, fail.
    failing: Vec<(Timestamp, f64)>,
    /// Whose pods fail: those of every ReplicaSet but this.
    good: Option<String>,
    /// What [`DEPENDENCY`] is.
    dependency: f64,
}

/// A Prometheus whose numbers are written down. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Prometheus(Arc<Mutex<Numbers>>);

impl Prometheus {
    /// Nothing fails.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Numbers { manner: Manner::Honest, failing: Vec::new(), good: None, dependency: 1.0 })))
    }

    /// From now on it answers like this.
    pub fn set_manner(&self, manner: Manner) {
        self.lock().manner = manner;
    }

    /// From `now` on, this part of the requests to all versions but the one that `good` holds fail.
    pub fn fail(&self, now: Timestamp, share: f64, good: &str) {
        let mut numbers = self.lock();
        numbers.failing.push((now, share));
        numbers.good = Some(good.to_owned());
    }

    /// From now on the number that gates ask for is this.
    pub fn set_dependency(&self, ready: f64) {
        self.lock().dependency = ready;
    }

    fn lock(&self) -> MutexGuard<'_, Numbers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transport for Prometheus {
    fn query(&self, question: PromQuery) -> BoxFuture<'_, Result<PromResponse, QueryError>> {
        let numbers = self.lock().clone();
        Box::pin(async move {
            let ok = |body: String| Ok(PromResponse::Text { status: 200, html: false, body: body.into_bytes() });
            let matrix = |series: &str| {
                ok(format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{series}]}}}}"#))
            };
            match numbers.manner {
                Manner::Down => Err(QueryError::Unreachable {
                    endpoint: "default".to_owned(),
                    why: "connection refused".to_owned(),
                }),
                Manner::Hangs => pending().await,
                Manner::Failing(status) => {
                    let body = br#"{"status":"error","errorType":"internal","error":"a fault that was planned"}"#;
                    Ok(PromResponse::Text { status, html: false, body: body.to_vec() })
                }
                Manner::WebPage => {
                    Ok(PromResponse::Text { status: 200, html: true, body: b"<html>hello</html>".to_vec() })
                }
                Manner::WrongType => {
                    ok(r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#.to_owned())
                }
                Manner::Empty => matrix(""),
                Manner::Honest if question.query == DEPENDENCY => ok(numbers.dependency(&question)),
                Manner::Warning => {
                    let series = numbers.series(&question);
                    ok(format!(
                        r#"{{"status":"success","warnings":["incomplete"],"data":{{"resultType":"matrix","result":[{series}]}}}}"#
                    ))
                }
                Manner::Truncated => {
                    let series = numbers.series(&question);
                    ok(format!(
                        r#"{{"status":"success","data":{{"resultType":"matrix","result":[{}"#,
                        &series[..series.len() / 2]
                    ))
                }
                _ => matrix(&numbers.series(&question)),
            }
        })
    }
}

impl Numbers {
    fn dependency(&self, question: &PromQuery) -> String {
        let When::At(now) = question.when else { return String::new() };
        let sample = format!(r#"{{"metric":{{}},"value":[{},"{}"]}}"#, now.as_second(), self.dependency);
        format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{sample}]}}}}"#)
    }

    /// The series that a question for raw samples selects, as JSON.
    fn series(&self, question: &PromQuery) -> String {
        let When::At(now) = question.when else { return String::new() };
        let window = question.query.rsplit_once('[').and_then(|(_, rest)| rest.strip_suffix("ms]")?.parse().ok());
        let window: Duration = Duration::from_millis(window.unwrap_or(60_000));
        let mut all = Vec::new();
        for set in replica_sets(&question.query) {
            for code in ["200", "500"] {
                all.push(self.one(&set, code, now, window));
            }
        }
        all.join(",")
    }

    fn one(&self, set: &str, code: &str, now: Timestamp, window: Duration) -> String {
        let late = if self.manner == Manner::Behind { SCRAPE } else { 0 };
        let last = (now.as_second() - late).div_euclid(SCRAPE) * SCRAPE;
        let first = now.as_second() - i64::try_from(window.as_secs()).unwrap();
        let born = match self.manner {
            Manner::Restarted(at) => at.as_second(),
            _ => i64::MIN,
        };
        let mut values = String::new();
        let mut second = (first.max(born)).div_euclid(SCRAPE) * SCRAPE + SCRAPE;
        while second <= last {
            let value = match self.manner {
                Manner::NotANumber => "NaN".to_owned(),
                Manner::Infinite => "+Inf".to_owned(),
                _ => self.counter(set, code, second).to_string(),
            };
            let comma = if values.is_empty() { "" } else { "," };
            write!(values, r#"{comma}[{second},"{value}"]"#).unwrap();
            second += SCRAPE;
        }
        format!(
            r#"{{"metric":{{"__name__":"http_requests_total","namespace":"shop","pod":"{set}-aaaaa","code":"{code}"}},"values":[{values}]}}"#
        )
    }

    /// What a counter stands at.
    fn counter(&self, set: &str, code: &str, second: i64) -> f64 {
        let total = RATE * (second.rem_euclid(10_000_000) as f64);
        let bad = self.good.as_deref() != Some(set) && self.good.is_some();
        let failed: f64 = if bad {
            let changes =
                self.failing.iter().zip(self.failing.iter().skip(1).map(|next| next.0.as_second()).chain([i64::MAX]));
            changes
                .map(|((from, share), until)| (second.min(until) - from.as_second()).max(0) as f64 * RATE * share)
                .sum()
        } else {
            0.0
        };
        if code == "500" { failed.floor() } else { total - failed.floor() }
    }
}

/// The ReplicaSets whose pods a query selects.
fn replica_sets(query: &str) -> Vec<String> {
    let pods = query.split_once("pod=~\"").map(|(_, rest)| rest.split('"').next().unwrap_or_default());
    pods.unwrap_or_default().split('|').filter_map(|pods| Some(pods.split_once("-[")?.0.replace('\\', ""))).collect()
}
