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

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn a_long_stage_keeps_all_counts_in_few_blocks() {
        let mut evidence = Evidence::default();
        for second in 0..10_000 {
            let [start, end] = [second, second + 1].map(|at| Timestamp::from_second(at).unwrap());
            evidence.settle(Block { start, end, canary: Counts::exact(1.0, 2.0), stable: Counts::default() });
        }
        assert!(evidence.settled().len() <= CAPACITY);
        assert_eq!(evidence.settled_counts().0, Counts::exact(10_000.0, 20_000.0));
        assert!(evidence.settled().windows(2).all(|pair| pair[0].end == pair[1].start));
    }
}
