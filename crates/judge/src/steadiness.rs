//! Whether stable was as bad all the time, but for chance.
//!
//! Who is held against what stable was like when it had its traffic is held against a mean. That is what stable would be like
//! now only if it never changed: after an incident, or where errors wander with the hour, a version that is worse than stable
//! is by now may still be better than that mean. So what was counted is cut into stretches of as many requests each, and their
//! bad ones have to differ by no more than chance makes them (Pearson's χ² of homogeneity,
//! <https://doi.org/10.1080/14786440009463897>), divided by how many go bad together.

use super::proportion::Proportion;

/// So many bad requests, or crowds of them, are expected in a stretch.
const EXPECTED: f64 = 20.0;

/// Fewer stretches tell nothing: there are hardly any bad requests then, and a margin beyond them counts more than they do.
const FEWEST: f64 = 4.0;

/// The quantile of the standard normal distribution at 99 %: of a hundred steady versions one seems to have changed.
const QUANTILE: f64 = 2.326_348;

/// What was counted of stable, stretch by stretch.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Steadiness {
    /// How many requests make a stretch.
    length: f64,
    /// How many of them go bad together.
    crowd: f64,
    open: Proportion,
    stretches: f64,
    all: Proportion,
    /// The sum of the squares of bad requests, each divided by all of its stretch.
    squares: f64,
}

impl Steadiness {
    /// Of blocks that follow one another, of whose requests so many go bad together.
    pub(super) fn of(blocks: &[Proportion], crowd: f64) -> Self {
        let all = blocks.iter().copied().fold(Proportion::default(), Proportion::plus);
        let mut learned = Self { length: EXPECTED * crowd / all.expected(), crowd, ..Self::default() };
        for block in blocks {
            learned.settle(*block);
        }
        learned
    }

    /// Another block.
    pub(super) fn settle(&mut self, block: Proportion) {
        self.open = self.open.plus(block);
        if self.open.total > 0.0 && self.open.total >= self.length {
            self.squares += self.open.bad.powi(2) / self.open.total;
            self.all = self.all.plus(self.open);
            self.stretches += 1.0;
            self.open = Proportion::default();
        }
    }

    /// Whether the stretches differ by no more than chance would have them.
    pub(super) fn is_steady(&self) -> bool {
        if self.stretches < FEWEST || self.all.bad <= 0.0 {
            return true;
        }
        let free = self.stretches - 1.0;
        let differs = (self.squares * self.all.total / self.all.bad - self.all.bad) / self.crowd;
        // Of χ², by Fisher's approximation: the root of twice of it is nearly normal.
        (2.0 * differs).sqrt() - (2.0 * free - 1.0).sqrt() <= QUANTILE
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Blocks of a thousand requests, of which so many are expected to be bad, give or take chance.
    fn is_steady(expected: impl Fn(f64) -> f64) -> bool {
        let deviates = [-1.64, -1.04, -0.67, -0.39, -0.13, 0.13, 0.39, 0.67, 1.04, 1.64];
        let block = |place: usize| {
            let mean = expected(place as f64);
            let bad = mean + mean.sqrt() * deviates[place * place * 7 % 101 % 10];
            Proportion { bad: bad.max(0.0), total: 1000.0 }
        };
        Steadiness::of(&(0..120).map(block).collect::<Vec<_>>(), 1.0).is_steady()
    }

    proptest! {
        #[test]
        fn chance_alone_is_steady_however_many_are_bad(mean in 0.01..300.0f64) {
            prop_assert!(is_steady(|_| mean));
        }
    }

    #[test]
    fn a_rate_that_wanders_twentyfold_is_not() {
        for base in [0.2, 1.0, 10.0] {
            assert!(!is_steady(|place| base * (1.0 + 19.0 * (1.0 - (place / 6.0).cos()) / 2.0)), "{base}");
        }
    }

    #[test]
    fn nor_is_one_that_had_an_incident() {
        for part in [20.0, 100.0, 900.0] {
            assert!(!is_steady(|place| if (60.0..63.0).contains(&place) { part } else { 1.0 }), "{part}");
        }
    }

    #[test]
    fn crowds_are_no_change() {
        let crowds = |place: usize| Proportion { bad: if place.is_multiple_of(3) { 30.0 } else { 0.0 }, total: 1000.0 };
        let blocks: Vec<_> = (0..120).map(crowds).collect();
        assert!(Steadiness::of(&blocks, 30.0).is_steady());
    }

    #[test]
    fn what_changes_later_counts_as_well() {
        let mut learned = Steadiness::of(&[Proportion { bad: 5.0, total: 1000.0 }; 120], 1.0);
        assert!(learned.is_steady());
        (0..20).for_each(|_| learned.settle(Proportion { bad: 15.0, total: 1000.0 }));
        assert!(!learned.is_steady());
    }
}
