//! How sure a verdict has to be.

use tidegate_api::{Analysis, Percent, Strictness};

/// How often a verdict may be wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ErrorRates {
    /// How likely a version that keeps all its limits is failed, over a whole rollout; a part of one.
    pub false_fail: f64,
    /// How likely a version that is just beyond a limit passes a stage; a part of one.
    pub false_pass: f64,
}

impl ErrorRates {
    /// What `analysis` says for a stage, which may be the last one: what is wrong after it is wrong for everybody.
    #[must_use]
    pub fn of(analysis: &Analysis, is_last: bool) -> Self {
        let (fail, pass, last) = match analysis.strictness.unwrap_or_default() {
            Strictness::Low => (0.001, 0.2, 0.05),
            Strictness::Normal => (0.01, 0.05, 0.01),
            Strictness::High => (0.05, 0.01, 0.001),
        };
        let written = analysis.statistics.as_ref();
        let or = |own: Option<Percent>, usual: f64| own.map_or(usual, Percent::fraction).clamp(1e-9, 0.5);
        Self {
            false_fail: or(written.and_then(|written| written.false_fail), fail),
            false_pass: if is_last {
                or(written.and_then(|written| written.false_pass_of_last), last)
            } else {
                or(written.and_then(|written| written.false_pass), pass)
            },
        }
    }

    /// The logarithm of how much has to speak against a version for it to fail.
    #[must_use]
    pub fn to_fail(&self) -> f64 {
        -self.false_fail.ln()
    }

    /// The logarithm of how much has to speak for a version for it to pass.
    #[must_use]
    pub fn to_pass(&self) -> f64 {
        -self.false_pass.ln()
    }
}
