//! Since when a version looks worse than it may be, or good enough.

use jiff::Timestamp;

use super::block::{Block, Counts};

/// What settled since the version began to look worse than it may be, or good enough: where the score of a cumulative sum
/// last rose from nothing. It only tells people what a verdict stands on.
/// (Page's test, <https://en.wikipedia.org/wiki/CUSUM>.)
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Recent {
    pub(super) score: f64,
    pub(super) since: Option<Timestamp>,
    pub(super) canary: Counts,
    pub(super) stable: Counts,
}

impl Recent {
    /// A block of which the most cautious bet gained so much.
    pub(super) fn add(&mut self, gained: f64, block: &Block) {
        if self.score <= 0.0 {
            *self = Self { since: Some(block.start), ..Self::default() };
        }
        self.score += gained;
        self.canary = self.canary.plus(block.canary);
        self.stable = self.stable.plus(block.stable);
    }
}
