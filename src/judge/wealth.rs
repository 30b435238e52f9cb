//! What the bets against a version, or for it, have come to.

use super::{
    arms::{ARMS, Arms, BETTER, WORSE, log_add_exp, log_mean_exp},
    line::{Line, Share},
};

/// The wealth of seven bets that began with 1 together.
///
/// As long as what they bet against is true, their wealth is not expected to grow, however often and whenever somebody
/// looks: that it ever reaches 1/α has a probability of at most α (Ville's inequality).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Wealth {
    multipliers: &'static Arms,
    logs: Arms,
    /// How many blocks there have been, where a part of the stake waits for later ones.
    restarts: Option<f64>,
}

impl Wealth {
    /// Grows while a version is worse than its limit.
    ///
    /// A part of the stake, 1/(t(t+1)), is only put in at block t: a version that turns bad after a long good time
    /// has then no losses to make up for. (E-detectors, <https://arxiv.org/abs/2203.03532>.)
    pub(super) fn against() -> Self {
        Self { multipliers: &WORSE, logs: [f64::NEG_INFINITY; ARMS], restarts: Some(0.0) }
    }

    /// Grows while a version keeps its limit.
    pub(super) fn in_favour() -> Self {
        Self { multipliers: &BETTER, logs: [0.0; ARMS], restarts: None }
    }

    /// The same without anything held back for later.
    #[cfg(test)]
    pub(super) fn against_at_once() -> Self {
        Self { multipliers: &WORSE, logs: [0.0; ARMS], restarts: None }
    }

    /// Bets on one block, and returns what each arm gained.
    pub(super) fn bet(&mut self, line: &Line, expected: f64, canary: Share, stable: Share) -> Arms {
        let gains = line.gains(self.multipliers, expected, canary, stable);
        self.take(gains);
        gains
    }

    /// Takes in what each arm gained from one block.
    pub(super) fn take(&mut self, gains: Arms) {
        if let Some(blocks) = &mut self.restarts {
            *blocks += 1.0;
            let put_in = -(*blocks * (*blocks + 1.0)).ln();
            for log in &mut self.logs {
                *log = log_add_exp(*log, put_in);
            }
        }
        for (log, gain) in self.logs.iter_mut().zip(gains) {
            *log += gain;
        }
    }

    /// The logarithm of what all of it is worth.
    pub(super) fn log(&self) -> f64 {
        log_mean_exp(&self.arms())
    }

    /// What each arm is worth, with its part of what is held back.
    pub(super) fn arms(&self) -> Arms {
        let Some(blocks) = self.restarts else { return self.logs };
        let held_back = -(blocks + 1.0).ln();
        self.logs.map(|log| log_add_exp(log, held_back))
    }

    /// What the arms bet on.
    pub(super) fn multipliers(&self) -> &'static Arms {
        self.multipliers
    }
}
