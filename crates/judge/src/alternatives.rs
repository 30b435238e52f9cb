//! The bets that evidence is made of.
//!
//! Nobody knows how much worse a bad version is, so seven guesses, the alternatives, bet at once, each with a seventh of the stake.
//! Whichever comes close wins nearly as fast as if it had been known: the six others cost ln 7 at most. What they are worth is
//! kept as its natural logarithm.

/// How many alternatives there are.
pub(super) const ALTERNATIVES: usize = 7;

/// One number for each alternative.
pub(super) type Mixture = [f64; ALTERNATIVES];

/// A failing version: this many times the odds of the limit.
pub(super) const WORSE: Mixture = [1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0];

/// A version that keeps the limit: this part of its odds. No alternative is zero, or a single error would end it.
pub(super) const BETTER: Mixture = [0.02, 0.1, 0.25, 0.4, 0.55, 0.7, 0.85];

/// The alternatives that win with the least difference from the limit.
pub(super) const MOST_CAUTIOUS_WORSE: usize = 0;
/// The same of a version that keeps the limit.
pub(super) const MOST_CAUTIOUS_BETTER: usize = ALTERNATIVES - 1;

/// What part of its wealth an alternative puts on a block, if a version that fails altogether would bring it 1/limit times as much.
pub(super) const STAKES: Mixture = [0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75];

/// The probability whose odds are `multiplier` times those of `probability`.
pub(super) fn odds(multiplier: f64, probability: f64) -> f64 {
    multiplier * probability / (1.0 - probability + multiplier * probability)
}

/// The logarithm of the mean of what the alternatives are worth.
pub(super) fn log_mean_exp(logs: &[f64]) -> f64 {
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if !most.is_finite() || logs.is_empty() {
        return most;
    }
    let sum: f64 = logs.iter().map(|log| (log - most).exp()).sum();
    // Never more than a few dozen.
    most + (sum / logs.len() as f64).ln()
}

/// The logarithm of the sum of what two logarithms stand for.
pub(super) fn log_add_exp(one: f64, other: f64) -> f64 {
    let most = one.max(other);
    if most == f64::NEG_INFINITY { most } else { most + ((one - most).exp() + (other - most).exp()).ln() }
}
