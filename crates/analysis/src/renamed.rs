//! A counter that goes on under another name: where Prometheus 2 wrote `le="1"`, Prometheus 3 writes `le="1.0"`.
//!
//! <https://prometheus.io/docs/prometheus/latest/migration/#le-and-quantile-label-values>

use std::collections::hash_map::Entry;

use tidegate_judge::{Arm, ByKey, Key, Sample, Series};

/// `all` with one series for each key.
pub(super) fn joined(all: Vec<Series>) -> Vec<Series> {
    let mut places: ByKey<usize, (Key, Arm)> = ByKey::default();
    places.reserve(all.len());
    let mut whole: Vec<Series> = Vec::with_capacity(all.len());
    for series in all {
        match places.entry((series.key, series.arm)) {
            Entry::Vacant(place) => {
                place.insert(whole.len());
                whole.push(series);
            }
            Entry::Occupied(place) => {
                if let Some(known) = whole.get_mut(*place.get()) {
                    known.samples = after_each_other(std::mem::take(&mut known.samples), series.samples);
                }
            }
        }
    }
    whole
}

/// The samples of both: those of the one that began later as long as it lasts, and the other's before and after that.
/// Both count the same, so that where one begins the other has nothing more to tell: two scrapers with clocks of their
/// own would seem to go back, and a Prometheus that was restarted goes on answering for minutes with the last value of
/// a series that is gone.
fn after_each_other(one: Vec<Sample>, other: Vec<Sample>) -> Vec<Sample> {
    let begins = |samples: &[Sample]| samples.first().map(|sample| sample.at);
    let (earlier, later) = if begins(&one) <= begins(&other) { (one, other) } else { (other, one) };
    let Some((first, last)) = later.first().zip(later.last()).map(|(first, last)| (first.at, last.at)) else {
        return earlier;
    };
    let before = earlier.iter().take_while(|sample| sample.at < first);
    let after = earlier.iter().skip_while(|sample| sample.at <= last);
    before.chain(&later).chain(after).copied().collect()
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};
    use tidegate_judge::{CounterState, Meaning, TimeRange};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    fn bucket(samples: &[(i64, f64)]) -> Series {
        let key = Key::of("le", "1");
        let samples = samples.iter().map(|(second, value)| Sample { at: at(*second), value: *value }).collect();
        Series { key, instance: Key::default(), pod: None, arm: Arm::Canary, meaning: Meaning::Requests, samples }
    }

    /// What is counted of both from second 0 to 30, in two stretches, as text.
    fn counted(one: &[(i64, f64)], other: &[(i64, f64)]) -> String {
        let series = joined(vec![bucket(one), bucket(other)]);
        assert_eq!(series.len(), 1);
        let mut counters = CounterState::default();
        let mut gained = 0.0;
        counters.settle(at(0), &series);
        for (start, end) in [(0, 12), (12, 30)] {
            let stretch = TimeRange { start: at(start), end: at(end) };
            gained += counters.gains(stretch, SignedDuration::from_secs(2), &series).unwrap().iter().sum::<f64>();
            counters.settle(at(end), &series);
        }
        gained.to_string()
    }

    #[test]
    fn a_counter_that_is_renamed_goes_on_where_it_was() {
        let (before, after) = ([(0, 100.0), (5, 110.0), (10, 120.0)], [(15, 130.0), (20, 140.0)]);
        assert_eq!([counted(&before, &after), counted(&after, &before)], ["40", "40"]);
    }

    #[test]
    fn a_process_that_restarted_meanwhile_counts_anew() {
        assert_eq!(counted(&[(0, 100.0), (10, 120.0)], &[(15, 7.0), (20, 9.0)]), "29");
    }

    #[test]
    fn one_that_was_renamed_back_is_counted_once() {
        assert_eq!(counted(&[(0, 100.0), (5, 110.0), (20, 140.0)], &[(10, 120.0), (15, 130.0)]), "40");
    }

    #[test]
    fn the_last_value_of_one_that_is_gone_is_not_taken_for_its_next() {
        let gone = [(0, 100.0), (10, 120.0), (15, 120.0), (20, 120.0)];
        assert_eq!(counted(&gone, &[(15, 130.0), (20, 140.0)]), "40");
    }

    #[test]
    fn two_names_side_by_side_are_counted_once() {
        let (one, other) = ([(0, 100.0), (10, 120.0), (20, 140.0)], [(1, 102.0), (11, 122.0), (21, 142.0)]);
        assert_eq!(counted(&one, &other), "42");
    }
}
