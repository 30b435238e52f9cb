//! Requests of processes that have just begun: what is slow there is slow with every version.

use std::{borrow::Cow, collections::HashSet};

use jiff::{SignedDuration, Timestamp};

use super::{
    block::{Counts, Measure},
    counters::{CounterState, TimeRange},
    series::{Arm, ByKey, Key, Series},
};

/// For how long the requests of a process that has just begun say nothing.
///
/// A process begins with the first of its samples: one that still starts answers no scrape. Of pods that are gone nothing
/// else is known, and stable's history has to be treated like the new version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WarmUp(pub SignedDuration);

impl WarmUp {
    /// What of `gains` counts by `measure`, in their order: nothing of processes that warm up during any of `stretch`; but all
    /// of those of the new version that fail altogether, since they are broken.
    #[must_use]
    pub fn counted<'a>(
        self,
        measure: Measure,
        (counters, settling): (&CounterState, SignedDuration),
        stretch: TimeRange,
        series: &[Series],
        gains: &'a [f64],
    ) -> Cow<'a, [f64]> {
        let cold = self.cold(counters, settling, stretch.start, series);
        if cold.is_empty() {
            return Cow::Borrowed(gains);
        }
        let broken = match measure {
            Measure::Failed => broken(series, gains),
            Measure::SlowerThan(_) => HashSet::new(),
        };
        let counts = |series: &Series| !cold.contains_key(&series.instance) || broken.contains(&series.instance);
        series.iter().zip(gains).map(|(series, gain)| if counts(series) { *gain } else { 0.0 }).collect()
    }

    /// Until when any process of the new version warms up, if that is after `now`.
    #[must_use]
    pub fn lasts(
        self,
        (counters, settling): (&CounterState, SignedDuration),
        now: Timestamp,
        series: &[Series],
    ) -> Option<Timestamp> {
        let canary: Vec<_> = series.iter().filter(|series| series.arm == Arm::Canary).cloned().collect();
        self.cold(counters, settling, now, &canary).into_values().max()
    }

    /// The processes that are not warm at `at`, and when they will be.
    fn cold(
        self,
        counters: &CounterState,
        settling: SignedDuration,
        at: Timestamp,
        series: &[Series],
    ) -> ByKey<Timestamp> {
        if self.0 <= SignedDuration::ZERO {
            return ByKey::default();
        }
        let begun = counters.begun(settling, series).into_iter();
        let warm = begun.map(|(process, since)| (process, since.checked_add(self.0).unwrap_or(Timestamp::MAX)));
        warm.filter(|(_, warm)| *warm > at).collect()
    }
}

/// The processes of the new version of whose requests most failed.
fn broken(series: &[Series], gains: &[f64]) -> HashSet<Key> {
    let mut requests: ByKey<Counts> = ByKey::default();
    for (series, gain) in series.iter().zip(gains).filter(|(series, _)| series.arm == Arm::Canary) {
        let counts = requests.entry(series.instance).or_default();
        *counts = counts.plus(Counts::of(series.meaning, *gain));
    }
    requests.into_iter().filter(|(_, counts)| counts.is_broken()).map(|(process, _)| process).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::{Meaning, Sample};

    const SETTLING: SignedDuration = SignedDuration::from_secs(4);
    const TWO_MINUTES: WarmUp = WarmUp(SignedDuration::from_mins(2));

    fn second(at: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + at).unwrap()
    }

    /// Requests of a pod that is scraped every two seconds from `first` to `last`.
    fn pod(name: &str, arm: Arm, (first, last): (i64, i64)) -> Series {
        let key = Key::of("pod", name);
        let samples = (first..=last).step_by(2).map(|at| Sample { at: second(at), value: at as f64 });
        Series { key, instance: key, pod: None, arm, meaning: Meaning::Requests, samples: samples.collect() }
    }

    fn failing(series: &Series) -> Series {
        let key = series.key.with(Key::of("code", "500"));
        Series { key, meaning: Meaning::FailedRequests, ..series.clone() }
    }

    fn counted(measure: Measure, start: i64, series: &[Series], gains: &[f64]) -> Vec<f64> {
        let stretch = TimeRange { start: second(start), end: second(start + 10) };
        TWO_MINUTES.counted(measure, (&CounterState::default(), SETTLING), stretch, series, gains).into_owned()
    }

    #[test]
    fn a_pod_that_came_counts_when_it_is_warm() {
        let series = [pod("old", Arm::Stable, (0, 300)), pod("new", Arm::Stable, (60, 300))];
        assert_eq!(counted(Measure::SlowerThan(1.0), 170, &series, &[5.0, 7.0]), [5.0, 0.0]);
        assert_eq!(counted(Measure::SlowerThan(1.0), 180, &series, &[5.0, 7.0]), [5.0, 7.0]);
    }

    #[test]
    fn the_pods_of_a_new_version_are_new_though_they_were_there_when_it_was_first_looked_at() {
        let series = [pod("old", Arm::Stable, (0, 300)), pod("new", Arm::Canary, (0, 300))];
        assert_eq!(counted(Measure::Failed, 50, &series, &[5.0, 7.0]), [5.0, 0.0]);
        assert_eq!(counted(Measure::Failed, 120, &series, &[5.0, 7.0]), [5.0, 7.0]);
    }

    #[test]
    fn a_pod_of_which_half_fails_counts_at_once_and_a_slow_one_does_not() {
        let new = pod("new", Arm::Canary, (0, 300));
        let series = [new.clone(), failing(&new), pod("old", Arm::Stable, (0, 300))];
        assert_eq!(counted(Measure::Failed, 10, &series, &[6.0, 5.0, 9.0]), [0.0, 0.0, 9.0]);
        assert_eq!(counted(Measure::Failed, 10, &series, &[5.0, 5.0, 9.0]), [5.0, 5.0, 9.0]);
        assert_eq!(counted(Measure::SlowerThan(1.0), 10, &series, &[5.0, 5.0, 9.0]), [0.0, 0.0, 9.0]);
    }

    #[test]
    fn it_is_known_until_when_the_new_version_warms_up() {
        let series = [pod("old", Arm::Stable, (40, 90)), pod("new", Arm::Canary, (30, 90))];
        let lasts = |now: i64| TWO_MINUTES.lasts((&CounterState::default(), SETTLING), second(now), &series);
        assert_eq!(lasts(90), Some(second(150)));
        assert_eq!(lasts(150), None);
        assert_eq!(WarmUp::default().lasts((&CounterState::default(), SETTLING), second(90), &series), None);
    }
}
