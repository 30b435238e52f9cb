//! What speaks against a version however many of its requests go bad together: each block is one observation.
//!
//! Who counts requests has to know how large crowds of errors are, and a moment in which something else broke makes them
//! look as large as it was long. The part of a block's requests that is bad lies between 0 and 1 whatever they have in
//! common, and as long as the version keeps its limit, no more than the limit is expected of it. So a bet on a block that
//! wins as much as the part is above the limit is fair or worse, and Ville's inequality holds for it with no assumption
//! about crowds at all. It is slower than counting: of many requests in a block it sees one number.
//! (Waudby-Smith and Ramdas, <https://arxiv.org/abs/2010.09686>.)

use super::{
    alternatives::{Mixture, STAKES},
    block::{Block, Counted},
    boundary::Boundary,
    e_process::EProcess,
    proportion::Proportion,
    skew::is_control,
};

/// Bets on blocks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Moments {
    wealth: EProcess,
    usual: Option<Usual>,
}

/// What part of stable's requests was certainly bad at most, in nine of ten of its blocks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Usual {
    /// Of all of them.
    pub(super) always: f64,
    /// Of those outside of incidents.
    pub(super) calm: f64,
}

impl Moments {
    /// Nothing seen yet; of stable, what its history was like.
    pub(super) fn new(usual: Option<Usual>) -> Self {
        Self { wealth: EProcess::against(), usual }
    }

    /// Bets on a block.
    pub(super) fn settle(&mut self, boundary: &Boundary, block: &Block) {
        let [canary, stable] = [block.canary, block.stable].map(|counts| counts.proportion(Counted::Certain));
        if let Some(limit) = self.limit(boundary, canary, stable).filter(|_| canary.total > 0.0) {
            self.wealth.take(gains(canary.bad / canary.total, limit));
        }
    }

    /// The logarithm of what speaks against the version.
    pub(super) fn log(&self) -> f64 {
        self.wealth.log()
    }

    /// The same of an earlier stage, with what is known of stable by the measure of this one.
    pub(super) fn entering(self, next: Self) -> Self {
        Self { wealth: self.wealth, ..next }
    }

    /// What a block is held against. In one in which stable is worse than usual, both versions may suffer from the same:
    /// nothing is said of the one that is compared. Where stable has too few requests to suffer from it, what it was like
    /// counts with its incidents.
    fn limit(&self, boundary: &Boundary, canary: Proportion, stable: Proportion) -> Option<f64> {
        if boundary.ratio == 0.0 {
            return Some(boundary.limit(0.0));
        }
        let Usual { always, calm } = self.usual?;
        let usual = if is_control(canary.total, stable.total) { always.max(calm) } else { calm };
        (stable.bad <= usual * stable.total).then(|| boundary.limit(usual))
    }
}

/// What each alternative gains when `part` of a block's requests is bad. None can lose all that it has.
fn gains(part: f64, limit: f64) -> Mixture {
    STAKES.map(|stake| (stake * (part / limit - 1.0)).ln_1p())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::block::Counts;

    fn block((bad, total): (f64, f64), stable: (f64, f64)) -> Block {
        let counts = |(bad, total)| Counts::exact(bad, total);
        Block {
            start: Timestamp::UNIX_EPOCH,
            end: Timestamp::UNIX_EPOCH,
            canary: counts((bad, total)),
            stable: counts(stable),
        }
    }

    proptest! {
        /// Whatever a block is like, as long as no more than the limit is expected of it: all or nothing is the extreme.
        #[test]
        fn a_bet_on_a_block_is_fair_or_worse_as_long_as_the_limit_is_kept(
            limit in 0.0001..0.9f64, high in 0.0..1.0f64, low in 0.0..1.0f64, keeps in 0.0..1.0f64,
        ) {
            let (low, high) = (low * limit, limit + high * (1.0 - limit));
            let often = keeps * (limit - low) / (high - low);
            for arm in 0..STAKES.len() {
                let [at_high, at_low] = [high, low].map(|part| gains(part, limit)[arm].exp());
                prop_assert!(often * at_high + (1.0 - often) * at_low <= 1.0 + 1e-9);
            }
        }
    }

    #[test]
    fn a_version_five_times_as_bad_as_it_may_be_is_known_within_a_dozen_blocks() {
        let mut moments = Moments::new(None);
        for _ in 0..12 {
            moments.settle(&Boundary::fixed(0.01), &block((5.0, 100.0), (0.0, 0.0)));
        }
        assert!(moments.log() > 100_f64.ln() + 2_f64.ln(), "{}", moments.log());
    }

    #[test]
    fn what_happens_to_both_versions_is_not_held_against_the_new_one() {
        let boundary = Boundary { ratio: 1.5, margin: 0.005 };
        let of = |stable| {
            let mut moments = Moments::new(Some(Usual { always: 0.002, calm: 0.002 }));
            (0..20).for_each(|_| moments.settle(&boundary, &block((20.0, 100.0), stable)));
            moments.log()
        };
        assert!(of((200.0, 1000.0)) <= 0.0);
        assert!(of((1.0, 1000.0)) > 10.0);
        assert!(of((0.0, 0.0)) > 10.0, "where stable has no requests any more");
    }

    #[test]
    fn without_any_history_nothing_is_compared() {
        let mut moments = Moments::new(None);
        moments.settle(&Boundary { ratio: 1.5, margin: 0.005 }, &block((20.0, 20.0), (0.0, 1000.0)));
        assert!(moments.log().abs() < f64::EPSILON);
    }
}
