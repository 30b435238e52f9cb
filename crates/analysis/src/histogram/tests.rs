use jiff::SignedDuration;
use proptest::prelude::*;
use tidegate_judge::{Block, CounterState, Counts, Refusal, TimeRange};

use super::*;

const SECOND: f64 = 1e9;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + second).unwrap()
}

/// A sample at a second with these buckets: lower and upper bound in seconds, and what is in it.
fn sample(second: i64, count: f64, buckets: &[(f64, f64, f64)]) -> Histogram {
    let bucket = |(lower, upper, count): &(f64, f64, f64)| Bucket {
        lower: (lower * SECOND).round(),
        upper: (upper * SECOND).round(),
        count: *count,
    };
    Histogram { at: at(second), count, buckets: buckets.iter().map(bucket).collect() }
}

fn series(samples: Vec<Histogram>) -> HistogramSeries {
    let key = Key::of("pod", "checkout-new-abcde");
    HistogramSeries { key, instance: key, pod: None, arm: Arm::Canary, is_native: true, samples }
}

fn slower_than(seconds: f64) -> [Measure; 1] {
    [Measure::SlowerThan(seconds * SECOND)]
}

/// The bounds in seconds that are made of `samples` for a limit, and what was counted up to each.
fn cumulative(samples: &[Histogram], limit: f64) -> Vec<(f64, Vec<f64>)> {
    let made = series(samples.to_vec()).buckets(&slower_than(limit)).unwrap();
    let bound = |series: &Series| match series.meaning {
        Meaning::Bucket { le, .. } => le / SECOND,
        _ => panic!("{series:?}"),
    };
    made.iter().map(|one| (bound(one), one.samples.iter().map(|sample| sample.value).collect())).collect()
}

/// What counts between the first and the last of `samples` for a limit.
fn counts(samples: Vec<Histogram>, limit: f64) -> Result<Counts, Refusal> {
    let (start, end) = (samples[0].at, samples[samples.len() - 1].at);
    let [measure] = slower_than(limit);
    let made = series(samples).buckets(&[measure]).unwrap();
    let mut counters = CounterState::default();
    counters.settle(start, &made);
    let stretch = TimeRange { start, end };
    let gains = counters.gains(stretch, SignedDuration::from_secs(2), &made)?;
    Ok(Block::of(stretch, measure, &made, &gains)?.canary)
}

/// The bucket of base 2^(2^-schema) that holds `seconds`.
/// <https://prometheus.io/docs/specs/native_histograms/#schema>
fn exponential(schema: i32, seconds: f64) -> (f64, f64) {
    let growth = 2f64.powf(2f64.powi(-schema));
    let place = (seconds.ln() / growth.ln() - 1e-9).ceil();
    (growth.powf(place - 1.0), growth.powf(place))
}

/// What a histogram of this schema stands at after these observations.
fn observed(second: i64, schema: i32, observations: &[f64]) -> Histogram {
    let mut buckets: BTreeMap<u64, (f64, f64, f64)> = BTreeMap::new();
    for seconds in observations {
        let (lower, upper) = exponential(schema, *seconds);
        buckets.entry(lower.to_bits()).or_insert((lower, upper, 0.0)).2 += 1.0;
    }
    sample(second, observations.len() as f64, &buckets.into_values().collect::<Vec<_>>())
}

#[test]
fn a_limit_in_no_bucket_with_anything_in_it_is_a_bound_itself() {
    let samples = [sample(0, 10.0, &[(0.25, 0.5, 8.0), (1.0, 2.0, 2.0)])];
    for limit in [0.5, 0.7, 1.0] {
        assert_eq!(cumulative(&samples, limit), [(limit, vec![8.0]), (f64::INFINITY, vec![10.0])]);
    }
    assert_eq!(cumulative(&samples, 5.0)[0], (5.0, vec![10.0]));
    assert_eq!(cumulative(&samples, 0.1)[0], (0.1, vec![0.0]));
}

#[test]
fn a_limit_inside_of_a_bucket_has_the_bounds_of_the_bucket() {
    let samples = [sample(0, 10.0, &[(0.25, 0.5, 8.0), (1.0, 2.0, 2.0)])];
    assert_eq!(cumulative(&samples, 0.3), [(0.25, vec![0.0]), (0.5, vec![8.0]), (f64::INFINITY, vec![10.0])]);
    let both = [sample(0, 0.0, &[]), sample(10, 10.0, &[(0.25, 0.5, 8.0), (1.0, 2.0, 2.0)])];
    assert_eq!(counts(both.to_vec(), 0.3), Ok(Counts { bad_at_most: 10.0, ..Counts::exact(2.0, 10.0) }));
    assert_eq!(counts(both.to_vec(), 0.5), Ok(Counts::exact(2.0, 10.0)));
}

#[test]
fn what_is_in_the_zero_bucket_is_fast_and_what_is_in_none_is_not() {
    let samples = vec![sample(0, 0.0, &[]), sample(10, 10.0, &[(-1e-128, 1e-128, 4.0), (0.25, 0.5, 5.0)])];
    // One observation was no number: it is counted, and in no bucket.
    assert_eq!(counts(samples, 0.5), Ok(Counts::exact(1.0, 10.0)));
}

#[test]
fn custom_buckets_begin_and_end_in_the_infinite() {
    let samples = vec![
        sample(0, 0.0, &[]),
        sample(10, 100.0, &[(f64::NEG_INFINITY, 0.1, 90.0), (0.1, 0.5, 7.0), (0.5, f64::INFINITY, 3.0)]),
    ];
    assert_eq!(counts(samples.clone(), 0.5), Ok(Counts::exact(3.0, 100.0)));
    assert_eq!(counts(samples.clone(), 0.05), Ok(Counts { bad_at_most: 100.0, ..Counts::exact(10.0, 100.0) }));
    let made = series(samples).buckets(&slower_than(2.0)).unwrap();
    let refusal = slower_than(2.0)[0].is_counted(Arm::Canary, &made).unwrap_err().to_string();
    assert!(refusal.starts_with("the limit of 2s is above 500ms, the largest bucket"), "{refusal}");
}

#[test]
fn a_histogram_that_loses_resolution_goes_on_where_it_was() {
    let mut seen = vec![0.2, 0.28, 0.45, 0.55, 0.9];
    let mut samples = vec![observed(0, 4, &seen)];
    for (second, schema) in [(10, 4), (20, 3), (30, 1), (40, 0), (50, -1)] {
        seen.extend([0.2, 0.28, 0.45, 0.55, 0.9]);
        samples.push(observed(second, schema, &seen));
    }
    // Of the last schema, 0.5 lies between 0.25 and 1.
    assert_eq!(counts(samples.clone(), 0.5), Ok(Counts { bad_at_most: 20.0, ..Counts::exact(0.0, 25.0) }));
    samples.pop();
    assert_eq!(counts(samples.clone(), 0.5), Ok(Counts::exact(8.0, 20.0)), "a power of two is a bound of all others");
    assert_eq!(counts(samples, 0.3), Ok(Counts { bad_at_most: 16.0, ..Counts::exact(8.0, 20.0) }));
}

#[test]
fn a_zero_bucket_that_grows_takes_nothing_from_what_was_fast() {
    let samples = vec![
        sample(0, 10.0, &[(-1e-128, 1e-128, 1.0), (0.001, 0.002, 8.0), (1.0, 2.0, 1.0)]),
        sample(10, 20.0, &[(-0.002, 0.002, 18.0), (1.0, 2.0, 2.0)]),
    ];
    assert_eq!(counts(samples, 0.5), Ok(Counts::exact(1.0, 10.0)));
}

#[test]
fn a_process_that_begins_anew_counts_from_nothing_in_all_of_its_buckets() {
    // Its count alone does not tell: it has more by now than the process before had.
    let samples = vec![sample(0, 10.0, &[(0.25, 0.5, 9.0), (1.0, 2.0, 1.0)]), sample(10, 12.0, &[(1.0, 2.0, 12.0)])];
    assert_eq!(counts(samples, 0.5), Ok(Counts::exact(12.0, 12.0)));
    let samples = vec![observed(0, 1, &[0.3; 50]), observed(10, 4, &[0.3; 9]), observed(20, 4, &[0.3; 11])];
    assert_eq!(counts(samples, 0.5), Ok(Counts::exact(0.0, 11.0)));
}

#[test]
fn a_histogram_that_contradicts_itself_is_refused() {
    let flaw =
        |count: f64, buckets: &[(f64, f64, f64)]| series(vec![sample(0, count, buckets)]).buckets(&[]).unwrap_err();
    for count in [f64::NAN, -1.0, f64::INFINITY] {
        assert_eq!(flaw(count, &[]), Flaw::NotANumber);
        assert_eq!(flaw(5.0, &[(0.1, 0.2, count)]), Flaw::NotANumber);
    }
    assert_eq!(flaw(5.0, &[(f64::NAN, 0.2, 1.0)]), Flaw::NotANumber);
    assert_eq!(flaw(5.0, &[(0.2, 0.4, 1.0), (0.1, 0.2, 1.0)]), Flaw::OutOfOrder);
    assert_eq!(flaw(5.0, &[(0.1, 0.2, 1.0), (0.15, 0.4, 1.0)]), Flaw::OutOfOrder);
    assert_eq!(flaw(5.0, &[(0.2, 0.1, 1.0)]), Flaw::OutOfOrder);
    assert_eq!(flaw(5.0, &[(-0.2, -0.1, 1.0)]), Flaw::BelowZero);
    assert_eq!(flaw(5.0, &[(0.1, 0.2, 6.0)]), Flaw::MoreThanCounted);
}

#[test]
fn ranges_are_put_together_by_scrape_whenever_each_of_them_begins() {
    let range = |lower: f64, upper: f64, samples: &[(i64, f64)]| {
        let samples = samples.iter().map(|(second, value)| Sample { at: at(*second), value: *value });
        (Bucket { lower: lower * SECOND, upper: upper * SECOND, count: 0.0 }, samples.collect())
    };
    let ranges = vec![
        range(1.0, f64::INFINITY, &[(20, 1.0)]),
        range(0.4, 0.5, &[(0, 5.0), (10, 9.0), (20, 9.0)]),
        range(0.5, 0.6, &[(10, 2.0), (20, 3.0)]),
    ];
    let put_together = of_ranges(ranges);
    assert_eq!(put_together.iter().map(|histogram| histogram.count).collect::<Vec<_>>(), [5.0, 11.0, 13.0]);
    assert_eq!(counts(put_together.clone(), 0.5), Ok(Counts::exact(4.0, 8.0)));
    assert_eq!(counts(put_together, 0.55), Ok(Counts { bad_at_most: 4.0, ..Counts::exact(1.0, 8.0) }));
}

/// Observations scrape by scrape, and the schema at each: it only goes down, as of a process that lives on.
fn life() -> impl Strategy<Value = Vec<(i32, Vec<f64>)>> {
    let scrape = (0..3i32, proptest::collection::vec(0.01f64..4.0, 0..12));
    proptest::collection::vec(scrape, 2..6).prop_map(|scrapes| {
        let mut schema = 6;
        let falls = scrapes.into_iter().map(|(falls, seen)| {
            schema -= falls;
            (schema, seen)
        });
        falls.collect()
    })
}

proptest! {
    #[test]
    fn the_truth_lies_between_what_was_certainly_and_what_was_possibly_slow(life in life(), limit in 0.02f64..3.0) {
        let (mut seen, mut samples) = (Vec::new(), Vec::new());
        for (second, (schema, new)) in (0..).step_by(10).zip(&life) {
            seen.extend(new);
            samples.push(observed(second, *schema, &seen));
        }
        let new: Vec<f64> = seen[life[0].1.len()..].to_vec();
        let slow = new.iter().filter(|seconds| **seconds > limit).count() as f64;
        let Counts { bad, bad_at_most, total, .. } = counts(samples, limit).unwrap();
        prop_assert!(bad <= slow && slow <= bad_at_most, "{bad} {slow} {bad_at_most}");
        prop_assert!((total - new.len() as f64).abs() < 0.5, "{total}");
        let (lower, upper) = exponential(life[life.len() - 1].0, limit);
        let doubtful = seen.iter().filter(|seconds| lower * 0.999 < **seconds && **seconds <= upper * 1.001).count();
        prop_assert!(bad_at_most - bad <= doubtful as f64, "no more is in doubt than the widest bucket around the limit holds");
    }

    #[test]
    fn whatever_is_written_is_read_or_refused(count in any::<f64>(), buckets in proptest::collection::vec(any::<(f64, f64, f64)>(), 0..5), limit in any::<f64>()) {
        let whole = series(vec![sample(0, 3.0, &[(0.1, 0.2, 3.0)]), sample(10, count, &buckets)]);
        if let Ok(made) = whole.buckets(&[Measure::SlowerThan(limit)]) {
            prop_assert!(made.iter().flat_map(|series| &series.samples).all(|sample| sample.value >= 0.0));
        }
    }
}
