//! How much each counter gained over a stretch of time, each increment counted exactly once.

use std::cell::OnceCell;

use jiff::{SignedDuration, Timestamp};

use super::{
    block::Refusal,
    series::{Arm, ByKey, Key, Keys, Meaning, Sample, Series},
};

/// Beyond this many remembered series the ones that were not seen for an hour are forgotten.
const CAPACITY: usize = 16_384;

/// A stretch of time: after `start`, up to and including `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeRange {
    /// What was counted by then is not in it.
    pub start: Timestamp,
    /// What was counted by then is in it.
    pub end: Timestamp,
}

/// What is remembered of counters between two readings.
///
/// A gain starts from the value at the start of its stretch. Where that comes from, in this order:
/// 1. the value that is remembered. All samples after it count, also those that came late; and another replica of
///    Prometheus, which scraped a moment earlier or later, counts nothing twice;
/// 2. the same reading;
/// 3. nothing (0), when the series is new but its process is not: it was born with its first request;
/// 4. nothing (0), when the process is new and others were watched for a while before it: a pod born inside;
/// 5. the series' own first value otherwise. It may be old, and Prometheus new: it counts for nothing.
///
/// Nor does what 3 and 4 would count of one that goes on under other labels: where all that its process or its pod had before
/// has ended by then, it goes on from what such a counter stood at that had not counted more: also one that had ended before
/// the reading begins, since nobody reached the pod for a while.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CounterState {
    known: ByKey<Known>,
    /// When processes, and pods, were first seen.
    instances: ByKey<Timestamp>,
    watched_since: Option<Timestamp>,
}

/// What a counter stood at, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Known {
    sample: Sample,
    instance: Key,
    pod: Option<Key>,
    meaning: Meaning,
}

impl CounterState {
    /// What each of `series` gained within `stretch`, which begins where the ledger was settled, in their order. A
    /// counter that went back was reset, and gained its new value.
    ///
    /// `settling` is how long all processes may take to be seen for the first time: whoever appears later than
    /// that after the first one is new.
    ///
    /// # Errors
    /// [`Refusal::NotACounter`] if a value is negative or not finite.
    pub fn gains(&self, stretch: TimeRange, settling: SignedDuration, series: &[Series]) -> Result<Vec<f64>, Refusal> {
        if !series.iter().flat_map(|series| &series.samples).all(is_sound) {
            return Err(Refusal::NotACounter);
        }
        let births = self.first_seen(series);
        let watched_since = births.values().copied().chain(self.watched_since).min();
        let reading = Reading::of(series, &self.known);
        Ok(series
            .iter()
            .map(|one| {
                if let Some(known) = self.known.get(&one.key) {
                    return advance(known.sample, one, stretch.end).0;
                }
                let Some(first) = one.between(stretch.start, stretch.end).first() else { return 0.0 };
                let process_is_older = births.get(&one.instance).is_some_and(|birth| *birth < first.at);
                let process_is_new = watched_since.is_some_and(|since| first.at > after(since, settling));
                let begins = || self.stood_at(first, one, &reading).unwrap_or(0.0);
                let born = if process_is_older || process_is_new { begins() } else { first.value };
                let base = one.at(stretch.start).unwrap_or(Sample { at: stretch.start, value: born });
                advance(base, one, stretch.end).0
            })
            .collect())
    }

    /// Remembers what those of `series` stood at at `until` that were not known before.
    ///
    /// One that began in the meantime, and was not shown when that time was counted, stood at nothing: a store may show
    /// a series only a while after its first sample. `settling` is as in [`CounterState::gains`].
    pub fn meet(&mut self, until: Timestamp, settling: SignedDuration, series: &[Series]) {
        let unknown: Vec<_> = series.iter().filter(|series| !self.known.contains_key(&series.key)).collect();
        let reading = Reading::of(series, &self.known);
        let late: Vec<_> =
            unknown.iter().filter_map(|one| Some((*one, self.late(until, settling, (one, &reading))?))).collect();
        for series in unknown {
            self.remember(until, series);
        }
        self.known.extend(late.into_iter().map(|(series, sample)| (series.key, Known::of(series, sample))));
    }

    /// What a series stood at before it began, if nobody was shown it when the time up to `until` was counted.
    fn late(
        &self,
        until: Timestamp,
        settling: SignedDuration,
        (series, reading): (&Series, &Reading<'_>),
    ) -> Option<Sample> {
        let first = series.samples.first().filter(|first| first.at <= until)?;
        let process_is_older = self.instances.get(&series.instance).is_some_and(|birth| *birth < first.at);
        let process_is_new = self.watched_since.is_some_and(|since| first.at > after(since, settling));
        let before = after(first.at, SignedDuration::from_millis(-1));
        let stood = || self.stood_at(first, series, reading).unwrap_or(0.0);
        (process_is_older || process_is_new).then(|| Sample { at: before, value: stood() })
    }

    /// What `series`, which begins with `first`, stood at before where it is another of a reading under other labels: all that its
    /// process or its pod had before has ended by then, and one of those that count the same had not counted more.
    fn stood_at(&self, first: &Sample, series: &Series, reading: &Reading<'_>) -> Option<f64> {
        let is_older = |other: &&Series| {
            let seen = other.samples.first().is_some_and(|sample| sample.at < first.at);
            seen || self.known.contains_key(&other.key)
        };
        let mut stood = None;
        for other in reading.beside(series, first.at).filter(is_older) {
            let last = other.samples.last()?;
            if last.at >= first.at {
                return None;
            }
            if counts_alike(other.meaning, series.meaning) && last.value <= first.value {
                stood = Some(last.value.max(stood.unwrap_or(0.0)));
            }
        }
        stood.into_iter().chain(self.ended_at(first, series, reading)).reduce(f64::max)
    }

    /// The same of those that had ended before the reading begins, which has nothing of them.
    fn ended_at(&self, first: &Sample, series: &Series, reading: &Reading<'_>) -> Option<f64> {
        if !whose(series).any(|whose| self.instances.contains_key(&whose)) {
            return None;
        }
        let counted = reading
            .ended(series)
            .filter(|known| counts_alike(known.meaning, series.meaning) && known.sample.value <= first.value);
        counted.map(|known| known.sample.value).max_by(f64::total_cmp)
    }

    /// Remembers what `series` stood at at `until`, where the next stretch starts.
    pub fn settle(&mut self, until: Timestamp, series: &[Series]) {
        for series in series {
            self.remember(until, series);
        }
        if self.known.len() > CAPACITY {
            let oldest = after(until, -SignedDuration::from_hours(1));
            self.known.retain(|_, known| known.sample.at > oldest);
        }
    }

    /// Counts each of `series` from what it stands at at `until`, whatever it stood at before; one of a process that is no new
    /// one from its first value, where that is later.
    pub fn go_on(&mut self, until: Timestamp, series: &[Series]) {
        let later = series.iter().filter(|series| self.instances.contains_key(&series.instance)).filter_map(|series| {
            let first = series.samples.first().filter(|first| first.at > until && is_sound(first))?;
            Some((series.key, Known::of(series, Sample { at: until, ..*first })))
        });
        let later: Vec<_> = later.collect();
        self.settle(until, series);
        // At an instant of a coarse reading a store may still show what a series stood at before, which then is no reset.
        for series in series {
            if let Some(known) = self.known.get_mut(&series.key) {
                known.sample.at = known.sample.at.max(until);
            }
        }
        self.known.extend(later);
    }

    fn remember(&mut self, until: Timestamp, series: &Series) {
        let known = self.known.get(&series.key).map(|known| advance(known.sample, series, until).1);
        // What is no number would be remembered for good: nothing is more or less than it.
        let Some(last) = known.or_else(|| series.at(until)).filter(is_sound) else { return };
        self.known.insert(series.key, Known::of(series, last));
        if let Some(first) = series.samples.first() {
            for whose in whose(series) {
                let birth = self.instances.entry(whose).or_insert(first.at);
                *birth = (*birth).min(first.at);
            }
            self.watched_since = Some(self.watched_since.map_or(first.at, |since| since.min(first.at)));
        }
    }

    /// The processes that began while others were watched, or belong to the new version, and when that was.
    pub(super) fn begun(&self, settling: SignedDuration, series: &[Series]) -> ByKey<Timestamp> {
        let births = self.first_seen(series);
        let watched_since = births.values().copied().chain(self.watched_since).min();
        let is_new = |birth: Timestamp| watched_since.is_some_and(|since| birth > after(since, settling));
        let begun = series.iter().filter_map(|series| Some((series, *births.get(&series.instance)?)));
        let begun = begun.filter(|(series, birth)| series.arm == Arm::Canary || is_new(*birth));
        begun.map(|(series, birth)| (series.instance, birth)).collect()
    }

    /// When each process was first seen, in this reading or before.
    fn first_seen(&self, series: &[Series]) -> ByKey<Timestamp> {
        let mut births = ByKey::default();
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

/// All series that were read at once, and by process and by pod what there is of it: found out once somebody asks, since as a
/// rule nothing is new.
struct Reading<'s> {
    series: &'s [Series],
    known: &'s ByKey<Known>,
    present: OnceCell<ByKey<Present<'s>>>,
    ended: OnceCell<ByKey<Vec<&'s Known>>>,
}

/// What a reading has of a process or a pod.
struct Present<'s> {
    series: Vec<&'s Series>,
    /// When the first of them began; before all times where one was known before.
    begun: Timestamp,
}

impl<'s> Reading<'s> {
    fn of(series: &'s [Series], known: &'s ByKey<Known>) -> Self {
        Self { series, known, present: OnceCell::new(), ended: OnceCell::new() }
    }

    /// The other series of the same process or pod, one of them maybe twice; nothing where none of them can have begun before
    /// `first`.
    fn beside<'r>(&'r self, series: &'r Series, first: Timestamp) -> impl Iterator<Item = &'s Series> + 'r {
        let present = self.present.get_or_init(|| self.find_present());
        let of = whose(series).filter_map(|whose| present.get(&whose)).filter(move |of| of.begun < first);
        of.flat_map(|of| of.series.iter().copied()).filter(|other| other.key != series.key)
    }

    /// What is known of the same process or pod, and not in the reading.
    fn ended<'r>(&'r self, series: &'r Series) -> impl Iterator<Item = &'s Known> + 'r {
        let ended = self.ended.get_or_init(|| self.find_ended());
        whose(series).filter_map(|whose| ended.get(&whose)).flatten().copied()
    }

    fn find_present(&self) -> ByKey<Present<'s>> {
        let mut present = ByKey::<Present<'s>>::default();
        for series in self.series {
            let Some(first) = series.samples.first() else { continue };
            let begun = if self.known.contains_key(&series.key) { Timestamp::MIN } else { first.at };
            for whose in whose(series) {
                let of = present.entry(whose).or_insert(Present { series: Vec::new(), begun });
                of.series.push(series);
                of.begun = of.begun.min(begun);
            }
        }
        present
    }

    fn find_ended(&self) -> ByKey<Vec<&'s Known>> {
        let read: Keys = self.series.iter().map(|series| series.key).collect();
        let mut ended = ByKey::<Vec<&Known>>::default();
        for (_, known) in self.known.iter().filter(|(key, _)| !read.contains(*key)) {
            for whose in [Some(known.instance), known.pod].into_iter().flatten() {
                ended.entry(whose).or_default().push(known);
            }
        }
        ended
    }
}

impl Known {
    fn of(series: &Series, sample: Sample) -> Self {
        Self { sample, instance: series.instance, pod: pod_of(series), meaning: series.meaning }
    }
}

/// The process that a series is of, and the pod if it is of one.
fn whose(series: &Series) -> impl Iterator<Item = Key> {
    [Some(series.instance), pod_of(series)].into_iter().flatten()
}

/// The pod that a series is of, if it is of one.
fn pod_of(series: &Series) -> Option<Key> {
    series.pod.as_deref().map(|pod| Key::of("pod", pod))
}

/// Whether two series count the same, each of something of its own.
fn counts_alike(one: Meaning, other: Meaning) -> bool {
    match (one, other) {
        (Meaning::Bucket { le: one, .. }, Meaning::Bucket { le: other, .. }) => one.total_cmp(&other).is_eq(),
        _ => one == other,
    }
}

/// Whether a counter can have that value.
fn is_sound(sample: &Sample) -> bool {
    sample.value >= 0.0 && sample.value.is_finite()
}

/// `at` moved by `by`, or `at` itself at the ends of time.
fn after(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(at)
}

/// How far a counter moved from `known` to `until`, and where that leaves it.
///
/// It was reset where it is below the sample before it in the same reading. Where it is only below what is remembered,
/// another replica with another clock was read before: it counts again from where it is beyond that.
fn advance(known: Sample, series: &Series, until: Timestamp) -> (f64, Sample) {
    let mut before = series.at(known.at).map_or(known.value, |sample| sample.value);
    let (mut gained, mut reached) = (0.0, known);
    for sample in series.between(known.at, until) {
        if sample.value < before {
            gained += sample.value;
            reached.value = sample.value;
        } else if sample.value > reached.value {
            gained += sample.value - reached.value;
            reached.value = sample.value;
        }
        reached.at = sample.at;
        before = sample.value;
    }
    (gained, reached)
}

#[cfg(test)]
mod tests;
