//! A part of the requests, drawn by chance: those that a new version would have got.

use rand::{SeedableRng, rngs::StdRng};
use rand_distr::{Binomial, Distribution};
use tidegate_judge::{Block, Counts};

/// Draws requests. The same release draws the same ones whatever else is asked.
pub(super) struct Draw(StdRng);

impl Draw {
    /// For a release at this second.
    pub(super) fn new(second: i64) -> Self {
        Self(StdRng::seed_from_u64(second.cast_unsigned()))
    }

    /// Of the requests in `block`, each with this probability.
    pub(super) fn some(&mut self, share: f64, block: Block) -> Block {
        if share >= 1.0 {
            return block;
        }
        let Counts { bad, bad_at_most, total, unseen } = block.canary;
        let [bad, doubtful, good] = [bad, bad_at_most - bad, total - bad_at_most].map(|count| self.of(count, share));
        let bad_at_most = bad + doubtful;
        Block { canary: Counts { bad, bad_at_most, total: bad_at_most + good, unseen: unseen * share }, ..block }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, far below 2⁵³")]
    fn of(&mut self, count: f64, share: f64) -> f64 {
        Binomial::new(count.round() as u64, share).map_or(0.0, |drawn| drawn.sample(&mut self.0) as f64)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn block(canary: Counts) -> Block {
        Block { start: Timestamp::MIN, end: Timestamp::MAX, canary, stable: Counts::default() }
    }

    #[test]
    fn a_share_of_the_requests_is_drawn_and_all_of_them_stay_as_they_are() {
        let all = block(Counts { bad: 500.0, bad_at_most: 1000.0, ..Counts::exact(0.0, 100_000.0) });
        let Counts { bad, bad_at_most, total, .. } = Draw::new(7).some(0.05, all).canary;
        assert!((4800.0..5200.0).contains(&total), "{total}");
        assert!(bad > 0.0 && bad < bad_at_most && bad_at_most < 100.0, "{bad} {bad_at_most}");
        assert_eq!(Draw::new(7).some(1.0, all), all);
        assert_eq!(Draw::new(7).some(0.05, all), Draw::new(7).some(0.05, all));
        assert_eq!(Draw::new(7).some(0.0, all).canary, Counts::default());
    }
}
