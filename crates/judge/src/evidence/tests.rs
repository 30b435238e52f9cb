//! What speaks for a version and what against it, block by block.

use super::*;

const HALF_A_PERCENT: f64 = 0.005;

fn evidence() -> Evidence {
    with_overdispersion(1.0)
}

fn with_overdispersion(overdispersion: f64) -> Evidence {
    let baseline = Baseline::of(&[]).with_overdispersion(Some(overdispersion));
    Evidence::new(Boundary::fixed(HALF_A_PERCENT), &baseline)
}

fn block(second: i64, bad: f64, total: f64) -> Block {
    let [start, end] = [second, second + 1].map(|at| Timestamp::from_second(at).unwrap());
    Block { start, end, canary: Counts::exact(bad, total), stable: Counts::exact(0.0, 1000.0) }
}

#[test]
fn a_block_without_requests_says_nothing() {
    let mut seen = evidence();
    seen.settle(&block(0, 0.0, 100.0));
    let before = (seen.against(), seen.in_favour(), seen.blocks());
    seen.settle(&block(1, 0.0, 0.0));
    assert_eq!((seen.against(), seen.in_favour(), seen.blocks()), before);
}

#[test]
fn the_newest_samples_speak_against_a_version_and_never_for_it() {
    let mut seen = evidence();
    seen.settle(&block(0, 0.0, 100.0));
    let before = (seen.against(), seen.in_favour());
    seen.set_provisional(Some(block(1, 9.0, 100.0)));
    assert!(seen.against() > before.0 + 5.0);
    seen.set_provisional(Some(block(1, 0.0, 10_000.0)));
    assert_eq!((seen.against(), seen.in_favour()), before);
}

#[test]
fn what_was_seen_at_another_weight_speaks_against_a_version_and_never_for_it() {
    let mut seen = evidence();
    seen.settle(&block(0, 0.0, 100.0));
    let (against, in_favour) = (seen.against(), seen.in_favour());
    seen.settle_against(&block(1, 0.0, 10_000.0));
    assert_eq!((seen.in_favour(), seen.blocks()), (in_favour, 1));
    seen.settle_against(&block(2, 900.0, 1000.0));
    assert!(seen.against() > against + 5.0);
    assert_eq!((seen.in_favour(), seen.can_fail()), (in_favour, true));
}

#[test]
fn settling_the_newest_samples_counts_them_once() {
    let (mut once, mut twice) = (evidence(), evidence());
    twice.set_provisional(Some(block(0, 2.0, 40.0)));
    for evidence in [&mut once, &mut twice] {
        evidence.settle(&block(0, 4.0, 100.0));
    }
    assert_eq!(once, twice);
}

#[test]
fn a_new_stage_forgets_what_spoke_for_the_version_and_keeps_what_spoke_against_it() {
    let mut seen = evidence();
    for second in 0..5 {
        seen.settle(&block(second, 1.0, 100.0));
    }
    let against = seen.against();
    let entered = seen.entering(&evidence());
    assert!((entered.against() - against).abs() < f64::EPSILON);
    assert!(entered.in_favour().abs() < 1e-9);
    assert_eq!((entered.blocks(), entered.settled_counts().0.total), (0, 0.0));
}

#[test]
fn what_was_answered_by_less_traffic_has_to_show_anew() {
    let mut seen = evidence();
    for second in 0..5 {
        seen.settle(&block(second, 9.0, 100.0));
    }
    assert!(seen.can_fail() && seen.against() > 10.0);
    let mut answered = seen.entering_judged_anew(&evidence());
    assert!(!answered.can_fail() && answered.against().abs() < 1e-9, "{}", answered.against());
    assert!((answered.overdispersion() - seen.entering(&evidence()).overdispersion()).abs() < f64::EPSILON);
    for second in 5..10 {
        answered.settle(&block(second, 9.0, 100.0));
    }
    assert!(answered.can_fail() && answered.against() > 10.0);
}

fn compared(stable: &[Counts], canary: Counts) -> Evidence {
    let baseline = Baseline::of(&[]).with_overdispersion(Some(1.0));
    let mut seen = Evidence::new(Boundary { ratio: 1.5, margin: 0.005 }, &baseline);
    for (second, stable) in (0..).zip(stable) {
        seen.settle(&Block { canary, stable: *stable, ..block(second, 0.0, 0.0) });
    }
    seen
}

#[test]
fn a_comparison_begins_when_stable_is_known() {
    let stable = Counts::exact(1.0, 1000.0);
    let [one, more] = [1, 20].map(|blocks| compared(&vec![stable; blocks], Counts::exact(0.0, 200.0)));
    assert!(one.against().abs().max(one.in_favour().abs()) < 1e-9, "nothing is compared");
    assert!(more.in_favour() > 3.0, "{}", more.in_favour());
}

#[test]
fn with_all_traffic_on_the_canary_it_is_compared_with_what_stable_was_like() {
    let mut stable = vec![Counts::exact(10.0, 1000.0); 2];
    stable.extend([Counts::default(); 20]);
    assert!(compared(&stable, Counts::exact(2.0, 200.0)).in_favour() > 3.0);
    assert!(compared(&stable, Counts::exact(12.0, 200.0)).against() > 4.6);
}

#[test]
fn one_bad_moment_is_not_enough_for_a_failure_unless_it_is_very_bad() {
    let mut seen = evidence();
    seen.set_provisional(Some(block(0, 2.0, 2.0)));
    assert!(!seen.can_fail());
    seen.set_provisional(Some(block(0, 3.0, 3.0)));
    assert!(seen.can_fail());
    seen.settle(&block(0, 2.0, 2.0));
    assert!(!seen.can_fail());
    seen.settle(&block(1, 0.0, 1.0));
    assert!(seen.can_fail());
}

#[test]
fn crowds_of_errors_count_less() {
    let of = |overdispersion| {
        let mut seen = with_overdispersion(overdispersion);
        seen.settle(&block(0, 10.0, 100.0));
        seen.against()
    };
    assert!(of(5.0) < of(1.0) / 3.0);
}

/// What speaks for a failure by itself.
const CERTAIN: f64 = 4.61;

/// So many requests, of which that part is bad.
fn part(part: f64, total: f64) -> Counts {
    Counts::exact((part * total).round(), total)
}

/// A service that fails one in a thousand requests, and a tenth of them for half a minute of every four.
fn overloaded_at_times(place: usize) -> f64 {
    if place % 24 < 3 { 0.1 } else { 0.001 }
}

/// What is known after such blocks of both versions, in a comparison with a stable version that had such a history.
fn beside(history: impl Fn(usize) -> f64, blocks: impl IntoIterator<Item = (Counts, Counts)>) -> Evidence {
    let half = |place| part(history(place), 500.0);
    let history: Vec<_> = (0..120).map(|place| [half(place), half(place)]).collect();
    let mut seen = Evidence::new(Boundary { ratio: 1.5, margin: 0.005 }, &Baseline::of_halves(&history));
    for (second, (canary, stable)) in (0..).zip(blocks) {
        seen.settle(&Block { canary, stable, ..block(second, 0.0, 0.0) });
    }
    seen
}

#[test]
fn overload_of_both_hides_no_version_that_is_worse_and_is_held_against_none_that_is_not() {
    let both = |place| (part(overloaded_at_times(place), 200.0), part(overloaded_at_times(place), 1000.0));
    let good = beside(overloaded_at_times, (0..120).map(both));
    assert!(good.in_favour() > 3.0 && good.against() < CERTAIN, "{} {}", good.in_favour(), good.against());
    let worse = |place| (part(0.05 + overloaded_at_times(place), 50.0), part(overloaded_at_times(place), 1000.0));
    let bad = beside(overloaded_at_times, (3..24).map(worse));
    assert!(bad.against() > CERTAIN, "{}", bad.against());
}

#[test]
fn overload_that_a_control_does_not_meet_is_held_against_no_version_where_stable_met_it_with_its_traffic() {
    let of = |history: fn(usize) -> f64, time: std::ops::Range<usize>| {
        let beside_control = |place| (part(overloaded_at_times(place), 1000.0), part(0.001, 49.0));
        beside(history, time.map(beside_control)).against()
    };
    let usual = of(overloaded_at_times, 10..60);
    assert!(usual < CERTAIN, "{usual}");
    let unheard_of = of(|_| 0.001, 22..27);
    assert!(unheard_of > CERTAIN, "{unheard_of}");
}

#[test]
fn what_came_over_both_does_not_go_away_with_the_requests_of_stable() {
    let ill = (part(0.035, 300.0), part(0.035, 1000.0));
    let of = |canary| {
        let alone = (part(canary, 1300.0), Counts::default());
        beside(|_| 0.001, [ill; 30].into_iter().chain([alone; 12])).against()
    };
    assert!(of(0.035) < CERTAIN, "{}", of(0.035));
    assert!(of(0.15) > CERTAIN, "{}", of(0.15));
}

#[test]
fn beside_a_control_a_version_passes_that_is_no_worse_than_stable_was_unless_stable_is_better_by_now() {
    let of = |control| beside(|_| 0.011, [(part(0.011, 1000.0), control); 30]).in_favour();
    assert!(of(part(0.0, 10.0)) > 3.0, "{}", of(part(0.0, 10.0)));
    assert!(of(part(0.0, 45.0)) < 3.0, "{}", of(part(0.0, 45.0)));
}
