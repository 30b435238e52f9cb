//! Where the true share lies: for people to see, not for verdicts.

use super::proportion::Proportion;

/// How many halvings bring an end of the interval to within 10⁻¹⁵.
const HALVINGS: u32 = 60;

/// Between which two parts of one the true share lies: that it ever looks as if it did not has a probability of at
/// most `alpha`, however often somebody looks.
///
/// The shares that a mixture of bets, one on each possible share (Beta(½, ½)), has not refuted.
/// (Howard, Ramdas and others, <https://arxiv.org/abs/1810.08240>.)
pub(super) fn interval(counts: Proportion, alpha: f64) -> (f64, f64) {
    let Proportion { bad, total } = counts;
    let good = (total - bad).max(0.0);
    let mixture = libm::lgamma(bad + 0.5) + libm::lgamma(good + 0.5) - libm::lgamma(total + 1.0);
    let prior = 2.0 * libm::lgamma(0.5);
    let refuted = |share: f64| {
        let of_bad = if bad > 0.0 { bad * share.ln() } else { 0.0 };
        let of_good = if good > 0.0 { good * (-share).ln_1p() } else { 0.0 };
        mixture - prior - of_bad - of_good + alpha.ln() > 0.0
    };
    let seen = if total > 0.0 { bad / total } else { 0.5 };
    let end = |mut outside: f64, mut inside: f64| {
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(outside, inside);
            if refuted(middle) { outside = middle } else { inside = middle }
        }
        f64::midpoint(outside, inside)
    };
    let low = if bad > 0.0 { end(1e-15, seen) } else { 0.0 };
    let high = if good > 0.0 || total <= 0.0 { end(1.0 - 1e-12, seen.max(1e-14)) } else { 1.0 };
    (low, high)
}
