//! One side of the evidence: what was won by betting on blocks, and how bad stable is expected to be in the next one.

use super::{
    alternatives::Mixture,
    block::{Block, Counted, Counts},
    boundary::Boundary,
    e_process::EProcess,
    proportion::Proportion,
    reference::Reference,
    sample_size::Way,
    skew::{Bet, Held, is_control},
};

/// A comparison begins when so many requests of stable are known: before that, nobody could say how bad it is.
const STABLE_TO_COMPARE: f64 = 100.0;

/// A block weighs so much less than the next one in what stable was like when it lost its traffic: half after a minute, where
/// a block is ten seconds long.
const FORGOTTEN: f64 = 1.12;

/// One side of the evidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Side {
    pub(super) wealth: EProcess,
    /// All that is known of stable.
    pub(super) stable: Proportion,
    /// Its last requests before it was left with few of them, or none; older ones weigh less.
    recent: Proportion,
    pub(super) counted: Counted,
    /// The bet on the last block, if there was one.
    last: Option<Bet>,
}

impl Side {
    /// Nothing bet yet; of stable, what its `history` was like.
    pub(super) fn new(wealth: EProcess, counted: Counted, history: Counts) -> Self {
        Self { wealth, stable: history.proportion(counted), recent: Proportion::default(), counted, last: None }
    }

    /// The same in the stage after it, with history counted by the measure of `next`.
    pub(super) fn entering(self, next: Self) -> Self {
        let Self { wealth, recent, last, .. } = self;
        Self { wealth, recent, last, ..next }
    }

    /// With the wealth of `next`: what it won until now has been answered.
    pub(super) fn judged_anew(self, next: Self) -> Self {
        Self { wealth: next.wealth, last: None, ..self }
    }

    /// Bets on a block that is held against that, and learns from it how bad stable is. Returns what each alternative gained.
    pub(super) fn settle(&mut self, held: Held, block: &Block, reference: Reference) -> Mixture {
        let [canary, stable] = [block.canary, block.stable].map(|counts| counts.proportion(self.counted));
        let mut gained = Mixture::default();
        self.last = None;
        // Nothing asked, nothing answered: that is no block, and not one without errors.
        if canary.total > 0.0
            && let Some(boundary) = self.boundary(&held.boundary, reference)
        {
            let bet = Bet::on(&self.wealth, Held { boundary, ..held }, self.stable.expected(), (canary, stable));
            gained = bet.gained();
            self.wealth.take(gained);
            self.last = Some(bet);
        }
        self.stable = self.stable.plus(stable);
        if !is_control(canary.total, stable.total) {
            self.recent = self.recent.divided(FORGOTTEN).plus(stable);
        }
        gained
    }

    /// The bet on the last block again, beside a stable version that was so bad in the next one.
    pub(super) fn review(&mut self, unwell: Option<f64>) {
        if let Some((bet, part)) = self.last.as_mut().zip(unwell) {
            let wealth = &mut self.wealth;
            wealth.add(bet.review(wealth.multipliers(), part));
        }
    }

    /// Whether it bet on the last block.
    pub(super) fn has_bet(&self) -> bool {
        self.last.is_some()
    }

    /// What a block is held against that has such a reference. What stable was like makes of a comparison a fixed limit.
    fn boundary(&self, boundary: &Boundary, reference: Reference) -> Option<Boundary> {
        if boundary.ratio == 0.0 {
            return Some(*boundary);
        }
        match reference {
            _ if self.stable.total < STABLE_TO_COMPARE => None,
            Reference::Nothing => None,
            Reference::Stable => Some(*boundary),
            Reference::Past => Some(Boundary::fixed(boundary.limit(self.left_at()))),
        }
    }

    /// What part of its requests was bad when it lost its traffic, if that certainly is more than it was on the whole: whatever
    /// came over both versions does not go away with the requests.
    pub(super) fn left_at(&self) -> f64 {
        let expected = self.stable.expected();
        let is_worse = self.counted == Counted::Certain && self.recent.is_certainly_above(expected);
        if is_worse { self.recent.bad / self.recent.total } else { expected }
    }

    /// Where the bets stand, and what more blocks with such counts would bring, where so many go bad together.
    pub(super) fn prospect(&self, boundary: &Boundary, crowd: f64, canary: Proportion, stable: Proportion) -> Way {
        let reference = if stable.total > 0.0 { Reference::Stable } else { Reference::Past };
        let boundary = self.boundary(boundary, reference).unwrap_or(*boundary);
        let [canary, stable] = [canary, stable].map(|share| share.divided(crowd));
        let (gains, chance) = boundary.prospect(self.wealth.multipliers(), self.stable.expected(), canary, stable);
        Way { values: self.wealth.values(), gains, chance }
    }
}
