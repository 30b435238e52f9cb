//! Histograms whose samples hold their buckets, and say of each only what is in it: native ones, and those of `vmrange`.
//!
//! Of such a histogram, series are made as a classic one has them: how many requests took no longer than a bound. Which
//! bounds there are is not in an answer, since empty buckets are not; nor does it have to be. Up to a bound that lies in no
//! bucket with anything in it, what is in the buckets below is all that there was. So a limit that lies in no such bucket is
//! a bound itself; one that does has the bounds of that bucket. Where a histogram loses resolution, buckets become one with
//! their neighbours, and no bound of the wider ones lies in a narrower one: base 2^(2^-schema), of which the square is the
//! next.
//! <https://prometheus.io/docs/specs/native_histograms/#schema>

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use tidegate_judge::{Arm, Key, Meaning, Measure, Sample, Series};

use super::answer::{Bucket, Histogram};

/// What is in the buckets may be beyond the count by so little: fractions are added up in another order.
const ROUNDING: f64 = 1e-9;

/// One histogram with its samples.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct HistogramSeries {
    /// Its labels, and the name that its classic buckets have or would have.
    pub(super) key: Key,
    /// The process that exposes it.
    pub(super) instance: Key,
    pub(super) pod: Option<Arc<str>>,
    pub(super) arm: Arm,
    /// Whether it is another series than classic buckets would be.
    pub(super) is_native: bool,
    /// Oldest first; bounds are in nanoseconds.
    pub(super) samples: Vec<Histogram>,
}

/// Why a histogram is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// A count, or a bound.
    #[error("holds what is negative or not a number where it counts")]
    NotANumber,
    /// Buckets that overlap or go down.
    #[error("has buckets that are out of order or overlap")]
    OutOfOrder,
    /// Buckets with more in them than there was.
    #[error("has more in its buckets than it counted")]
    MoreThanCounted,
    /// Durations below nothing.
    #[error("holds durations below zero")]
    BelowZero,
}

impl HistogramSeries {
    /// How many numbers a sample of it has.
    pub(super) fn weight(&self) -> usize {
        self.samples.iter().map(|sample| 1 + sample.buckets.len()).max().unwrap_or_default()
    }

    /// The same as series of cumulative buckets: those around what `measures` ask for, and `+Inf`.
    ///
    /// # Errors
    /// [`Flaw`] if a sample contradicts itself.
    pub(super) fn buckets(&self, measures: &[Measure]) -> Result<Vec<Series>, Flaw> {
        for sample in &self.samples {
            sound(sample)?;
        }
        let limits = measures.iter().filter_map(|measure| match measure {
            Measure::SlowerThan(limit) => Some(*limit),
            Measure::Failed => None,
        });
        let around = limits.flat_map(|limit| self.around(limit)).filter(|bound| bound.is_finite());
        let mut bounds: Vec<f64> = around.chain([f64::INFINITY]).collect();
        bounds.sort_by(f64::total_cmp);
        bounds.dedup();
        let series = bounds.iter().zip(self.counted(&bounds)).map(|(le, samples)| Series {
            key: self.key.with(Key::of("le", &le.to_string())).with(Key::of("", "held")),
            instance: self.instance,
            pod: self.pod.clone(),
            arm: self.arm,
            meaning: Meaning::Bucket { histogram: self.key, le: *le },
            samples,
        });
        Ok(series.collect())
    }

    /// The nearest bounds on either side of `limit` of which every sample knows how much there was up to them.
    fn around(&self, limit: f64) -> [f64; 2] {
        let [mut lower, mut upper] = [limit; 2];
        let mut is_done = false;
        while !is_done {
            is_done = true;
            for bucket in self.samples.iter().flat_map(|sample| &sample.buckets) {
                let holds = |bound: f64| bucket.lower < bound && bound < bucket.upper;
                if holds(lower) || holds(upper) {
                    (lower, upper) = (lower.min(bucket.lower), upper.max(bucket.upper));
                    is_done = false;
                }
            }
        }
        [lower, upper]
    }

    /// How much there was up to each of `bounds`, the last of which is infinite.
    fn counted(&self, bounds: &[f64]) -> Vec<Vec<Sample>> {
        let mut all = vec![Vec::with_capacity(self.samples.len()); bounds.len()];
        let mut before: Vec<f64> = vec![0.0; bounds.len()];
        for sample in &self.samples {
            let up_to = |bound: &f64| match *bound {
                f64::INFINITY => sample.count,
                bound => sample.buckets.iter().filter(|bucket| bucket.upper <= bound).map(|bucket| bucket.count).sum(),
            };
            let now: Vec<f64> = bounds.iter().map(up_to).collect();
            // A process that began anew counts from nothing in all buckets, also where it has more by now than the one before.
            let is_reset = before.iter().zip(&now).any(|(before, now)| now < before);
            let begun = sample.at.checked_sub(SignedDuration::from_millis(1)).ok().filter(|_| is_reset);
            for (samples, value) in all.iter_mut().zip(&now) {
                samples.extend(begun.map(|at| Sample { at, value: 0.0 }));
                samples.push(Sample { at: sample.at, value: *value });
            }
            before = now;
        }
        all
    }
}

/// Whether `sample` does not contradict itself.
fn sound(sample: &Histogram) -> Result<(), Flaw> {
    let is_count = |count: f64| count.is_finite() && count >= 0.0;
    let is_sound = |bucket: &Bucket| is_count(bucket.count) && !bucket.lower.is_nan() && !bucket.upper.is_nan();
    if !is_count(sample.count) || !sample.buckets.iter().all(is_sound) {
        return Err(Flaw::NotANumber);
    }
    let follow = |pair: &[Bucket]| matches!(pair, [one, next] if one.upper <= next.lower);
    if sample.buckets.iter().any(|bucket| bucket.lower > bucket.upper) || !sample.buckets.windows(2).all(follow) {
        return Err(Flaw::OutOfOrder);
    }
    if sample.buckets.iter().any(|bucket| bucket.upper < 0.0 && bucket.count > 0.0) {
        return Err(Flaw::BelowZero);
    }
    let held: f64 = sample.buckets.iter().map(|bucket| bucket.count).sum();
    if held > sample.count * (1.0 + ROUNDING) { Err(Flaw::MoreThanCounted) } else { Ok(()) }
}

/// The series that have `vmrange` in the place of `le` as samples of one histogram: each counts what is in its range alone, and
/// begins with the first request in it. Of a scrape all have the same time.
/// <https://docs.victoriametrics.com/victoriametrics/metricsql/#histogram_quantile>
pub(super) fn of_ranges(ranges: Vec<(Bucket, Vec<Sample>)>) -> Vec<Histogram> {
    let mut scrapes: BTreeMap<Timestamp, Vec<Bucket>> = BTreeMap::new();
    for (range, samples) in ranges {
        for Sample { at, value } in samples {
            scrapes.entry(at).or_default().push(Bucket { count: value, ..range });
        }
    }
    let histogram = |(at, mut buckets): (Timestamp, Vec<Bucket>)| {
        buckets.sort_by(|one, other| one.lower.total_cmp(&other.lower));
        Histogram { at, count: buckets.iter().map(|bucket| bucket.count).sum(), buckets }
    };
    scrapes.into_iter().map(histogram).collect()
}

#[cfg(test)]
mod tests;
