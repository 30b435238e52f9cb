use tidegate_judge::Arm;

use super::*;
use crate::answer::Histogram;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + second).unwrap()
}

/// What a histogram counted up to a second, in one form.
fn series(histogram: &str, form: &str, samples: &[(i64, f64)]) -> Series {
    let histogram = Key::of("pod", histogram);
    Series {
        key: histogram.with(Key::of("form", form)),
        instance: histogram,
        pod: None,
        arm: Arm::Canary,
        meaning: Meaning::Bucket { histogram, le: 1e9 },
        samples: samples.iter().map(|(second, value)| Sample { at: at(*second), value: *value }).collect(),
    }
}

#[test]
fn a_native_histogram_has_the_name_of_its_buckets_without_their_end_and_all_matchers_but_that_for_bounds() {
    for (selector, wanted) in [
        (r#"x_seconds_bucket{pod=~"a|b",le!="3"}"#, Some(r#"x_seconds{pod=~"a|b"}"#)),
        (r#"x_seconds_bucket{ path = 'a"b\\', le=~".+" } "#, Some(r#"x_seconds{path="a\"b\\"}"#)),
        ("x_seconds_bucket", Some("x_seconds")),
        ("x_seconds", None),
        ("_bucket", None),
        (r#"x_bucket{a="b" or c="d"}"#, None),
        ("x_bucket offset 5m", None),
        ("rate(x_bucket[1m])", None),
        (r#"{__name__="x_bucket"}"#, None),
        ("not a selector", None),
    ] {
        assert_eq!(native(selector, BUCKET).as_deref(), wanted, "{selector}");
    }
}

#[test]
fn a_native_histogram_counts_as_the_counter_of_a_classic_one_would() {
    assert_eq!(native(r#"x_count{code="200"}"#, COUNT).as_deref(), Some(r#"x{code="200"}"#));
    let labels = [("__name__", "x"), ("code", "200")].map(|(name, value)| (name.into(), value.into()));
    let histograms =
        [(0, 5.0), (10, 9.0)].map(|(second, count)| Histogram { at: at(second), count, buckets: Vec::new() });
    let row = as_counter(&Row { labels: labels.into(), samples: Vec::new(), histograms: histograms.into() });
    assert_eq!((row.label("__name__"), row.label("code")), (Some("x_count"), Some("200")));
    assert_eq!(row.samples.iter().map(|sample| sample.value).collect::<Vec<_>>(), [5.0, 9.0]);
}

#[test]
fn a_histogram_that_is_there_in_both_forms_counts_once_in_its_classic_one() {
    let [classic, held] = ["classic", "native"].map(|form| series("a", form, &[(0, 5.0), (10, 9.0)]));
    let other = series("b", "native", &[(0, 1.0)]);
    let (counted, forms) = once(vec![classic.clone()], vec![held, other.clone()]);
    assert_eq!(counted, [classic, other.clone()]);
    assert_eq!(forms, ByKey::from_iter([(Key::of("pod", "a"), Key::default()), (Key::of("pod", "b"), other.key)]));
}

#[test]
fn classic_buckets_of_which_only_the_last_is_there_tell_nothing_beside_a_native_histogram() {
    let held = series("a", "native", &[(0, 5.0), (10, 9.0)]);
    let classic = series("a", "classic", &[(0, 5.0), (10, 9.0)]);
    let histogram = Key::of("pod", "a");
    let classic = Series { meaning: Meaning::Bucket { histogram, le: f64::INFINITY }, ..classic };
    assert_eq!(once(vec![classic.clone()], vec![held.clone()]).0, [held]);
    assert_eq!(once(vec![classic.clone()], vec![]).0, [classic], "by itself it tells that there is no bound");
}

#[test]
fn the_form_that_goes_on_counts_and_what_was_counted_between_the_two_is_left_out() {
    let ended = series("a", "classic", &[(0, 50.0), (10, 60.0)]);
    let begun = series("a", "native", &[(20, 75.0), (30, 80.0)]);
    let (counted, _) = once(vec![ended.clone()], vec![begun.clone()]);
    assert_eq!(counted, [series("a", "native", &[(0, 75.0), (20, 75.0), (30, 80.0)])]);
    let (counted, _) = once(vec![Series { samples: begun.samples, ..ended.clone() }], vec![ended]);
    assert_eq!(counted, [series("a", "classic", &[(0, 75.0), (20, 75.0), (30, 80.0)])]);
}

#[test]
fn of_two_forms_that_a_store_shows_to_the_end_the_one_counts_that_counted_last() {
    let shown = series("a", "classic", &[(0, 60.0), (10, 60.0), (20, 60.0)]);
    let held = series("a", "native", &[(0, 60.0), (10, 70.0), (20, 70.0)]);
    assert_eq!(once(vec![shown.clone()], vec![held.clone()]).0, [held]);
    let shown = Series { samples: shown.samples, ..series("a", "native", &[]) };
    let classic = series("a", "classic", &[(0, 60.0), (10, 70.0), (20, 70.0)]);
    assert_eq!(once(vec![classic.clone()], vec![shown]).0, [classic]);
}

#[test]
fn only_histograms_that_counted_in_another_form_before_have_changed() {
    let [classic, held] = ["classic", "native"].map(|form| series("a", form, &[(0, 5.0)]));
    let new = series("b", "native", &[(0, 1.0)]);
    let (_, before) = once(vec![classic], vec![]);
    let (counted, now) = once(vec![], vec![held.clone(), new]);
    assert_eq!(changed(&before, &now, &counted), [held]);
    assert!(changed(&now, &now, &counted).is_empty());
}

#[test]
fn what_a_store_only_shows_of_another_form_is_left_out_until_it_counts_something() {
    let (_, before) = once(vec![], ["a", "b"].map(|pod| series(pod, "native", &[(0, 60.0)])).to_vec());
    let shown = series("a", "classic", &[(0, 10.0), (10, 10.0), (20, 75.0), (30, 80.0)]);
    let ended = series("b", "classic", &[(0, 10.0), (10, 10.0)]);
    let new = series("c", "classic", &[(0, 10.0), (10, 10.0)]);
    let (mut read, mut now) = once(vec![shown, ended, new.clone()], vec![]);
    resumed(&before, &mut now, &mut read);
    assert_eq!(read, [series("a", "classic", &[(20, 75.0), (30, 80.0)]), new]);
    assert!(!now.contains_key(&Key::of("pod", "b")), "it has not changed");
}
