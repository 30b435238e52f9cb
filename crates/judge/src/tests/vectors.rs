//! The reference implementation's numbers, to nine digits.

use serde::Deserialize;

use super::ratio::ratio;
use crate::{
    alternatives::{BETTER, WORSE},
    boundary::Boundary,
    e_process::EProcess,
    interval::interval,
    proportion::Proportion,
};

#[derive(Deserialize)]
struct Vectors {
    fail_mults: [f64; 7],
    pass_mults: [f64; 7],
    one_sample: Vec<OneSample>,
    ratio: Vec<Ratio>,
    line: Vec<Lines>,
    cs: Vec<Interval>,
    projection_example: Projection,
}

#[derive(Deserialize)]
struct OneSample {
    p0: f64,
    k: f64,
    n: f64,
    ln_e_fail: f64,
    ln_e_pass: f64,
}

#[derive(Deserialize)]
struct Ratio {
    kc: f64,
    nc: f64,
    kb: f64,
    nb: f64,
    r1: f64,
    r0: f64,
    llr: f64,
}

#[derive(Deserialize)]
struct Lines {
    r: f64,
    d: f64,
    hist_k: f64,
    hist_n: f64,
    blocks_kc_nc_kb_nb: Vec<[f64; 4]>,
    ln_e_fail: f64,
    ln_e_pass: f64,
    arms_fail: [f64; 7],
    arms_pass: [f64; 7],
}

#[derive(Deserialize)]
struct Interval {
    k: f64,
    n: f64,
    alpha: f64,
    lo: f64,
    hi: f64,
}

#[derive(Deserialize)]
struct Projection {
    qb: f64,
    qc: f64,
    nb: f64,
    nc: f64,
    r: f64,
    d: f64,
    b_star: f64,
    c_star: f64,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../../tests/statistics/test-vectors.json")).unwrap()
}

#[track_caller]
fn agree(mine: f64, reference: f64) {
    let scale = reference.abs().max(1.0);
    assert!((mine - reference).abs() <= 1e-9 * scale, "{mine} is not {reference}");
}

#[test]
fn the_arms_are_those_of_the_reference() {
    let vectors = vectors();
    assert_eq!((vectors.fail_mults, vectors.pass_mults), (WORSE, BETTER));
}

#[test]
fn a_fixed_limit_is_judged_as_in_the_reference() {
    for vector in vectors().one_sample {
        let canary = Proportion { bad: vector.k, total: vector.n };
        for (mut wealth, expected) in
            [(EProcess::against().at_once(), vector.ln_e_fail), (EProcess::in_favour().at_once(), vector.ln_e_pass)]
        {
            wealth.bet(&Boundary::fixed(vector.p0), 0.0, canary, Proportion::default());
            agree(wealth.log(), expected);
        }
    }
}

#[test]
fn a_fixed_limit_is_the_line_with_ratio_zero_whatever_stable_does() {
    let (canary, stable) = (Proportion { bad: 5.0, total: 100.0 }, Proportion { bad: 20.0, total: 1900.0 });
    let (mut alone, mut beside) = (EProcess::in_favour().at_once(), EProcess::in_favour().at_once());
    alone.bet(&Boundary::fixed(0.005), 0.0, canary, Proportion::default());
    beside.bet(&Boundary::fixed(0.005), 0.01, canary, stable);
    agree(alone.log(), beside.log());
}

#[test]
fn a_line_is_judged_as_in_the_reference() {
    for vector in vectors().line {
        let boundary = Boundary { ratio: vector.r, margin: vector.d };
        let sides = [
            (EProcess::against().at_once(), vector.ln_e_fail, vector.arms_fail),
            (EProcess::in_favour().at_once(), vector.ln_e_pass, vector.arms_pass),
        ];
        for (mut wealth, expected, arms) in sides {
            let mut history = Proportion { bad: vector.hist_k, total: vector.hist_n };
            for [kc, nc, kb, nb] in &vector.blocks_kc_nc_kb_nb {
                let [canary, stable] = [(kc, nc), (kb, nb)].map(|(bad, total)| Proportion { bad: *bad, total: *total });
                wealth.bet(&boundary, history.expected(), canary, stable);
                history = history.plus(stable);
            }
            agree(wealth.log(), expected);
            for (mine, reference) in wealth.values().into_iter().zip(arms) {
                agree(mine, reference);
            }
        }
    }
}

#[test]
fn the_nearest_point_of_a_line_is_that_of_the_reference() {
    let vector = vectors().projection_example;
    let boundary = Boundary { ratio: vector.r, margin: vector.d };
    let (stable, canary) = boundary.nearest(vector.qb, vector.qc, vector.nb, vector.nc);
    agree(stable, vector.b_star);
    agree(canary, vector.c_star);
}

#[test]
fn the_cross_check_by_ratio_is_that_of_the_reference() {
    for vector in vectors().ratio {
        let [canary, stable] =
            [(vector.kc, vector.nc), (vector.kb, vector.nb)].map(|(bad, total)| Proportion { bad, total });
        agree(ratio(canary, stable, vector.r1, vector.r0), vector.llr);
    }
}

#[test]
fn intervals_are_those_of_the_reference() {
    for vector in vectors().cs {
        let (low, high) = interval(Proportion { bad: vector.k, total: vector.n }, vector.alpha);
        agree(low, vector.lo);
        agree(high, vector.hi);
    }
}
