//! How many requests go bad together: one lost connection can fail five.
//!
//! Counts are divided by it, so that a crowd of errors with one cause counts as about one. It is the variance of what is
//! counted over the variance that chance alone has: over-dispersion. The usual estimate of it, Pearson's χ², goes by how far
//! each block is from the mean of all: there any change of level, an incident an hour ago or a night, looks like a crowd, and
//! the larger, the longer it lasts. So blocks are held against their neighbours instead, which have the same level but for the
//! moments in which it changes (successive differences: von Neumann, <https://doi.org/10.1214/aoms/1177731677>), and the sum of
//! what they differ by is divided by the sum of what chance would make them differ by: a ratio of sums, so that a block
//! without an error weighs nothing.
//!
//! A comparison does not mind what befalls both versions in the same block: overload in bursts is no crowd to it, although a
//! block is then unlike its neighbours. What counts there is by how much the two differ in a block, and how that changes from
//! block to block.

use std::ops::Range;

use super::proportion::Proportion;

/// How many blocks it takes to learn from.
pub const ENOUGH_HISTORY: usize = 60;

/// Blocks are held against so many of those after them: a crowd may last half a minute, and is seen whole where a block is
/// ten seconds long.
const NEIGHBOURS: usize = 3;

/// What is assumed of a service that has too little history.
const TOO_LITTLE_HISTORY: f64 = 2.0;

/// Crowds are taken for so many times as large as they were: history is never quite like what comes. Requests that go
/// bad one by one are no crowd, and need no margin.
const MARGIN: f64 = 1.3;

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

/// One that is never bad, of which everything is known: what requests are held against that are not compared with others.
const NOBODY: Proportion = Proportion { bad: 0.0, total: f64::INFINITY };

/// Requests of a block that are compared with others of the same block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Compared(pub(super) Proportion, pub(super) Proportion);

/// How many requests go bad together, with a margin; at least 1 each.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Size {
    /// Without the few moments that were unlike all others.
    pub(super) as_a_rule: f64,
    /// With those.
    pub(super) at_worst: f64,
}

/// Blocks that follow one another, and by how much each differs from those before it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Blocks {
    blocks: Vec<Compared>,
    differences: Vec<Neighbours>,
}

/// By how much a block differs from each of those before it, the next before it first; nothing where there is none.
type Neighbours = [Differences; NEIGHBOURS];

/// By how much blocks differ from their neighbours, squared, and by how much chance would make them differ.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Differences {
    seen: f64,
    chance: f64,
}

impl Compared {
    /// With nothing: any change of level counts.
    pub(super) fn alone(share: Proportion) -> Self {
        Self(share, NOBODY)
    }

    fn is_answered(self) -> bool {
        self.0.total > 0.0 && self.1.total > 0.0
    }
}

impl Size {
    /// What is assumed of a service that has too little history.
    pub(super) const UNKNOWN: Self = Self { as_a_rule: TOO_LITTLE_HISTORY, at_worst: TOO_LITTLE_HISTORY };

    /// The larger ones of both.
    pub(super) fn or_larger(self, other: Self) -> Self {
        Self { as_a_rule: self.as_a_rule.max(other.as_a_rule), at_worst: self.at_worst.max(other.at_worst) }
    }
}

impl Blocks {
    /// All of `blocks` in which there were requests.
    pub(super) fn of(blocks: impl IntoIterator<Item = Compared>) -> Self {
        let mut all = Self::default();
        for block in blocks {
            all.push(block);
        }
        all
    }

    /// Another one, if there were requests in it; says whether there were.
    pub(super) fn push(&mut self, block: Compared) -> bool {
        let is_answered = block.is_answered();
        if is_answered {
            self.blocks.push(block);
            self.differences.push(from_those_before(&self.blocks, self.blocks.len() - 1));
        }
        is_answered
    }

    /// Keeps so many of the newest: those after a forgotten one differ from it no longer.
    pub(super) fn keep(&mut self, most: usize) {
        while self.blocks.len() > most {
            self.blocks.remove(0);
            self.differences.remove(0);
            for (place, differences) in self.differences.iter_mut().take(NEIGHBOURS).enumerate() {
                differences.iter_mut().skip(place).for_each(|of_pair| *of_pair = Differences::default());
            }
        }
    }

    /// Whether they are enough to learn from.
    pub(super) fn is_enough(&self) -> bool {
        self.blocks.len() >= ENOUGH_HISTORY
    }

    /// How many bad requests tell how much chance there is in what is compared: those of the version that chance moves more
    /// (Satterthwaite, <https://doi.org/10.2307/3002019>).
    pub(super) fn bad(&self) -> f64 {
        let sum = |of: fn(&Compared) -> Proportion| {
            self.blocks.iter().fold(Proportion::default(), |sum, block| sum.plus(of(block)))
        };
        let (one, other) = (sum(|block| block.0), sum(|block| block.1));
        let variance = |share: Proportion| share.bad / share.total.powi(2);
        let over_bad = |share: Proportion| if share.bad > 0.0 { variance(share).powi(2) / share.bad } else { 0.0 };
        let of_both = over_bad(one) + over_bad(other);
        if of_both > 0.0 { (variance(one) + variance(other)).powi(2) / of_both } else { 0.0 }
    }

    /// How many of their requests go bad together.
    pub(super) fn size(&self) -> Size {
        if !self.is_enough() {
            return Size::UNKNOWN;
        }
        let all = Differences::of(&self.differences, &[]).beyond_chance();
        let at_worst = self.with_margin(all);
        if all > LEAST {
            let mut left_out = Vec::new();
            for _ in 0..OUTLIERS {
                left_out.extend(worst(&self.differences, &left_out));
            }
            let rest = Differences::of(&self.differences, &left_out).beyond_chance();
            if all > OUTLYING * rest {
                return Size { as_a_rule: self.with_margin(rest).max(LEAST), at_worst };
            }
        }
        Size { as_a_rule: at_worst, at_worst }
    }

    /// Who has seen only a few crowds does not know how large they are: the margin is wider by their standard error, of which
    /// differences have half as much variance again as χ² has.
    fn with_margin(&self, seen: f64) -> f64 {
        let crowds = (self.bad() / seen).max(1.0);
        1.0 + (MARGIN + (1.5 / crowds).sqrt()) * (seen - 1.0)
    }
}

impl Differences {
    /// Of all pairs of neighbours but those of which one is in a stretch that begins at `left_out`.
    fn of(differences: &[Neighbours], left_out: &[usize]) -> Self {
        pairs(differences, left_out).fold(Self::default(), |sum, (_, of_pair)| sum.plus(of_pair))
    }

    /// Each in units in which it does not depend on how many requests there were.
    fn between(before: Compared, after: Compared) -> Self {
        let part = |share: Proportion| share.bad / share.total;
        let both = [before.0.plus(after.0), before.1.plus(after.1)].map(|both| part(both) * (1.0 - part(both)));
        let spread =
            [[before.0, after.0], [before.1, after.1]].map(|[one, other]| one.total.recip() + other.total.recip());
        let differs = (part(before.0) - part(before.1)) - (part(after.0) - part(after.1));
        let unit = spread[0] + spread[1];
        Self { seen: differs.powi(2) / unit, chance: (both[0] * spread[0] + both[1] * spread[1]) / unit }
    }

    fn plus(self, other: Self) -> Self {
        Self { seen: self.seen + other.seen, chance: self.chance + other.chance }
    }

    /// How many times the variance of chance that is; at least 1. Where all were good, or all bad, nothing differs.
    fn beyond_chance(self) -> f64 {
        if self.chance > f64::EPSILON { (self.seen / self.chance).max(1.0) } else { 1.0 }
    }
}

fn from_those_before(blocks: &[Compared], place: usize) -> Neighbours {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn what_is_learned_block_by_block_is_what_all_of_them_say(
            blocks in prop::collection::vec((0.0..1.0f64, 0u32..400, 0u32..40), 1..250), most in 60..130usize,
        ) {
            let proportion = |part: f64, total: u32| proportion((part.powi(4) * f64::from(total)).floor(), f64::from(total));
            let blocks: Vec<_> =
                blocks.iter().map(|(part, one, other)| Compared(proportion(*part, *one), proportion(*part, *other))).collect();
            let mut newest = Blocks::default();
            for block in &blocks {
                newest.push(*block);
                newest.keep(most);
            }
            let answered: Vec<_> = blocks.into_iter().filter(|block| block.is_answered()).collect();
            let kept = answered.iter().skip(answered.len().saturating_sub(most)).copied();
            prop_assert_eq!(newest, Blocks::of(kept));
        }
    }

    /// Of a normal distribution, in an order in which neighbours have nothing in common.
    fn deviate(place: usize) -> f64 {
        [-1.64, -1.04, -0.67, -0.39, -0.13, 0.13, 0.39, 0.67, 1.04, 1.64][place * place * 7 % 101 % 10]
    }

    /// A block with as many bad requests as chance has it when so many of a thousand are expected.
    fn block(place: usize, expected: f64) -> Proportion {
        proportion(expected + expected.sqrt() * deviate(place), 1000.0)
    }

    /// Ten of each thousand are bad, and each stands for so many that have one cause in common.
    fn by_chance(blocks: usize, together: f64) -> Vec<Proportion> {
        (0..blocks).map(|place| block(place, 10.0).divided(together.recip())).collect()
    }

    fn proportion(bad: f64, total: f64) -> Proportion {
        Proportion { bad, total }
    }

    fn with(mut blocks: Vec<Proportion>, from: usize, count: usize, part: f64) -> Vec<Proportion> {
        for block in blocks.iter_mut().skip(from).take(count) {
            block.bad = block.total * part;
        }
        blocks
    }

    fn between(low: f64, size: f64, high: f64) {
        assert!((low..=high).contains(&size), "{size}");
    }

    fn size(blocks: &[Proportion]) -> Size {
        Blocks::of(blocks.iter().copied().map(Compared::alone)).size()
    }

    fn as_a_rule(blocks: &[Proportion]) -> f64 {
        size(blocks).as_a_rule
    }

    fn in_all(blocks: &[Proportion]) -> f64 {
        size(blocks).at_worst
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
        let blocks: Vec<_> =
            (0..120).map(|place| proportion(if place % 20 == 0 { 50.0 } else { 0.0 }, 1000.0)).collect();
        assert!(as_a_rule(&blocks) > 30.0, "{}", as_a_rule(&blocks));
    }

    #[test]
    fn too_little_history_is_taken_for_a_moderate_crowd() {
        between(TOO_LITTLE_HISTORY, as_a_rule(&by_chance(ENOUGH_HISTORY - 1, 1.0)), TOO_LITTLE_HISTORY);
        between(TOO_LITTLE_HISTORY, in_all(&vec![Proportion::default(); 1000]), TOO_LITTLE_HISTORY);
    }

    /// Every fourth minute both are overloaded for half a minute; the first fails by itself in such crowds.
    fn overloaded_together(together: f64) -> Vec<Compared> {
        let level = |place: usize| if place % 24 < 3 { 100.0 } else { 2.0 };
        let one = |place| {
            let Proportion { bad, total } = block(place, level(place) / together);
            Compared(proportion(bad.max(0.0) * together, total), block(3 * place + 1, level(place)))
        };
        (0..120).map(one).collect()
    }

    #[test]
    fn what_befalls_both_in_the_same_block_is_no_crowd_to_a_comparison() {
        let blocks = overloaded_together(1.0);
        let alone: Vec<_> = blocks.iter().map(|Compared(_, stable)| *stable).collect();
        assert!(as_a_rule(&alone) > 20.0, "{}", as_a_rule(&alone));
        between(1.0, Blocks::of(blocks).size().at_worst, 2.0);
    }

    #[test]
    fn what_befalls_one_of_both_is_a_crowd_to_a_comparison() {
        let size = Blocks::of(overloaded_together(10.0)).size();
        between(5.0, size.at_worst, 20.0);
    }

    #[test]
    fn one_that_is_always_worse_has_no_crowds_by_that() {
        let worse = (0..120).map(|place| Compared(block(place, 50.0), block(3 * place + 1, 5.0)));
        between(1.0, Blocks::of(worse).size().at_worst, 1.5);
    }

    #[test]
    fn of_two_versions_the_one_counts_that_chance_moves_more() {
        let [few, many] = [proportion(20.0, 1000.0), proportion(400.0, 20000.0)];
        between(20.0, Blocks::of([Compared(few, many)]).bad(), 25.0);
        between(20.0, Blocks::of([Compared::alone(few)]).bad(), 20.0);
        between(0.0, Blocks::of([Compared(proportion(0.0, 1000.0), proportion(0.0, 10.0))]).bad(), 0.0);
    }
}
