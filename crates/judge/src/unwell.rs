//! Whether the stable version itself is unwell: then nobody should go on to more traffic, whoever is to blame.
//!
//! A comparison is fair while both versions suffer from the same, so it passes in the middle of an outage. What stable is
//! held against here is what the check allows of any version, and what stable was like before the rollout: the middle one
//! of its blocks, which an incident of a few minutes does not move. A service that was always that bad is not unwell.
//!
//! - **It begins** when one of three cumulative sums, which look for a stable version that is a little, five times or
//!   twenty times worse than that, rises beyond what chance brings once in ten thousand blocks at most (Lorden,
//!   <https://doi.org/10.1214/aoms/1177693055>), whatever the number of requests. A few errors of a few requests are not
//!   enough.
//! - **It ends** when stable has had no block beyond that for two minutes, and longer where it has few requests.
//! - **It holds nobody** who is well where stable is not: a version that certainly keeps, in the same blocks, what stable
//!   certainly breaks is the remedy.
//! - **Where stable is left with no requests** while it is unwell, nobody can tell any more whether the new version fails for
//!   the same reason: it is held against what stable was like at that time, unless it was well beside it.

use std::time::Duration;

use jiff::Timestamp;
use tidegate_api::{OnStableUnwell, Verdict, condition::reason};

use super::{
    baseline::Baseline,
    block::{Block, Counted, Counts},
    boundary::Boundary,
    calm::{FAR, far_from},
    evidence::Evidence,
    question::{Indicator, Tolerance},
    reference::Reference,
    verdict::{Asked, Judgement},
    wording::percent,
};

/// How much worse than it may be each sum takes an unwell stable version for.
const WORSE: [f64; 3] = [1.5, 5.0, 20.0];

/// One of the sums rises as far by chance once in so many blocks, on average, where stable is as bad as it may be.
const BLOCKS_TO_A_FALSE_ALARM: f64 = 10_000.0;

/// Crowds of errors are not taken for larger than this: one alarm too many costs a stage some minutes.
const LARGEST_CROWD: f64 = 10.0;

/// For so long stable has to have been well.
const CALM: Duration = Duration::from_mins(2);

/// The same where it has so few requests that as many bad ones as it may have were not to be expected in that time.
const LONG_CALM: Duration = Duration::from_mins(15);

/// So many bad requests are to be expected of a stable version that is as bad as it may be, before it is called well, and
/// there are at least so many in a block in which it is unwell.
const EXPECTED: f64 = 3.0;

/// How the stable version itself is doing, by one limit of a check.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Wellbeing {
    /// Beyond this part of bad requests it is unwell; nothing where nobody knows.
    bar: Option<f64>,
    /// What part was bad in the middle one of its blocks before the rollout.
    typical: Option<f64>,
    /// How many requests go bad together.
    crowd: f64,
    sums: [Sum; WORSE.len()],
    /// What came since it is unwell.
    ill: Option<Since>,
    calm: Calm,
    /// Whether it has lost its traffic.
    is_left: bool,
}

/// What was counted since some instant.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Since {
    at: Timestamp,
    stable: Counts,
    /// The new version's, in those settled blocks alone that came later and in which stable was unwell, too.
    canary: Counts,
}

/// A cumulative sum: where it last rose from nothing, what it looks for may have begun.
/// (Page's test, <https://en.wikipedia.org/wiki/CUSUM>.)
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Sum {
    score: f64,
    since: Option<Since>,
}

/// Blocks in a row in which stable was well.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Calm {
    time: Duration,
    requests: f64,
}

/// The stable version itself is unwell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Unwell {
    since: Since,
    bar: f64,
    typical: Option<f64>,
    /// The new version certainly is not.
    spares_canary: bool,
}

/// In half of stable's blocks no greater part of the requests was certainly bad; nothing where there were fewer than
/// `enough`.
pub(super) fn typical(history: &[Counts], enough: usize) -> Option<f64> {
    let answered = history.iter().filter(|block| block.total > 0.0);
    let mut parts: Vec<_> = answered.map(|block| block.bad / block.total).collect();
    parts.sort_by(f64::total_cmp);
    parts.get(parts.len() / 2).copied().filter(|_| parts.len() >= enough)
}

impl Wellbeing {
    /// Nothing seen yet of a stable version that was like `baseline`, held against what `boundary` allows of any.
    pub(super) fn new(boundary: &Boundary, baseline: &Baseline) -> Self {
        Self {
            bar: bar(boundary, baseline.typical),
            typical: baseline.typical,
            crowd: baseline.overdispersion.clamp(1.0, LARGEST_CROWD),
            sums: Default::default(),
            ill: None,
            calm: Calm::default(),
            is_left: false,
        }
    }

    /// The same, held against what the next stage allows.
    pub(super) fn entering(self, next: Self) -> Self {
        Self { bar: next.bar, typical: next.typical, crowd: next.crowd, ..self }
    }

    /// Takes in a block that has such a reference.
    pub(super) fn settle(&mut self, block: &Block, reference: Reference) {
        let time = Duration::try_from(block.end.duration_since(block.start)).unwrap_or_default();
        let Some(bar) = self.bar else { return };
        self.is_left = reference == Reference::Past;
        if reference != Reference::Stable {
            return;
        }
        for (sum, worse) in self.sums.iter_mut().zip(WORSE) {
            sum.add(worse, bar, self.crowd, block);
        }
        match &mut self.ill {
            Some(ill) => {
                ill.add(block);
                if block.stable.bad > bar * block.stable.total {
                    ill.canary = ill.canary.plus(block.canary);
                }
                self.calm.add(bar, block, time);
                if self.calm.is_enough(bar) {
                    (self.ill, self.calm, self.sums) = (None, Calm::default(), Default::default());
                }
            }
            None => self.ill = self.alarm(),
        }
    }

    fn alarm(&self) -> Option<Since> {
        let enough = (BLOCKS_TO_A_FALSE_ALARM * WORSE.len() as f64).ln();
        self.sums.iter().filter(|sum| sum.score >= enough).max_by(|one, other| one.score.total_cmp(&other.score))?.since
    }

    /// What part of its requests was bad in `block`, if that is more than there may be and no mere chance.
    pub(super) fn unwell_in(&self, block: &Block) -> Option<f64> {
        let Counts { bad, total, .. } = block.stable;
        let is_unwell = bad >= EXPECTED * self.crowd && self.bar.is_some_and(|bar| bad > bar * total);
        is_unwell.then(|| bad / total)
    }

    /// How unwell it is, with the newest samples. They make nobody well: what is bad may come with the next scrape.
    pub(super) fn unwell(&self, newest: Option<(&Block, Reference)>) -> Option<Unwell> {
        let bar = self.bar.filter(|_| !self.is_left)?;
        let mut with = *self;
        let since = match (newest, self.ill) {
            (Some((newest, _)), Some(mut ill)) => {
                ill.add(newest);
                ill
            }
            (Some((newest, reference)), None) => {
                with.settle(newest, reference);
                with.ill?
            }
            (None, ill) => ill?,
        };
        Some(self.told(since, bar))
    }

    fn told(&self, since: Since, bar: f64) -> Unwell {
        Unwell { since, bar, typical: self.typical, spares_canary: self.is_spared(since.canary, bar) }
    }

    fn is_spared(&self, canary: Counts, bar: f64) -> bool {
        canary.proportion(Counted::Possible).divided(self.crowd).is_certainly_below(bar)
    }

    /// How unwell it was when it lost its requests, if the new version may have been as unwell beside it.
    pub(super) fn left_unwell(&self) -> Option<Unwell> {
        let told = self.told(self.ill?, self.bar?);
        (self.is_left && !told.spares_canary).then_some(told)
    }

    /// What a new version is held against in a block with such a reference. Where stable has lost its traffic: if stable was unwell when it
    /// lost them, so may the new version be, and for the same reason.
    pub(super) fn boundary_beside(&self, boundary: &Boundary, expected: f64, reference: Reference) -> Boundary {
        let left = self.ill.zip(self.bar).map(|(ill, bar)| self.told(ill, bar)).filter(|told| !told.spares_canary);
        match left.and_then(|left| left.since.proportion()) {
            Some(share) if boundary.ratio > 0.0 && reference == Reference::Past => {
                Boundary::fixed(boundary.limit(share.max(expected)))
            }
            _ => *boundary,
        }
    }
}

/// The part of stable's requests beyond which it is unwell, if there is one: what is far outside of what it was like, and
/// what the check allows at all, unless it was always beyond that. Who allows much does not mind half of it, and a
/// comparison that tolerates more than what is far outside has its own limit.
fn bar(boundary: &Boundary, typical: Option<f64>) -> Option<f64> {
    if boundary.ratio > 0.0 {
        return typical.map(|typical| far_from(typical).max(boundary.limit(typical)));
    }
    let far = Boundary { margin: FAR.margin.max(boundary.margin / 2.0), ..FAR };
    let allowed = Some(boundary.margin).filter(|max| typical.is_none_or(|typical| typical <= *max));
    [typical.map(|typical| far.limit(typical)), allowed].into_iter().flatten().reduce(f64::min)
}

impl Since {
    fn add(&mut self, block: &Block) {
        self.stable = self.stable.plus(block.stable);
    }

    fn proportion(&self) -> Option<f64> {
        (self.stable.total > 0.0).then(|| self.stable.bad / self.stable.total)
    }
}

impl Sum {
    /// A block of a stable version that may be as bad as `bar`, or `worse` times that: by how much the second is likelier
    /// (Poisson).
    fn add(&mut self, worse: f64, bar: f64, crowd: f64, block: &Block) {
        let expected = block.stable.total * bar;
        let gained = (block.stable.bad * worse.ln() - expected * (worse - 1.0)) / crowd;
        self.score += gained;
        if self.score <= 0.0 {
            *self = Self::default();
            return;
        }
        let nothing = Since { at: block.start, stable: Counts::default(), canary: Counts::default() };
        self.since.get_or_insert(nothing).add(block);
    }
}

impl Calm {
    fn add(&mut self, bar: f64, block: &Block, time: Duration) {
        if block.stable.bad > bar * block.stable.total {
            *self = Self::default();
        } else {
            self.time += time;
            self.requests += block.stable.total;
        }
    }

    fn is_enough(&self, bar: f64) -> bool {
        self.time >= LONG_CALM || self.time >= CALM && self.requests * bar >= EXPECTED
    }
}

impl Unwell {
    /// `10% failed since 2026-03-02T14:03:00Z, usually 0.1%`.
    fn sentence(&self, subject: Indicator) -> String {
        let share = percent(self.since.proportion().unwrap_or_default());
        let what = match subject {
            Indicator::Failed => "failed".to_owned(),
            Indicator::SlowerThan(limit, _) => format!("took longer than {limit}"),
        };
        let usually = match self.typical {
            Some(typical) => format!("usually {}", percent(typical)),
            None => format!("allowed {}", percent(self.bar)),
        };
        let since = Timestamp::from_second(self.since.at.as_second()).unwrap_or(self.since.at);
        format!("stable itself: {share} {what} since {since}, {usually}")
    }
}

impl Judgement {
    /// What is decided beside a stable version that may be unwell itself: a failure stands, and nothing passes that is not
    /// certainly well where stable is not.
    #[must_use]
    pub fn beside_stable(self, asked: &Asked<'_>, on_unwell: OnStableUnwell) -> Self {
        let said = |tell: fn(&Evidence) -> Option<Unwell>| {
            let found = asked.deciding().filter_map(move |(tolerance, evidence)| Some((tolerance, tell(evidence)?)));
            // One that holds before one that does not.
            found.min_by_key(|(_, unwell)| unwell.spares_canary)
        };
        let is_open = matches!(self.verdict, Verdict::Pass | Verdict::NeedMoreData);
        if let Some((tolerance, unwell)) =
            said(Evidence::unwell).filter(|_| on_unwell == OnStableUnwell::Hold && is_open)
        {
            return self.beside(tolerance, unwell);
        }
        match said(Evidence::left_unwell) {
            Some((tolerance, unwell)) if self.verdict == Verdict::NeedMoreData => {
                let sentence = unwell.sentence(tolerance.subject);
                let message =
                    format!("{}; {sentence}, when it lost its traffic: no more than that fails nobody", self.message);
                Self { message, ..self }
            }
            _ => self,
        }
    }

    fn beside(self, tolerance: &Tolerance, unwell: Unwell) -> Self {
        let sentence = unwell.sentence(tolerance.subject);
        if unwell.spares_canary {
            let message = format!("{}; {sentence}, and the new version is well meanwhile", self.message);
            return Self { message, ..self };
        }
        let message = format!("{sentence}; {}; {}", waits(unwell.bar), self.message);
        Self { verdict: Verdict::NeedMoreData, reason: reason::STABLE_UNWELL, message, ..self }
    }
}

/// What is waited for, and what can be done.
fn waits(bar: f64) -> String {
    let bar = percent(bar);
    format!(
        "the stage waits until it is at {bar} or below again, or the new version certainly is meanwhile \
         (analysis.onStableUnwell: Ignore goes on all the same)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPARED: Boundary = Boundary { ratio: 1.5, margin: 0.005 };

    /// A stable version of which one in a thousand requests used to fail.
    fn usually(bad: f64) -> Baseline {
        Baseline::of(&[Counts::exact(bad, 1000.0); 120]).with_overdispersion(Some(1.0))
    }

    /// Blocks of ten seconds with `stable` and `canary`, as bad and total, the first at `place`.
    fn settle(wellbeing: &mut Wellbeing, place: i64, blocks: i64, [stable, canary]: [(f64, f64); 2]) {
        for place in place..place + blocks {
            wellbeing.settle(&block(place, [stable, canary]), Reference::Stable);
        }
    }

    fn block(place: i64, [stable, canary]: [(f64, f64); 2]) -> Block {
        let at = |place: i64| Timestamp::from_second(place * 10).unwrap();
        let counts = |(bad, total)| Counts::exact(bad, total);
        Block { start: at(place), end: at(place + 1), canary: counts(canary), stable: counts(stable) }
    }

    const WELL: [(f64, f64); 2] = [(1.0, 1000.0), (0.0, 50.0)];
    const BOTH: [(f64, f64); 2] = [(100.0, 1000.0), (5.0, 50.0)];
    const STABLE_ALONE: [(f64, f64); 2] = [(100.0, 1000.0), (0.0, 50.0)];

    #[test]
    fn stable_is_unwell_from_the_block_on_in_which_it_is_and_until_two_minutes_after() {
        let mut wellbeing = Wellbeing::new(&COMPARED, &usually(1.0));
        settle(&mut wellbeing, 0, 60, WELL);
        assert_eq!(wellbeing.unwell(None), None);
        settle(&mut wellbeing, 60, 60, BOTH);
        let unwell = wellbeing.unwell(None).unwrap();
        assert_eq!(
            unwell.sentence(Indicator::Failed),
            "stable itself: 10% failed since 1970-01-01T00:10:00Z, usually 0.1%"
        );
        settle(&mut wellbeing, 120, 11, WELL);
        assert!(wellbeing.unwell(None).is_some());
        settle(&mut wellbeing, 131, 1, WELL);
        assert_eq!(wellbeing.unwell(None), None);
    }

    #[test]
    fn the_newest_samples_show_it_and_do_not_end_it() {
        let mut wellbeing = Wellbeing::new(&COMPARED, &usually(1.0));
        settle(&mut wellbeing, 0, 6, WELL);
        assert!(wellbeing.unwell(Some((&block(6, BOTH), Reference::Stable))).is_some());
        settle(&mut wellbeing, 6, 1, BOTH);
        settle(&mut wellbeing, 7, 11, WELL);
        assert!(wellbeing.unwell(Some((&block(18, WELL), Reference::Stable))).is_some());
    }

    #[test]
    fn a_few_errors_of_a_few_requests_are_no_alarm() {
        let history = vec![Counts::exact(0.0, 2.0); 120];
        let mut wellbeing = Wellbeing::new(&COMPARED, &Baseline::of(&history).with_overdispersion(Some(1.0)));
        for place in 0..360 {
            let bad = if place % 60 == 0 { 1.0 } else { 0.0 };
            wellbeing.settle(&block(place, [(bad, 2.0), (0.0, 1.0)]), Reference::Stable);
            assert_eq!(wellbeing.unwell(None), None, "{place}");
        }
        settle(&mut wellbeing, 360, 4, [(2.0, 2.0), (1.0, 1.0)]);
        assert!(wellbeing.unwell(None).is_some(), "all of eight requests failed");
    }

    #[test]
    fn a_stable_version_as_bad_as_it_may_be_is_called_unwell_hardly_ever() {
        // One bad request is expected in each block.
        let bar = bar(&COMPARED, Some(0.001)).unwrap();
        let mut wellbeing = Wellbeing::new(&COMPARED, &usually(1.0));
        let mut state = 7_u64;
        let mut alarms = 0;
        for place in 0..20_000 {
            let mut bad = 0.0;
            for _ in 0..70 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let drawn = (state >> 11) as f64 / (1_u64 << 53) as f64;
                bad += if drawn < bar { 1.0 } else { 0.0 };
            }
            let before = wellbeing.ill.is_some();
            wellbeing.settle(&block(place, [(bad, 70.0), (0.0, 5.0)]), Reference::Stable);
            alarms += u32::from(!before && wellbeing.ill.is_some());
        }
        assert!(alarms <= 4, "{alarms} in 20,000 blocks");
    }

    #[test]
    fn a_service_that_was_always_that_bad_is_not_unwell() {
        for boundary in [COMPARED, Boundary::fixed(0.01)] {
            let mut wellbeing = Wellbeing::new(&boundary, &usually(100.0));
            settle(&mut wellbeing, 0, 360, BOTH);
            assert_eq!(wellbeing.unwell(None), None, "{boundary:?}");
        }
    }

    #[test]
    fn what_no_version_may_is_unwell_however_near_it_is_to_what_was_usual() {
        let mut wellbeing = Wellbeing::new(&Boundary::fixed(0.01), &usually(8.0));
        settle(&mut wellbeing, 0, 60, [(20.0, 1000.0), (1.0, 50.0)]);
        assert!(wellbeing.unwell(None).is_some());
        let mut slow = Wellbeing::new(&Boundary::fixed(0.05), &usually(0.0));
        settle(&mut slow, 0, 60, [(20.0, 1000.0), (1.0, 50.0)]);
        assert_eq!(slow.unwell(None), None, "two of a hundred, where five may be");
        let mut compared = Wellbeing::new(&COMPARED, &usually(8.0));
        settle(&mut compared, 0, 60, [(20.0, 1000.0), (1.0, 50.0)]);
        assert_eq!(compared.unwell(None), None);
    }

    #[test]
    fn without_history_only_a_limit_of_its_own_tells() {
        let unknown = Baseline::of(&[]);
        let of = |boundary: Boundary| {
            let mut wellbeing = Wellbeing::new(&boundary, &unknown);
            settle(&mut wellbeing, 0, 60, BOTH);
            wellbeing.unwell(None)
        };
        assert!(of(Boundary::fixed(0.01)).unwrap().sentence(Indicator::Failed).ends_with(", allowed 1%"));
        assert_eq!(of(COMPARED), None);
    }

    #[test]
    fn a_version_that_is_well_where_stable_is_not_is_not_held() {
        let is_spared = |during| {
            let mut wellbeing = Wellbeing::new(&COMPARED, &usually(1.0));
            // What it was like before says nothing.
            settle(&mut wellbeing, 0, 60, WELL);
            settle(&mut wellbeing, 60, 2, during);
            assert!(!wellbeing.unwell(None).unwrap().spares_canary);
            settle(&mut wellbeing, 62, 10, during);
            wellbeing.unwell(None).unwrap().spares_canary
        };
        assert!(is_spared(STABLE_ALONE));
        assert!(!is_spared(BOTH));
    }

    #[test]
    fn what_a_version_is_held_against_alone_is_what_stable_was_like_when_it_lost_its_traffic() {
        let limit = |during: Option<[(f64, f64); 2]>| {
            let mut wellbeing = Wellbeing::new(&COMPARED, &usually(1.0));
            settle(&mut wellbeing, 0, 60, WELL);
            if let Some(during) = during {
                settle(&mut wellbeing, 60, 12, during);
            }
            let alone = block(72, [(0.0, 0.0), (100.0, 1000.0)]);
            wellbeing.settle(&alone, Reference::Past);
            wellbeing.boundary_beside(&COMPARED, 0.001, Reference::Past)
        };
        assert_eq!(limit(None), COMPARED);
        assert!((limit(Some(BOTH)).margin - 0.155).abs() < 1e-9);
        assert_eq!(limit(Some(STABLE_ALONE)), COMPARED, "it was well beside it");
    }

    #[test]
    fn a_stable_version_without_requests_holds_nobody() {
        let mut wellbeing = Wellbeing::new(&COMPARED, &usually(1.0));
        settle(&mut wellbeing, 0, 12, BOTH);
        let alone = block(12, [(0.0, 0.0), (5.0, 50.0)]);
        wellbeing.settle(&alone, Reference::Nothing);
        assert!(
            wellbeing.unwell(None).is_some() && wellbeing.left_unwell().is_none(),
            "a control that was asked nothing"
        );
        wellbeing.settle(&alone, Reference::Past);
        assert!(wellbeing.unwell(None).is_none() && wellbeing.left_unwell().is_some());
    }
}
