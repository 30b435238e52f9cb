use proptest::prelude::*;

use super::*;

const SETTLING: SignedDuration = SignedDuration::from_secs(2);

fn second(at: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + at).unwrap()
}

fn stretch(start: i64, end: i64) -> TimeRange {
    TimeRange { start: second(start), end: second(end) }
}

/// A series called `name` of the process `of`.
fn series(name: &str, of: &str, samples: &[(i64, f64)]) -> Series {
    Series {
        key: Key::of("name", name).with(Key::of("of", of)),
        instance: Key::of("of", of),
        pod: None,
        arm: Arm::Canary,
        meaning: Meaning::Requests,
        samples: samples.iter().map(|(at, value)| Sample { at: second(*at), value: *value }).collect(),
    }
}

fn gains(counters: &CounterState, within: TimeRange, series: &[Series]) -> Vec<f64> {
    counters.gains(within, SETTLING, series).unwrap()
}

fn ledger_after(until: i64, series: &[Series]) -> CounterState {
    let mut counters = CounterState::default();
    counters.settle(second(until), series);
    counters
}

#[test]
fn a_counter_gains_what_it_rose() {
    let read = [series("ok", "a", &[(0, 10.0), (5, 12.0), (10, 17.0), (15, 99.0)])];
    assert_eq!(gains(&CounterState::default(), stretch(0, 10), &read), [7.0]);
}

#[test]
fn a_counter_that_went_back_gains_its_new_value() {
    let read = [series("ok", "a", &[(0, 100.0), (5, 130.0), (6, 4.0), (10, 9.0)])];
    assert_eq!(gains(&CounterState::default(), stretch(0, 10), &read), [39.0]);
}

#[test]
fn a_pod_that_was_born_inside_counts_from_nothing() {
    let read = [series("ok", "a", &[(0, 50.0), (9, 51.0)]), series("ok", "b", &[(7, 20.0), (8, 25.0)])];
    assert_eq!(gains(&CounterState::default(), stretch(5, 10), &read), [1.0, 25.0]);
}

#[test]
fn a_first_error_counts_although_its_series_is_new() {
    let read = [series("ok", "a", &[(8, 50.0), (9, 51.0)]), series("failed", "a", &[(9, 3.0)])];
    assert_eq!(gains(&CounterState::default(), stretch(8, 10), &read), [1.0, 3.0]);
}

/// One of the pod `pod`.
fn of_pod(pod: &str, series: Series) -> Series {
    Series { pod: Some(pod.into()), ..series }
}

#[test]
fn a_counter_that_goes_on_under_other_labels_counts_nothing_twice() {
    for (process, pod) in [("a", None), ("a, of another job", Some("p"))] {
        let of = |series: Series| pod.map_or(series.clone(), |pod| of_pod(pod, series));
        let before = of(series("ok", "a", &[(0, 50.0), (5, 60.0), (10, 70.0)]));
        let after = of(series("ok, renamed", process, &[(15, 80.0), (20, 90.0)]));
        let witness = series("ok", "b", &[(0, 1.0), (5, 1.0), (10, 1.0), (15, 1.0), (20, 1.0)]);
        let counters = ledger_after(10, &[before.clone(), witness.clone()]);
        let read = [before, after, witness];
        assert_eq!(gains(&counters, stretch(10, 20), &read), [0.0, 20.0, 0.0], "{process}");
        let mut late = counters;
        late.meet(second(16), SETTLING, &read);
        assert_eq!(gains(&late, stretch(16, 20), &read), [0.0, 20.0, 0.0], "{process}");
    }
}

#[test]
fn a_counter_that_goes_on_under_other_labels_when_nobody_reached_its_pod_for_long_counts_nothing_twice() {
    for (process, pod) in [("a", None), ("a, of another job", Some("p"))] {
        let of = |series: Series| pod.map_or(series.clone(), |pod| of_pod(pod, series));
        let ended = of(series("ok", "a", &[(0, 50.0), (5, 60.0), (10, 70.0)]));
        let counters = ledger_after(10, &[ended, series("ok", "b", &[(0, 1.0)])]);
        let goes_on = of(series("ok, renamed", process, &[(95, 80.0), (100, 90.0)]));
        assert_eq!(gains(&counters, stretch(90, 100), std::slice::from_ref(&goes_on)), [20.0], "{process}");
        let failed = of(series("failed", process, &[(98, 3.0)]));
        assert_eq!(gains(&counters, stretch(90, 100), &[goes_on, failed]), [20.0, 3.0], "{process}");
    }
}

#[test]
fn what_goes_on_counts_from_what_it_is_seen_at_and_a_new_process_from_nothing() {
    let mut counters = ledger_after(10, &[series("ok", "a", &[(0, 50.0), (10, 70.0)])]);
    let read = [series("ok", "a", &[(95, 80.0), (100, 90.0)]), series("ok", "a new pod", &[(95, 5.0), (100, 6.0)])];
    counters.go_on(second(90), &read);
    assert_eq!(gains(&counters, stretch(90, 100), &read), [10.0, 6.0]);
}

#[test]
fn what_a_store_still_shows_of_a_counter_that_goes_on_from_more_is_no_reset() {
    let mut counters = ledger_after(10, &[series("ok", "a", &[(0, 50.0), (10, 70.0)])]);
    // Another form counted meanwhile.
    counters.go_on(second(90), &[series("ok", "a", &[(84, 80.0), (98, 80.0), (100, 90.0)])]);
    let coarse = [series("ok", "a", &[(90, 70.0), (95, 70.0), (100, 90.0)])];
    assert_eq!(gains(&counters, stretch(90, 100), &coarse), [10.0]);
}

#[test]
fn a_counter_that_has_counted_less_than_what_ended_is_another_one() {
    let ended = series("ok", "a", &[(0, 50.0), (5, 60.0), (10, 70.0)]);
    let begun = series("ok, of each path", "a", &[(15, 20.0), (20, 30.0)]);
    let counters = ledger_after(10, std::slice::from_ref(&ended));
    assert_eq!(gains(&counters, stretch(10, 20), &[ended, begun]), [0.0, 30.0]);
}

#[test]
fn a_first_error_beside_a_counter_that_was_renamed_long_ago_counts() {
    let ended = of_pod("p", series("ok", "a", &[(0, 50.0), (5, 60.0)]));
    let goes_on = of_pod("p", series("ok, renamed", "a", &[(10, 70.0), (15, 80.0), (20, 90.0)]));
    let failed = of_pod("p", series("failed", "a", &[(20, 3.0)]));
    let counters = ledger_after(15, &[ended.clone(), goes_on.clone()]);
    assert_eq!(gains(&counters, stretch(15, 20), &[ended, goes_on, failed]), [0.0, 10.0, 3.0]);
}

#[test]
fn the_first_value_of_a_series_that_may_be_old_counts_for_nothing() {
    let read = [series("ok", "a", &[(6, 5000.0), (9, 5002.0)]), series("ok", "b", &[(7, 700.0)])];
    assert_eq!(gains(&CounterState::default(), stretch(5, 10), &read), [2.0, 0.0]);
}

#[test]
fn after_a_gap_the_remembered_value_is_where_a_gain_starts() {
    let counters = ledger_after(5, &[series("ok", "a", &[(4, 40.0)])]);
    assert_eq!(gains(&counters, stretch(5, 200), &[series("ok", "a", &[(190, 90.0)])]), [50.0]);
}

#[test]
fn samples_that_came_late_are_counted_although_others_settled_before() {
    let counters = ledger_after(50, &[series("ok", "a", &[(4, 40.0)]), series("ok", "b", &[(50, 7.0)])]);
    let late = [series("ok", "a", &[(30, 60.0), (45, 70.0), (52, 75.0)]), series("ok", "b", &[(50, 7.0), (55, 9.0)])];
    assert_eq!(gains(&counters, stretch(50, 60), &late), [35.0, 2.0]);
}

#[test]
fn another_replica_that_scraped_earlier_does_not_look_like_a_reset() {
    let counters = ledger_after(5, &[series("ok", "a", &[(5, 1000.0)])]);
    let other_replica = [series("ok", "a", &[(4, 998.0), (6, 999.0), (8, 1004.0)])];
    assert_eq!(gains(&counters, stretch(5, 10), &other_replica), [4.0]);
}

#[test]
fn a_series_that_a_store_shows_late_counts_from_nothing_all_the_same() {
    let mut counters = ledger_after(20, &[series("ok", "a", &[(0, 50.0), (20, 70.0)])]);
    let (known, errors) =
        (series("ok", "a", &[(18, 68.0), (25, 75.0)]), series("failed", "a", &[(12, 3.0), (25, 4.0)]));
    let new_pod = series("ok", "b", &[(15, 20.0), (25, 30.0)]);
    let read = [known, errors, new_pod];
    counters.meet(second(20), SETTLING, &read);
    assert_eq!(gains(&counters, stretch(20, 25), &read), [5.0, 4.0, 30.0]);
}

#[test]
fn what_is_seen_for_the_first_time_by_a_new_process_may_be_old() {
    let mut counters = CounterState::default();
    let read = [series("ok", "a", &[(10, 5000.0), (25, 5002.0)]), series("ok", "b", &[(18, 700.0), (25, 701.0)])];
    counters.meet(second(20), SETTLING, &read);
    assert_eq!(gains(&counters, stretch(20, 25), &read), [2.0, 1.0]);
}

#[test]
fn what_is_not_a_counter_is_refused() {
    for value in [-1.0, f64::NAN, f64::INFINITY] {
        let read = [series("ok", "a", &[(1, value)])];
        assert_eq!(CounterState::default().gains(stretch(0, 5), SETTLING, &read), Err(Refusal::NotACounter));
    }
}

#[test]
fn what_is_not_a_counter_is_not_remembered() {
    for value in [-1.0, f64::NAN, f64::INFINITY] {
        let mut counters = ledger_after(5, &[series("ok", "a", &[(5, value)])]);
        counters.meet(second(5), SETTLING, &[series("ok", "a", &[(5, 7.0)])]);
        assert_eq!(gains(&counters, stretch(5, 10), &[series("ok", "a", &[(9, 12.0)])]), [5.0]);
    }
}

/// What happens to a process in one second.
#[derive(Debug, Clone)]
enum Event {
    Requests(u8),
    Errors(u8),
    Restart,
    MissedScrape,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => any::<u8>().prop_map(Event::Requests),
        2 => any::<u8>().prop_map(Event::Errors),
        1 => Just(Event::Restart),
        1 => Just(Event::MissedScrape),
    ]
}

/// A process that is born at `birth` and scraped each second: what it counted, and what was seen of it. A reset
/// can be seen only while the counter is below where it was, so one is scraped before it is halfway there.
fn life(name: &str, birth: i64, events: &[Event]) -> (f64, Vec<Series>) {
    let (mut counted, mut totals) = (0.0, [0.0_f64, 0.0]);
    let mut samples: [Vec<(i64, f64)>; 2] = [vec![(birth, 0.0)], Vec::new()];
    for (at, event) in (birth + 1..).zip(events) {
        let (place, more) = match event {
            Event::Requests(more) => (0, f64::from(*more)),
            Event::Errors(more) => (1, f64::from(*more)),
            Event::Restart => {
                let before = std::mem::take(&mut totals);
                (0, (before[0] / 2.0).floor())
            }
            Event::MissedScrape => continue,
        };
        counted += more;
        totals[place] += more;
        for (samples, total) in samples.iter_mut().zip(totals) {
            if total > 0.0 || !samples.is_empty() {
                samples.push((at, total));
            }
        }
    }
    let [ok, failed] = samples;
    (counted, vec![series("ok", name, &ok), series("failed", name, &failed)])
}

proptest! {
    #[test]
    fn every_increment_is_counted_exactly_once_however_time_is_cut(
        lives in prop::collection::vec((3i64..30, prop::collection::vec(event(), 1..60)), 1..4),
        cuts in prop::collection::btree_set(1i64..95, 0..8),
        overlap in 0i64..20,
    ) {
        let witness = series("ok", "witness", &(0..100).map(|at| (at, 7.0)).collect::<Vec<_>>());
        let (mut counted, mut world) = (0.0, vec![witness]);
        for (place, (birth, events)) in lives.iter().enumerate() {
            let (more, series) = life(&place.to_string(), *birth, events);
            counted += more;
            world.extend(series);
        }
        let mut counters = CounterState::default();
        let mut gained = 0.0;
        let mut start = 0;
        for end in cuts.into_iter().chain([100]) {
            let visible: Vec<_> = world.iter().map(|series| Series {
                samples: series.samples.iter().copied()
                    .filter(|sample| sample.at > second(start - 1 - overlap) && sample.at <= second(end + 3)).collect(),
                ..series.clone()
            }).filter(|series| !series.samples.is_empty()).collect();
            gained += gains(&counters, stretch(start, end), &visible).iter().sum::<f64>();
            counters.settle(second(end), &visible);
            start = end;
        }
        prop_assert!((gained - counted).abs() < 1e-6, "gained {gained}, counted {counted}");
    }
}
