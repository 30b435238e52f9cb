//! What has been seen of a new version, held against one boundary.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    alternatives::{MOST_CAUTIOUS_BETTER, MOST_CAUTIOUS_WORSE, Mixture, log_mean_exp},
    baseline::Baseline,
    block::{Block, Counted, Counts},
    boundary::Boundary,
    crowds::Crowds,
    e_process::EProcess,
    first_requests::FirstRequests,
    moments::Moments,
    proportion::Proportion,
    recent::Recent,
    reference::{Kept, Reference},
    sample_size::Way,
    side::Side,
    skew::{Held, is_control},
    steadiness::Steadiness,
    unseen::Unseen,
    unwell::{Unwell, Wellbeing},
};

/// A pass needs this many blocks of a stage: one good moment is no stage.
const BLOCKS_TO_PASS: u32 = 3;

/// A failure needs this many blocks, or [`ERRORS_TO_FAIL`].
const BLOCKS_TO_FAIL: u32 = 2;

/// This many bad requests are enough for a failure within one block.
const ERRORS_TO_FAIL: f64 = 3.0;

/// A stable version that keeps a control's requests alone is taken to be no better than so much of what it was with its traffic.
const NO_BETTER: f64 = 0.8;

/// Beyond such crowds people are told of them.
const LARGE_CROWDS: f64 = 50.0;

/// Up to such crowds, counting requests is what shows a failure soonest. Beyond, half of the stake is on whole blocks, where
/// they are not what is usual but a hiccup.
const CROWDS: f64 = 4.0;

/// The same where they are what is usual. A crowd that lasts into the next block makes a bet on that block less fair than it
/// looks, so those who count have to be blind before it is made.
const USUAL_CROWDS: f64 = 16.0;

/// What has been seen of a new version, held against one boundary.
///
/// Two things are kept apart. That it is worse is asked of all blocks since the rollout began: a suspicion of the
/// first stage is not forgotten in the second. That it is good enough is asked anew in each stage: what was fine with
/// little traffic says nothing about much.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    boundary: Boundary,
    /// Whether bets on whole blocks count.
    bets_on_blocks: bool,
    /// How many requests go bad together.
    crowds: Crowds,
    steadiness: Steadiness,
    kept: Kept,
    against: Side,
    moments: Moments,
    in_favour: Side,
    /// The same, where a control is all that is left of stable, by what stable was like with its traffic; nothing where nothing
    /// is compared.
    in_favour_by_past: Option<EProcess>,
    stage: StageTotals,
    rollout: RolloutTotals,
    worse: Recent,
    good: Recent,
    wellbeing: Wellbeing,
    /// The requests that no histogram has.
    unseen: Unseen,
    /// The requests of this stage that a verdict by the plain share goes by, where there is one.
    first: Option<FirstRequests>,
    /// What part of stable's requests was bad in the last block, if it was unwell in it.
    beside: Option<f64>,
    provisional: Vec<Block>,
}

/// What settled in this stage.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct StageTotals {
    canary: Counts,
    stable: Counts,
    blocks: u32,
    time: Duration,
}

/// What settled since the rollout began.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct RolloutTotals {
    blocks: u32,
    bad: f64,
}

impl Evidence {
    /// Nothing seen yet of the new version; of stable, the `baseline`.
    #[must_use]
    pub fn new(boundary: Boundary, baseline: &Baseline) -> Self {
        Self {
            boundary,
            bets_on_blocks: baseline.at_worst > CROWDS.max(2.0 * baseline.overdispersion)
                || baseline.at_worst > USUAL_CROWDS,
            crowds: Crowds::new(baseline, boundary.ratio > 0.0),
            steadiness: Steadiness::of(&baseline.blocks, baseline.overdispersion),
            kept: Kept::default(),
            against: Side::new(EProcess::against(), Counted::Certain, baseline.counts),
            moments: Moments::new(baseline.usual),
            in_favour: Side::new(EProcess::in_favour(), Counted::Possible, baseline.counts),
            in_favour_by_past: (boundary.ratio > 0.0).then(EProcess::in_favour),
            stage: StageTotals::default(),
            rollout: RolloutTotals::default(),
            worse: Recent::default(),
            good: Recent::default(),
            wellbeing: Wellbeing::new(&boundary, baseline),
            unseen: Unseen::default(),
            first: None,
            beside: None,
            provisional: Vec::new(),
        }
    }

    /// In a stage in which the new version gets `weight` of the traffic, as a part of one. Who is not told takes it for all.
    #[must_use]
    pub fn at_weight(self, weight: f64) -> Self {
        Self { kept: Kept::beside(weight), ..self }
    }

    /// With a verdict by the plain share of so many requests in a stage, if `requests` says so.
    #[must_use]
    pub fn with_first(self, requests: Option<f64>) -> Self {
        Self { first: requests.map(FirstRequests::new), ..self }
    }

    /// Another stage begins: `next` has its boundary, and history counted by its measure. What speaks against the version
    /// is kept, and what was learned of crowds.
    #[must_use]
    pub fn entering(&self, next: &Self) -> Self {
        let (against, kept) = (self.against.entering(next.against), self.kept.entering(next.kept));
        let moments = self.moments.entering(next.moments);
        let (crowds, steadiness) = (self.crowds.clone(), self.steadiness);
        let wellbeing = self.wellbeing.entering(next.wellbeing);
        let (rollout, worse, beside, unseen) = (self.rollout, self.worse, self.beside, self.unseen);
        Self { crowds, steadiness, kept, against, moments, rollout, worse, wellbeing, unseen, beside, ..next.clone() }
    }

    /// The same where what speaks against the version has been answered by giving it less of the traffic: what is worse now
    /// has to show anew. What was learned of crowds is kept.
    #[must_use]
    pub fn entering_judged_anew(&self, next: &Self) -> Self {
        let entered = self.entering(next);
        let (against, moments) = (entered.against.judged_anew(next.against), next.moments);
        Self { against, moments, rollout: RolloutTotals::default(), worse: Recent::default(), ..entered }
    }

    /// Adds a block that no later scrape can change.
    pub fn settle(&mut self, block: &Block) {
        let block = &self.unseen.settle(*block, self.boundary.ratio > 0.0);
        let reference = self.bet_against(block);
        let by_past = self.boundary_by_past(block.canary.total, block.stable.total);
        let gained = self.bet_in_favour(by_past, block, reference);
        self.good.add(gained[MOST_CAUTIOUS_BETTER], block);
        self.stage.time += Duration::try_from(block.end.duration_since(block.start)).unwrap_or_default();
        self.stage.stable = self.stage.stable.plus(block.stable);
        if block.canary.at_most().total > 0.0 {
            self.stage.canary = self.stage.canary.plus(block.canary);
            self.stage.blocks += 1;
        }
        if let Some(first) = &mut self.first {
            first.settle(self.stage.canary, self.stage.stable);
        }
        self.learn(block);
    }

    /// Adds such a block of a time in which the stage's weight was not in force: it is no evidence for the version.
    pub fn settle_against(&mut self, block: &Block) {
        let block = &self.unseen.settle(*block, self.boundary.ratio > 0.0);
        self.bet_against(block);
        self.learn(block);
    }

    /// What is gained by comparing, if anything is bet.
    fn bet_in_favour(&mut self, by_past: Option<Boundary>, block: &Block, reference: Reference) -> Mixture {
        let held = self.held(self.boundary, Crowds::size, block);
        let canary = block.canary.proportion(self.in_favour.counted).divided(self.crowds.size(false));
        let gained = self.in_favour.settle(held, block, reference);
        if let Some(wealth) = self.in_favour_by_past.as_mut().filter(|_| self.in_favour.has_bet()) {
            let alone =
                by_past.map(|boundary| boundary.gains(wealth.multipliers(), 0.0, canary, Proportion::default()));
            wealth.take(alone.unwrap_or(gained));
        }
        gained
    }

    /// What a version with nearly all requests keeps if it is no worse than stable was when it had them, and somewhat better
    /// than it had to be. A control of one request a second takes an hour to say the same. Nothing where stable is not what it
    /// was: it changed before, or the control certainly contradicts.
    fn boundary_by_past(&self, canary: f64, stable: f64) -> Option<Boundary> {
        let is_control = self.boundary.ratio > 0.0 && stable > 0.0 && is_control(canary, stable);
        (is_control && !self.has_stable_changed()).then(|| Boundary::fixed(self.boundary.limit(self.stable_at_least())))
    }

    /// What part of stable's requests is taken to be bad now at least.
    fn stable_at_least(&self) -> f64 {
        self.in_favour.stable.expected() * NO_BETTER
    }

    /// Whether it was not as bad all the time, or certainly is better than that in this stage.
    fn has_stable_changed(&self) -> bool {
        let in_stage = self.stage.stable.proportion(self.in_favour.counted);
        !self.steadiness.is_steady() || in_stage.is_certainly_below(self.stable_at_least())
    }

    fn bet_against(&mut self, block: &Block) -> Reference {
        let reference = self.kept.take(block);
        self.provisional.clear();
        self.wellbeing.settle(block, reference);
        let unwell = self.wellbeing.unwell_in(block);
        self.against.review(unwell);
        let held = self.held_against(&self.against, block, reference, self.beside);
        let gained = self.against.settle(held, block, reference);
        self.beside = unwell;
        self.moments.settle(&self.boundary_against(reference), block);
        self.worse.add(gained[MOST_CAUTIOUS_WORSE], block);
        if block.canary.total > 0.0 {
            self.rollout.blocks += 1;
            self.rollout.bad += block.canary.bad;
        }
        reference
    }

    fn learn(&mut self, block: &Block) {
        let [canary, stable] = [block.canary, block.stable].map(|counts| counts.proportion(Counted::Possible));
        self.crowds.settle(canary, stable);
        self.steadiness.settle(stable);
    }

    /// The newest samples, which later scrapes may still add to, in blocks that follow one another. Only a failure looks at
    /// them, and it knows nothing of what no histogram has.
    pub fn set_provisional(&mut self, blocks: impl IntoIterator<Item = Block>) {
        self.provisional = blocks.into_iter().map(Block::seen).filter(|block| !block.is_empty()).collect();
    }

    /// The newest samples as one block.
    fn newest(&self) -> Option<Block> {
        self.provisional.iter().copied().reduce(Block::followed_by)
    }

    /// The boundary that it is held against.
    #[must_use]
    pub fn boundary(&self) -> &Boundary {
        &self.boundary
    }

    /// How many requests go bad together as a rule, as far as is known by now.
    #[must_use]
    pub fn overdispersion(&self) -> f64 {
        self.crowds.size(self.is_compared(self.all_counts().1))
    }

    /// Whether a block with such requests of stable is held against those: what befalls both versions is no crowd there.
    fn is_compared(&self, stable: Counts) -> bool {
        self.boundary.ratio > 0.0 && stable.total > 0.0
    }

    /// What a failure goes by in a block, with what is known of stable by this `side`, which was so bad in the block before.
    ///
    /// The few requests that stable keeps in the last stage meet no overload, and no pod that is asked too much: who is
    /// compared with them alone may look worse than stable was with all of them.
    fn held_against(&self, side: &Side, block: &Block, reference: Reference, beside: Option<f64>) -> Held {
        let held = self.held(self.boundary_against(reference), Crowds::at_worst, block);
        if !self.is_compared(block.stable) || !is_control(block.canary.total, block.stable.total) {
            return Held { beside, ..held };
        }
        let crowd = self.crowds.at_worst(false).max(held.crowd);
        let by_itself = Some((Boundary::fixed(held.boundary.limit(side.left_at())), crowd));
        Held { beside, by_itself, crowd, crowd_of_gains: crowd, ..held }
    }

    /// In a moment in which both versions may suffer from the same, nothing is won beyond what it would be if nothing were
    /// compared.
    fn held(&self, boundary: Boundary, crowd: fn(&Crowds, bool) -> f64, block: &Block) -> Held {
        let alone = crowd(&self.crowds, false);
        let compared = if self.is_compared(block.stable) { crowd(&self.crowds, true) } else { alone };
        let may_be_shared = self.crowds.may_be_shared(block.stable.proportion(Counted::Certain));
        let crowd_of_gains = if may_be_shared { alone.max(compared) } else { compared };
        Held { boundary, crowd: compared, crowd_of_gains, by_itself: None, beside: None }
    }

    /// Whether requests seem to go bad in such crowds that counting them says little, and somebody should have a look.
    pub(super) fn is_overdispersed(&self) -> bool {
        self.overdispersion() > LARGE_CROWDS
    }

    /// The logarithm of how much speaks for the version being worse than the boundary allows.
    #[must_use]
    pub fn against(&self) -> f64 {
        let (mut kept, mut requests, mut moments, mut beside) = (self.kept, self.against, self.moments, self.beside);
        let mut most = f64::NEG_INFINITY;
        for block in &self.provisional {
            let (reference, unwell) = (kept.take(block), self.wellbeing.unwell_in(block));
            requests.review(unwell);
            most = most.max(self.worth(&requests, &moments));
            requests.settle(self.held_against(&requests, block, reference, beside), block, reference);
            moments.settle(&self.boundary_against(reference), block);
            beside = unwell;
        }
        most.max(self.worth(&requests, &moments))
    }

    /// How unwell stable itself is, with the newest samples.
    pub(super) fn unwell(&self) -> Option<Unwell> {
        let (mut kept, newest) = (self.kept, self.newest());
        self.wellbeing.unwell(newest.as_ref().map(|newest| (newest, kept.take(newest))))
    }

    /// How unwell stable was when it lost its requests.
    pub(super) fn left_unwell(&self) -> Option<Unwell> {
        self.wellbeing.left_unwell()
    }

    /// What a failure goes by in a block with such a reference.
    fn boundary_against(&self, reference: Reference) -> Boundary {
        self.wellbeing.boundary_beside(&self.boundary, self.against.stable.expected(), reference)
    }

    /// What the bets on requests and on blocks are worth together. Which of them count was decided by history, before the
    /// first bet.
    fn worth(&self, requests: &Side, moments: &Moments) -> f64 {
        let requests = requests.wealth.log();
        if self.bets_on_blocks { log_mean_exp(&[requests, moments.log()]) } else { requests }
    }

    /// The logarithm of how much speaks for the version keeping to the boundary in this stage. Settled blocks alone.
    #[must_use]
    pub fn in_favour(&self) -> f64 {
        let compared = self.in_favour.wealth.log();
        let by_past = self.in_favour_by_past.filter(|_| !self.has_stable_changed());
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

    /// The first requests of this stage, of the canary and of stable meanwhile, once there are as many as were asked for.
    pub(super) fn first_counts(&self) -> Option<(Counts, Counts)> {
        self.first.and_then(FirstRequests::counts)
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
        let (mut kept, mut worse, mut side, mut beside) = (self.kept, self.worse, self.against, self.beside);
        for block in &self.provisional {
            let reference = kept.take(block);
            let held = self.held_against(&side, block, reference, beside);
            worse.add(side.settle(held, block, reference)[MOST_CAUTIOUS_WORSE], block);
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
        self.boundary.limit(beside.unwrap_or(self.against.stable.expected()))
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
    pub(super) fn prospects(&self, canary: Proportion, stable: Proportion) -> impl Iterator<Item = Way> {
        let compared = self.in_favour.prospect(&self.boundary, self.overdispersion(), canary, stable);
        let by_past = self.in_favour_by_past.zip(self.boundary_by_past(canary.total, stable.total));
        let alone = by_past.map(|(wealth, boundary)| {
            let canary = canary.divided(self.crowds.size(false));
            let (gains, chance) = boundary.prospect(wealth.multipliers(), 0.0, canary, Proportion::default());
            Way { values: wealth.values(), gains, chance }
        });
        [Some(compared), alone].into_iter().flatten()
    }

    /// What part of stable's requests is expected to be bad.
    pub(super) fn expected_of_stable(&self) -> f64 {
        self.in_favour.stable.expected()
    }
}

#[cfg(test)]
mod tests;
