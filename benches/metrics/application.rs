//! An application with 30 routes on 10 pods.

use tidegate_promql::{Labels, Point};

/// Seconds from one scrape of a pod to the next.
pub const SCRAPE: i64 = 15;

/// The new version, which has one pod, and the stable one.
pub const REPLICA_SETS: [&str; 2] = ["checkout-7f9c6b54d", "checkout-5d8f7c9b6"];

const PODS: i64 = 10;
const ROUTES: i64 = 30;
const STATUSES: [&str; 3] = ["200", "404", "500"];

/// Of a thousand requests so many are at most so slow.
const BUCKETS: [(&str, i64); 12] = [
    ("0.005", 50),
    ("0.01", 200),
    ("0.025", 500),
    ("0.05", 700),
    ("0.1", 850),
    ("0.25", 985),
    ("0.5", 990),
    ("1", 996),
    ("2.5", 999),
    ("5", 1000),
    ("10", 1000),
    ("+Inf", 1000),
];

/// Seconds of stable's history, and of the stage.
const HISTORY: i64 = 40 * 60;
const STAGE: i64 = 10 * 60;

/// The place of a request among a thousand, by how long it took.
fn slowness(request: i64) -> i64 {
    request * 389 % 1000
}

/// The pods' counters, as far as they have come.
pub struct Application {
    end: i64,
}

impl Application {
    pub fn until(now: jiff::Timestamp) -> Self {
        Self { end: now.as_second() }
    }

    /// When the stage began, in seconds.
    pub fn begun(&self) -> i64 {
        self.end - STAGE
    }

    pub fn series(&self) -> usize {
        self.pods().map(|(pod, born)| self.histograms(pod, born).count()).sum()
    }

    /// The pods, and when they were started.
    pub fn pods(&self) -> impl Iterator<Item = (i64, i64)> {
        (0..PODS).map(|pod| (pod, if pod == 0 { self.begun() - 60 } else { self.begun() - HISTORY }))
    }

    /// The series of a pod with all their samples.
    pub fn histograms(&self, pod: i64, born: i64) -> impl Iterator<Item = (Labels, Vec<Point>)> {
        let replica_set = REPLICA_SETS[usize::from(pod > 0)];
        let end = self.end;
        (0..ROUTES).flat_map(move |route| {
            STATUSES.iter().enumerate().flat_map(move |(status, code)| {
                BUCKETS.iter().map(move |(le, of_a_thousand)| {
                    let labels = [
                        ("__name__", "http_request_duration_seconds_bucket".to_owned()),
                        ("code", (*code).to_owned()),
                        ("container", "app".to_owned()),
                        ("endpoint", "http".to_owned()),
                        ("handler", format!("/api/v1/resource-{route}/items")),
                        ("instance", format!("10.4.{pod}.17:8080")),
                        ("job", "shop/checkout".to_owned()),
                        ("le", (*le).to_owned()),
                        ("method", "GET".to_owned()),
                        ("namespace", "shop".to_owned()),
                        ("pod", format!("{replica_set}-abcd{pod}")),
                    ];
                    // Each route, status and scrape has requests of its own.
                    let rate =
                        |scrape: i64| 3 + (route * 7 + pod * 3 + scrape * 5).rem_euclid(11) - 3 * i64::from(status > 0);
                    let (mut requests, mut counted) = (0, 0);
                    let scrapes = (born + pod..=end).step_by(15).zip(0..).map(|(at, scrape)| {
                        let more = requests..requests + rate(scrape).max(0);
                        requests = more.end;
                        counted += more.filter(|request| slowness(*request) < *of_a_thousand).count();
                        Point { at: at * 1000 + 123 * pod, value: counted as f64 }
                    });
                    (Labels::new(labels), scrapes.collect())
                })
            })
        })
    }
}
