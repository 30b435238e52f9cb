//! How right it is when somebody is told how long it takes until a version passes.

use anyhow::{Context, Result};
use rand::rngs::StdRng;
use tidegate_judge::{Baseline, Boundary, Supposed};

use crate::{
    detection::counts,
    runs::runs,
    stage::{BOUNDS, HISTORY, Scrape, Stage},
};

const RUNS: usize = 400;

/// Requests of stable for each of the new version's.
const STABLE_FOR_EACH: u64 = 19;

/// Nothing takes longer, in blocks.
const ENDLESS: usize = 100_000;

/// Limits, and what part of the requests is bad, of the new version and of stable.
const KINDS: [(&str, Boundary, &[[f64; 2]]); 3] = [
    (
        "errors 0.5%",
        Boundary { ratio: 0.0, margin: 0.005 },
        &[[0.0, 0.0], [0.001, 0.001], [0.002, 0.002], [0.0025, 0.0025], [0.0025, 0.001], [0.001, 0.0025]],
    ),
    (
        "errors 1.5 x stable + 0.5%",
        Boundary { ratio: 1.5, margin: 0.005 },
        &[[0.001, 0.001], [0.01, 0.01], [0.004, 0.001]],
    ),
    ("p95", Boundary { ratio: 0.0, margin: 0.05 }, &[[0.01, 0.01], [0.025, 0.025], [0.025, 0.01]]),
];

/// Requests of the new version in a block, which is one scrape long here.
const TRAFFIC: [u64; 3] = [3, 20, 150];

/// What part of the way there is when it is asked.
const MOMENTS: [(&str, f64); 4] = [("beginning", 0.0), ("a quarter", 0.25), ("half", 0.5), ("three quarters", 0.75)];

/// What was said in one stage, as parts of how long it took: by `plan` before it, and at each of [`MOMENTS`].
struct Said {
    planned: f64,
    moments: [f64; MOMENTS.len()],
}

/// Measures all of it; returns by what factor an estimate is off at the median, of versions that are like stable.
pub fn measure() -> Result<f64> {
    println!("the time until a pass as it was estimated, as a multiple of the time that it took, {RUNS} runs each:");
    println!("quartiles, and by what factor it is off at the median");
    println!(
        "  {:<26} {:<7} {:<7} {:<6} {:<14} {:>16} {:>5}",
        "limit", "bad", "stable", "block", "asked at", "quartiles", "off"
    );
    let [mut like, mut unlike] = [Vec::new(), Vec::new()];
    for (limit, boundary, rates) in KINDS {
        for (rates, requests) in rates.iter().flat_map(|rates| TRAFFIC.map(|requests| (*rates, requests))) {
            let name = format!("{limit} {rates:?} {requests}");
            let said = runs(&name, RUNS, |rng, _| stage(&boundary, rates, requests, rng))?;
            let mut show = |asked: &str, mut ratios: Vec<f64>| {
                let [low, middle, high] = quartiles(&mut ratios);
                let off = off(&ratios);
                let [bad, stable] = rates.map(|rate| format!("{}%", rate * 100.0));
                let quartiles = format!("{low:.2} {middle:.2} {high:.2}");
                println!("  {limit:<26} {bad:<7} {stable:<7} {requests:<6} {asked:<14} {quartiles:>16} {off:>5.2}");
                let is_like = rates.first() == rates.last();
                (if is_like { &mut like } else { &mut unlike }).extend(ratios);
            };
            show("plan", said.iter().map(|said| said.planned).collect());
            for (place, (asked, _)) in MOMENTS.iter().enumerate() {
                show(asked, said.iter().filter_map(|said| said.moments.get(place).copied()).collect());
            }
        }
    }
    let [like, unlike] = [like, unlike].map(|ratios| off(&ratios));
    println!(
        "  all of them, at the median: off by a factor of {like:.2}; where the new version is unlike stable, of {unlike:.2}"
    );
    Ok(like)
}

fn stage(boundary: &Boundary, [bad, of_stable]: [f64; 2], requests: u64, mut rng: StdRng) -> Result<Said> {
    let history: Vec<_> = (0..HISTORY).map(|_| counts(&mut rng, (1 + STABLE_FOR_EACH) * requests, of_stable)).collect();
    let baseline = Baseline::of(&history);
    let supposed = Supposed {
        canary: part(&baseline),
        stable: part(&baseline),
        stable_for_each: STABLE_FOR_EACH as f64,
        overdispersion: baseline.overdispersion,
    };
    let mut stage = Stage::new(*boundary, &baseline, 1);
    // How long it still takes, as it was said at each look.
    let mut said = Vec::new();
    let took = (1..ENDLESS).find(|_| {
        let stable = counts(&mut rng, STABLE_FOR_EACH * requests, of_stable);
        let look = stage.look(Scrape { canary: counts(&mut rng, requests, bad), stable });
        said.push(stage.time_to_pass());
        look.passes
    });
    let took = took.context("no verdict")? as f64;
    let planned = supposed.requests_to_pass(boundary, &BOUNDS).map_or(f64::INFINITY, |needs| needs / requests as f64);
    // The first block settles after two scrapes more, and nothing is said before.
    let at = |moment: f64| {
        let look = (moment * took).max(3.0).min(took - 1.0);
        let place = said.get(whole(look) - 1).copied().flatten();
        place.map_or(f64::INFINITY, |seconds| seconds / (took - look.floor()))
    };
    Ok(Said { planned: planned.ceil().max(3.0) / (took - 2.0), moments: MOMENTS.map(|(_, moment)| at(moment)) })
}

/// What part of the requests was bad, as `plan` takes it.
fn part(baseline: &Baseline) -> f64 {
    (baseline.counts.bad + 0.5) / (baseline.counts.total + 1.0)
}

fn quartiles(ratios: &mut [f64]) -> [f64; 3] {
    ratios.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| ratios.get(ratios.len() * quarter / 4).copied().unwrap_or(f64::NAN))
}

/// By what factor they are off, up or down, at the median.
fn off(ratios: &[f64]) -> f64 {
    let mut off: Vec<_> = ratios.iter().map(|ratio| ratio.max(ratio.recip())).collect();
    let [_, middle, _] = quartiles(&mut off);
    middle
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of blocks")]
fn whole(count: f64) -> usize {
    count as usize
}
