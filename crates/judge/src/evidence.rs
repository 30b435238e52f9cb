//! What has been seen of a new version, held against one line.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    arms::{Arms, MOST_CAUTIOUS_BETTER, MOST_CAUTIOUS_WORSE, log_mean_exp},
    baseline::Baseline,
    block::{Block, Counted, Counts},
    crowds::Crowds,
    line::{Line, Share},
    moments::Moments,
    outlook::Way,
    recent::Recent,
    skew::{Bet, Held, is_control},
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

/// A stable version that keeps a control's requests alone is taken to be no better than so much of what it was with its traffic.
const NO_BETTER: f64 = 0.8;

/// Beyond such crowds people are told of them.
const LARGE_CROWDS: f64 = 50.0;

/// A block weighs so much less than the next one in what stable was like when it lost its traffic: half after a minute, where
/// a block is ten seconds long.
const FORGOTTEN: f64 = 1.12;

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
    /// Whether bets on whole blocks count.
    bets_on_blocks: bool,
    /// How many requests go bad together.
    crowds: Crowds,
    against: Side,
    moments: Moments,
    in_favour: Side,
    /// The same, where a control is all that is left of stable, by what stable was like with its traffic; nothing where nothing
    /// is compared.
    in_favour_by_past: Option<Wealth>,
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
    /// Its last requests before it was left with few of them, or none; older ones weigh less.
    recent: Share,
    /// Whether it had any in the last block.
    had_requests: bool,
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
        let side = |wealth, counted| Side {
            wealth,
            stable: baseline.counts.share(counted),
            recent: Share::default(),
            had_requests: false,
            counted,
            last: None,
        };
        Self {
            line,
            bets_on_blocks: baseline.at_worst > CROWDS.max(2.0 * baseline.overdispersion)
                || baseline.at_worst > USUAL_CROWDS,
            crowds: Crowds::new(baseline, line.ratio > 0.0),
            against: side(Wealth::against(), Counted::Certain),
            moments: Moments::new(baseline.usual),
            in_favour: side(Wealth::in_favour(), Counted::Possible),
            in_favour_by_past: (line.ratio > 0.0).then(Wealth::in_favour),
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
        let Side { wealth, recent, had_requests, last, .. } = self.against;
        let against = Side { wealth, recent, had_requests, last, ..next.against };
        let moments = self.moments.entering(next.moments);
        let crowds = self.crowds.clone();
        let wellbeing = self.wellbeing.entering(next.wellbeing);
        let (rollout, worse, beside) = (self.rollout, self.worse, self.beside);
        Self { crowds, against, moments, rollout, worse, wellbeing, beside, ..next.clone() }
    }

    /// Adds a block that no later scrape can change.
    pub fn settle(&mut self, block: &Block) {
        self.bet_against(block);
        let by_past = self.line_by_past(block.canary.total, block.stable.total);
        let gained = self.bet_in_favour(by_past, block);
        self.good.add(gained[MOST_CAUTIOUS_BETTER], block);
        self.stage.time += Duration::try_from(block.end.duration_since(block.start)).unwrap_or_default();
        self.stage.stable = self.stage.stable.plus(block.stable);
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

    /// What is gained by comparing, if anything is bet.
    fn bet_in_favour(&mut self, by_past: Option<Line>, block: &Block) -> Arms {
        let held = self.held(self.line, Crowds::size, block);
        let canary = block.canary.share(self.in_favour.counted).divided(self.crowds.size(false));
        let gained = self.in_favour.settle(held, block);
        if let Some(wealth) = self.in_favour_by_past.as_mut().filter(|_| self.in_favour.last.is_some()) {
            let alone = by_past.map(|line| line.gains(wealth.multipliers(), 0.0, canary, Share::default()));
            wealth.take(alone.unwrap_or(gained));
        }
        gained
    }

    /// What a version with nearly all requests keeps if it is no worse than stable was when it had them, and somewhat better
    /// than it had to be. A control of one request a second takes an hour to say the same. Nothing where it certainly
    /// contradicts, and stable is better by now.
    fn line_by_past(&self, canary: f64, stable: f64) -> Option<Line> {
        let is_control = self.line.ratio > 0.0 && stable > 0.0 && is_control(canary, stable);
        (is_control && !self.is_stable_better()).then(|| Line::fixed(self.line.limit(self.stable_at_least())))
    }

    /// What part of stable's requests is taken to be bad now at least.
    fn stable_at_least(&self) -> f64 {
        self.in_favour.stable.expected() * NO_BETTER
    }

    /// Whether fewer of them certainly are in this stage.
    fn is_stable_better(&self) -> bool {
        self.stage.stable.share(self.in_favour.counted).is_certainly_below(self.stable_at_least())
    }

    fn bet_against(&mut self, block: &Block) {
        self.provisional.clear();
        self.wellbeing.settle(block);
        let unwell = self.wellbeing.unwell_in(block);
        self.against.review(unwell);
        let gained = self.against.settle(self.held_against(&self.against, block, self.beside), block);
        self.beside = unwell;
        self.moments.settle(&self.line_against(block), block);
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
        self.crowds.size(self.is_compared(self.all_counts().1))
    }

    /// Whether a block with such requests of stable is held against those: what befalls both versions is no crowd there.
    fn is_compared(&self, stable: Counts) -> bool {
        self.line.ratio > 0.0 && stable.total > 0.0
    }

    /// What a failure goes by in a block, with what is known of stable by this `side`, which was so bad in the block before.
    ///
    /// The few requests that stable keeps in the last stage meet no overload, and no pod that is asked too much: who is
    /// compared with them alone may look worse than stable was with all of them.
    fn held_against(&self, side: &Side, block: &Block, beside: Option<f64>) -> Held {
        let held = self.held(self.line_against(block), Crowds::at_worst, block);
        if !self.is_compared(block.stable) || !is_control(block.canary.total, block.stable.total) {
            return Held { beside, ..held };
        }
        let crowd = self.crowds.at_worst(false).max(held.crowd);
        let by_itself = Some((Line::fixed(held.line.limit(side.left_at())), crowd));
        Held { beside, by_itself, crowd, crowd_of_gains: crowd, ..held }
    }

    /// In a moment in which both versions may suffer from the same, nothing is won beyond what it would be if nothing were
    /// compared.
    fn held(&self, line: Line, crowd: fn(&Crowds, bool) -> f64, block: &Block) -> Held {
        let alone = crowd(&self.crowds, false);
        let compared = if self.is_compared(block.stable) { crowd(&self.crowds, true) } else { alone };
        let may_be_shared = self.crowds.may_be_shared(block.stable.share(Counted::Certain));
        let crowd_of_gains = if may_be_shared { alone.max(compared) } else { compared };
        Held { line, crowd: compared, crowd_of_gains, by_itself: None, beside: None }
    }

    /// Whether requests seem to go bad in such crowds that counting them says little, and somebody should have a look.
    pub(super) fn is_overdispersed(&self) -> bool {
        self.overdispersion() > LARGE_CROWDS
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
            requests.settle(self.held_against(&requests, block, beside), block);
            moments.settle(&self.line_against(block), block);
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
        let compared = self.in_favour.wealth.log();
        let by_past = self.in_favour_by_past.filter(|_| !self.is_stable_better());
        by_past.map_or(compared, |by_past| log_mean_exp(&[compared, by_past.log()]))
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
            worse.add(side.settle(self.held_against(&side, block, beside), block)[MOST_CAUTIOUS_WORSE], block);
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

    /// Where the bets in favour stand, and what more blocks with such counts would bring: whichever gets there first counts.
    pub(super) fn prospects(&self, canary: Share, stable: Share) -> impl Iterator<Item = Way> {
        let compared = self.prospect(canary, stable);
        let by_past = self.in_favour_by_past.zip(self.line_by_past(canary.total, stable.total));
        let alone = by_past.map(|(wealth, line)| {
            let canary = canary.divided(self.crowds.size(false));
            let (gains, chance) = line.prospect(wealth.multipliers(), 0.0, canary, Share::default());
            Way { arms: wealth.arms(), gains, chance }
        });
        [Some(compared), alone].into_iter().flatten()
    }

    fn prospect(&self, canary: Share, stable: Share) -> Way {
        let side = &self.in_favour;
        let line = side.line_beside(&self.line, stable).unwrap_or(self.line);
        let (multipliers, expected) = (side.wealth.multipliers(), side.stable.expected());
        let crowd = self.overdispersion();
        let [canary, stable] = [canary, stable].map(|share| share.divided(crowd));
        let (gains, chance) = line.prospect(multipliers, expected, canary, stable);
        Way { arms: side.wealth.arms(), gains, chance }
    }

    /// What part of stable's requests is expected to be bad.
    pub(super) fn expected_of_stable(&self) -> f64 {
        self.in_favour.stable.expected()
    }
}

impl Side {
    /// Bets on a block that is held against that, and learns from it how bad stable is. Returns what each arm gained.
    fn settle(&mut self, held: Held, block: &Block) -> Arms {
        let [canary, stable] = [block.canary, block.stable].map(|counts| counts.share(self.counted));
        let mut gained = Arms::default();
        self.last = None;
        // Nothing asked, nothing answered: that is no block, and not one without errors.
        if canary.total > 0.0
            && let Some(line) = self.line_beside(&held.line, stable)
        {
            let bet = Bet::on(&self.wealth, Held { line, ..held }, self.stable.expected(), (canary, stable));
            gained = bet.gained();
            self.wealth.take(gained);
            self.last = Some(bet);
        }
        self.stable = self.stable.plus(stable);
        self.had_requests = stable.total > 0.0;
        if !is_control(canary.total, stable.total) {
            self.recent = self.recent.divided(FORGOTTEN).plus(stable);
        }
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
    /// compare it with but what stable was like: the limit is then a fixed one. One block in which a control was asked nothing
    /// is no such time.
    fn line_beside(&self, line: &Line, stable: Share) -> Option<Line> {
        let is_gap = self.had_requests && stable.total <= 0.0;
        if line.ratio == 0.0 {
            Some(*line)
        } else if self.stable.total < STABLE_TO_COMPARE || is_gap {
            None
        } else if stable.total > 0.0 {
            Some(*line)
        } else {
            Some(Line::fixed(line.limit(self.left_at())))
        }
    }

    /// What part of its requests was bad when it lost its traffic, if that certainly is more than it was on the whole: whatever
    /// came over both versions does not go away with the requests.
    fn left_at(&self) -> f64 {
        let expected = self.stable.expected();
        let is_worse = self.counted == Counted::Certain && self.recent.is_certainly_above(expected);
        if is_worse { self.recent.bad / self.recent.total } else { expected }
    }
}

#[cfg(test)]
mod tests;
