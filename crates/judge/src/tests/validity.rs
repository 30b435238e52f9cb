//! What a bet must never do, whatever the numbers.

use proptest::prelude::*;
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::ratio::ratio;
use crate::{
    arms::{BETTER, WORSE, odds},
    line::{Line, Share},
    wealth::Wealth,
};

fn share() -> impl Strategy<Value = Share> {
    (0.0..1.0f64, 0.0..1e6f64).prop_map(|(part, total)| Share { bad: (part * total).floor(), total: total.floor() })
}

fn line() -> impl Strategy<Value = Line> {
    prop_oneof![
        (0.0..1.0f64).prop_map(Line::fixed),
        (0.1..100.0f64, 0.0..0.99f64).prop_map(|(ratio, margin)| Line { ratio, margin }),
    ]
}

/// The logarithm of what one arm is expected to be worth after a block, when the truth is a point.
fn expectation(line: &Line, multiplier: f64, expected: f64, truth: (f64, f64), totals: (f64, f64)) -> f64 {
    let limit = line.limit(expected);
    let bet = odds(multiplier, limit);
    let (on_stable, on_canary) =
        if line.ratio == 0.0 { (expected, limit) } else { line.nearest(expected, bet, totals.1, totals.0) };
    let one = |truth: f64, bet: f64, on: f64| (truth * bet / on + (1.0 - truth) * (1.0 - bet) / (1.0 - on)).ln();
    totals.0 * one(truth.0, bet, on_canary) + totals.1 * one(truth.1, expected, on_stable)
}

proptest! {
    #[test]
    fn no_counts_make_evidence_anything_but_a_number(
        line in line(),
        blocks in prop::collection::vec((share(), share(), 0.0..1.0f64), 1..20),
    ) {
        for mut wealth in [Wealth::against(), Wealth::in_favour()] {
            for (canary, stable, expected) in &blocks {
                wealth.bet(&line, *expected, *canary, *stable);
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
        let line = Line { ratio, margin };
        let limit = ratio * stable + margin;
        let keeping = expectation(&line, WORSE[arm], expected, (part * limit, stable), totals);
        prop_assert!(keeping <= 1e-6, "against a version that keeps the line: {keeping}");
        let breaking = limit + part * (0.9 - limit).max(0.0);
        let beyond = expectation(&line, BETTER[arm], expected, (breaking, stable), totals);
        prop_assert!(beyond <= 1e-6, "for a version that is beyond it: {beyond}");
    }

    #[test]
    fn more_errors_never_speak_for_a_version(line in line(), canary in share(), stable in share(), expected in 0.0..1.0f64) {
        prop_assume!(canary.bad + 1.0 <= canary.total);
        // Beyond that nearly everything is tolerated.
        prop_assume!(line.ratio * expected + line.margin < 0.9);
        let worse = Share { bad: canary.bad + 1.0, ..canary };
        let of = |mut wealth: Wealth, canary| {
            wealth.bet(&line, expected, canary, stable);
            wealth.log()
        };
        prop_assert!(of(Wealth::in_favour(), worse) <= of(Wealth::in_favour(), canary) + 1e-9);
        prop_assert!(of(Wealth::against(), worse) >= of(Wealth::against(), canary) - 1e-9);
    }
}

#[test]
fn whom_the_comparison_convicts_the_cross_check_suspects_too() {
    let mut rng = StdRng::seed_from_u64(7);
    let line = Line { ratio: 1.5, margin: 0.0 };
    for truth in [0.01, 0.03, 0.1] {
        let mut wealth = Wealth::against().at_once();
        let (mut all, mut beside) = (Share::default(), Share { bad: 100.0, total: 10_000.0 });
        for _ in 0..30 {
            let mut draw = |total: u32, rate: f64| Share {
                bad: f64::from((0..total).map(|_| u32::from(rng.random_bool(rate))).sum::<u32>()),
                total: f64::from(total),
            };
            let (canary, stable) = (draw(200, truth), draw(1800, 0.01));
            wealth.bet(&line, beside.expected(), canary, stable);
            (all, beside) = (all.plus(canary), beside.plus(stable));
        }
        let stable = Share { bad: beside.bad - 100.0, total: beside.total - 10_000.0 };
        let suspicion = ratio(all, stable, 3.0, 1.5);
        assert_eq!(wealth.log() > 4.6, suspicion > 4.6, "truth {truth}: {} and {suspicion}", wealth.log());
    }
}
