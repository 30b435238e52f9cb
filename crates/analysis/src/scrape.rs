//! When scrapes happen: found out from the samples, not assumed.

use std::time::Duration;

use jiff::Timestamp;
use tidegate_judge::{Arm, ByKey, Series};

use super::grid::earlier;

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

/// Up to when all targets of stable have been scraped. One whose scrape is overdue is gone, or does not answer, and is not
/// waited for; nothing where that is true of all.
pub(super) fn level(series: &[Series], scrape: Duration) -> Option<Timestamp> {
    let newest = newest(series, Arm::Stable).max(newest(series, Arm::Canary))?;
    let mut targets: ByKey<Timestamp> = ByKey::default();
    for series in series.iter().filter(|series| series.arm == Arm::Stable) {
        let Some(last) = series.samples.last() else { continue };
        let scraped = targets.entry(series.instance).or_insert(last.at);
        *scraped = last.at.max(*scraped);
    }
    targets.into_values().filter(|scraped| *scraped > earlier(newest, scrape * 3 / 2)).min()
}

#[cfg(test)]
mod tests {
    use tidegate_judge::{Key, Meaning, Sample};

    use super::*;

    fn series(arm: Arm, seconds: &[i64]) -> Series {
        of("a", arm, seconds)
    }

    fn of(target: &str, arm: Arm, seconds: &[i64]) -> Series {
        let samples = seconds.iter().map(|at| Sample { at: Timestamp::from_second(*at).unwrap(), value: 1.0 });
        let key = Key::of("pod", target);
        Series { key, instance: key, pod: None, arm, meaning: Meaning::Requests, samples: samples.collect() }
    }

    #[test]
    fn stable_is_level_up_to_its_target_that_was_scraped_first_and_one_that_is_gone_is_not_waited_for() {
        let level = |read: &[Series]| level(read, Duration::from_secs(15)).map(Timestamp::as_second);
        let canary = of("new", Arm::Canary, &[35, 50, 65]);
        let [one, other] = [("a", [42, 57]), ("b", [26, 41])].map(|(name, at)| of(name, Arm::Stable, &at));
        let later = of("b", Arm::Stable, &[46, 61]);
        assert_eq!(level(&[canary.clone(), one.clone(), later]), Some(57));
        assert_eq!(level(&[canary.clone(), one, other.clone()]), Some(57), "the other is overdue");
        assert_eq!(level(&[canary.clone(), other]), None);
        assert_eq!(level(&[canary]), None, "stable has no pods");
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
