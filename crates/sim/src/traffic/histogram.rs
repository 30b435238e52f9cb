//! The bounds of latency histograms, and how likely a request falls between two of them.

use crate::scenario::Latency;

/// How far the 99th percentile of a normal distribution lies from its middle.
const P99: f64 = 2.326_347_874_040_841;

/// The default bounds of Prometheus' client libraries, in seconds.
/// <https://pkg.go.dev/github.com/prometheus/client_golang/prometheus#pkg-variables>
pub(super) const CLIENT: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The bounds of Istio's sidecars, in seconds.
/// <https://istio.io/latest/docs/reference/config/metrics/>
pub(super) const ISTIO: [f64; 19] = [
    0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0, 1800.0,
    3600.0,
];

/// How requests are spread over the buckets between bounds.
#[derive(Debug, Clone, Default)]
pub(super) struct Spread {
    /// For each bucket but the last: the chance of a request that is not in an earlier one to be in it.
    pub(super) chances: Vec<f64>,
    /// The mean duration in seconds.
    pub(super) mean: f64,
    /// The standard deviation of a duration in seconds.
    pub(super) deviation: f64,
}

impl Spread {
    /// A lognormal distribution through the median and the 99th percentile of `latency`, all of it `factor` times as
    /// long.
    pub(super) fn new(latency: &Latency, factor: f64, bounds: &[f64]) -> Self {
        let median = (latency.median.as_seconds() * factor).max(1e-9);
        let sigma = ((latency.p99.as_seconds() * factor).max(median) / median).ln() / P99;
        let below = |bound: f64| {
            if sigma > 0.0 { normal_below((bound / median).ln() / sigma) } else { f64::from(u8::from(bound >= median)) }
        };
        let mut earlier = 0.0;
        let chances = bounds.iter().map(|bound| {
            let below = below(*bound).max(earlier);
            let chance = if earlier < 1.0 { (below - earlier) / (1.0 - earlier) } else { 1.0 };
            earlier = below;
            chance.clamp(0.0, 1.0)
        });
        let chances = chances.collect();
        let mean = median * (sigma * sigma / 2.0).min(20.0).exp();
        Self { chances, mean, deviation: mean * (sigma * sigma).min(40.0).exp_m1().sqrt() }
    }

    /// As long as it takes until a pause of `length` seconds is over that began before.
    pub(super) fn of_pause(length: f64, bounds: &[f64]) -> Self {
        let mut earlier = 0.0;
        let chances = bounds.iter().map(|bound| {
            let below = (bound / length).min(1.0);
            let chance = if earlier < 1.0 { (below - earlier) / (1.0 - earlier) } else { 1.0 };
            earlier = below;
            chance
        });
        Self { chances: chances.collect(), mean: length / 2.0, deviation: length / 12f64.sqrt() }
    }
}

/// The chance of a standard normal number to lie below `x`.
fn normal_below(x: f64) -> f64 {
    libm::erfc(-x / std::f64::consts::SQRT_2) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Length;

    fn latency(median: &str, p99: &str) -> Latency {
        let length = |text: &str| text.parse::<Length>().unwrap();
        Latency { median: length(median), p99: length(p99), ..Latency::default() }
    }

    #[test]
    fn half_is_below_the_median_and_one_in_a_hundred_above_the_99th_percentile() {
        let spread = Spread::new(&latency("40ms", "300ms"), 1.0, &[0.04, 0.3]);
        assert!((spread.chances[0] - 0.5).abs() < 1e-9);
        assert!(((1.0 - spread.chances[0]) * (1.0 - spread.chances[1]) - 0.01).abs() < 1e-9);
        let slower = Spread::new(&latency("40ms", "300ms"), 2.0, &[0.08, 0.6]);
        assert!((slower.chances[0] - 0.5).abs() < 1e-9);
        assert!((slower.mean / spread.mean - 2.0).abs() < 1e-9);
    }

    #[test]
    fn a_latency_without_any_spread_is_in_one_bucket() {
        let spread = Spread::new(&latency("40ms", "40ms"), 1.0, &[0.01, 0.05, 0.1]);
        assert_eq!(spread.chances, [0.0, 1.0, 1.0]);
    }
}
