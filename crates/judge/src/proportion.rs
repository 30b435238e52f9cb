//! How many of so many requests are bad.

/// How unlikely it has to be that so few or so many requests are bad, to be certain that fewer or more are.
const DOUBT: f64 = 0.01;

/// Some of so many requests.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Proportion {
    /// The bad ones.
    pub bad: f64,
    /// All of them.
    pub total: f64,
}

impl Proportion {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { bad: self.bad + other.bad, total: self.total + other.total }
    }

    /// Each count divided by `divisor`.
    pub(super) fn divided(self, divisor: f64) -> Self {
        Self { bad: self.bad / divisor, total: self.total / divisor }
    }

    /// What part of the next requests is expected to be bad; half a bad request is always added, so that a short
    /// history without any is not taken for certainty.
    pub(super) fn expected(self) -> f64 {
        (self.bad + 0.5) / (self.total + 1.0)
    }

    /// Whether certainly no greater part of such requests is bad than `part`.
    pub(super) fn is_certainly_below(self, part: f64) -> bool {
        self.bad < self.total * part && self.is_certainly_not(part)
    }

    /// Whether certainly a greater part of such requests is bad than `part`.
    pub(super) fn is_certainly_above(self, part: f64) -> bool {
        self.bad > self.total * part && self.is_certainly_not(part)
    }

    /// Chernoff's bound for Poisson counts.
    fn is_certainly_not(self, part: f64) -> bool {
        let expected = self.total * part;
        let logarithm = if self.bad > 0.0 { self.bad * (self.bad / expected).ln() } else { 0.0 };
        logarithm - self.bad + expected >= -DOUBT.ln()
    }
}
