//! Quantiles of classic histograms.

use std::collections::HashMap;

use super::{
    super::{error::QueryError, labels::Labels, server::Version, value::Sample},
    Arguments,
};

/// The label that holds a bucket's upper bound.
const BOUND: &str = "le";
/// Differences between buckets that are no more than what sums of fractions lose.
const ROUNDING: f64 = 1e-12;

/// How many observations were not above `bound`.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    bound: f64,
    count: f64,
}

/// `histogram_quantile`.
pub(super) fn quantile(arguments: &Arguments<'_, '_, '_>) -> Result<Vec<Sample>, QueryError> {
    let rank = arguments.scalar(0)?;
    let mut histograms: Vec<(Labels, Vec<Bucket>)> = Vec::new();
    let mut place: HashMap<Labels, usize> = HashMap::new();
    for sample in arguments.vector(1)? {
        let Ok(bound) = sample.labels.get(BOUND).parse() else { continue };
        let labels = sample.labels.without(&[BOUND]);
        let index = *place.entry(labels).or_insert_with_key(|labels| {
            histograms.push((labels.without_metric(), Vec::new()));
            histograms.len() - 1
        });
        if let Some((_, buckets)) = histograms.get_mut(index) {
            buckets.push(Bucket { bound, count: sample.value });
        }
    }
    let version = arguments.evaluator.version();
    let sample = |(labels, buckets)| Sample { labels, at: arguments.at, value: of_buckets(rank, buckets, version) };
    Ok(histograms.into_iter().map(sample).collect())
}

fn of_buckets(rank: f64, mut buckets: Vec<Bucket>, version: Version) -> f64 {
    if rank.is_nan() {
        return f64::NAN;
    }
    if rank < 0.0 {
        return f64::NEG_INFINITY;
    }
    if rank > 1.0 {
        return f64::INFINITY;
    }
    buckets.sort_by(|one, other| one.bound.total_cmp(&other.bound));
    if buckets.last().is_none_or(|last| last.bound != f64::INFINITY) {
        return f64::NAN;
    }
    let mut buckets = merged(&buckets);
    make_cumulative(&mut buckets, version);
    interpolated(rank, &buckets).unwrap_or(f64::NAN)
}

/// One bucket for each bound: `le="1"` and `le="1.0"` are the same.
#[allow(clippy::float_cmp, reason = "the same number, written in another way")]
fn merged(buckets: &[Bucket]) -> Vec<Bucket> {
    let mut merged: Vec<Bucket> = Vec::with_capacity(buckets.len());
    for bucket in buckets {
        match merged.last_mut() {
            Some(last) if last.bound == bucket.bound => last.count += bucket.count,
            _ => merged.push(*bucket),
        }
    }
    merged
}

/// A bucket never holds less than a smaller one: buckets that were scraped or summed apart may seem to.
fn make_cumulative(buckets: &mut [Bucket], version: Version) {
    let mut most = buckets.first().map_or(0.0, |bucket| bucket.count);
    for bucket in buckets.iter_mut().skip(1) {
        let rounding = version == Version::V3 && nearly_equal(most, bucket.count);
        if bucket.count > most && !rounding {
            most = bucket.count;
        } else if bucket.count < most || rounding {
            bucket.count = most;
        }
    }
}

fn nearly_equal(one: f64, other: f64) -> bool {
    let difference = (one - other).abs();
    difference > 0.0 && difference / (one.abs() + other.abs()).min(f64::MAX) < ROUNDING
}

/// Within a bucket, observations are taken to be spread evenly.
fn interpolated(rank: f64, buckets: &[Bucket]) -> Option<f64> {
    let [.., below_last, last] = buckets else { return None };
    if last.count == 0.0 {
        return None;
    }
    let mut wanted = rank * last.count;
    let finite = buckets.get(..buckets.len() - 1)?;
    // A count that is NaN is passed by.
    let index = finite.partition_point(|bucket| bucket.count < wanted || bucket.count.is_nan() || wanted.is_nan());
    let Some(bucket) = finite.get(index) else { return Some(below_last.bound) };
    let Some(before) = index.checked_sub(1).and_then(|index| finite.get(index)) else {
        return Some(if bucket.bound <= 0.0 { bucket.bound } else { bucket.bound * (wanted / bucket.count) });
    };
    wanted -= before.count;
    Some(before.bound + (bucket.bound - before.bound) * (wanted / (bucket.count - before.count)))
}
