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
    let middle = gaps.len() / 2;
    (middle < gaps.len()).then(|| *gaps.select_nth_unstable(middle).1)
}

/// When the newest sample of a version was scraped.
pub(super) fn newest(series: &[Series], arm: Arm) -> Option<Timestamp> {
    let samples = series.iter().filter(|series| series.arm == arm).filter_map(|series| series.samples.last());
    samples.map(|sample| sample.at).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::{Key, Meaning, Sample};

    fn series(arm: Arm, seconds: &[i64]) -> Series {
        let samples = seconds.iter().map(|at| Sample { at: Timestamp::from_second(*at).unwrap(), value: 1.0 });
        let key = Key::default();
        Series { key, instance: key, pod: None, arm, meaning: Meaning::Requests, samples: samples.collect() }
    }

    #[test]
    fn a_missed_scrape_does_not_change_the_interval() {
        let read = [series(Arm::Canary, &[0, 15, 45, 60]), series(Arm::Stable, &[3, 18, 33])];
        assert_eq!(interval(&read), Some(Duration::from_secs(15)));
        assert_eq!(newest(&read, Arm::Stable), Timestamp::from_second(33).ok());
    }

    #[test]
    fn one_sample_says_nothing_about_the_interval() {
        assert_eq!(interval(&[series(Arm::Canary, &[5])]), None);
    }
}
