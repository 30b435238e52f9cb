//! What the bets against a version, or for it, have come to.

use super::alternatives::{ALTERNATIVES, BETTER, Mixture, WORSE, log_add_exp, log_mean_exp};
#[cfg(test)]
use super::{boundary::Boundary, proportion::Proportion};

/// What part of the stake is only put in later, and when.
///
/// A version that changes in the middle has then no losses to make up for. Fresh stakes at fixed moments are bets of their
/// own, and the mean of bets is a bet. (E-detectors, <https://arxiv.org/abs/2203.03532>.)
#[derive(Debug, Clone, Copy, PartialEq)]
struct Later {
    part: f64,
    /// After each of so many blocks, ever less: of what is held back, 2/((k+1)(k+2)) the k-th time.
    every: u32,
    /// How many blocks there have been.
    blocks: u32,
}

/// Half of the stake waits: who bets against a version has to find out within a block or two when it turns bad.
const AGAINST: Later = Later { part: 0.5, every: 1, blocks: 0 };

/// A tenth of it waits, and goes in once a minute where a block is ten seconds long: a pass may forget the first minutes of a
/// stage, and a version that was good all along needs hardly more requests for it (3 %, from the logarithm of 0.9).
const IN_FAVOUR: Later = Later { part: 0.1, every: 6, blocks: 0 };

/// The wealth of seven bets that began with 1 together.
///
/// As long as what they bet against is true, their wealth is not expected to grow, however often and whenever somebody
/// looks: that it ever reaches 1/α has a probability of at most α (Ville's inequality).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct EProcess {
    multipliers: &'static Mixture,
    logs: Mixture,
    later: Option<Later>,
}

impl EProcess {
    /// Grows while a version is worse than its limit.
    pub(super) fn against() -> Self {
        Self::new(&WORSE, AGAINST)
    }

    /// Grows while a version keeps its limit.
    pub(super) fn in_favour() -> Self {
        Self::new(&BETTER, IN_FAVOUR)
    }

    fn new(multipliers: &'static Mixture, later: Later) -> Self {
        Self { multipliers, logs: [(1.0 - later.part).ln(); ALTERNATIVES], later: Some(later) }
    }

    /// The same without anything held back for later.
    #[cfg(test)]
    pub(super) fn at_once(self) -> Self {
        Self { logs: [0.0; ALTERNATIVES], later: None, ..self }
    }

    /// Bets on one block.
    #[cfg(test)]
    pub(super) fn bet(&mut self, boundary: &Boundary, expected: f64, canary: Proportion, stable: Proportion) {
        self.take(boundary.gains(self.multipliers, expected, canary, stable));
    }

    /// Takes in what each alternative gained from one block.
    pub(super) fn take(&mut self, gains: Mixture) {
        if let Some(put_in) = self.later.as_mut().and_then(Later::next_block) {
            for log in &mut self.logs {
                *log = log_add_exp(*log, put_in.ln());
            }
        }
        self.add(gains);
    }

    /// What the bet on the last block comes to beyond what it was taken for.
    pub(super) fn add(&mut self, gains: Mixture) {
        for (log, gain) in self.logs.iter_mut().zip(gains) {
            *log += gain;
        }
    }

    /// The logarithm of what all of it is worth.
    pub(super) fn log(&self) -> f64 {
        log_mean_exp(&self.values())
    }

    /// What each alternative is worth, with its part of what is held back.
    pub(super) fn values(&self) -> Mixture {
        let Some(later) = self.later else { return self.logs };
        self.logs.map(|log| log_add_exp(log, later.held_back().ln()))
    }

    /// What the alternatives bet on.
    pub(super) fn multipliers(&self) -> &'static Mixture {
        self.multipliers
    }
}

impl Later {
    /// Another block begins: what is put in before it.
    fn next_block(&mut self) -> Option<f64> {
        self.blocks += 1;
        let before = self.blocks - 1;
        let times = f64::from(before / self.every);
        (before > 0 && before.is_multiple_of(self.every)).then(|| 2.0 * self.part / ((times + 1.0) * (times + 2.0)))
    }

    /// What is still held back.
    fn held_back(self) -> f64 {
        let times = f64::from(self.blocks.saturating_sub(1) / self.every);
        2.0 * self.part / (times + 2.0)
    }
}
