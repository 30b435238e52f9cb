//! What both were told: ninety minutes of a small shop, with everything that is awkward in it.

use std::collections::BTreeMap;

use rand::{Rng, SeedableRng, rngs::StdRng};
use tidegate_promql::{Labels, Point, Prometheus, Settings, Version};

/// The first scrape, in milliseconds since 1970; a whole minute.
pub const START: i64 = 1_767_225_600_000;
/// The last one.
pub const END: i64 = START + 90 * 60_000;
const INTERVAL: i64 = 15_000;

/// All samples, by series.
pub struct Samples(pub BTreeMap<Labels, Vec<Point>>);

/// What happened to one target, in minutes after the start.
#[derive(Clone, Copy)]
struct Life {
    /// How long after the whole quarter of a minute it is scraped, in milliseconds.
    offset: i64,
    born: i64,
    /// It is no target any more, and its series end.
    gone: i64,
    /// Its counters start anew.
    restarts: i64,
    /// It is not scraped for a while, and nobody is told.
    gap: (i64, i64),
}

const ALWAYS: Life = Life { offset: 0, born: 0, gone: 999, restarts: 999, gap: (0, 0) };

const PODS: [(&str, &str, Life); 6] = [
    ("checkout-old-aaaaa", "1.4", ALWAYS),
    ("checkout-old-bbbbb", "1.4", Life { offset: 4_321, ..ALWAYS }),
    ("checkout-old-ccccc", "1.4", Life { offset: 9_999, restarts: 47, ..ALWAYS }),
    ("checkout-new-ddddd", "1.5", Life { offset: 1, born: 30, restarts: 62, ..ALWAYS }),
    ("checkout-new-eeeee", "1.5", Life { offset: 14_500, born: 33, gap: (50, 57), ..ALWAYS }),
    ("checkout-new-fffff", "1.5", Life { offset: 7_777, born: 5, gone: 40, ..ALWAYS }),
];

const BOUNDS: [(&str, f64); 7] =
    [("0.05", 0.2), ("0.1", 0.5), ("0.25", 0.8), ("0.5", 0.9), ("1", 0.96), ("2.5", 0.99), ("+Inf", 1.0)];

impl Samples {
    /// The same each time.
    pub fn seeded() -> Self {
        let mut random = StdRng::seed_from_u64(7);
        let mut samples = Self(BTreeMap::new());
        for (pod, version, life) in PODS {
            samples.pod(&mut random, pod, version, life);
        }
        samples.gauges(&mut random);
        samples.odd_histograms(&mut random);
        samples
    }

    /// An embedded Prometheus with these samples, which follows the rules of the real one at hand.
    pub fn embedded(&self) -> Prometheus {
        let settings = Settings { version: Version::V2, effort: 2_000_000, ..Settings::default() };
        let mut prometheus = Prometheus::new(settings);
        for (target, (labels, points)) in self.0.iter().enumerate() {
            let target = target.to_string();
            for point in points {
                if point.is_stale() {
                    prometheus.vanish(point.at, &target);
                } else {
                    prometheus.append(point.at, &target, &[(labels.clone(), point.value)]);
                }
            }
        }
        prometheus
    }

    fn add(&mut self, labels: &[(&str, &str)], at: i64, value: f64) {
        self.0.entry(Labels::new(labels.iter().copied())).or_default().push(Point { at, value });
    }

    fn pod(&mut self, random: &mut StdRng, pod: &str, version: &str, life: Life) {
        let mut counters: BTreeMap<(&str, &str, &str), f64> = BTreeMap::new();
        for (minute, at) in scrapes(life) {
            if minute >= life.gone {
                for (labels, points) in &mut self.0 {
                    if labels.get("pod") == pod && points.last().is_some_and(|last| !last.is_stale()) {
                        points.push(Point::stale(at));
                    }
                }
                return;
            }
            if (life.restarts..life.restarts + 1).contains(&minute) && at % 60_000 < INTERVAL {
                counters.clear();
            }
            count(random, &mut counters);
            for ((metric, label, value), count) in &counters {
                let labels = [("__name__", *metric), ("namespace", "shop"), ("pod", pod), (label, value)];
                self.add(&labels, at, *count);
                if *metric == "http_requests_total" {
                    let labels = [
                        ("__name__", "istio_requests_total"),
                        ("reporter", "destination"),
                        ("pod", pod),
                        ("response_code", value),
                    ];
                    self.add(&labels, at, *count * 2.0);
                }
            }
            self.add(&[("__name__", "build_info"), ("pod", pod), ("version", version)], at, 1.0);
            self.add(&[("__name__", "up"), ("job", "pods"), ("pod", pod)], at, f64::from(random.random_bool(0.95)));
        }
    }

    fn gauges(&mut self, random: &mut StdRng) {
        for (index, (_, at)) in scrapes(ALWAYS).enumerate() {
            let phase = index as f64 / 20.0;
            for (room, mean) in [("hall", 21.5), ("cellar", -3.25), ("roof", 0.0)] {
                let value = mean + phase.sin() * 4.0 + random.random_range(-0.5..0.5);
                self.add(&[("__name__", "temperature"), ("room", room)], at, value);
            }
            self.add(&[("__name__", "constant"), ("is", "7")], at, 7.0);
            self.add(&[("__name__", "constant"), ("is", "inf")], at, f64::INFINITY);
            self.add(&[("__name__", "steps")], at, (index / 7) as f64);
            let now_and_then = |every: usize, odd: f64, usual: f64| if index % every == 0 { odd } else { usual };
            let odd: [(&str, f64); 4] = [
                ("nan", now_and_then(5, f64::NAN, phase)),
                ("inf", now_and_then(11, f64::INFINITY, phase)),
                ("both", now_and_then(13, f64::NEG_INFINITY, now_and_then(7, f64::INFINITY, phase))),
                ("huge", now_and_then(3, 1e150, -1e-150)),
            ];
            for (kind, value) in odd {
                self.add(&[("__name__", "odd"), ("kind", kind)], at, value);
            }
            // A series that ends and comes back.
            match index % 60 {
                0..40 => self.add(&[("__name__", "flapping"), ("zone", "a")], at, index as f64),
                40 => self.add(&[("__name__", "flapping"), ("zone", "a")], at, Point::stale(at).value),
                _ => {}
            }
            for (metric, factor) in [("twin_one", 1.0), ("twin_two", 2.0)] {
                self.add(&[("__name__", metric), ("instance", "a:1"), ("job", "twins")], at, phase * factor);
            }
            if index % 40 == 0 {
                self.add(&[("__name__", "seldom")], at, index as f64);
            }
        }
    }

    fn odd_histograms(&mut self, random: &mut StdRng) {
        let mut total = 0.0;
        for (_, at) in scrapes(Life { offset: 2_500, ..ALWAYS }) {
            total += f64::from(random.random_range(0..20));
            let mut bucket = |metric: &str, bound: &str, count: f64| {
                self.add(&[("__name__", metric), ("le", bound)], at, count);
            };
            for (bound, share) in [("0.1", 0.4), ("0.5", 0.35), ("1", 0.8), ("+Inf", 1.0)] {
                bucket("not_monotonic_bucket", bound, total * share);
            }
            for (bound, share) in [("0.1", 0.4), ("0.5", 0.6)] {
                bucket("without_end_bucket", bound, total * share);
            }
            for (bound, share) in [("1", 0.2), ("1.0", 0.3), ("2", 0.8), ("+Inf", 1.0), ("nonsense", 3.0)] {
                bucket("twice_bucket", bound, total * share);
            }
            for (bound, share) in [("-1", 0.5), ("0", 0.6), ("1", 0.8), ("+Inf", 1.0)] {
                bucket("negative_bucket", bound, total * share);
            }
            bucket("only_end_bucket", "+Inf", total);
            bucket("empty_bucket", "1", 0.0);
            bucket("empty_bucket", "+Inf", 0.0);
        }
    }
}

/// The minute and the time of each scrape.
fn scrapes(life: Life) -> impl Iterator<Item = (i64, i64)> {
    let times = (0..).map(move |index| START + life.offset + index * INTERVAL).take_while(|at| *at <= END);
    let minutes = times.map(|at| ((at - START) / 60_000, at));
    minutes.filter(move |(minute, _)| *minute >= life.born && !(life.gap.0..life.gap.1).contains(minute))
}

fn count(random: &mut StdRng, counters: &mut BTreeMap<(&'static str, &'static str, &'static str), f64>) {
    let requests = f64::from(random.random_range(0..200));
    for (code, share) in [("200", 0.95), ("404", 0.04), ("500", 0.01)] {
        *counters.entry(("http_requests_total", "code", code)).or_default() += (requests * share).round();
    }
    for (bound, share) in BOUNDS {
        *counters.entry(("http_request_duration_seconds_bucket", "le", bound)).or_default() +=
            (requests * share).floor();
    }
    *counters.entry(("http_request_duration_seconds_sum", "", "")).or_default() += requests * 0.173;
    *counters.entry(("http_request_duration_seconds_count", "", "")).or_default() += requests;
}
