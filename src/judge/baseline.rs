//! What stable was like before a new version came.

use super::{
    block::{Counted, Counts},
    crowds::{ENOUGH_HISTORY, as_a_rule, in_all},
    line::Share,
    unwell::typical,
};

/// Beyond this, requests go bad in such crowds that counting them says next to nothing.
pub const UNSUITABLE: f64 = 50.0;

/// What stable was like before a new version came.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    /// All of it.
    pub counts: Counts,
    /// How many requests go bad together as a rule, without the few moments that were unlike all others. At least 1.
    pub overdispersion: f64,
    /// The same with those: a failure reckons with them.
    pub(super) at_worst: f64,
    /// In nine of ten of its blocks no greater part of the requests was certainly bad; nothing where there were too few.
    pub(super) usual: Option<f64>,
    /// In half of them; nothing where there were too few.
    pub(super) typical: Option<f64>,
    /// The parts that may have been bad, block by block.
    pub(super) blocks: Vec<Share>,
    /// What somebody knows better than history.
    pub(super) known: Option<f64>,
}

impl Baseline {
    /// Learns from blocks of equal length that follow one another.
    ///
    /// Dividing counts by a number of at least 1 never makes a bet less fair (Jensen's inequality), so a number that is
    /// too high costs time and not truth.
    #[must_use]
    pub fn of(history: &[Counts]) -> Self {
        let of = |counted| history.iter().map(|counts| counts.share(counted)).collect::<Vec<_>>();
        let [certain, blocks] = [Counted::Certain, Counted::Possible].map(of);
        let counts = history.iter().fold(Counts::default(), |sum, block| sum.plus(*block));
        Self {
            counts,
            overdispersion: as_a_rule(&blocks),
            at_worst: in_all(&certain).max(in_all(&blocks)),
            usual: usual(history),
            typical: typical(history, ENOUGH_HISTORY),
            blocks,
            known: None,
        }
    }

    /// With what somebody knows better.
    #[must_use]
    pub fn with_overdispersion(self, known: Option<f64>) -> Self {
        let Some(known) = known.map(|known| known.max(1.0)) else { return self };
        Self { overdispersion: known, at_worst: known, known: Some(known), ..self }
    }
}

/// The ninth decile of the parts of a block's requests that were certainly bad.
fn usual(history: &[Counts]) -> Option<f64> {
    let answered = history.iter().filter(|block| block.total > 0.0);
    let mut parts: Vec<_> = answered.map(|block| block.share(Counted::Certain).expected()).collect();
    parts.sort_by(f64::total_cmp);
    parts.get(parts.len() * 9 / 10).copied().filter(|_| parts.len() >= ENOUGH_HISTORY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(bad: f64) -> Counts {
        Counts::exact(bad, 100.0)
    }

    #[test]
    fn a_service_that_never_failed_is_as_regular_as_can_be() {
        for history in [[block(0.0); ENOUGH_HISTORY], [block(100.0); ENOUGH_HISTORY]] {
            is(&history, None, 1.0);
        }
    }

    fn is(history: &[Counts], known: Option<f64>, expected: f64) {
        let learned = Baseline::of(history).with_overdispersion(known).overdispersion;
        assert!((learned - expected).abs() < f64::EPSILON, "{learned} is not {expected}");
    }

    #[test]
    fn a_moment_in_which_all_failed_is_not_what_is_usual() {
        let mut history = vec![block(1.0); 110];
        history.extend([block(90.0); 10]);
        let usual = Baseline::of(&history).usual.unwrap();
        assert!((0.01..0.02).contains(&usual), "{usual}");
        assert_eq!(Baseline::of(&history[..ENOUGH_HISTORY - 1]).usual, None);
    }

    #[test]
    fn what_somebody_knows_better_counts() {
        is(&[], Some(7.0), 7.0);
        is(&[], Some(0.1), 1.0);
    }
}
