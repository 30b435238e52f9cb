//! How many requests it still takes.

use std::time::Duration;

use super::{
    arms::{Arms, BETTER, WORSE, log_mean_exp},
    block::Counts,
    bounds::Bounds,
    evidence::Evidence,
    line::{Line, Share},
};

/// A stage that would need more blocks than this has no end in sight.
const NO_END: f64 = 1e9;

/// What a check that has not passed is expected to need.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outlook {
    /// So many more requests of the new version.
    pub requests: f64,
    /// So much more time at the traffic that there was in this stage; nothing if there was none.
    pub time: Option<Duration>,
}

/// What `evidence` is expected to need before it passes, if the next requests are like those before them. Nothing if
/// there is no end in sight.
///
/// Of a version with few requests it is expected that it is as good as most are: a fifth of a fixed limit, or like
/// stable.
#[must_use]
pub fn outlook(evidence: &Evidence, bounds: &Bounds) -> Option<Outlook> {
    let line = evidence.line();
    let (canary, stable) = evidence.settled_counts();
    let stable_rate = evidence.expected_of_stable();
    let limit = line.limit(stable_rate);
    let usual = if line.ratio == 0.0 { limit / 5.0 } else { stable_rate };
    let rate_of = |counts: Counts| (counts.bad_at_most + usual / limit) / (counts.total + 1.0 / limit);
    // A bad beginning says nothing about what comes after it.
    let rate = if evidence.became_good(bounds.to_pass()) { rate_of(evidence.since_good().1) } else { rate_of(canary) };
    let blocks = f64::from(evidence.blocks());
    let per_block = |total: f64| if blocks > 0.0 { total / blocks } else { 1.0 };
    let [canary_total, stable_total] = [canary.total, stable.total].map(per_block);
    let (arms, gains) = evidence.prospect(
        Share { bad: canary_total * rate, total: canary_total },
        Share { bad: stable_total * stable_rate, total: stable_total },
    );
    let needed = until(arms, gains, bounds.to_pass())?;
    let lasts = needed.max(f64::from(evidence.blocks_to_pass()));
    let time = (blocks > 0.0).then(|| evidence.time().as_secs_f64() / blocks * lasts);
    Some(Outlook {
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
    pub fn requests_to_pass(&self, line: &Line, bounds: &Bounds) -> Option<f64> {
        until([0.0; 7], self.gains(line, &BETTER), bounds.to_pass())
    }

    /// How many requests of the new version it takes until it fails, when it is judged by as many `tests`; nothing if
    /// it is not expected to.
    #[must_use]
    pub fn requests_to_fail(&self, line: &Line, bounds: &Bounds, tests: usize) -> Option<f64> {
        // Half of the stake is held back for later; and the mean over all tests has to be large enough.
        let harder = (2 * tests.max(1)) as f64;
        until([0.0; 7], self.gains(line, &WORSE), bounds.to_fail() + harder.ln())
    }

    /// What each arm is expected to gain from one request of the new version.
    fn gains(&self, line: &Line, multipliers: &Arms) -> Arms {
        let canary = Share { bad: self.canary, total: 1.0 };
        let stable = Share { bad: self.stable * self.stable_for_each, total: self.stable_for_each };
        let [canary, stable] = [canary, stable].map(|share| share.divided(self.overdispersion));
        line.gains(multipliers, self.stable, canary, stable)
    }
}

/// How many times `gains` have to be added to `arms` until their mean is worth `target`.
fn until(arms: Arms, gains: Arms, target: f64) -> Option<f64> {
    let worth = |times: f64| {
        let mut worth = arms;
        for (worth, gain) in worth.iter_mut().zip(gains) {
            *worth += times * gain;
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
    for _ in 0..40 {
        let middle = f64::midpoint(low, high);
        if worth(middle) < target { low = middle } else { high = middle }
    }
    Some(high)
}
