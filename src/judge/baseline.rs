//! What stable was like before a new version came.

use super::{
    block::{Counted, Counts},
    line::Share,
    unwell::typical,
};

/// How many blocks of history it takes to learn from.
pub const ENOUGH_HISTORY: usize = 60;

/// What is assumed of a service that has too little history.
const UNKNOWN: f64 = 2.0;

/// Crowds are taken for so many times as large as they were: history is never quite like what comes. Requests that go
/// bad one by one are no crowd, and need no margin.
const MARGIN: f64 = 1.25;

/// Beyond this, requests go bad in such crowds that counting them says next to nothing.
pub const UNSUITABLE: f64 = 50.0;

/// What stable was like before a new version came.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Baseline {
    /// All of it.
    pub counts: Counts,
    /// How many requests go bad together: counts are divided by it, so that a crowd of errors with one cause counts
    /// as about one. At least 1.
    pub overdispersion: f64,
    /// In nine of ten of its blocks no greater part of the requests was certainly bad; nothing where there were too few.
    pub usual: Option<f64>,
    /// In half of them; nothing where there were too few.
    pub typical: Option<f64>,
}

impl Baseline {
    /// Learns from blocks of equal length.
    ///
    /// Dividing counts by a number of at least 1 never makes a bet less fair (Jensen's inequality), so a number that is
    /// too high costs time and not truth.
    #[must_use]
    pub fn of(history: &[Counts]) -> Self {
        let learned = [Counted::Certain, Counted::Possible].map(|counted| {
            let blocks: Vec<_> = history.iter().map(|counts| counts.share(counted)).collect();
            overdispersion(&blocks)
        });
        let counts = history.iter().fold(Counts::default(), |sum, block| sum.plus(*block));
        Self {
            counts,
            overdispersion: learned.into_iter().fold(1.0, f64::max),
            usual: usual(history),
            typical: typical(history, ENOUGH_HISTORY),
        }
    }

    /// With what somebody knows better.
    #[must_use]
    pub fn with_overdispersion(self, known: Option<f64>) -> Self {
        Self { overdispersion: known.map_or(self.overdispersion, |known| known.max(1.0)), ..self }
    }
}

/// The ninth decile of the parts of a block's requests that were certainly bad.
fn usual(history: &[Counts]) -> Option<f64> {
    let answered = history.iter().filter(|block| block.total > 0.0);
    let mut parts: Vec<_> = answered.map(|block| block.share(Counted::Certain).expected()).collect();
    parts.sort_by(f64::total_cmp);
    parts.get(parts.len() * 9 / 10).copied().filter(|_| parts.len() >= ENOUGH_HISTORY)
}

/// Pearson's χ² over its degrees of freedom, with a margin on what is beyond chance.
fn overdispersion(history: &[Share]) -> f64 {
    let blocks = || history.iter().filter(|block| block.total > 0.0);
    let count = blocks().count();
    if count < ENOUGH_HISTORY {
        return UNKNOWN;
    }
    let all = blocks().fold(Share::default(), |sum, block| sum.plus(*block));
    let rate = all.bad / all.total;
    let variance = rate * (1.0 - rate);
    if variance <= 0.0 {
        return 1.0;
    }
    let chi_squared: f64 =
        blocks().map(|block| (block.bad - block.total * rate).powi(2) / (block.total * variance)).sum();
    // Never more than a few hundred blocks.
    let seen = (chi_squared / (count - 1) as f64).max(1.0);
    // Who has seen only a few crowds does not know how large they are: the margin is wider by their standard error.
    let crowds = (all.bad / seen).max(1.0);
    1.0 + (MARGIN + crowds.sqrt().recip()) * (seen - 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(bad: f64) -> Counts {
        Counts::exact(bad, 100.0)
    }

    #[test]
    fn errors_that_come_alone_are_not_overdispersed() {
        // Of 100 blocks with one error in a hundred requests, as many have none, one, two and three as chance has it.
        let counts = [(37, 0.0), (37, 1.0), (18, 2.0), (6, 3.0), (2, 4.0)];
        let history: Vec<_> = counts.iter().flat_map(|(times, bad)| vec![block(*bad); *times]).collect();
        let overdispersion = Baseline::of(&history).overdispersion;
        assert!((1.0..1.3).contains(&overdispersion), "{overdispersion}");
    }

    #[test]
    fn errors_that_come_in_crowds_are() {
        let history = crowds(1000);
        let overdispersion = Baseline::of(&history).overdispersion;
        assert!((11.5..12.0).contains(&overdispersion), "{overdispersion}");
    }

    #[test]
    fn who_has_seen_few_crowds_takes_them_for_larger() {
        let [few, many] = [100, 1000].map(|blocks| Baseline::of(&crowds(blocks)).overdispersion);
        assert!(few > many + 1.0, "{few} {many}");
    }

    /// Ten errors at once in every tenth block.
    fn crowds(blocks: usize) -> Vec<Counts> {
        (0..blocks).map(|place| block(if place % 10 == 0 { 10.0 } else { 0.0 })).collect()
    }

    fn is(history: &[Counts], known: Option<f64>, expected: f64) {
        let learned = Baseline::of(history).with_overdispersion(known).overdispersion;
        assert!((learned - expected).abs() < f64::EPSILON, "{learned} is not {expected}");
    }

    #[test]
    fn too_little_history_is_taken_for_a_moderate_crowd_and_none_too() {
        is(&[block(1.0); ENOUGH_HISTORY - 1], None, UNKNOWN);
        is(&vec![Counts::default(); 1000], None, UNKNOWN);
    }

    #[test]
    fn a_service_that_never_failed_is_as_regular_as_can_be() {
        is(&[block(0.0); ENOUGH_HISTORY], None, 1.0);
        is(&[block(100.0); ENOUGH_HISTORY], None, 1.0);
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
