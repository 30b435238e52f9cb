//! What a block of the new version is held against: stable's requests in it, or what stable was like before it lost its
//! traffic.
//!
//! Which of both is a matter of the stage, and not of one block. A control of a request in ten seconds is asked nothing in
//! every third block, and nobody is to be held to a fixed limit for that, least of all in an incident. So the requests that
//! stable should have had by the stage's weight are summed up for as long as it has none.

use super::block::Block;

/// Stable that had none where so many were to be expected has lost its traffic, whatever the stage leaves to it, or its numbers
/// are lost. One by one, requests would stay away by chance once in e²⁰ times; but clients stay with a pod, and many are few clients.
const MISSED: f64 = 20.0;

/// What a block of the new version is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reference {
    /// Stable's requests in the same block.
    Stable,
    /// Nothing: stable has traffic, and no request came.
    Nothing,
    /// What stable was like when it had traffic.
    Past,
}

/// What traffic the stage leaves to stable, and whether it comes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Kept {
    /// So many requests for each one of the new version's.
    for_each: f64,
    /// So many did not come since the last one did.
    missed: f64,
}

impl Kept {
    /// A stage in which the new version gets `weight` of the traffic, as a part of one; with all of it, nothing is left.
    pub(super) fn beside(weight: f64) -> Self {
        let for_each = if weight > 0.0 { (1.0 - weight).max(0.0) / weight } else { f64::INFINITY };
        Self { for_each, missed: 0.0 }
    }

    /// What the next block is held against.
    pub(super) fn take(&mut self, block: &Block) -> Reference {
        if block.stable.total > 0.0 {
            self.missed = 0.0;
            return Reference::Stable;
        }
        let is_left = self.for_each > 0.0 && self.missed < MISSED;
        if block.canary.total > 0.0 {
            self.missed += block.canary.total * self.for_each;
        }
        if is_left { Reference::Nothing } else { Reference::Past }
    }

    /// The same in the stage after it, which leaves as much as `next`.
    pub(super) fn entering(self, next: Self) -> Self {
        Self { missed: self.missed, ..next }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::Counts;

    fn references(weight: f64, blocks: impl IntoIterator<Item = (f64, f64)>) -> Vec<Reference> {
        let mut kept = Kept::beside(weight);
        let block = |(canary, stable)| Block {
            start: Timestamp::UNIX_EPOCH,
            end: Timestamp::UNIX_EPOCH,
            canary: Counts::exact(0.0, canary),
            stable: Counts::exact(0.0, stable),
        };
        blocks.into_iter().map(|of| kept.take(&block(of))).collect()
    }

    #[test]
    fn a_control_that_is_asked_nothing_for_some_blocks_has_not_lost_its_traffic() {
        let blocks = [(100.0, 1.0), (100.0, 0.0), (100.0, 0.0), (100.0, 0.0), (100.0, 2.0), (100.0, 0.0)];
        let expected = [
            Reference::Stable,
            Reference::Nothing,
            Reference::Nothing,
            Reference::Nothing,
            Reference::Stable,
            Reference::Nothing,
        ];
        assert_eq!(references(0.99, blocks), expected);
    }

    #[test]
    fn a_stable_version_that_should_have_had_many_has_lost_it() {
        let found = references(0.25, [(100.0, 300.0), (100.0, 0.0), (100.0, 0.0)]);
        assert_eq!(found, [Reference::Stable, Reference::Nothing, Reference::Past]);
        let found = references(0.99, std::iter::repeat_n((100.0, 0.0), 30));
        assert_eq!(found.iter().filter(|it| **it == Reference::Nothing).count(), 20);
    }

    #[test]
    fn a_stage_with_all_the_traffic_leaves_nothing() {
        let blocks = [(100.0, 3.0), (100.0, 0.0)];
        assert_eq!(references(1.0, blocks), [Reference::Stable, Reference::Past]);
    }

    #[test]
    fn who_had_no_traffic_in_the_stage_before_has_none_in_this_one() {
        let mut before = Kept::beside(0.25);
        before.missed = MISSED;
        let nothing = Block {
            start: Timestamp::UNIX_EPOCH,
            end: Timestamp::UNIX_EPOCH,
            canary: Counts::exact(0.0, 10.0),
            stable: Counts::default(),
        };
        assert_eq!(before.entering(Kept::beside(0.5)).take(&nothing), Reference::Past);
    }
}
