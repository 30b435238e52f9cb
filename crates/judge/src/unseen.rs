//! Requests that a counter has, and no histogram.

use super::block::{Block, Counts};

/// How many requests no histogram has, from block to block, without those that are only under way.
///
/// A library may count a request when it begins and measure it when it ends, so that a counter is ahead by what is under way,
/// now more and now less. Only what goes beyond the most that it was ever ahead is unseen: what is under way counts once, however
/// often it is counted.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Unseen {
    /// By how much the counter is ahead of the histogram, less the most that it was: never more than nothing.
    behind: f64,
    /// Of stable, how many are unseen so far, and how many there were. What was only under way is in it once more and once less.
    stable: (f64, f64),
    /// By how much the new version has fewer than stable's part, of late: never more than nothing.
    spared: f64,
}

/// What a version has fewer than stable's part evens out chance for so many blocks, and is no licence for later.
const BLOCKS_SPARED: f64 = 10.0;

impl Unseen {
    /// `block` with what turns out in it to be unseen of the new version.
    ///
    /// Where it `is_compared` with stable, only what goes beyond stable's part: a library that never measures what fails does so in
    /// both. Of stable itself nothing is taken for bad, so that a histogram that has little of stable lets nobody pass.
    pub(super) fn settle(&mut self, block: Block, is_compared: bool) -> Block {
        let Block { canary, stable, .. } = block;
        let ahead = self.behind + canary.unseen;
        self.behind = ahead.min(0.0);
        let (unseen, all) = self.stable;
        self.stable = (unseen + stable.unseen, all + stable.total + stable.unseen);
        let usual = if is_compared { self.usual() * canary.at_most().total } else { 0.0 };
        let beyond = self.spared + ahead.max(0.0) - usual;
        self.spared = beyond.clamp(-BLOCKS_SPARED * usual, 0.0);
        Block { canary: Counts { unseen: beyond.max(0.0), ..canary }, stable: stable.seen(), ..block }
    }

    /// The part of stable's requests that is unseen.
    fn usual(&self) -> f64 {
        let (unseen, all) = self.stable;
        if all > 0.0 { (unseen / all).max(0.0) } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn counts(total: f64, unseen: f64) -> Counts {
        Counts { unseen, ..Counts::exact(0.0, total) }
    }

    /// What is unseen of the new version in blocks with so many requests of it, and of stable, that were seen and that were not.
    fn unseen(is_compared: bool, blocks: &[[(f64, f64); 2]]) -> Vec<f64> {
        let mut unseen = Unseen::default();
        let settled = blocks.iter().map(|[canary, stable]| {
            let [canary, stable] = [canary, stable].map(|(total, unseen)| counts(*total, *unseen));
            let block = Block { start: Timestamp::MIN, end: Timestamp::MAX, canary, stable };
            let settled = unseen.settle(block, is_compared);
            assert_eq!((settled.stable.unseen, settled.canary.total), (0.0, canary.total));
            settled.canary.unseen
        });
        settled.collect()
    }

    const NOTHING: (f64, f64) = (0.0, 0.0);

    #[test]
    fn what_is_under_way_counts_once_and_what_never_ends_each_time() {
        let under_way = [8.0, -8.0, 5.0, 2.0, -7.0, 8.0].map(|ahead| [(100.0, ahead), NOTHING]);
        assert_eq!(unseen(false, &under_way), [8.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(unseen(false, &[[(100.0, 10.0), NOTHING]; 3]), [10.0; 3]);
        assert_eq!(unseen(false, &[[(100.0, -10.0), NOTHING]; 2]), [0.0; 2], "the histogram counts more");
    }

    #[test]
    fn a_comparison_goes_by_what_is_beyond_stables_part_and_a_limit_by_all_of_it() {
        let both = [[(90.0, 10.0), (900.0, 100.0)]; 2];
        assert_eq!(unseen(true, &both), [0.0; 2]);
        assert_eq!(unseen(false, &both), [10.0; 2]);
        assert_eq!(unseen(true, &[[(70.0, 30.0), (900.0, 100.0)]]), [20.0]);
    }

    #[test]
    fn what_is_under_way_at_stable_is_no_licence_for_the_new_version() {
        let hour = (0..240).map(|block| [(300.0, 0.0), (300.0, if block % 2 == 0 { 20.0 } else { -20.0 })]);
        let bad = [[(291.0, 9.0), (300.0, 0.0)]; 4];
        let all: Vec<_> = hour.chain(bad).collect();
        assert!(unseen(true, &all)[240..].iter().sum::<f64>() > 30.0);
    }

    #[test]
    fn stables_part_stands_while_stable_has_no_requests() {
        let both = [(98.0, 2.0), (98.0, 2.0)];
        let alone = [(98.0, 2.0), NOTHING];
        assert_eq!(unseen(true, &[both, alone, alone]), [0.0; 3]);
    }

    #[test]
    fn a_histogram_that_has_nothing_of_stable_lets_nothing_pass() {
        assert_eq!(unseen(true, &[[(100.0, 0.0), (0.0, 900.0)]]), [0.0]);
        assert_eq!(unseen(true, &[[(70.0, 30.0), NOTHING]]), [30.0]);
    }
}
