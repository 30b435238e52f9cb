//! How many requests go bad together: one lost connection can fail five.
//!
//! Counts are divided by it, so that a crowd of errors with one cause counts as about one. It is the variance of what is
//! counted over the variance that chance alone has. The usual estimate of it, Pearson's χ², goes by how far each block is
//! from the mean of all: there any change of level, an incident an hour ago or a night, looks like a crowd, and the larger,
//! the longer it lasts. So blocks are held against their neighbours instead, which have the same level but for the moments
//! in which it changes (successive differences: von Neumann, <https://doi.org/10.1214/aoms/1177731677>), and the sum of
//! what they differ by is divided by the sum of what chance would make them differ by: a ratio of sums, so that a block
//! without an error weighs nothing.

use std::ops::Range;

use super::line::Share;

/// How many blocks it takes to learn from.
pub const ENOUGH_HISTORY: usize = 60;

/// So many of the newest blocks are learned from: twenty minutes, if a block is ten seconds long.
const LEARNED_FROM: usize = 120;

/// What the new version's own requests say is believed from so many bad ones on.
const ENOUGH_BAD: f64 = 20.0;

/// Blocks are held against so many of those after them: a crowd may last half a minute, and is seen whole where a block is
/// ten seconds long.
const NEIGHBOURS: usize = 3;

/// What is assumed of a service that has too little history.
const UNKNOWN: f64 = 2.0;

/// Crowds are taken for so many times as large as they were: history is never quite like what comes. Requests that go
/// bad one by one are no crowd, and need no margin.
const MARGIN: f64 = 1.25;

/// So many stretches of [`STRETCH`] blocks may have been something else than what is usual: a hiccup of half a minute, or
/// the beginning and the end of an incident.
const OUTLIERS: usize = 2;

/// What a change touches that is over in a moment: pods are scraped one after another, and it lies between two scrapes of
/// each.
const STRETCH: usize = 4;

/// Stretches are left out if without them crowds are smaller than by this. A service whose every twentieth block has a
/// crowd keeps all of them.
const OUTLYING: f64 = 2.0;

/// At least this many go bad together where something was left out.
const LEAST: f64 = 2.0;

/// How many requests go bad together in `blocks`, which follow one another, with a margin. At least 1.
pub(super) fn in_all(blocks: &[Share]) -> f64 {
    if !is_enough(blocks) {
        return UNKNOWN;
    }
    with_margin(blocks, Differences::of(&differences(blocks), &[]).beyond_chance())
}

/// The same without the few moments that were unlike all others.
pub(super) fn as_a_rule(blocks: &[Share]) -> f64 {
    as_a_rule_by(blocks, &differences(blocks))
}

/// The same where the `differences` of each block from its neighbours are known.
fn as_a_rule_by(blocks: &[Share], differences: &[Neighbours]) -> f64 {
    if !is_enough(blocks) {
        return UNKNOWN;
    }
    let all = Differences::of(differences, &[]).beyond_chance();
    if all > LEAST {
        let mut left_out = Vec::new();
        for _ in 0..OUTLIERS {
            left_out.extend(worst(differences, &left_out));
        }
        let rest = Differences::of(differences, &left_out).beyond_chance();
        if all > OUTLYING * rest {
            return with_margin(blocks, rest).max(LEAST);
        }
    }
    with_margin(blocks, all)
}

fn is_enough(blocks: &[Share]) -> bool {
    blocks.iter().filter(|block| block.total > 0.0).count() >= ENOUGH_HISTORY
}

/// Who has seen only a few crowds does not know how large they are: the margin is wider by their standard error, of which
/// differences have half as much variance again as χ² has.
fn with_margin(blocks: &[Share], seen: f64) -> f64 {
    let bad: f64 = blocks.iter().map(|block| block.bad).sum();
    let crowds = (bad / seen).max(1.0);
    1.0 + (MARGIN + (1.5 / crowds).sqrt()) * (seen - 1.0)
}

/// By how much blocks differ from their neighbours, squared, and by how much chance would make them differ.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Differences {
    seen: f64,
    chance: f64,
}

impl Differences {
    /// Of all pairs of neighbours but those of which one is in a stretch that begins at `left_out`.
    fn of(differences: &[Neighbours], left_out: &[usize]) -> Self {
        pairs(differences, left_out).fold(Self::default(), |sum, (_, of_pair)| sum.plus(of_pair))
    }

    /// Each in units in which it does not depend on how many requests there were.
    fn between(one: Share, other: Share) -> Self {
        if one.total <= 0.0 || other.total <= 0.0 {
            return Self::default();
        }
        let both = one.plus(other);
        let rate = both.bad / both.total;
        let differs = (one.bad / one.total - other.bad / other.total).powi(2);
        Self { seen: differs / (one.total.recip() + other.total.recip()), chance: rate * (1.0 - rate) }
    }

    fn plus(self, other: Self) -> Self {
        Self { seen: self.seen + other.seen, chance: self.chance + other.chance }
    }

    /// How many times the variance of chance that is; at least 1. Where all were good, or all bad, nothing differs.
    fn beyond_chance(self) -> f64 {
        if self.chance > f64::EPSILON { (self.seen / self.chance).max(1.0) } else { 1.0 }
    }
}

/// By how much a block differs from each of those before it, the next before it first; nothing where there is none.
type Neighbours = [Differences; NEIGHBOURS];

/// Of each of `blocks`.
fn differences(blocks: &[Share]) -> Vec<Neighbours> {
    (0..blocks.len()).map(|place| from_those_before(blocks, place)).collect()
}

fn from_those_before(blocks: &[Share], place: usize) -> Neighbours {
    let mut differences = Neighbours::default();
    for (back, difference) in (1..).zip(&mut differences) {
        let before = place.checked_sub(back).and_then(|before| blocks.get(before));
        *difference = before
            .zip(blocks.get(place))
            .map_or(Differences::default(), |(one, other)| Differences::between(*one, *other));
    }
    differences
}

/// The differences of all blocks from those before them, with their places; none in the stretches that begin at `left_out`.
fn pairs<'a>(
    differences: &'a [Neighbours],
    left_out: &'a [usize],
) -> impl Iterator<Item = ([usize; 2], Differences)> + 'a {
    let is_in = |place: &usize| !left_out.iter().any(|first| stretch(*first).contains(place));
    let each = (0..).zip(differences).filter(move |(place, _)| is_in(place));
    each.flat_map(move |(place, of_block)| {
        let before = (1..=place).zip(of_block).map(move |(back, of_pair)| ([place - back, place], *of_pair));
        before.filter(move |([before, _], _)| is_in(before))
    })
}

fn stretch(first: usize) -> Range<usize> {
    first..first + STRETCH
}

/// Where the stretch begins whose blocks differ most from their neighbours, beyond chance.
fn worst(differences: &[Neighbours], left_out: &[usize]) -> Option<usize> {
    let mut beyond = vec![0.0; (differences.len() + 1).saturating_sub(STRETCH)];
    for ([one, other], of_pair) in pairs(differences, left_out) {
        let first = (one + 1).saturating_sub(STRETCH);
        for (first, beyond) in beyond.iter_mut().enumerate().take(other + 1).skip(first) {
            if stretch(first).contains(&one) || stretch(first).contains(&other) {
                *beyond += of_pair.seen - of_pair.chance;
            }
        }
    }
    beyond.iter().enumerate().max_by(|one, other| one.1.total_cmp(other.1)).map(|(first, _)| first)
}

/// How many requests go bad together now, as passing has to reckon with it: learned anew with each block, since an incident
/// of an hour ago is over, and the new version may fail in other crowds than stable does.
///
/// A bet may be of any size as long as it is made before the block that it is on: what a block teaches counts from the next.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Crowds {
    known: Option<f64>,
    stable: Newest,
    canary: Newest,
}

impl Crowds {
    /// As `history` of stable has it, in which so many go bad together; or as `known` to somebody.
    pub(super) fn new(history: &[Share], size: f64, known: Option<f64>) -> Self {
        let answered: Vec<_> = history.iter().copied().filter(|block| block.total > 0.0).collect();
        let blocks: Vec<_> = answered.into_iter().rev().take(LEARNED_FROM).rev().collect();
        let differences = differences(&blocks);
        Self { known, stable: Newest { blocks, differences, size }, canary: Newest::default() }
    }

    /// Learns from a block.
    pub(super) fn settle(&mut self, canary: Share, stable: Share) {
        if self.known.is_none() {
            self.stable.learn(stable);
            self.canary.learn(canary);
        }
    }

    /// How many that are; at least 1.
    pub(super) fn size(&self) -> f64 {
        let own =
            if self.canary.bad() < ENOUGH_BAD || !is_enough(&self.canary.blocks) { 1.0 } else { self.canary.size };
        self.known.unwrap_or_else(|| self.stable.size.max(own))
    }
}

/// The newest blocks of a version with requests.
#[derive(Debug, Clone, PartialEq)]
struct Newest {
    /// In their order.
    blocks: Vec<Share>,
    /// Of each of them: only those of a new one have to be found.
    differences: Vec<Neighbours>,
    size: f64,
}

impl Default for Newest {
    fn default() -> Self {
        Self { blocks: Vec::new(), differences: Vec::new(), size: UNKNOWN }
    }
}

impl Newest {
    fn learn(&mut self, block: Share) {
        if block.total <= 0.0 {
            return;
        }
        if self.blocks.len() >= LEARNED_FROM {
            self.forget_oldest();
        }
        self.blocks.push(block);
        self.differences.push(from_those_before(&self.blocks, self.blocks.len() - 1));
        self.size = as_a_rule_by(&self.blocks, &self.differences);
    }

    /// Those after it differ from it no longer.
    fn forget_oldest(&mut self) {
        self.blocks.remove(0);
        self.differences.remove(0);
        for (place, differences) in self.differences.iter_mut().take(NEIGHBOURS).enumerate() {
            differences.iter_mut().skip(place).for_each(|of_pair| *of_pair = Differences::default());
        }
    }

    fn bad(&self) -> f64 {
        self.blocks.iter().map(|block| block.bad).sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn what_is_learned_block_by_block_is_what_all_of_them_say(
            blocks in prop::collection::vec((0.0..1.0f64, 0u32..400), 1..250),
        ) {
            let mut newest = Newest::default();
            for (part, total) in blocks {
                newest.learn(share((part.powi(4) * f64::from(total)).floor(), f64::from(total)));
                prop_assert_eq!(&newest.differences, &differences(&newest.blocks));
                prop_assert!((newest.size - as_a_rule(&newest.blocks)).abs() < f64::EPSILON);
            }
        }
    }

    /// Of a normal distribution, in an order in which neighbours have nothing in common.
    fn deviate(place: usize) -> f64 {
        [-1.64, -1.04, -0.67, -0.39, -0.13, 0.13, 0.39, 0.67, 1.04, 1.64][place * place * 7 % 101 % 10]
    }

    /// A block with as many bad requests as chance has it when so many of a thousand are expected.
    fn block(place: usize, expected: f64) -> Share {
        share(expected + expected.sqrt() * deviate(place), 1000.0)
    }

    /// Ten of each thousand are bad, and each stands for so many that have one cause in common.
    fn by_chance(blocks: usize, together: f64) -> Vec<Share> {
        (0..blocks).map(|place| block(place, 10.0).divided(together.recip())).collect()
    }

    fn share(bad: f64, total: f64) -> Share {
        Share { bad, total }
    }

    fn with(mut blocks: Vec<Share>, from: usize, count: usize, part: f64) -> Vec<Share> {
        for block in blocks.iter_mut().skip(from).take(count) {
            block.bad = block.total * part;
        }
        blocks
    }

    fn between(low: f64, size: f64, high: f64) {
        assert!((low..=high).contains(&size), "{size}");
    }

    fn crowds(history: &[Share]) -> Crowds {
        Crowds::new(history, as_a_rule(history), None)
    }

    #[test]
    fn errors_that_come_alone_are_no_crowd() {
        between(1.0, in_all(&by_chance(120, 1.0)), 1.5);
        between(1.0, as_a_rule(&by_chance(120, 1.0)), 1.5);
    }

    #[test]
    fn errors_with_a_common_cause_count_as_one() {
        between(10.0, in_all(&by_chance(120, 10.0)), 18.0);
        between(10.0, as_a_rule(&by_chance(120, 10.0)), 18.0);
    }

    #[test]
    fn another_level_is_no_crowd() {
        let blocks: Vec<_> = (0..120).map(|place| block(place, if place < 60 { 10.0 } else { 30.0 })).collect();
        between(1.0, in_all(&blocks), 2.0);
    }

    #[test]
    fn a_rate_that_wanders_twentyfold_within_minutes_is_no_crowd() {
        let expected = |place: f64| 1.0 + 19.0 * (1.0 - (place / 6.0).cos()) / 2.0;
        let blocks: Vec<_> = (0..).take(120).map(|place| block(place, expected(place as f64))).collect();
        between(1.0, as_a_rule(&blocks), 2.5);
    }

    #[test]
    fn a_hiccup_of_whatever_size_is_left_out_of_the_rule_and_not_of_the_worst() {
        for part in [0.1, 0.3, 0.9, 1.0] {
            let blocks = with(by_chance(120, 1.0), 57, 4, part);
            between(2.0, as_a_rule(&blocks), 2.5);
            assert!(in_all(&blocks) > 4.0, "{part}: {}", in_all(&blocks));
        }
    }

    #[test]
    fn an_incident_is_left_out_however_long_it_lasts() {
        for minutes in [2, 5, 8] {
            between(1.0, as_a_rule(&with(by_chance(120, 1.0), 30, 6 * minutes, 0.4)), 2.5);
        }
        between(1.0, as_a_rule(&with(by_chance(120, 1.0), 80, 40, 0.6)), 2.5);
    }

    #[test]
    fn a_service_whose_every_twentieth_block_has_a_crowd_keeps_them() {
        let blocks: Vec<_> = (0..120).map(|place| share(if place % 20 == 0 { 50.0 } else { 0.0 }, 1000.0)).collect();
        assert!(as_a_rule(&blocks) > 30.0, "{}", as_a_rule(&blocks));
    }

    #[test]
    fn too_little_history_is_taken_for_a_moderate_crowd() {
        between(UNKNOWN, as_a_rule(&by_chance(ENOUGH_HISTORY - 1, 1.0)), UNKNOWN);
        between(UNKNOWN, in_all(&vec![Share::default(); 1000]), UNKNOWN);
    }

    #[test]
    fn what_is_long_over_is_forgotten() {
        let mut crowds = crowds(&by_chance(120, 10.0));
        let before = crowds.size();
        for block in by_chance(120, 1.0) {
            crowds.settle(Share::default(), block);
        }
        assert!(before > 10.0 && crowds.size() < 1.5, "{before} {}", crowds.size());
    }

    #[test]
    fn the_new_version_may_fail_in_larger_crowds_than_stable() {
        let mut crowds = crowds(&by_chance(120, 1.0));
        for block in by_chance(60, 10.0) {
            crowds.settle(block, share(10.0, 1000.0));
        }
        assert!(crowds.size() > 8.0, "{}", crowds.size());
    }

    #[test]
    fn what_somebody_knows_better_counts() {
        let mut crowds = Crowds::new(&[], 2.0, Some(7.0));
        for block in by_chance(120, 1.0) {
            crowds.settle(block, block);
        }
        between(7.0, crowds.size(), 7.0);
    }
}
