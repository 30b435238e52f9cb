//! Six hours of a shop, written into a Prometheus of our own.

use jiff::{SignedDuration, Timestamp};
use tidegate_promql::{Labels, Point};

use crate::{
    remote_write,
    store::{Server, Store},
    support::eventually,
};

/// How far apart samples are, in seconds.
pub const SCRAPE: i64 = 15;

/// How many requests each pod answers between two samples.
const REQUESTS: f64 = 30.0;

/// How many samples are written at once: Prometheus takes nothing that is an hour older than its newest sample.
const AT_ONCE: i64 = 100;

/// The version that serves all the time.
pub const OLD: &str = "checkout-5d8f6c9b7";
/// A bad release in the fifth hour.
pub const BAD: &str = "checkout-6b7c8d9f4";
/// A good release in the sixth hour.
pub const GOOD: &str = "checkout-7f9c6b54d";

/// Six hours of a shop.
pub struct Past {
    pub server: Server,
    /// When they began.
    pub start: Timestamp,
}

/// One pod, from and until when it was there in minutes, and how many of its requests fail at a minute.
struct Pod {
    name: String,
    minutes: (i64, i64),
    failing: fn(i64) -> f64,
}

impl Past {
    /// Until just now, with an incident from 2:00 to 2:20 in which one request of twenty fails, a release from 4:00 to 4:10 that fails one
    /// of ten, and one from 5:00 to 5:30 that is as good as ever: 0.2 % fail. At 3:00 Prometheus becomes one that writes
    /// the bounds of buckets otherwise. Without a Prometheus, nothing.
    pub async fn write() -> Option<Self> {
        Self::write_from(Timestamp::now().as_second() / SCRAPE * SCRAPE - 6 * 3600).await
    }

    /// The same on a Tuesday morning: the requests that a release draws depend on when it is.
    pub async fn write_tuesday() -> Option<Self> {
        let start: Timestamp = "2025-11-04T06:00:00Z".parse().unwrap();
        Self::write_from(start.as_second()).await
    }

    async fn write_from(start: i64) -> Option<Self> {
        let server = Server::start(Store::Prometheus2, &[]).await?;
        // Somebody else in this process may have chosen it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let pod = |name: String, minutes, failing| Pod { name, minutes, failing };
        let pods = [
            pod(format!("{OLD}-abcde"), (0, 361), usual_and_an_incident as fn(i64) -> f64),
            pod(format!("{OLD}-fghij"), (0, 361), usual_and_an_incident),
            pod(format!("{BAD}-klmno"), (240, 250), |_| 0.1),
            pod(format!("{GOOD}-pqrst"), (300, 330), |_| 0.002),
        ];
        let counted = pods.iter().zip([0.0, 0.5, 0.0, 0.0]).flat_map(|(pod, owed)| counters(pod, owed));
        let series: Vec<_> = counted.chain(pods.iter().take(2).flat_map(buckets)).collect();
        for first in (0..6 * 3600 / SCRAPE).step_by(usize::try_from(AT_ONCE).unwrap()) {
            let (from, until) = ((start + first * SCRAPE) * 1000, (start + (first + AT_ONCE) * SCRAPE) * 1000);
            let page: Vec<(&Labels, Vec<Point>)> = series
                .iter()
                .map(|(labels, points)| {
                    let at = |point: &Point| Point { at: start * 1000 + point.at, ..*point };
                    (labels, points.iter().map(at).filter(|point| (from..until).contains(&point.at)).collect())
                })
                .collect();
            let all = page.iter().filter(|(_, points)| !points.is_empty());
            let body = remote_write::request(all.map(|(labels, points): &(_, Vec<_>)| (*labels, points.as_slice())));
            eventually("the samples are written", async || {
                let request = reqwest::Client::new().post(format!("{}/api/v1/write", server.url)).body(body.clone());
                let request = request.header("content-encoding", "snappy");
                let answer = request.header("content-type", "application/x-protobuf").send().await.ok()?;
                answer.status().is_success().then_some(())
            })
            .await;
        }
        Some(Self { server, start: Timestamp::from_second(start).unwrap() })
    }

    /// So many minutes after the beginning.
    pub fn minute(&self, minute: i64) -> Timestamp {
        self.start + SignedDuration::from_mins(minute)
    }
}

/// When Prometheus was upgraded from 2 to 3, in minutes.
pub const UPGRADE: i64 = 180;

fn usual_and_an_incident(minute: i64) -> f64 {
    if (120..140).contains(&minute) { 0.05 } else { 0.002 }
}

/// What a pod counts. Failures are spread evenly: there is one whenever a whole one is `owed`.
fn counters(pod: &Pod, mut owed: f64) -> Vec<(Labels, Vec<Point>)> {
    let (first, last) = (pod.minutes.0 * 60 / SCRAPE, pod.minutes.1 * 60 / SCRAPE);
    let (mut good, mut bad) = (0.0, 0.0);
    let (mut goods, mut bads) = (Vec::new(), Vec::new());
    for sample in first..=last {
        let at = sample * SCRAPE * 1000;
        goods.push(Point { at, value: good });
        bads.push(Point { at, value: bad });
        owed += REQUESTS * (pod.failing)(sample * SCRAPE / 60);
        let failed = f64::floor(owed);
        owed -= failed;
        (good, bad) = (good + REQUESTS - failed, bad + failed);
    }
    let labels = |code: &str| {
        Labels::new([("__name__", "http_requests_total"), ("code", code), ("namespace", "shop"), ("pod", &pod.name)])
    };
    vec![(labels("200"), goods), (labels("500"), bads)]
}

/// How long the requests of a pod took: one of a hundred more than half a second, one of five hundred more than one.
fn buckets(pod: &Pod) -> Vec<(Labels, Vec<Point>)> {
    let upgrade = UPGRADE * 60 / SCRAPE;
    let (first, last) = (pod.minutes.0 * 60 / SCRAPE, pod.minutes.1 * 60 / SCRAPE);
    let bucket = |le: &str, slower: f64, samples: std::ops::Range<i64>| {
        let name = "http_request_duration_seconds_bucket";
        let labels = Labels::new([("__name__", name), ("le", le), ("namespace", "shop"), ("pod", &pod.name)]);
        let value = |sample: i64| {
            let all = REQUESTS * i32::try_from(sample).map_or(0.0, f64::from);
            all - (all * slower).floor()
        };
        let points = samples.map(|sample| Point { at: sample * SCRAPE * 1000, value: value(sample) });
        (labels, points.collect())
    };
    vec![
        bucket("0.5", 0.01, first..last + 1),
        bucket("1", 0.002, first..upgrade),
        bucket("1.0", 0.002, upgrade..last + 1),
        bucket("+Inf", 0.0, first..last + 1),
    ]
}
