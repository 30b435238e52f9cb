//! How many requests go bad together, as it is known by now.

use super::{
    baseline::Baseline,
    calm::Calm,
    dispersion::{Blocks, Compared, Size},
    proportion::Proportion,
};

/// So many of the newest blocks are learned from: twenty minutes, if a block is ten seconds long.
const LEARNED_FROM: usize = 120;

/// What the new version's own requests say is believed from so many bad ones on.
const ENOUGH_BAD: f64 = 20.0;

/// How many requests go bad together. Passing has to reckon with what they are like now: it is learned anew with each block,
/// since an incident of an hour ago is over, and the new version may fail in other crowds than stable does.
///
/// A bet may be of any size as long as it is made before the block that it is on: what a block teaches counts from the next.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Crowds {
    known: Option<f64>,
    /// As history of stable has them, whatever it is that changes from block to block.
    at_worst: f64,
    stable: Newest,
    canary: Newest,
    /// As history has them of one half of stable's pods beside the other; nothing where no pods are known.
    between_pods: Option<Size>,
    /// Of the new version beside stable; nothing where the two are not compared.
    compared: Option<Newest>,
    calm: Calm,
}

/// The newest blocks with requests.
#[derive(Debug, Clone, PartialEq)]
struct Newest {
    blocks: Blocks,
    size: Size,
}

impl Crowds {
    /// As `baseline` has them; a comparison minds only what does not befall both versions.
    pub(super) fn new(baseline: &Baseline, is_comparison: bool) -> Self {
        let answered: Vec<_> = baseline.blocks.iter().copied().filter(|block| block.total > 0.0).collect();
        let newest = answered.into_iter().rev().take(LEARNED_FROM).rev().map(Compared::alone);
        let size = Size { as_a_rule: baseline.overdispersion, at_worst: baseline.at_worst };
        Self {
            known: baseline.known,
            at_worst: baseline.at_worst,
            stable: Newest { blocks: Blocks::of(newest), size },
            canary: Newest::default(),
            between_pods: baseline.between_pods,
            compared: is_comparison.then(Newest::default),
            calm: Calm::new(baseline.typical),
        }
    }

    /// Learns from a block.
    pub(super) fn settle(&mut self, canary: Proportion, stable: Proportion) {
        if self.known.is_some() {
            return;
        }
        self.stable.learn(Compared::alone(stable));
        self.canary.learn(Compared::alone(canary));
        if let Some(compared) = &mut self.compared
            && let Some(before) = self.calm.before(Compared(canary, stable))
        {
            compared.learn(before);
        }
    }

    /// Whether stable is far worse than usual with such requests of a block: then both versions may suffer from the same.
    pub(super) fn may_be_shared(&self, stable: Proportion) -> bool {
        self.compared.is_some() && self.calm.is_far(stable)
    }

    /// How many they are as a rule, in a block in which the versions are compared, or not; at least 1.
    pub(super) fn size(&self, is_compared: bool) -> f64 {
        if let Some(known) = self.known {
            return known;
        }
        let sizes = [self.between_pods, self.between_versions()].into_iter().flatten().map(|size| size.as_a_rule);
        let own = self.canary.learned().map_or(1.0, |own| own.as_a_rule);
        let compared = sizes.reduce(f64::max).filter(|_| is_compared);
        compared.unwrap_or_else(|| self.stable.size.as_a_rule.max(own))
    }

    /// How many they are at worst: a failure reckons with that.
    pub(super) fn at_worst(&self, is_compared: bool) -> f64 {
        let learned = self.between_pods.or_else(|| self.between_versions()).filter(|_| is_compared);
        match (self.known, learned) {
            (Some(known), _) => known,
            (None, Some(learned)) => learned.at_worst.min(self.at_worst),
            (None, None) => self.at_worst,
        }
    }

    fn between_versions(&self) -> Option<Size> {
        self.compared.as_ref().and_then(Newest::learned)
    }
}

impl Default for Newest {
    fn default() -> Self {
        Self { blocks: Blocks::default(), size: Size::UNKNOWN }
    }
}

impl Newest {
    fn learn(&mut self, block: Compared) {
        if self.blocks.push(block) {
            self.blocks.keep(LEARNED_FROM);
            self.size = self.blocks.size();
        }
    }

    /// What they say, if there are enough of them, and enough bad ones among their requests.
    fn learned(&self) -> Option<Size> {
        (self.blocks.is_enough() && self.blocks.bad() >= ENOUGH_BAD).then_some(self.size)
    }
}
#[cfg(test)]
mod tests {
    use super::*;
    use crate::Counts;

    /// Ten of each thousand requests are bad, in crowds of such a size.
    fn blocks(count: usize, together: f64) -> impl Iterator<Item = Proportion> {
        let deviates = [-1.64, -1.04, -0.67, -0.39, -0.13, 0.13, 0.39, 0.67, 1.04, 1.64];
        let deviate = move |place: usize| deviates[place * place * 7 % 101 % 10];
        let bad = move |place| (10.0 + (10.0 * together).sqrt() * deviate(place)).max(0.0);
        (0..count).map(move |place| Proportion { bad: bad(place), total: 1000.0 })
    }

    fn counts(share: Proportion) -> Counts {
        Counts::exact(share.bad, share.total)
    }

    fn crowds(together: f64) -> Crowds {
        let history: Vec<_> = blocks(120, together).map(counts).collect();
        Crowds::new(&Baseline::of(&history), true)
    }

    #[test]
    fn what_is_long_over_is_forgotten() {
        let mut crowds = crowds(10.0);
        let before = crowds.size(false);
        blocks(120, 1.0).for_each(|stable| crowds.settle(Proportion::default(), stable));
        assert!(before > 8.0 && crowds.size(false) < 1.5, "{before} {}", crowds.size(false));
    }

    #[test]
    fn the_new_version_may_fail_in_larger_crowds_than_stable() {
        let mut crowds = crowds(1.0);
        blocks(60, 10.0).zip(blocks(61, 1.0).skip(1)).for_each(|(canary, stable)| crowds.settle(canary, stable));
        for is_compared in [false, true] {
            assert!(crowds.size(is_compared) > 6.0, "{}", crowds.size(is_compared));
        }
    }

    #[test]
    fn a_comparison_learns_that_both_versions_suffer_from_the_same() {
        let mut crowds = crowds(40.0);
        let before = (crowds.size(true), crowds.at_worst(true));
        blocks(62, 40.0).for_each(|both| crowds.settle(both.divided(10.0), both));
        let after = (crowds.size(true), crowds.at_worst(true));
        assert!(before.0 > 20.0 && before.1 > 20.0, "{before:?}");
        assert!(after.0 < 2.0 && after.1 < 2.0, "{after:?}");
        assert!(crowds.size(false) > 20.0 && crowds.at_worst(false) > 20.0, "where stable has no requests any more");
    }

    #[test]
    fn pods_of_stable_that_suffer_from_the_same_say_so_before_there_is_a_new_version() {
        let history: Vec<_> = blocks(120, 40.0).map(|half| [counts(half), counts(half)]).collect();
        let crowds = Crowds::new(&Baseline::of_halves(&history), true);
        assert!(crowds.size(true) < 2.0 && crowds.at_worst(true) < 2.0);
        assert!(crowds.size(false) > 20.0 && crowds.at_worst(false) > 20.0);
    }

    #[test]
    fn requests_of_no_pod_say_nothing_of_pods() {
        let history: Vec<_> = blocks(120, 40.0).map(|all| [Counts::default(), counts(all)]).collect();
        let crowds = Crowds::new(&Baseline::of_halves(&history), true);
        assert!(crowds.size(true) > 20.0 && crowds.at_worst(true) > 20.0);
    }

    #[test]
    fn what_somebody_knows_better_counts() {
        let mut crowds = Crowds::new(&Baseline::of(&[]).with_overdispersion(Some(7.0)), true);
        blocks(120, 1.0).for_each(|block| crowds.settle(block, block));
        for is_compared in [false, true] {
            assert_eq!((crowds.size(is_compared), crowds.at_worst(is_compared)), (7.0, 7.0));
        }
    }
}
