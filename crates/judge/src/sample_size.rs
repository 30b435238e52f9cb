//! How many requests it still takes.
//!
//! What speaks for a version goes up by what a block is expected to bring, and by chance. When it reaches a level for the
//! first time is then about [inverse Gaussian](https://doi.org/10.1214/aoms/1177706964): its mean is the way divided by the
//! step, and its median, which is what people are told, is earlier, the more so the more there is of chance in a step.

use std::time::Duration;

use super::{
    alternatives::{BETTER, Mixture, WORSE, log_mean_exp},
    block::Counts,
    boundary::Boundary,
    error_rates::ErrorRates,
    evidence::Evidence,
    proportion::Proportion,
};

/// A stage that would need more blocks than this has no end in sight.
const NO_END: f64 = 1e9;

/// That a version is like stable weighs as much as the requests of which so many may be bad.
const LIKELY: f64 = 3.0;

/// What a check that has not passed is expected to need.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SampleSize {
    /// So many more requests of the new version.
    pub requests: f64,
    /// So much more time at the traffic that there was in this stage; nothing if there was none.
    pub time: Option<Duration>,
}

/// What `evidence` is expected to need before it passes, if the next requests are like those before them. Nothing if
/// there is no end in sight.
///
/// Of a version with few requests it is expected that it is like stable; where stable itself breaks a fixed limit, that it
/// is as good as most are: a fifth of that.
#[must_use]
pub fn sample_size(evidence: &Evidence, rates: &ErrorRates) -> Option<SampleSize> {
    let boundary = evidence.boundary();
    let (canary, stable) = evidence.settled_counts();
    let stable_rate = evidence.expected_of_stable();
    let limit = boundary.limit(stable_rate);
    let usual = if stable_rate < limit { stable_rate } else { limit / 5.0 };
    let rate_of = |counts: Counts| {
        let Proportion { bad, total } = counts.at_most();
        (bad + usual * LIKELY / limit) / (total + LIKELY / limit)
    };
    // A bad beginning says nothing about what comes after it.
    let rate = if evidence.became_good(rates.to_pass()) { rate_of(evidence.since_good().1) } else { rate_of(canary) };
    let blocks = f64::from(evidence.blocks());
    let per_block = |total: f64| if blocks > 0.0 { total / blocks } else { 1.0 };
    let [canary_total, stable_total] = [canary.at_most().total, stable.total].map(per_block);
    let ways = evidence.prospects(
        Proportion { bad: canary_total * rate, total: canary_total },
        Proportion { bad: stable_total * stable_rate, total: stable_total },
    );
    let needed = ways.filter_map(|way| way.until(rates.to_pass())).min_by(f64::total_cmp)?;
    // A verdict comes with a block, and not within one.
    let lasts = needed.ceil().max(f64::from(evidence.blocks_to_pass()));
    let time = (blocks > 0.0).then(|| evidence.time().as_secs_f64() / blocks * lasts);
    Some(SampleSize {
        requests: needed * canary_total,
        time: time.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
    })
}

/// A version as it may be, to be judged before it exists.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Supposed {
    /// What part of its requests is bad.
    pub canary: f64,
    /// What part of stable's requests is bad.
    pub stable: f64,
    /// How many requests stable has for each of the new version's.
    pub stable_for_each: f64,
    /// How many requests go bad together.
    pub overdispersion: f64,
}

impl Supposed {
    /// How many requests of the new version it takes until it passes; nothing if it is not expected to.
    #[must_use]
    pub fn requests_to_pass(&self, boundary: &Boundary, rates: &ErrorRates) -> Option<f64> {
        self.way(boundary, &BETTER).until(rates.to_pass())
    }

    /// How many requests of the new version it takes until it fails, when it is judged by as many `tests`; nothing if
    /// it is not expected to.
    #[must_use]
    pub fn requests_to_fail(&self, boundary: &Boundary, rates: &ErrorRates, tests: usize) -> Option<f64> {
        // Half of the stake is held back for later; and the mean over all tests has to be large enough.
        let harder = (2 * tests.max(1)) as f64;
        self.way(boundary, &WORSE).until(rates.to_fail() + harder.ln())
    }

    /// From nothing, one request of the new version after the other.
    fn way(&self, boundary: &Boundary, multipliers: &Mixture) -> Way {
        let canary = Proportion { bad: self.canary, total: 1.0 };
        let stable = Proportion { bad: self.stable * self.stable_for_each, total: self.stable_for_each };
        let [canary, stable] = [canary, stable].map(|share| share.divided(self.overdispersion));
        let (gains, chance) = boundary.prospect(multipliers, self.stable, canary, stable);
        Way { values: Mixture::default(), gains, chance }
    }
}

/// Where bets stand, and what each step is expected to bring.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Way {
    pub(super) values: Mixture,
    pub(super) gains: Mixture,
    /// The variance of those.
    pub(super) chance: Mixture,
}

impl Way {
    /// How many steps it takes, at the median, until the mean of the alternatives is worth `target`.
    fn until(&self, target: f64) -> Option<f64> {
        let mean = self.mean_until(target)?;
        let worth = self.values.iter().zip(self.gains).map(|(arm, gain)| arm + mean * gain);
        let each = worth.zip(self.gains.iter().zip(self.chance));
        // The arm that is worth most by then is the one that gets there.
        let (_, (gain, chance)) = each.max_by(|one, other| one.0.total_cmp(&other.0))?;
        // The median of a logarithmic normal distribution with the same mean and variance, which is close.
        Some(mean / (1.0 + chance / (mean * gain * gain)).sqrt())
    }

    /// How many it takes if each brings what is expected.
    fn mean_until(&self, target: f64) -> Option<f64> {
        let worth = |steps: f64| {
            let mut worth = self.values;
            for (worth, gain) in worth.iter_mut().zip(self.gains) {
                *worth += steps * gain;
            }
            log_mean_exp(&worth)
        };
        let (mut low, mut high) = (0.0, 1.0);
        while worth(high) < target {
            (low, high) = (high, 2.0 * high);
            if high > NO_END {
                return None;
            }
        }
        for _ in 0..20 {
            let middle = f64::midpoint(low, high);
            if worth(middle) < target { low = middle } else { high = middle }
        }
        Some(high)
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};
    use rand_distr::{Distribution, Normal};

    use super::*;
    use crate::alternatives::ALTERNATIVES;

    fn way(gain: f64, chance: f64) -> Way {
        Way { values: [0.0; ALTERNATIVES], gains: [gain; ALTERNATIVES], chance: [chance; ALTERNATIVES] }
    }

    #[test]
    fn where_nothing_comes_by_chance_it_takes_the_way_divided_by_the_step() {
        assert!((way(0.1, 0.0).until(3.0).unwrap() - 30.0).abs() < 0.01);
        assert_eq!(way(-0.1, 0.0).until(3.0), None);
    }

    #[test]
    fn where_much_comes_by_chance_it_takes_as_long_as_half_of_all_random_walks() {
        let mut luck = StdRng::seed_from_u64(7);
        for chance in [0.02, 0.1, 0.3] {
            let step = Normal::new(0.1, f64::sqrt(chance)).unwrap();
            let mut took: Vec<_> = (0..1001)
                .map(|_| {
                    let mut worth = 0.0;
                    (1..100_000_u32).find(|_| {
                        worth += step.sample(&mut luck);
                        worth >= 3.0
                    })
                })
                .collect();
            took.sort_unstable();
            let ratio = way(0.1, chance).until(3.0).unwrap() / f64::from(took[500].unwrap());
            assert!((1.0 / 1.2..1.2).contains(&ratio), "{chance}: {ratio}");
        }
    }
}
