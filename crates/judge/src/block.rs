//! Counts over a stretch of time.

use std::{collections::HashSet, time::Duration};

use jiff::Timestamp;
use tidegate_api::{Span, verdict::reason};

use super::{
    counters::TimeRange,
    proportion::Proportion,
    series::{Arm, ByKey, Keys, Meaning, Series},
};

/// Of a version, or of a process, that is broken at least this part of the requests is bad.
const CATASTROPHE: f64 = 0.5;

/// How many requests there were, and how many of them were bad.
///
/// The two counts of bad requests differ only where a latency limit lies between two bounds of a histogram: those
/// above the upper bound were certainly too slow, those between the bounds may have been. So may those have been that a
/// counter has and no histogram: they ran into a timeout, or failed before anybody measured them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Counts {
    /// Requests that were certainly bad. A failure goes by them.
    pub bad: f64,
    /// Requests that may have been bad. A pass goes by them.
    pub bad_at_most: f64,
    /// All requests; where they are measured, those that a histogram has.
    pub total: f64,
    /// Requests beyond those that were counted, and that no histogram has. A pass takes them for bad, a failure knows nothing of
    /// them. Less than nothing in a block whose histograms have some that were under way before it.
    pub unseen: f64,
}

impl Counts {
    /// `bad` out of `total`, without doubt.
    #[must_use]
    pub fn exact(bad: f64, total: f64) -> Self {
        Self { bad, bad_at_most: bad, total, unseen: 0.0 }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            bad: self.bad + other.bad,
            bad_at_most: self.bad_at_most + other.bad_at_most,
            total: self.total + other.total,
            unseen: self.unseen + other.unseen,
        }
    }

    /// Those that were seen, and no others.
    #[must_use]
    pub fn seen(self) -> Self {
        Self { unseen: 0.0, ..self }
    }

    /// With all that may have been bad, those that nobody saw among them.
    #[must_use]
    pub fn at_most(self) -> Proportion {
        let unseen = self.unseen.max(0.0);
        Proportion { bad: self.bad_at_most + unseen, total: self.total + unseen }
    }

    /// With the bad requests of which `counted` speaks.
    pub(super) fn proportion(self, counted: Counted) -> Proportion {
        match counted {
            Counted::Certain => Proportion { bad: self.bad, total: self.total },
            Counted::Possible => self.at_most(),
        }
    }

    /// What a counter of such a `meaning` that gained so much says of requests and of those that failed.
    pub(super) fn of(meaning: Meaning, gain: f64) -> Self {
        match meaning {
            Meaning::Requests => Self::exact(0.0, gain),
            Meaning::FailedRequests => Self::exact(gain, gain),
            Meaning::Failures => Self::exact(gain, 0.0),
            Meaning::Expected | Meaning::Bucket { .. } => Self::default(),
        }
    }

    /// Whether most of the requests were bad: who is so while it warms up is broken, and not cold.
    pub(super) fn is_broken(self) -> bool {
        self.total > 0.0 && self.bad >= CATASTROPHE * self.total
    }

    fn is_sound(self) -> bool {
        let ordered = 0.0 <= self.bad && self.bad <= self.bad_at_most && self.bad_at_most <= self.total;
        ordered && self.total.is_finite() && self.unseen.is_finite()
    }
}

/// Which of the bad requests count, where a latency limit lies between two bounds of a histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    /// Those that were certainly bad: a failure goes by them.
    Certain,
    /// Those that may have been: a pass goes by them.
    Possible,
}

/// What both versions did in the same stretch of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Block {
    /// What was counted by then is not in it.
    pub start: Timestamp,
    /// What was counted by then is in it.
    pub end: Timestamp,
    /// The version on its way.
    pub canary: Counts,
    /// The version that it is compared with.
    pub stable: Counts,
}

/// What makes a request bad.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Measure {
    /// It failed.
    Failed,
    /// It took longer than this many nanoseconds.
    SlowerThan(f64),
}

/// Why numbers are not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A value was negative, NaN or infinite.
    #[error("a counter has a value that is negative or not a number; check that the selectors pick counters")]
    NotACounter,
    /// There were more bad requests than requests.
    #[error("more requests failed than there were; check that errors and total count the same requests")]
    MoreBadThanTotal,
    /// A histogram lacks its last bucket.
    #[error("a histogram has no +Inf bucket; check that the selector picks all of its buckets")]
    IncompleteHistogram,
    /// A latency limit lies above all finite bounds of a version's histograms.
    #[error(
        "the limit of {limit} is above {largest}, the largest bucket of the histogram of {}; add a bucket at the limit or \
         lower the limit", whose(*arm)
    )]
    LimitAboveBuckets {
        /// Whose histograms.
        arm: Arm,
        /// The limit.
        limit: Span,
        /// The largest finite bound.
        largest: Span,
    },
    /// The histograms of a version have no finite bound at all.
    #[error("the histogram of {} has no bucket but +Inf; add one at the limit of {limit}", whose(*arm))]
    NoBuckets {
        /// Whose histograms.
        arm: Arm,
        /// The limit.
        limit: Span,
    },
}

fn whose(arm: Arm) -> &'static str {
    match arm {
        Arm::Canary => "the new version",
        Arm::Stable => "the stable version",
    }
}

impl Refusal {
    /// The same in one word.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::NotACounter => reason::NOT_A_COUNTER,
            Self::MoreBadThanTotal => reason::MORE_ERRORS_THAN_REQUESTS,
            Self::IncompleteHistogram => reason::INCOMPLETE_HISTOGRAM,
            Self::LimitAboveBuckets { .. } | Self::NoBuckets { .. } => reason::LIMIT_ABOVE_BUCKETS,
        }
    }
}

impl Measure {
    /// Whether the histograms of a version can tell at all how many requests are bad: one of them has to have a bound
    /// that is not below the limit. Where there are none, nothing contradicts it.
    ///
    /// # Errors
    /// [`Refusal`], with the largest bound that there is.
    pub fn is_counted(self, arm: Arm, series: &[Series]) -> Result<(), Refusal> {
        let Self::SlowerThan(limit) = self else { return Ok(()) };
        let bounds = series.iter().filter(|series| series.arm == arm).filter_map(|series| match series.meaning {
            Meaning::Bucket { le, .. } => Some(le),
            _ => None,
        });
        let finite = |le: f64| if le.is_finite() { le } else { f64::NEG_INFINITY };
        let Some(largest) = bounds.map(finite).max_by(f64::total_cmp).filter(|largest| *largest < limit) else {
            return Ok(());
        };
        let span = |nanoseconds: f64| Duration::try_from_secs_f64(nanoseconds / 1e9).map(Span::from);
        let limit = span(limit).unwrap_or_default();
        Err(match span(largest) {
            Ok(largest) => Refusal::LimitAboveBuckets { arm, limit, largest },
            Err(_) => Refusal::NoBuckets { arm, limit },
        })
    }
}

impl Block {
    /// Sums what each of `series` gained within `stretch`. Histograms that cannot tell what is asked count for nothing.
    ///
    /// # Errors
    /// [`Refusal`], if the numbers contradict each other.
    pub fn of(stretch: TimeRange, measure: Measure, series: &[Series], gains: &[f64]) -> Result<Self, Refusal> {
        let count = |arm| match measure {
            Measure::Failed => Ok(failed(arm, series, gains)),
            Measure::SlowerThan(limit) => slow(arm, limit, series, gains),
        };
        let block =
            Self { start: stretch.start, end: stretch.end, canary: count(Arm::Canary)?, stable: count(Arm::Stable)? };
        if block.canary.is_sound() && block.stable.is_sound() { Ok(block) } else { Err(Refusal::MoreBadThanTotal) }
    }

    /// Whether most of the new version's requests failed.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.canary.is_broken()
    }

    /// Both as one, of which `next` begins where this one ends.
    pub(super) fn followed_by(self, next: Self) -> Self {
        let (canary, stable) = (self.canary.plus(next.canary), self.stable.plus(next.stable));
        Self { canary, stable, end: next.end, ..self }
    }

    /// Without the requests that no histogram has.
    #[must_use]
    pub fn seen(self) -> Self {
        Self { canary: self.canary.seen(), stable: self.stable.seen(), ..self }
    }

    /// As if nobody had asked anything of the new version.
    #[must_use]
    pub fn without_canary(self) -> Self {
        Self { canary: Counts::default(), ..self }
    }

    /// Nobody asked anything of either version.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.canary == Counts::default() && self.stable == Counts::default()
    }
}

fn failed(arm: Arm, series: &[Series], gains: &[f64]) -> Counts {
    let of_arm = series.iter().zip(gains).filter(|(series, _)| series.arm == arm);
    of_arm.fold(Counts::default(), |sum, (series, gain)| sum.plus(Counts::of(series.meaning, *gain)))
}

/// The buckets around a limit in one histogram, and how many requests each holds.
#[derive(Debug, Clone, Copy)]
struct Around {
    below: (f64, f64),
    above: (f64, f64),
    total: Option<f64>,
}

/// Every histogram is read by its own bounds: another version, or another library, may have other buckets.
fn slow(arm: Arm, limit: f64, series: &[Series], gains: &[f64]) -> Result<Counts, Refusal> {
    let mut histograms = ByKey::<Around>::default();
    let none = Around { below: (f64::NEG_INFINITY, 0.0), above: (f64::INFINITY, 0.0), total: None };
    for (series, gain) in series.iter().zip(gains).filter(|(series, _)| series.arm == arm) {
        let Meaning::Bucket { histogram, le } = series.meaning else { continue };
        let around = histograms.entry(histogram).or_insert(none);
        if le <= limit && le > around.below.0 {
            around.below = (le, *gain);
        }
        if le >= limit && le <= around.above.0 {
            around.above = (le, *gain);
        }
        if le == f64::INFINITY {
            around.total = Some(*gain);
        }
    }
    let mut counts = Counts::default();
    let mut answered = false;
    for around in histograms.values() {
        let total = around.total.ok_or(Refusal::IncompleteHistogram)?;
        answered |= around.above.0.is_finite();
        let (bad, bad_at_most) = (total - around.above.1, total - around.below.1);
        counts = counts.plus(Counts { bad, bad_at_most, total, unseen: 0.0 });
    }
    if histograms.is_empty() || answered {
        counts.unseen = expected(arm, series, gains).map_or(0.0, |expected| expected - counts.total);
        return Ok(counts);
    }
    Ok(Counts::default())
}

/// How many requests the histograms of a version should have; nothing where nobody counts them besides. Of a pod with a histogram,
/// the processes without one count others, such as a proxy beside the application.
fn expected(arm: Arm, series: &[Series], gains: &[f64]) -> Option<f64> {
    let is_its = |series: &Series| series.arm == arm && series.meaning == Meaning::Expected;
    if !series.iter().any(is_its) {
        return None;
    }
    let measured = |series: &&Series| series.arm == arm && matches!(series.meaning, Meaning::Bucket { .. });
    let (mut instances, mut pods) = (Keys::default(), HashSet::new());
    for series in series.iter().filter(measured) {
        instances.insert(series.instance);
        pods.extend(series.pod.as_deref());
    }
    let is_of_others = |series: &Series| {
        !instances.contains(&series.instance) && series.pod.as_deref().is_some_and(|pod| pods.contains(pod))
    };
    let counted = series.iter().zip(gains).filter(|(series, _)| is_its(series) && !is_of_others(series));
    Some(counted.map(|(_, gain)| *gain).sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Key;

    const SECOND: f64 = 1e9;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn series(arm: Arm, meaning: Meaning) -> Series {
        Series { key: Key::default(), instance: Key::default(), pod: None, arm, meaning, samples: Vec::new() }
    }

    fn block(measure: Measure, counted: &[(Arm, Meaning, f64)]) -> Result<Block, Refusal> {
        let all: Vec<_> = counted.iter().map(|(arm, meaning, _)| series(*arm, *meaning)).collect();
        let gains: Vec<_> = counted.iter().map(|(_, _, gain)| *gain).collect();
        Block::of(TimeRange { start: at(0), end: at(10) }, measure, &all, &gains)
    }

    fn bucket(histogram: &str, le: f64, gain: f64) -> (Arm, Meaning, f64) {
        let histogram = Key::of("histogram", histogram);
        (Arm::Canary, Meaning::Bucket { histogram, le: le * SECOND }, gain)
    }

    #[test]
    fn both_ways_of_counting_errors_come_to_the_same() {
        let by_status = [
            (Arm::Canary, Meaning::Requests, 95.0),
            (Arm::Canary, Meaning::FailedRequests, 5.0),
            (Arm::Stable, Meaning::Requests, 1.0),
        ];
        let two_counters = [
            (Arm::Canary, Meaning::Requests, 100.0),
            (Arm::Canary, Meaning::Failures, 5.0),
            (Arm::Stable, Meaning::Requests, 1.0),
        ];
        let [one, other] = [by_status, two_counters].map(|counted| block(Measure::Failed, &counted).unwrap());
        assert_eq!(one, other);
        assert_eq!(one.canary, Counts::exact(5.0, 100.0));
        assert_eq!(one.stable, Counts::exact(0.0, 1.0));
    }

    #[test]
    fn more_failures_than_requests_are_refused() {
        let counted = [(Arm::Canary, Meaning::Requests, 3.0), (Arm::Canary, Meaning::Failures, 5.0)];
        assert_eq!(block(Measure::Failed, &counted), Err(Refusal::MoreBadThanTotal));
    }

    #[test]
    fn a_latency_limit_at_a_bound_leaves_no_doubt() {
        let counted = [bucket("a", 0.5, 90.0), bucket("a", 1.0, 97.0), bucket("a", f64::INFINITY, 100.0)];
        assert_eq!(block(Measure::SlowerThan(SECOND), &counted).unwrap().canary, Counts::exact(3.0, 100.0));
    }

    #[test]
    fn a_latency_limit_between_two_bounds_is_judged_with_both() {
        let counted = [bucket("a", 0.5, 90.0), bucket("a", 1.0, 97.0), bucket("a", f64::INFINITY, 100.0)];
        let canary = block(Measure::SlowerThan(0.7 * SECOND), &counted).unwrap().canary;
        assert_eq!(canary, Counts { bad: 3.0, bad_at_most: 10.0, ..Counts::exact(0.0, 100.0) });
        let below_all = block(Measure::SlowerThan(0.1 * SECOND), &counted).unwrap().canary;
        assert_eq!(below_all, Counts { bad: 10.0, bad_at_most: 100.0, ..Counts::exact(0.0, 100.0) });
    }

    #[test]
    fn each_histogram_is_read_by_its_own_bounds() {
        let counted = [
            bucket("a", 1.0, 97.0),
            bucket("a", f64::INFINITY, 100.0),
            bucket("b", 0.8, 40.0),
            bucket("b", 2.0, 49.0),
            bucket("b", f64::INFINITY, 50.0),
        ];
        let canary = block(Measure::SlowerThan(SECOND), &counted).unwrap().canary;
        assert_eq!(canary, Counts { bad: 4.0, bad_at_most: 13.0, ..Counts::exact(0.0, 150.0) });
    }

    #[test]
    fn a_latency_limit_above_all_bounds_cannot_be_judged() {
        let (small, infinite) = (bucket("a", 1.0, 97.0), bucket("a", f64::INFINITY, 100.0));
        let limit = Measure::SlowerThan(3.0 * SECOND);
        let refused = |counted: &[(Arm, Meaning, f64)]| {
            assert!(block(limit, counted).unwrap().is_empty());
            let series: Vec<_> = counted.iter().map(|(arm, meaning, _)| series(*arm, *meaning)).collect();
            limit.is_counted(Arm::Canary, &series).unwrap_err().to_string()
        };
        assert_eq!(
            refused(&[small, infinite]),
            "the limit of 3s is above 1s, the largest bucket of the histogram of the new version; add a bucket at the \
             limit or lower the limit"
        );
        let nothing = "the histogram of the new version has no bucket but +Inf; add one at the limit of 3s";
        assert_eq!(refused(&[infinite]), nothing);
    }

    #[test]
    fn a_histogram_of_one_library_may_be_too_small_where_another_one_is_not() {
        let buckets = [("a", 1.0), ("a", f64::INFINITY), ("b", 5.0), ("b", f64::INFINITY)];
        let series = buckets.map(|(histogram, le)| series(Arm::Canary, bucket(histogram, le, 0.0).1));
        assert_eq!(Measure::SlowerThan(3.0 * SECOND).is_counted(Arm::Canary, &series), Ok(()));
        assert_eq!(Measure::SlowerThan(3.0 * SECOND).is_counted(Arm::Stable, &series), Ok(()), "it has none");
        assert_eq!(Measure::Failed.is_counted(Arm::Canary, &series), Ok(()));
    }

    #[test]
    fn what_a_counter_has_beyond_the_histogram_may_have_been_slow_and_nobody_knows() {
        let all = |gain| (Arm::Canary, Meaning::Expected, gain);
        let histogram = [bucket("a", 1.0, 97.0), bucket("a", f64::INFINITY, 100.0)];
        let canary = |counted: &[_]| block(Measure::SlowerThan(SECOND), counted).unwrap().canary;
        let with = |gains: &[f64]| {
            canary(&[&histogram[..], &gains.iter().map(|gain| all(*gain)).collect::<Vec<_>>()].concat())
        };
        assert_eq!(with(&[]), Counts::exact(3.0, 100.0), "nobody counts besides");
        assert_eq!(with(&[90.0, 30.0]), Counts { unseen: 20.0, ..Counts::exact(3.0, 100.0) });
        assert_eq!(with(&[90.0, 30.0]).proportion(Counted::Certain), Proportion { bad: 3.0, total: 100.0 });
        assert_eq!(with(&[90.0, 30.0]).proportion(Counted::Possible), Proportion { bad: 23.0, total: 120.0 });
        assert_eq!(canary(&[all(7.0)]), Counts { unseen: 7.0, ..Counts::default() }, "none of them was measured");
        assert_eq!(with(&[98.0]).proportion(Counted::Possible), Proportion { bad: 3.0, total: 100.0 });
        assert!(block(Measure::Failed, &[all(7.0)]).unwrap().is_empty(), "it says nothing of errors");
    }

    #[test]
    fn a_histogram_without_its_last_bucket_is_refused() {
        assert_eq!(block(Measure::SlowerThan(SECOND), &[bucket("a", 1.0, 9.0)]), Err(Refusal::IncompleteHistogram));
    }
}
