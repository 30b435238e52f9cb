//! What has been seen of a new version, held against one line.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    arms::{Arms, MOST_CAUTIOUS_BETTER, MOST_CAUTIOUS_WORSE, log_mean_exp},
    baseline::{Baseline, UNSUITABLE},
    block::{Block, Counted, Counts},
    crowds::Crowds,
    line::{Line, Share},
    moments::Moments,
    outlook::Way,
    skew::Bet,
    unwell::{Unwell, Wellbeing},
    wealth::Wealth,
};

/// A pass needs this many blocks of a stage: one good moment is no stage.
const BLOCKS_TO_PASS: u32 = 3;

/// A failure needs this many blocks, or [`ERRORS_TO_FAIL`].
const BLOCKS_TO_FAIL: u32 = 2;

/// This many bad requests are enough for a failure within one block.
const ERRORS_TO_FAIL: f64 = 3.0;

/// A comparison begins when so many requests of stable are known: before that, nobody could say how bad it is.
const STABLE_TO_COMPARE: f64 = 100.0;

/// Up to such crowds, counting requests is what shows a failure soonest. Beyond, half of the stake is on whole blocks, where
/// they are not what is usual but a hiccup.
const CROWDS: f64 = 4.0;

/// The same where they are what is usual. A crowd that lasts into the next block makes a bet on that block less fair than it
/// looks, so those who count have to be blind before it is made.
const USUAL_CROWDS: f64 = 16.0;

/// What has been seen of a new version, held against one line.
///
/// Two things are kept apart. That it is worse is asked of all blocks since the rollout began: a suspicion of the
/// first stage is not forgotten in the second. That it is good enough is asked anew in each stage: what was fine with
/// little traffic says nothing about much.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    line: Line,
    /// How many requests go bad together at worst, as history has it.
    at_worst: f64,
    /// Whether bets on whole blocks count.
    bets_on_blocks: bool,
    /// How many requests go bad together as a rule, and by now.
    crowds: Crowds,
    against: Side,
    moments: Moments,
    in_favour: Side,
    stage: Stretch,
    rollout: Seen,
    worse: Recent,
    good: Recent,
    wellbeing: Wellbeing,
    /// What part of stable's requests was bad in the last block, if it was unwell in it.
    beside: Option<f64>,
    provisional: Vec<Block>,
}

/// One side of the evidence, and how bad stable is expected to be in the next block.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Side {
    wealth: Wealth,
    stable: Share,
    counted: Counted,
    /// The bet on the last block, if there was one.
    last: Option<Bet>,
}

/// What settled in this stage.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Stretch {
    canary: Counts,
    stable: Counts,
    blocks: u32,
    time: Duration,
}

/// What settled since the version began to look worse than it may be, or good enough: where the score of a cumulative sum
/// last rose from nothing. It only tells people what a verdict stands on.
/// (Page's test, <https://en.wikipedia.org/wiki/CUSUM>.)
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Recent {
    score: f64,
    since: Option<Timestamp>,
    canary: Counts,
    stable: Counts,
}

/// What settled since the rollout began.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Seen {
    blocks: u32,
    bad: f64,
}

impl Evidence {
    /// Nothing seen yet of the new version; of stable, the `baseline`.
    #[must_use]
    pub fn new(line: Line, baseline: &Baseline) -> Self {
        let side = |wealth, counted| Side { wealth, stable: baseline.counts.share(counted), counted, last: None };
        Self {
            line,
            at_worst: baseline.at_worst,
            bets_on_blocks: baseline.at_worst > CROWDS.max(2.0 * baseline.overdispersion)
                || baseline.at_worst > USUAL_CROWDS,
            crowds: Crowds::new(&baseline.blocks, baseline.overdispersion, baseline.known),
            against: side(Wealth::against(), Counted::Certain),
            moments: Moments::new(baseline.usual),
            in_favour: side(Wealth::in_favour(), Counted::Possible),
            stage: Stretch::default(),
            rollout: Seen::default(),
            worse: Recent::default(),
            good: Recent::default(),
            wellbeing: Wellbeing::new(&line, baseline),
            beside: None,
            provisional: Vec::new(),
        }
    }

    /// Another stage begins: `next` has its line, and history counted by its measure. What speaks against the version
    /// is kept, and what was learned of crowds.
    #[must_use]
    pub fn entering(&self, next: &Self) -> Self {
        let against = Side { wealth: self.against.wealth, last: self.against.last, ..next.against };
        let moments = self.moments.entering(next.moments);
        let crowds = self.crowds.clone();
        let wellbeing = self.wellbeing.entering(next.wellbeing);
        let (rollout, worse, beside) = (self.rollout, self.worse, self.beside);
        Self { crowds, against, moments, rollout, worse, wellbeing, beside, ..next.clone() }
    }

    /// Adds a block that no later scrape can change.
    pub fn settle(&mut self, block: &Block) {
        self.bet_against(block);
        self.stage.time += Duration::try_from(block.end.duration_since(block.start)).unwrap_or_default();
        self.stage.stable = self.stage.stable.plus(block.stable);
        let gained = self.in_favour.settle(&self.line, self.crowds.size(), block, None);
        self.good.add(gained[MOST_CAUTIOUS_BETTER], block);
        if block.canary.total > 0.0 {
            self.stage.canary = self.stage.canary.plus(block.canary);
            self.stage.blocks += 1;
        }
        self.learn(block);
    }

    /// Adds such a block of a time in which the stage's weight was not in force: it is no evidence for the version.
    pub fn settle_against(&mut self, block: &Block) {
        self.bet_against(block);
        self.learn(block);
    }

    fn bet_against(&mut self, block: &Block) {
        self.provisional.clear();
        self.wellbeing.settle(block);
        let line = self.line_against(block);
        let unwell = self.wellbeing.unwell_in(block);
        self.against.review(unwell);
        let gained = self.against.settle(&line, self.at_worst, block, self.beside);
        self.beside = unwell;
        self.moments.settle(&line, block);
        self.worse.add(gained[MOST_CAUTIOUS_WORSE], block);
        if block.canary.total > 0.0 {
            self.rollout.blocks += 1;
            self.rollout.bad += block.canary.bad;
        }
    }

    fn learn(&mut self, block: &Block) {
        let [canary, stable] = [block.canary, block.stable].map(|counts| counts.share(Counted::Possible));
        self.crowds.settle(canary, stable);
    }

    /// The newest samples, which later scrapes may still add to, in blocks that follow one another. Only a failure looks at
    /// them.
    pub fn set_provisional(&mut self, blocks: impl IntoIterator<Item = Block>) {
        self.provisional = blocks.into_iter().filter(|block| !block.is_empty()).collect();
    }

    /// The newest samples as one block.
    fn newest(&self) -> Option<Block> {
        self.provisional.iter().copied().reduce(Block::followed_by)
    }

    /// The line that it is held against.
    #[must_use]
    pub fn line(&self) -> &Line {
        &self.line
    }

    /// How many requests go bad together as a rule, as far as is known by now.
    #[must_use]
    pub fn overdispersion(&self) -> f64 {
        self.crowds.size()
    }

    /// Whether requests go bad in such crowds that nothing can pass by counting them.
    #[must_use]
    pub fn is_unsuitable(&self) -> bool {
        self.crowds.size() > UNSUITABLE
    }

    /// The logarithm of how much speaks for the version being worse than the line allows.
    #[must_use]
    pub fn against(&self) -> f64 {
        let (mut requests, mut moments, mut beside) = (self.against, self.moments, self.beside);
        let mut most = f64::NEG_INFINITY;
        for block in &self.provisional {
            let unwell = self.wellbeing.unwell_in(block);
            requests.review(unwell);
            most = most.max(self.worth(&requests, &moments));
            let line = self.line_against(block);
            requests.settle(&line, self.at_worst, block, beside);
            moments.settle(&line, block);
            beside = unwell;
        }
        most.max(self.worth(&requests, &moments))
    }

    /// How unwell stable itself is, with the newest samples.
    pub(super) fn unwell(&self) -> Option<Unwell> {
        self.wellbeing.unwell(self.newest().as_ref())
    }

    /// How unwell stable was when it lost its requests.
    pub(super) fn left_unwell(&self) -> Option<Unwell> {
        self.wellbeing.left_unwell()
    }

    /// What a failure in this block goes by.
    fn line_against(&self, block: &Block) -> Line {
        self.wellbeing.line_beside(&self.line, self.against.stable.expected(), block)
    }

    /// What the bets on requests and on blocks are worth together. Which of them count was decided by history, before the
    /// first bet.
    fn worth(&self, requests: &Side, moments: &Moments) -> f64 {
        let requests = requests.wealth.log();
        if self.bets_on_blocks { log_mean_exp(&[requests, moments.log()]) } else { requests }
    }

    /// The logarithm of how much speaks for the version keeping to the line in this stage. Settled blocks alone.
    #[must_use]
    pub fn in_favour(&self) -> f64 {
        self.in_favour.wealth.log()
    }

    /// Whether there is enough of it for a failure, whatever it says.
    #[must_use]
    pub fn can_fail(&self) -> bool {
        let newest = self.newest().map(|block| block.canary).unwrap_or_default();
        let blocks = self.rollout.blocks + u32::from(newest.total > 0.0);
        blocks >= BLOCKS_TO_FAIL || self.rollout.bad + newest.bad >= ERRORS_TO_FAIL
    }

    /// How many more blocks a pass needs, whatever they say.
    #[must_use]
    pub fn blocks_to_pass(&self) -> u32 {
        BLOCKS_TO_PASS.saturating_sub(self.stage.blocks)
    }

    /// What settled blocks of this stage say of the canary and of stable.
    #[must_use]
    pub fn settled_counts(&self) -> (Counts, Counts) {
        (self.stage.canary, self.stage.stable)
    }

    /// The same with the newest samples.
    #[must_use]
    pub fn all_counts(&self) -> (Counts, Counts) {
        let (canary, stable) = self.settled_counts();
        let newest = self.newest().map(|block| (block.canary, block.stable)).unwrap_or_default();
        (canary.plus(newest.0), stable.plus(newest.1))
    }

    /// The requests since the version began to look worse than it may be, with the newest samples, and since when
    /// that is.
    #[must_use]
    pub fn since_worse(&self) -> (Option<Timestamp>, Counts, Counts) {
        let (mut worse, mut side, mut beside) = (self.worse, self.against, self.beside);
        for block in &self.provisional {
            let line = self.line_against(block);
            worse.add(side.settle(&line, self.at_worst, block, beside)[MOST_CAUTIOUS_WORSE], block);
            beside = self.wellbeing.unwell_in(block);
        }
        (worse.since, worse.canary, worse.stable)
    }

    /// Since when it looks worse than it may be, by settled blocks; nothing where it does not.
    #[must_use]
    pub fn suspected_since(&self) -> Option<Timestamp> {
        self.worse.since.filter(|_| self.worse.score > 0.0)
    }

    /// What part of the requests since then may be bad, beside those of stable meanwhile.
    #[must_use]
    pub fn limit_of_worse(&self) -> f64 {
        let (_, _, stable) = self.since_worse();
        let beside = (stable.total > 0.0).then(|| stable.bad / stable.total);
        self.line.limit(beside.unwrap_or(self.against.stable.expected()))
    }

    /// The requests of this stage since the version began to look as good as it has to be, and since when that is. Settled
    /// blocks alone.
    #[must_use]
    pub fn since_good(&self) -> (Option<Timestamp>, Counts, Counts) {
        (self.good.since, self.good.canary, self.good.stable)
    }

    /// Whether that is no mere chance: the most cautious bet alone gained so much since then.
    pub(super) fn became_good(&self, gained: f64) -> bool {
        self.good.score >= gained
    }

    /// Over how long the settled counts of this stage were made.
    #[must_use]
    pub fn time(&self) -> Duration {
        self.stage.time
    }

    /// How many settled blocks this stage has.
    #[must_use]
    pub fn blocks(&self) -> u32 {
        self.stage.blocks
    }

    /// Where the bets in favour stand, and what more blocks with such counts would bring.
    pub(super) fn prospect(&self, canary: Share, stable: Share) -> Way {
        let side = &self.in_favour;
        let line = side.line_beside(&self.line, stable).unwrap_or(self.line);
        let (multipliers, expected) = (side.wealth.multipliers(), side.stable.expected());
        let [canary, stable] = [canary, stable].map(|share| share.divided(self.crowds.size()));
        let (gains, chance) = line.prospect(multipliers, expected, canary, stable);
        Way { arms: side.wealth.arms(), gains, chance }
    }

    /// What part of stable's requests is expected to be bad.
    pub(super) fn expected_of_stable(&self) -> f64 {
        self.in_favour.stable.expected()
    }
}

impl Side {
    /// Bets on a block, and learns from it how bad stable is, which was as bad as `beside` in the block before if it was
    /// unwell there. Returns what each arm gained.
    fn settle(&mut self, line: &Line, overdispersion: f64, block: &Block, beside: Option<f64>) -> Arms {
        let [canary, stable] = [block.canary, block.stable].map(|counts| counts.share(self.counted));
        let mut gained = Arms::default();
        self.last = None;
        // Nothing asked, nothing answered: that is no block, and not one without errors.
        if canary.total > 0.0
            && let Some(line) = self.line_beside(line, stable)
        {
            let [canary, stable] = [canary, stable].map(|share| share.divided(overdispersion));
            let bet = Bet::on(&self.wealth, line, self.stable.expected(), (canary, stable), beside);
            gained = bet.gained();
            self.wealth.take(gained);
            self.last = Some(bet);
        }
        self.stable = self.stable.plus(stable);
        gained
    }

    /// The bet on the last block again, beside a stable version that was so bad in the next one.
    fn review(&mut self, unwell: Option<f64>) {
        if let Some((bet, part)) = self.last.as_mut().zip(unwell) {
            let wealth = &mut self.wealth;
            wealth.add(bet.review(wealth.multipliers(), part));
        }
    }
}

impl Side {
    /// What a block with such requests of stable is held against. With all traffic on the canary there is nothing to
    /// compare it with but what stable was like: the limit is then a fixed one.
    fn line_beside(&self, line: &Line, stable: Share) -> Option<Line> {
        if line.ratio == 0.0 {
            Some(*line)
        } else if self.stable.total < STABLE_TO_COMPARE {
            None
        } else if stable.total > 0.0 {
            Some(*line)
        } else {
            Some(Line::fixed(line.limit(self.stable.expected())))
        }
    }
}

impl Recent {
    /// A block of which the most cautious bet gained so much.
    fn add(&mut self, gained: f64, block: &Block) {
        if self.score <= 0.0 {
            *self = Self { since: Some(block.start), ..Self::default() };
        }
        self.score += gained;
        self.canary = self.canary.plus(block.canary);
        self.stable = self.stable.plus(block.stable);
    }
}

#[cfg(test)]
mod tests;
