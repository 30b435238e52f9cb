use jiff::Timestamp;
use proptest::prelude::*;
use tidegate_judge::{Block, Sample, TimeRange};

use super::*;

const SECOND: f64 = 1e9;

/// The answer that so many series have each of these bounds, at each of two instants.
fn answer(bounds: &[(&str, [f64; 2])]) -> Vec<Row> {
    let sample = |(at, value): (i64, &f64)| Sample { at: Timestamp::from_second(at).unwrap(), value: *value };
    let row = |(le, counts): &(&str, [f64; 2])| Row {
        labels: [("le".into(), (*le).into())].into(),
        samples: (0..).zip(counts).filter(|(_, count)| **count > 0.0).map(sample).collect(),
        histograms: Vec::new(),
    };
    bounds.iter().map(row).collect()
}

fn nanoseconds(le: &str) -> Option<f64> {
    Some(le.parse::<f64>().ok()? * SECOND)
}

/// What is asked for where the bounds are these and a request may take so many seconds.
fn matcher(bounds: &[(&str, [f64; 2])], limits: &[f64]) -> Option<String> {
    let measures: Vec<_> = limits.iter().map(|limit| Measure::SlowerThan(limit * SECOND)).collect();
    Some(Bounds::of(&answer(bounds), nanoseconds)?.chosen(&measures).matcher)
}

fn everywhere<'a>(bounds: &[&'a str]) -> Vec<(&'a str, [f64; 2])> {
    bounds.iter().map(|le| (*le, [9.0, 9.0])).collect()
}

#[test]
fn the_bounds_on_either_side_of_each_limit_are_asked_for_in_every_spelling() {
    let bounds = everywhere(&["0.1", "0.25", "0.5", "1", "2.5", "10", "+Inf"]);
    let asked = |limits: &[f64]| matcher(&bounds, limits).unwrap();
    assert_eq!(asked(&[0.5]), r#"le=~"\\+Inf|0\\.5""#);
    assert_eq!(asked(&[0.3]), r#"le=~"\\+Inf|0\\.25|0\\.5""#);
    assert_eq!(asked(&[0.5, 1.5]), r#"le=~"\\+Inf|0\\.5|1|1\\.0|2\\.5""#);
    assert_eq!(asked(&[0.05]), r#"le=~"\\+Inf|0\\.1""#);
    assert_eq!(asked(&[60.0]), r#"le=~"\\+Inf|10|10\\.0""#, "the largest is told");
    assert_eq!(asked(&[]), r#"le=~"\\+Inf""#);
}

#[test]
fn two_spellings_of_a_bound_are_one_bound() {
    let bounds = [("0.5", [4.0, 4.0]), ("1", [3.0, 1.0]), ("1.0", [1.0, 3.0]), ("2", [4.0, 4.0]), ("+Inf", [4.0, 4.0])];
    assert_eq!(matcher(&bounds, &[1.0]).unwrap(), r#"le=~"\\+Inf|1|1\\.0""#);
}

#[test]
fn between_the_bounds_that_all_histograms_have_each_is_asked_for_with_all_of_its_own() {
    let some = [("0.1", [4.0, 4.0]), ("0.3", [1.0, 1.0]), ("0.5", [3.0, 3.0]), ("1", [4.0, 4.0]), ("5", [4.0, 4.0])];
    let bounds = [&some[..], &everywhere(&["+Inf"])].concat();
    assert_eq!(
        matcher(&bounds, &[0.5]),
        matcher(&bounds, &[0.25]),
        "none of the five is everywhere: +Inf is nine times"
    );
    let bounds = [&some[..], &[("+Inf", [4.0, 4.0])]].concat();
    assert_eq!(matcher(&bounds, &[0.5]).unwrap(), r#"le=~"\\+Inf|0\\.1|0\\.3|0\\.5|1|1\\.0""#);
    let before = [("0.1", [4.0, 4.0]), ("0.5", [0.0, 4.0]), ("1", [4.0, 4.0]), ("+Inf", [4.0, 4.0])];
    assert_eq!(
        matcher(&before, &[0.5]).unwrap(),
        r#"le=~"\\+Inf|0\\.1|0\\.5|1|1\\.0""#,
        "it was not there a minute ago"
    );
}

#[test]
fn all_buckets_are_asked_for_where_the_bounds_do_not_tell() {
    assert_eq!(matcher(&[], &[0.5]), None, "there are none");
    assert_eq!(matcher(&everywhere(&["0.5", "1"]), &[0.5]), None, "+Inf is missing");
    assert_eq!(matcher(&[("0.5", [4.0, 4.0]), ("+Inf", [3.0, 3.0])], &[0.5]), None, "of one histogram it is missing");
    assert_eq!(matcher(&everywhere(&["0.5", "fast", "+Inf"]), &[0.5]), None);
    let unlabelled = Row { labels: [("pod".into(), "a".into())].into(), samples: Vec::new(), histograms: Vec::new() };
    assert_eq!(Bounds::of(&[unlabelled], nanoseconds), None);
}

#[test]
fn a_selector_is_given_the_matcher_beside_its_own() {
    let chosen = Chosen { matcher: r#"le=~"1|\\+Inf""#.to_owned(), everywhere: Vec::new(), narrowed: BTreeMap::new() };
    for (selector, narrowed) in [
        (r#"x{pod=~"a|b"}"#, r#"x{pod=~"a|b",le=~"1|\\+Inf"}"#),
        (r#"x{pod="}", } "#, r#"x{pod="}",le=~"1|\\+Inf"}"#),
        ("x", r#"x{le=~"1|\\+Inf"}"#),
        ("x { } ", r#"x {le=~"1|\\+Inf"}"#),
        (r#"x{le=~"0.5|[+]Inf"}"#, r#"x{le=~"0.5|[+]Inf",le=~"1|\\+Inf"}"#),
    ] {
        assert_eq!(chosen.narrow(selector).as_deref(), Some(narrowed), "{selector}");
    }
    for selector in ["sum(x)", "x offset 5m", "x{a=\"b\"} # {}", "x @ 5", "x{", r#"rate(x{a="b"}[1m])"#] {
        assert_eq!(chosen.narrow(selector), None, "{selector}");
    }
}

#[test]
fn selectors_are_read_once_for_all_looks_and_one_that_cannot_be_narrowed_has_all_buckets_asked_for() {
    let chosen = || Chosen { matcher: r#"le="1""#.to_owned(), everywhere: Vec::new(), narrowed: BTreeMap::new() };
    let known = chosen().for_all(["x", "y{}"].into_iter()).unwrap();
    assert_eq!((known.of("x"), known.of("y{}"), known.of("z")), (Some(r#"x{le="1"}"#), Some(r#"y{le="1"}"#), None));
    assert_eq!(chosen().for_all(["x", "sum(x)"].into_iter()), None);
}

/// Bounds in tenths of seconds, of each histogram its own, and the values of its buckets.
fn histograms() -> impl Strategy<Value = Vec<Vec<i32>>> {
    let common = prop::collection::btree_set(1..40i32, 0..6);
    let own = prop::collection::vec(prop::collection::btree_set(1..40i32, 0..3), 1..5);
    (common, own).prop_map(|(common, own)| own.iter().map(|own| own.union(&common).copied().collect()).collect())
}

/// Series of these histograms: each bucket holds as many more as its bound.
fn series(histograms: &[Vec<i32>]) -> Vec<Series> {
    let of = |(number, bounds): (usize, &Vec<i32>)| {
        let key = Key::of("histogram", &number.to_string());
        let les = bounds.iter().map(|le| f64::from(*le) * SECOND / 10.0).chain([f64::INFINITY]);
        let arm = if number % 2 == 0 { Arm::Canary } else { Arm::Stable };
        let series = |le| Series {
            key,
            instance: key,
            pod: None,
            arm,
            meaning: Meaning::Bucket { histogram: key, le },
            samples: Vec::new(),
        };
        les.map(series).collect::<Vec<_>>()
    };
    histograms.iter().enumerate().flat_map(of).collect()
}

fn gains(series: &[Series]) -> Vec<f64> {
    let gain = |series: &Series| match series.meaning {
        Meaning::Bucket { le, .. } if le.is_finite() => le / SECOND * 10.0,
        _ => 100.0,
    };
    series.iter().map(gain).collect()
}

proptest! {
    #[test]
    fn what_is_left_out_changes_no_verdict(histograms in histograms(), limit in 0..45i32) {
        let all = series(&histograms);
        let mut counts: BTreeMap<i32, f64> = BTreeMap::new();
        for le in histograms.iter().flatten() {
            *counts.entry(*le).or_default() += 1.0;
        }
        let spelled = counts.iter().map(|(le, count)| (format!("{}", f64::from(*le) / 10.0), [*count; 2]));
        let spelled: Vec<_> = spelled.chain([("+Inf".to_owned(), [histograms.len() as f64; 2])]).collect();
        let spelled: Vec<_> = spelled.iter().map(|(le, counts)| (le.as_str(), *counts)).collect();
        let bounds = Bounds::of(&answer(&spelled), |le| Some((le.parse::<f64>().ok()? * SECOND).round())).unwrap();
        let measure = Measure::SlowerThan(f64::from(limit) * SECOND / 10.0);
        let chosen = bounds.chosen(&[measure]);
        let asked = regex::Regex::new(&format!("^(?:{})$", chosen.matcher.trim_start_matches("le=~\"").trim_end_matches('"').replace(r"\\", r"\"))).unwrap();
        let is_asked = |series: &&Series| match series.meaning {
            Meaning::Bucket { le, .. } if le.is_finite() => asked.is_match(&format!("{}", le / SECOND)),
            _ => true,
        };
        let some: Vec<_> = all.iter().filter(is_asked).cloned().collect();
        prop_assert!(chosen.are_in(&some));
        let stretch = TimeRange { start: Timestamp::UNIX_EPOCH, end: Timestamp::UNIX_EPOCH };
        let block = |series: &[Series]| Block::of(stretch, measure, series, &gains(series));
        prop_assert_eq!(block(&all), block(&some));
        for arm in [Arm::Canary, Arm::Stable] {
            prop_assert_eq!(measure.is_counted(arm, &all), measure.is_counted(arm, &some));
        }
        let is_everywhere = |series: &&Series| {
            matches!(series.meaning, Meaning::Bucket { le, .. } if chosen.everywhere.contains(&le))
        };
        let lacking: Vec<_> = some.iter().filter(|series| !is_everywhere(series)).cloned().collect();
        prop_assert_eq!(chosen.are_in(&lacking), lacking.is_empty());
    }
}
