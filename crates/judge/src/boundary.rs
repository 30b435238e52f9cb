//! The boundary of the null hypothesis: what is tolerated of a version is on it or below.

use super::{
    alternatives::{ALTERNATIVES, Mixture, odds},
    proportion::Proportion,
};

/// So many steps find the point of a line even where each of them only halves the distance; a few do as a rule.
const STEPS: u32 = 60;

/// A version is good enough as long as the part of its requests that is bad is at most `ratio` times stable's, plus
/// `margin`.
///
/// A fixed limit is the line with ratio 0. For others the point of the line that fits a block best is what both sides
/// of a bet are held against: it is the KL projection on a convex set, so the bet is fair or worse for every point of
/// the line, and for every one below it, even if both versions drift together.
/// (Turner and Grünwald, <https://arxiv.org/abs/2106.02693> and <https://arxiv.org/abs/2203.09785>.)
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Boundary {
    /// How many times as bad as stable.
    pub ratio: f64,
    /// How much worse beyond that, as a part of one.
    pub margin: f64,
}

impl Boundary {
    /// The line of a fixed limit.
    #[must_use]
    pub fn fixed(limit: f64) -> Self {
        Self { ratio: 0.0, margin: limit }
    }

    /// What is tolerated when `stable` is the part of stable's requests that is bad. Never quite nothing and never
    /// quite all, so that no logarithm is infinite.
    #[must_use]
    pub fn limit(&self, stable: f64) -> f64 {
        (self.ratio * stable + self.margin).clamp(1e-12, 1.0 - 1e-9)
    }

    /// What each alternative with its `multipliers` gains from one block, when stable was expected to be as bad as `expected`.
    pub(super) fn gains(
        &self,
        multipliers: &Mixture,
        expected: f64,
        canary: Proportion,
        stable: Proportion,
    ) -> Mixture {
        let mut gains = [0.0; ALTERNATIVES];
        for (gain, multiplier) in gains.iter_mut().zip(multipliers) {
            *gain = self.gain(*multiplier, expected, canary, stable).0;
        }
        gains
    }

    /// The same of a block that is expected to be like that, and the variance of it: bad requests come by chance, and by
    /// Poisson's law the variance of their number is that number.
    pub(super) fn prospect(
        &self,
        multipliers: &Mixture,
        expected: f64,
        canary: Proportion,
        stable: Proportion,
    ) -> (Mixture, Mixture) {
        let (mut gains, mut variances) = ([0.0; ALTERNATIVES], [0.0; ALTERNATIVES]);
        for ((gain, variance), multiplier) in gains.iter_mut().zip(&mut variances).zip(multipliers) {
            let of_one;
            (*gain, of_one) = self.gain(*multiplier, expected, canary, stable);
            *variance = canary.bad * of_one[0].powi(2) + stable.bad * of_one[1].powi(2);
        }
        (gains, variances)
    }

    /// What one alternative gains, and how much of that is for each request of the new version, and of stable, that is bad instead of
    /// good.
    fn gain(&self, multiplier: f64, expected: f64, canary: Proportion, stable: Proportion) -> (f64, [f64; 2]) {
        let limit = self.limit(expected);
        let bet = odds(multiplier, limit);
        if self.ratio == 0.0 {
            return (log_ratio(canary, bet, limit), [of_one(bet, limit), 0.0]);
        }
        let (on_stable, on_canary) = self.nearest(expected, bet, stable.total, canary.total);
        let gain = log_ratio(canary, bet, on_canary) + log_ratio(stable, expected, on_stable);
        (gain, [of_one(bet, on_canary), of_one(expected, on_stable)])
    }

    /// The point of the line that is nearest to a stable version as bad as `stable` and a canary as bad as `canary`,
    /// when they had so many requests.
    pub(super) fn nearest(&self, stable: f64, canary: f64, stable_total: f64, canary_total: f64) -> (f64, f64) {
        let Self { ratio, margin } = *self;
        let most = ((1.0 - margin) / ratio).min(1.0) * (1.0 - 1e-12);
        // It lies between the point where stable is as bad as that, and the one where the canary is.
        let [one, other] = [stable, (canary - margin) / ratio].map(|end| end.max(1e-15).min(most));
        let (mut low, mut high) = (one.min(other), one.max(other));
        let mut point = f64::midpoint(low, high);
        for _ in 0..STEPS {
            let tolerated = ratio * point + margin;
            let (on_stable, on_canary) = (point * (1.0 - point), tolerated * (1.0 - tolerated));
            let (stable_off, canary_off) = ((point - stable) / on_stable, (tolerated - canary) / on_canary);
            let slope = stable_total * stable_off + ratio * canary_total * canary_off;
            let curvature = stable_total * (1.0 - stable_off * (1.0 - 2.0 * point)) / on_stable
                + ratio * ratio * canary_total * (1.0 - canary_off * (1.0 - 2.0 * tolerated)) / on_canary;
            if slope < 0.0 {
                low = point;
            } else {
                high = point;
            }
            // Newton's step, unless it leads away.
            let newton = point - slope / curvature;
            let next = if low < newton && newton < high { newton } else { f64::midpoint(low, high) };
            let is_there = (next - point).abs() <= f64::EPSILON * point;
            point = next;
            if is_there {
                break;
            }
        }
        (point, ratio * point + margin)
    }
}

/// By how much `share` is likelier with one probability than with another, as a logarithm.
fn log_ratio(share: Proportion, probability: f64, other: f64) -> f64 {
    let good = share.total - share.bad;
    share.bad * (probability / other).ln() + good * ((-probability).ln_1p() - (-other).ln_1p())
}

/// By how much that is more for a bad request than for a good one.
fn of_one(probability: f64, other: f64) -> f64 {
    (probability / other).ln() - ((-probability).ln_1p() - (-other).ln_1p())
}
