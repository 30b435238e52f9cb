//! When scrapes happen: found out from the samples, not assumed.

use std::time::Duration;

use jiff::Timestamp;

use crate::judge::{Arm, Series};

/// How far apart scrapes usually are; unknown as long as no series has two samples.
///
/// The median: one missed scrape doubles a gap, and must not double the answer.
pub(super) fn interval(series: &[Series]) -> Option<Duration> {
    let mut gaps: Vec<Duration> = series
        .iter()
        .flat_map(|series| series.samples.windows(2))
        .filter_map(|pair| Some(pair.last()?.at.duration_since(pair.first()?.at).unsigned_abs()))
        .filter(|gap| !gap.is_zero())
        .collect();
    gaps.sort_unstable();
    gaps.get(gaps.len() / 2).copied()
}

/// When the newest sample of a version was scraped.
pub(super) fn newest(series: &[Series], arm: Arm) -> Option<Timestamp> {
    let samples = series.iter().filter(|series| series.arm == arm).filter_map(|series| series.samples.last());
    samples.map(|sample| sample.at).max()
}
