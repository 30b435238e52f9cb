//! How much each counter gained over a stretch of time, each increment counted exactly once.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::{
    block::Refusal,
    series::{Key, Sample, Series},
};

/// Beyond this many remembered series the ones that were not seen for an hour are forgotten.
const CAPACITY: usize = 16_384;

/// A stretch of time: after `start`, up to and including `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// What was counted by then is not in it.
    pub start: Timestamp,
    /// What was counted by then is in it.
    pub end: Timestamp,
}

/// What is remembered of counters between two readings.
///
/// A gain starts from the value at the start of its stretch. Where that comes from, in this order:
/// 1. the same reading, so that another replica of Prometheus, which scraped a moment earlier or later, cannot
///    look like a counter that went back;
/// 2. the value that is remembered, when the reading has a gap there;
/// 3. nothing (0), when the series is new but its process is not: it was born with its first request;
/// 4. nothing (0), when the process is new and others were watched for a while before it: a pod born inside;
/// 5. the series' own first value otherwise. It may be old, and Prometheus new: it counts for nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ledger {
    known: HashMap<Key, Sample>,
    instances: HashMap<Key, Timestamp>,
    watched_since: Option<Timestamp>,
}

impl Ledger {
    /// What each of `series` gained within `stretch`, in their order. A counter that went back was reset, and
    /// gained its new value.
    ///
    /// `settling` is how long all processes may take to be seen for the first time: whoever appears later than
    /// that after the first one is new.
    ///
    /// # Errors
    /// [`Refusal::NotACounter`] if a value is negative or not finite.
    pub fn gains(&self, stretch: Stretch, settling: SignedDuration, series: &[Series]) -> Result<Vec<f64>, Refusal> {
        if series
            .iter()
            .flat_map(|series| &series.samples)
            .any(|sample| !(sample.value >= 0.0 && sample.value.is_finite()))
        {
            return Err(Refusal::NotACounter);
        }
        let births = self.first_seen(series);
        let watched_since = births.values().copied().chain(self.watched_since).min();
        Ok(series
            .iter()
            .map(|series| {
                let samples = series.between(stretch.start, stretch.end);
                let Some(first) = samples.first() else { return 0.0 };
                let known = series.at(stretch.start).or_else(|| self.known.get(&series.key).copied());
                let base = known.map_or_else(
                    || {
                        let process_is_older = births.get(&series.instance).is_some_and(|birth| *birth < first.at);
                        let process_is_new = watched_since.is_some_and(|since| first.at > after(since, settling));
                        if process_is_older || process_is_new { 0.0 } else { first.value }
                    },
                    |sample| sample.value,
                );
                gain(base, samples)
            })
            .collect())
    }

    /// Remembers what `series` stood at at `until`, where the next stretch starts.
    pub fn settle(&mut self, until: Timestamp, series: &[Series]) {
        for series in series {
            let Some(last) = series.at(until) else { continue };
            self.known.insert(series.key, last);
            if let Some(first) = series.samples.first() {
                let birth = self.instances.entry(series.instance).or_insert(first.at);
                *birth = (*birth).min(first.at);
                self.watched_since = Some(self.watched_since.map_or(first.at, |since| since.min(first.at)));
            }
        }
        if self.known.len() > CAPACITY {
            let oldest = after(until, -SignedDuration::from_hours(1));
            self.known.retain(|_, sample| sample.at > oldest);
        }
    }

    /// When each process was first seen, in this reading or before.
    fn first_seen(&self, series: &[Series]) -> HashMap<Key, Timestamp> {
        let mut births = HashMap::new();
        for series in series {
            let seen = series.samples.first().map(|sample| sample.at);
            let seen = seen.into_iter().chain(self.instances.get(&series.instance).copied()).min();
            if let Some(seen) = seen {
                let birth = births.entry(series.instance).or_insert(seen);
                *birth = (*birth).min(seen);
            }
        }
        births
    }
}

/// `at` moved by `by`, or `at` itself at the ends of time.
fn after(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(at)
}

/// How far a counter moved from `base` through `samples`.
fn gain(base: f64, samples: &[Sample]) -> f64 {
    samples
        .iter()
        .fold((0.0, base), |(gained, before), sample| {
            let step = if sample.value < before { sample.value } else { sample.value - before };
            (gained + step, sample.value)
        })
        .0
}
