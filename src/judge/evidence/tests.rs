//! What speaks for a version and what against it, block by block.

use super::*;

const HALF_A_PERCENT: f64 = 0.005;

fn evidence() -> Evidence {
    with_overdispersion(1.0)
}

fn with_overdispersion(overdispersion: f64) -> Evidence {
    let baseline = Baseline::of(&[]).with_overdispersion(Some(overdispersion));
    Evidence::new(Line::fixed(HALF_A_PERCENT), &baseline)
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

fn compared(stable: &[Counts], canary: Counts) -> Evidence {
    let baseline = Baseline::of(&[]).with_overdispersion(Some(1.0));
    let mut seen = Evidence::new(Line { ratio: 1.5, margin: 0.005 }, &baseline);
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
