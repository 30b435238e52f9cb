//! A stage as the operator sees it: scrapes come, blocks settle behind them, and every scrape is a look.

use std::collections::VecDeque;

use anyhow::{Result, ensure};
use jiff::Timestamp;
use tidegate_api::Verdict;
use tidegate_judge::{
    Asked, Baseline, Block, Boundary, Counts, ErrorRates, Evidence, Indicator, Tolerance, judge, sample_size,
};

/// As sure as the operator is unless it is told otherwise.
pub const BOUNDS: ErrorRates = ErrorRates { false_fail: 0.01, false_pass: 0.05 };

/// A stage asks this many blocks of a stable version's past.
pub const HISTORY: u32 = 120;

/// Newer than so many scrapes, nothing settles.
const UNSETTLED: i64 = 2;

/// After so many blocks, blocks are so many times as long: days of them can be read again.
const TAPER: [(i64, i64); 2] = [(3600, 60), (360, 6)];

/// What both versions answered from one scrape to the next.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scrape {
    pub canary: Counts,
    pub stable: Counts,
}

impl Scrape {
    pub fn plus(self, other: Self) -> Self {
        Self { canary: self.canary.plus(other.canary), stable: self.stable.plus(other.stable) }
    }
}

/// What a look came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Look {
    pub fails: bool,
    /// Whether a block settled: only then it may pass.
    pub has_settled: bool,
    pub passes: bool,
}

/// One stage with one check. Its time is counted in scrapes.
#[derive(Debug, Clone)]
pub struct Stage {
    evidence: Evidence,
    /// How many scrapes a block is long at first.
    block: i64,
    now: i64,
    /// Up to here blocks have settled.
    settled: i64,
    newest: VecDeque<Scrape>,
}

impl Stage {
    pub fn new(boundary: Boundary, baseline: &Baseline, block: i64) -> Self {
        Self { evidence: Evidence::new(boundary, baseline), block, now: 0, settled: 0, newest: VecDeque::new() }
    }

    /// In which the canary gets that part of the traffic.
    pub fn at_weight(self, weight: f64) -> Self {
        Self { evidence: self.evidence.at_weight(weight), ..self }
    }

    /// The next stage of the same rollout.
    pub fn entering(&self, boundary: Boundary, baseline: &Baseline, weight: f64) -> Self {
        let next = Self::new(boundary, baseline, self.block).at_weight(weight);
        Self { evidence: self.evidence.entering(&next.evidence), ..next }
    }

    /// Takes a scrape and judges.
    pub fn look(&mut self, scrape: Scrape) -> Look {
        self.now += 1;
        self.newest.push_back(scrape);
        let mut has_settled = false;
        while self.end_of_block() <= self.now - UNSETTLED {
            let end = self.end_of_block();
            let length = usize::try_from(end - self.settled).unwrap_or_default();
            let sum = self.newest.drain(..length).fold(Scrape::default(), Scrape::plus);
            self.evidence.settle(&block(self.settled, end, sum));
            self.settled = end;
            has_settled = true;
        }
        let newest = self.newest.iter().copied().fold(Scrape::default(), Scrape::plus);
        self.evidence.set_provisional(Some(block(self.settled, self.now, newest)));
        // Samples without a bad request of the canary cannot raise what speaks against it; they may be a second block.
        let may_fail = has_settled || newest.canary.bad > 0.0 || self.evidence.blocks() == 1;
        Look { fails: may_fail && self.fails(), has_settled, passes: has_settled && self.passes() }
    }

    /// The same by the judge itself, with all that it writes for people: to see that it comes to the same, where a look up to
    /// now `has_failed` the version or not.
    pub fn audit(&self, has_failed: bool) -> Result<()> {
        let tolerance = Tolerance { subject: Indicator::Failed, boundary: *self.evidence.boundary() };
        let asked = Asked { max: Some((tolerance, &self.evidence)), ..Asked::default() };
        let judged = judge(&[asked], &BOUNDS);
        let verdict = judged.first().map(|judgement| judgement.verdict);
        let expected = match (self.fails(), self.passes()) {
            (true, _) => Verdict::Fail,
            (false, true) => Verdict::Pass,
            (false, false) => Verdict::NeedMoreData,
        };
        ensure!(verdict == Some(expected), "the judge says {verdict:?} where the bench says {expected:?}");
        ensure!(has_failed || !self.fails(), "a look that was left out would have failed the version");
        Ok(())
    }

    /// How many scrapes it is expected to take until it passes, as people are told; nothing where no end is in sight, or
    /// where nothing has settled yet.
    pub fn time_to_pass(&self) -> Option<f64> {
        sample_size(&self.evidence, &BOUNDS)?.time.map(|time| time.as_secs_f64())
    }

    fn fails(&self) -> bool {
        self.evidence.against() >= BOUNDS.to_fail() && self.evidence.can_fail()
    }

    fn passes(&self) -> bool {
        self.evidence.in_favour() >= BOUNDS.to_pass() && self.evidence.blocks_to_pass() == 0
    }

    fn end_of_block(&self) -> i64 {
        let steps = self.settled / self.block;
        let stride = TAPER.iter().find(|(after, _)| steps >= *after).map_or(1, |(_, stride)| *stride);
        (steps / stride + 1) * stride * self.block
    }
}

fn block(start: i64, end: i64, Scrape { canary, stable }: Scrape) -> Block {
    let [start, end] = [start, end].map(|second| Timestamp::from_second(second).unwrap_or_default());
    Block { start, end, canary, stable }
}
