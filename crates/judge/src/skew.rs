//! Pods are scraped one after another: a block of the one version is not quite the same time as that of the other.
//!
//! What lies between two scrapes of a pod counts where the second of them is. So in the block in which an incident of both
//! versions begins, or ends, the one may show up to a scrape more of it than the other, which shows it in the block before
//! or after: no block is shorter than that. A comparison would take that for a version that is worse. So each block of the
//! new version is held against the worst that stable was in it, in the block before and in the block after, where it was
//! unwell there and certainly better in this one. That only takes from what the bet gains, and so leaves it fair or worse.
//! In the midst of an incident the blocks beside one are like it: who is certainly worse there shows it as ever.

use super::{alternatives::Mixture, boundary::Boundary, e_process::EProcess, proportion::Proportion};

/// Stable is a mere control where the new version has more than so many times its requests.
const CONTROL: f64 = 20.0;

/// Whether stable has only a control's requests in a block, or none.
pub(super) fn is_control(canary: f64, stable: f64) -> bool {
    stable * CONTROL < canary
}

/// What a block is held against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Held {
    /// What is tolerated.
    pub(super) boundary: Boundary,
    /// How many requests go bad together.
    pub(super) crowd: f64,
    /// The same by which what is won is divided, if that is more: it only takes from a bet.
    pub(super) crowd_of_gains: f64,
    /// What is tolerated of a version with nearly all requests, and how many go bad together by themselves: a bet wins no more
    /// than it would by that.
    pub(super) by_itself: Option<(Boundary, f64)>,
    /// How bad stable was in the block before, if it was unwell there.
    pub(super) beside: Option<f64>,
}

/// A bet that a version is worse than it may be in one block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bet {
    held: Held,
    expected: f64,
    canary: Proportion,
    stable: Proportion,
    gained: Mixture,
}

impl Bet {
    /// Of `wealth`, on a block with such requests of both versions, when stable was expected to be as bad as `expected`.
    pub(super) fn on(wealth: &EProcess, held: Held, expected: f64, (canary, stable): (Proportion, Proportion)) -> Self {
        let [canary, stable] = [canary, stable].map(|share| share.divided(held.crowd));
        let stable = held.beside.map_or(stable, |part| worse(stable, part));
        let mut bet = Self { held, expected, canary, stable, gained: Mixture::default() };
        bet.gained = bet.gains(wealth.multipliers());
        bet
    }

    fn gains(&self, multipliers: &'static Mixture) -> Mixture {
        let Self { held, expected, canary, stable, .. } = *self;
        let part = held.crowd / held.crowd_of_gains.max(held.crowd);
        let mut gains = held.boundary.gains(multipliers, expected, canary, stable);
        gains.iter_mut().filter(|gain| **gain > 0.0).for_each(|gain| *gain *= part);
        if let Some((boundary, crowd)) = held.by_itself {
            let canary = canary.divided(crowd / held.crowd);
            let most = boundary.gains(multipliers, expected, canary, Proportion::default());
            gains.iter_mut().zip(most).for_each(|(gain, most)| *gain = gain.min(most));
        }
        gains
    }

    /// What each alternative gained.
    pub(super) fn gained(&self) -> Mixture {
        self.gained
    }

    /// In the block after it stable was as bad as `part`: what each alternative gains by that, which is nothing or less than it.
    pub(super) fn review(&mut self, multipliers: &'static Mixture, part: f64) -> Mixture {
        let stable = worse(self.stable, part);
        if self.held.boundary.ratio == 0.0 || stable == self.stable {
            return Mixture::default();
        }
        let before = self.gained;
        self.stable = stable;
        self.gained = self.gains(multipliers);
        let mut more = self.gained;
        for (more, before) in more.iter_mut().zip(before) {
            *more -= before;
        }
        more
    }
}

/// As many requests, of which `part` was bad, if that is certainly more than there were.
fn worse(stable: Proportion, part: f64) -> Proportion {
    if stable.is_certainly_below(part) { Proportion { bad: part * stable.total, ..stable } } else { stable }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use crate::{Baseline, Block, Boundary, Counts, Evidence};

    const COMPARED: Boundary = Boundary { ratio: 1.5, margin: 0.005 };

    /// What makes a failure by itself.
    const CERTAIN: f64 = 4.61;

    /// A tenth of the requests of an incident fail, of which there are so many seconds in this block of twenty.
    fn proportion(seconds: f64, total: f64) -> Counts {
        Counts::exact((total * (0.001 + 0.1 * seconds / 20.0)).round(), total)
    }

    fn block(place: i64, canary: Counts, stable: Counts) -> Block {
        let at = |place: i64| Timestamp::from_second(20 * place).unwrap();
        Block { start: at(place), end: at(place + 1), canary, stable }
    }

    fn evidence(boundary: Boundary) -> Evidence {
        let past = [Counts::exact(1.0, 1000.0); 120];
        Evidence::new(boundary, &Baseline::of(&past).with_overdispersion(Some(1.0)))
    }

    /// The most that ever speaks against a version, at looks of which each sees one block before it settles, when both
    /// versions have so many seconds of an incident in each block.
    fn most_against(boundary: Boundary, canary: &[f64], stable: &[f64]) -> f64 {
        let mut seen = evidence(boundary);
        let mut most = f64::NEG_INFINITY;
        for (place, (canary, stable)) in (0..).zip(canary.iter().zip(stable)) {
            let block = block(place, proportion(*canary, 3000.0), proportion(*stable, 9000.0));
            let before = seen.clone();
            seen.settle(&block);
            if place > 0 {
                most = most.max(seen.against());
            }
            seen = before;
            seen.set_provisional([block]);
            most = most.max(seen.against());
            seen.settle(&block);
        }
        most
    }

    #[test]
    fn the_last_scrape_before_an_incident_of_both_ends_is_held_against_nobody() {
        let canary = [0.0, 0.0, 20.0, 20.0, 20.0, 15.0, 0.0, 0.0];
        let stable = [0.0, 0.0, 20.0, 20.0, 20.0, 0.0, 0.0, 0.0];
        assert!(most_against(COMPARED, &canary, &stable) < CERTAIN);
    }

    #[test]
    fn the_first_scrape_of_an_incident_of_both_is_taken_back_when_stable_shows_it() {
        let mut seen = evidence(COMPARED);
        let [well, began, goes_on] = [(0.0, 0.0), (15.0, 0.0), (20.0, 20.0)];
        for (place, (canary, stable)) in (0..).zip([well, well, began]) {
            seen.settle(&block(place, proportion(canary, 3000.0), proportion(stable, 9000.0)));
        }
        let next = block(3, proportion(goes_on.0, 3000.0), proportion(goes_on.1, 9000.0));
        assert!(seen.against() > CERTAIN, "nobody knows yet");
        seen.set_provisional([next]);
        assert!(seen.against() < CERTAIN);
        seen.settle(&next);
        assert!(seen.against() < CERTAIN);
    }

    #[test]
    fn who_is_certainly_worse_in_the_midst_of_an_incident_is_known_by_it() {
        // Twice as bad as stable.
        let [canary, stable] = [[0.0, 0.0, 40.0, 40.0, 40.0, 40.0], [0.0, 0.0, 20.0, 20.0, 20.0, 20.0]];
        assert!(most_against(COMPARED, &canary, &stable) > CERTAIN);
    }

    #[test]
    fn a_fixed_limit_has_nothing_to_do_with_it() {
        let [canary, well, ill] = [[0.0, 15.0, 0.0], [0.0; 3], [0.0, 0.0, 20.0]];
        let [beside_well, beside_ill] = [well, ill].map(|stable| most_against(Boundary::fixed(0.02), &canary, &stable));
        assert!((beside_well - beside_ill).abs() < f64::EPSILON && beside_well > CERTAIN);
    }

    proptest! {
        /// Whatever the blocks beside it are like, a bet gains no more than by its own block alone.
        #[test]
        fn what_stable_is_like_beside_a_block_never_speaks_against_the_new_version(
            bad in prop::collection::vec((0.0..60f64, 0.0..600f64), 1..8),
        ) {
            // Without history nobody knows when stable is unwell: each block is alone.
            let alone = Baseline { typical: None, ..Baseline::of(&[Counts::exact(1.0, 1000.0); 120]) };
            let [mut beside, mut alone] =
                [evidence(COMPARED), Evidence::new(COMPARED, &alone.with_overdispersion(Some(1.0)))];
            for (place, (canary, stable)) in (0..).zip(bad) {
                let block = block(place, Counts::exact(canary, 300.0), Counts::exact(stable, 3000.0));
                beside.settle(&block);
                alone.settle(&block);
                prop_assert!(beside.against() <= alone.against() + 1e-9);
            }
        }
    }
}
