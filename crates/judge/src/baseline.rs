//! What stable was like before a new version came.

use super::{
    block::{Counted, Counts},
    calm::Calm,
    dispersion::{Blocks, Compared, ENOUGH_HISTORY, Size},
    moments::Usual,
    proportion::Proportion,
    unwell::typical,
};

/// What stable was like before a new version came.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    /// All of it.
    pub counts: Counts,
    /// How many requests go bad together as a rule, without the few moments that were unlike all others. At least 1.
    pub overdispersion: f64,
    /// The same with those: a failure reckons with them.
    pub(super) at_worst: f64,
    /// The same of one half of its pods beside the other; nothing where no pods were known, or too few of their requests.
    pub(super) between_pods: Option<Size>,
    /// What it was like in most of its blocks; nothing where there were too few.
    pub(super) usual: Option<Usual>,
    /// In half of them; nothing where there were too few.
    pub(super) typical: Option<f64>,
    /// The parts that may have been bad, block by block.
    pub(super) blocks: Vec<Proportion>,
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
        let of = |counted| history.iter().map(|counts| counts.proportion(counted)).collect::<Vec<_>>();
        let blocks = of(Counted::Possible);
        let size = |blocks: Vec<Proportion>| Blocks::of(blocks.into_iter().map(Compared::alone)).size();
        let [certain, possible] = [of(Counted::Certain), blocks.clone()].map(size);
        let typical = typical(history, ENOUGH_HISTORY);
        let counts = history.iter().fold(Counts::default(), |sum, block| sum.plus(*block));
        Self {
            counts,
            overdispersion: possible.as_a_rule,
            at_worst: possible.at_worst.max(certain.at_worst),
            between_pods: None,
            usual: usual(history, typical),
            typical,
            blocks,
            known: None,
        }
    }

    /// The same of two halves of stable's pods, each with its part of every block: what befalls all pods in the same moment
    /// befalls another version, too, and is no crowd to a comparison.
    #[must_use]
    pub fn of_halves(history: &[[Counts; 2]]) -> Self {
        let whole: Vec<_> = history.iter().map(|[one, other]| one.plus(*other)).collect();
        let learned = Self::of(&whole);
        let compared = |counted| {
            let mut calm = Calm::new(learned.typical);
            let of = |[one, other]: &[Counts; 2]| Compared(one.proportion(counted), other.proportion(counted));
            let blocks = Blocks::of(history.iter().map(of).filter_map(|block| calm.before(block)));
            blocks.is_enough().then(|| blocks.size())
        };
        let [certain, possible] = [Counted::Certain, Counted::Possible].map(compared);
        let between_pods = possible.zip(certain).map(|(possible, certain)| possible.or_larger(certain));
        Self { between_pods, ..learned }
    }

    /// With what somebody knows better.
    #[must_use]
    pub fn with_overdispersion(self, known: Option<f64>) -> Self {
        let Some(known) = known.map(|known| known.max(1.0)) else { return self };
        Self { overdispersion: known, at_worst: known, between_pods: None, known: Some(known), ..self }
    }
}

/// The ninth decile of the parts of a block's requests that were certainly bad.
fn usual(history: &[Counts], typical: Option<f64>) -> Option<Usual> {
    let calm = Calm::new(typical);
    let answered = history.iter().map(|counts| counts.proportion(Counted::Certain)).filter(|block| block.total > 0.0);
    let always = ninth_decile(answered.clone())?;
    Some(Usual { always, calm: ninth_decile(answered.filter(|block| !calm.is_far(*block))).unwrap_or(always) })
}

fn ninth_decile(blocks: impl Iterator<Item = Proportion>) -> Option<f64> {
    let mut parts: Vec<_> = blocks.map(Proportion::expected).collect();
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
        assert!((0.01..0.02).contains(&usual.calm), "{usual:?}");
        assert_eq!(Baseline::of(&history[..ENOUGH_HISTORY - 1]).usual, None);
    }

    #[test]
    fn what_somebody_knows_better_counts() {
        is(&[], Some(7.0), 7.0);
        is(&[], Some(0.1), 1.0);
    }
}
