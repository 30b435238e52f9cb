//! How often a verdict is wrong about a version that is exactly as bad as it may be.

use anyhow::Result;
use tidegate_judge::Boundary;

use crate::{
    runs::{AUDITED, runs},
    stage::{Look, Stage},
    traffic::{Course, Crowd, Flow, Traffic},
};

const RUNS: usize = 10_000;

const ERRORS: Boundary = Boundary { ratio: 0.0, margin: 0.005 };
const P95: Boundary = Boundary { ratio: 0.0, margin: 0.05 };
const ERRORS_COMPARED: Boundary = Boundary { ratio: 1.5, margin: 0.005 };
const SLOW_COMPARED: Boundary = Boundary { ratio: 1.25, margin: 0.02 };

/// What the last stage of a comparison gets: a hundredth is a control.
const CONTROLLED: f64 = 0.99;

/// How long a stage is, and how much goes on in it: 5 % of the traffic.
#[derive(Clone, Copy)]
struct Length {
    name: &'static str,
    /// Seconds.
    stage: i64,
    scrape: i64,
    /// A block, in scrapes.
    block: i64,
    /// Requests of the canary in a second.
    canary: f64,
}

const SHORT: Length = Length { name: "10 min, 5 req/s", stage: 600, scrape: 5, block: 2, canary: 5.0 };
const LONG: Length = Length { name: "2 h, 1 req/s", stage: 2 * 3600, scrape: 15, block: 1, canary: 1.0 };
const DAY: Length = Length { name: "24 h, 0.5 req/s", stage: 24 * 3600, scrape: 60, block: 1, canary: 0.5 };

/// How often it was wrong, as parts of one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wrong {
    pub fail: f64,
    pub pass: f64,
}

impl Wrong {
    fn worst(self, other: Self) -> Self {
        Self { fail: self.fail.max(other.fail), pass: self.pass.max(other.pass) }
    }
}

/// What a version is held against, and what part of stable's requests is bad then.
const LIMITS: [(Boundary, &str, f64); 4] = [
    (ERRORS, "errors 0.5%", 0.002),
    (ERRORS_COMPARED, "errors 1.5 x stable + 0.5%", 0.002),
    (P95, "p95", 0.03),
    (SLOW_COMPARED, "slow 1.25 x stable + 2%", 0.05),
];

/// Measures all of it; returns the worst.
pub fn measure() -> Result<Wrong> {
    println!("false verdicts, {RUNS} runs each, the canary exactly at its limit, judged at every scrape:");
    println!("  {:<26} {:<29} {:<23} {:>10} {:>10}", "limit", "traffic", "stage", "false Fail", "false Pass");
    let mut worst = Wrong::default();
    let mut show = |limit: &str, traffic: &str, stage: &str, wrong: Wrong| {
        let [fail, pass] = [wrong.fail, wrong.pass].map(|part| format!("{:.2}%", part * 100.0));
        println!("  {limit:<26} {traffic:<29} {stage:<23} {fail:>10} {pass:>10}");
        worst = worst.worst(wrong);
    };
    for (boundary, limit, base) in LIMITS {
        for (course, crowd, name, lengths) in cases(&boundary) {
            for length in lengths {
                let traffic = traffic(boundary, base, (course, crowd), length);
                let seed = format!("{limit} {name} {}", length.name);
                show(limit, name, length.name, in_a_stage(traffic, length.block, &seed)?);
            }
        }
        let through = |course, last, name: &str| {
            in_a_rollout(
                traffic(boundary, base, (course, Crowd::Alone), SHORT),
                last,
                &format!("{limit} {name} rollout"),
            )
        };
        show(limit, "steady", "3 x 10 min, 100 req/s", through(Course::Steady, 1.0, "steady")?);
        if boundary.ratio > 0.0 {
            show(limit, "steady", "the same, with a control", through(Course::Steady, CONTROLLED, "steady")?);
            show(
                limit,
                "common drift 20x, wandering",
                "the same, with a control",
                through(Course::Wanders, CONTROLLED, "wandering")?,
            );
        }
    }
    Ok(worst)
}

fn traffic(boundary: Boundary, base: f64, (course, crowd): (Course, Crowd), length: Length) -> Traffic {
    // What drifts twentyfold is lowest at a fifth of what is usual.
    let base = if matches!(course, Course::Wanders | Course::Jumps) { base / 5.0 } else { base };
    let canary = length.canary * length.scrape as f64;
    let (day, length) = (86_400 / length.scrape, length.stage / length.scrape);
    Traffic { canary, stable_for_each: 19.0, base, boundary, course, crowd, length, day }
}

type Case = (Course, Crowd, &'static str, Vec<Length>);

fn cases(boundary: &Boundary) -> Vec<Case> {
    let is_slow = boundary.margin >= 0.02;
    let mut cases = vec![(Course::Steady, Crowd::Alone, "steady", vec![SHORT, LONG])];
    if boundary.ratio > 0.0 {
        cases.push((Course::Wanders, Crowd::Alone, "common drift 20x, wandering", vec![SHORT, LONG]));
        cases.push((Course::Jumps, Crowd::Alone, "common drift 20x, at once", vec![SHORT, LONG]));
    }
    cases.push((Course::Daily, Crowd::Alone, "day and night", vec![DAY]));
    let crowd = if is_slow { Crowd::Rows(4.0) } else { Crowd::Bursts(5.0) };
    let name = if is_slow { "slow ones in rows of 4" } else { "bursts of 5" };
    cases.push((Course::Steady, crowd, name, vec![SHORT, LONG]));
    cases
}

fn in_a_stage(traffic: Traffic, block: i64, seed: &str) -> Result<Wrong> {
    let outcomes = runs(seed, RUNS, |rng, number| {
        let (mut flow, baseline) = Flow::new(traffic, rng, block);
        let weight = (1.0 + traffic.stable_for_each).recip();
        let mut stage = Stage::new(traffic.boundary, &baseline, block).at_weight(weight);
        watch(&mut stage, &mut flow, traffic.length, number)
    })?;
    Ok(Wrong { fail: share(&outcomes, |it| it.fails), pass: share(&outcomes, |it| it.passes) })
}

/// Through the stages that a rollout has when nothing is said, the last of such a weight: false Fails of all of it, and false
/// Passes of the worst stage.
fn in_a_rollout(traffic: Traffic, last: f64, seed: &str) -> Result<Wrong> {
    let outcomes = runs(seed, RUNS, |rng, number| {
        let (mut flow, baseline) = Flow::new(traffic, rng, SHORT.block);
        let all = traffic.canary * (1.0 + traffic.stable_for_each);
        let mut stage = Stage::new(traffic.boundary, &baseline, SHORT.block);
        let mut looks = Vec::new();
        for weight in [0.05, 0.25, last] {
            stage = stage.entering(traffic.boundary, &baseline, weight);
            flow.shift(all * weight, (1.0 - weight) / weight);
            looks.push(watch(&mut stage, &mut flow, traffic.length, number)?);
        }
        Ok(looks)
    })?;
    let passes = (0..3).map(|place| share(&outcomes, |stages| stages.get(place).is_some_and(|it| it.passes)));
    let fail = share(&outcomes, |stages| stages.iter().any(|stage| stage.fails));
    Ok(Wrong { fail, pass: passes.fold(0.0, f64::max) })
}

/// What any look of a stage came to.
fn watch(stage: &mut Stage, flow: &mut Flow, scrapes: i64, number: usize) -> Result<Look> {
    let mut seen = Look::default();
    for _ in 0..scrapes {
        let look = stage.look(flow.scrape());
        seen.fails |= look.fails;
        seen.passes |= look.passes;
        if number.is_multiple_of(AUDITED) {
            stage.audit(seen.fails)?;
        }
    }
    Ok(seen)
}

fn share<T>(outcomes: &[T], is_so: impl Fn(&T) -> bool) -> f64 {
    outcomes.iter().filter(|outcome| is_so(outcome)).count() as f64 / outcomes.len() as f64
}
