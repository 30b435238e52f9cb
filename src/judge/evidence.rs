//! What has been seen since a stage began.

use super::block::{Block, Counts};

/// Beyond this many blocks, neighbours are joined: a day of ten-second blocks would not fit otherwise.
const CAPACITY: usize = 128;

/// Blocks in the order of time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Evidence {
    settled: Vec<Block>,
    provisional: Option<Block>,
}

impl Evidence {
    /// Adds a block that no later scrape can change.
    pub fn settle(&mut self, block: Block) {
        if block.is_empty() {
            return;
        }
        self.settled.push(block);
        if self.settled.len() > CAPACITY {
            // The older half: what is recent stays fine-grained.
            let newer = self.settled.split_off(CAPACITY / 2);
            self.settled =
                self.settled.chunks(2).filter_map(|pair| pair.iter().copied().reduce(Block::joined)).collect();
            self.settled.extend(newer);
        }
    }

    /// The newest samples, which later scrapes may still add to. Only a failure looks at them.
    pub fn set_provisional(&mut self, block: Option<Block>) {
        self.provisional = block.filter(|block| !block.is_empty());
    }

    /// The blocks that no later scrape can change.
    #[must_use]
    pub fn settled(&self) -> &[Block] {
        &self.settled
    }

    /// The newest samples.
    #[must_use]
    pub fn provisional(&self) -> Option<Block> {
        self.provisional
    }

    /// What settled blocks say of the canary and of stable.
    #[must_use]
    pub fn settled_counts(&self) -> (Counts, Counts) {
        sum(&self.settled)
    }

    /// The same with the newest samples.
    #[must_use]
    pub fn all_counts(&self) -> (Counts, Counts) {
        let (canary, stable) = self.settled_counts();
        let (new_canary, new_stable) = sum(self.provisional.as_slice());
        (canary.plus(new_canary), stable.plus(new_stable))
    }
}

fn sum(blocks: &[Block]) -> (Counts, Counts) {
    blocks.iter().fold(Default::default(), |(canary, stable): (Counts, Counts), block| {
        (canary.plus(block.canary), stable.plus(block.stable))
    })
}
