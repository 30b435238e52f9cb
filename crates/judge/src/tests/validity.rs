//! What a bet must never do, whatever the numbers.

use proptest::prelude::*;
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::ratio::ratio;
use crate::{
    alternatives::{BETTER, WORSE, odds},
    boundary::Boundary,
    e_process::EProcess,
    proportion::Proportion,
};

fn proportion() -> impl Strategy<Value = Proportion> {
    (0.0..1.0f64, 0.0..1e6f64)
        .prop_map(|(part, total)| Proportion { bad: (part * total).floor(), total: total.floor() })
}

fn boundary() -> impl Strategy<Value = Boundary> {
    prop_oneof![
        (0.0..1.0f64).prop_map(Boundary::fixed),
        (0.1..100.0f64, 0.0..0.99f64).prop_map(|(ratio, margin)| Boundary { ratio, margin }),
    ]
}

/// The logarithm of what one arm is expected to be worth after a block, when the truth is a point.
fn expectation(boundary: &Boundary, multiplier: f64, expected: f64, truth: (f64, f64), totals: (f64, f64)) -> f64 {
    let limit = boundary.limit(expected);
    let bet = odds(multiplier, limit);
    let (on_stable, on_canary) =
        if boundary.ratio == 0.0 { (expected, limit) } else { boundary.nearest(expected, bet, totals.1, totals.0) };
    let one = |truth: f64, bet: f64, on: f64| (truth * bet / on + (1.0 - truth) * (1.0 - bet) / (1.0 - on)).ln();
    totals.0 * one(truth.0, bet, on_canary) + totals.1 * one(truth.1, expected, on_stable)
}

proptest! {
    #[test]
    fn no_counts_make_evidence_anything_but_a_number(
        boundary in boundary(),
        blocks in prop::collection::vec((proportion(), proportion(), 0.0..1.0f64), 1..20),
    ) {
        for mut wealth in [EProcess::against(), EProcess::in_favour()] {
            for (canary, stable, expected) in &blocks {
                wealth.bet(&boundary, *expected, *canary, *stable);
                prop_assert!(!wealth.log().is_nan());
            }
        }
    }

    #[test]
    fn a_bet_is_not_expected_to_grow_as_long_as_what_it_bets_against_is_true(
        ratio in prop_oneof![Just(0.0), 0.5..3.0f64],
        margin in 0.0005..0.05f64,
        (expected, stable) in (0.0001..0.1f64, 0.0001..0.1f64),
        part in 0.0..1.0f64,
        totals in (1.0..2000.0f64, 0.0..20000.0f64),
        arm in 0..7usize,
    ) {
        let boundary = Boundary { ratio, margin };
        let limit = ratio * stable + margin;
        let keeping = expectation(&boundary, WORSE[arm], expected, (part * limit, stable), totals);
        prop_assert!(keeping <= 1e-6, "against a version that keeps the boundary: {keeping}");
        let breaking = limit + part * (0.9 - limit).max(0.0);
        let beyond = expectation(&boundary, BETTER[arm], expected, (breaking, stable), totals);
        prop_assert!(beyond <= 1e-6, "for a version that is beyond it: {beyond}");
    }

    #[test]
    fn more_errors_never_speak_for_a_version(boundary in boundary(), canary in proportion(), stable in proportion(), expected in 0.0..1.0f64) {
        prop_assume!(canary.bad + 1.0 <= canary.total);
        // Beyond that nearly everything is tolerated.
        prop_assume!(boundary.ratio * expected + boundary.margin < 0.9);
        let worse = Proportion { bad: canary.bad + 1.0, ..canary };
        let of = |mut wealth: EProcess, canary| {
            wealth.bet(&boundary, expected, canary, stable);
            wealth.log()
        };
        prop_assert!(of(EProcess::in_favour(), worse) <= of(EProcess::in_favour(), canary) + 1e-9);
        prop_assert!(of(EProcess::against(), worse) >= of(EProcess::against(), canary) - 1e-9);
    }
}

#[test]
fn whom_the_comparison_convicts_the_cross_check_suspects_too() {
    let mut rng = StdRng::seed_from_u64(7);
    let boundary = Boundary { ratio: 1.5, margin: 0.0 };
    for truth in [0.01, 0.03, 0.1] {
        let mut wealth = EProcess::against().at_once();
        let (mut all, mut beside) = (Proportion::default(), Proportion { bad: 100.0, total: 10_000.0 });
        for _ in 0..30 {
            let mut draw = |total: u32, rate: f64| Proportion {
                bad: f64::from((0..total).map(|_| u32::from(rng.random_bool(rate))).sum::<u32>()),
                total: f64::from(total),
            };
            let (canary, stable) = (draw(200, truth), draw(1800, 0.01));
            wealth.bet(&boundary, beside.expected(), canary, stable);
            (all, beside) = (all.plus(canary), beside.plus(stable));
        }
        let stable = Proportion { bad: beside.bad - 100.0, total: beside.total - 10_000.0 };
        let suspicion = ratio(all, stable, 3.0, 1.5);
        assert_eq!(wealth.log() > 4.6, suspicion > 4.6, "truth {truth}: {} and {suspicion}", wealth.log());
    }
}
