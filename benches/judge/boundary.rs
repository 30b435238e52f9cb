//! How often a verdict is wrong about a version that is exactly as bad as it may be.

use anyhow::Result;
use tidegate::judge::Line;

use crate::{
    runs::{AUDITED, runs},
    stage::Stage,
    traffic::{Course, Crowd, Flow, Traffic},
};

const RUNS: usize = 10_000;

const ERRORS: Line = Line { ratio: 0.0, margin: 0.005 };
const P95: Line = Line { ratio: 0.0, margin: 0.05 };
const ERRORS_COMPARED: Line = Line { ratio: 1.5, margin: 0.005 };
const SLOW_COMPARED: Line = Line { ratio: 1.25, margin: 0.02 };

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
const LONG: Length = Length { name: "4 h, 1 req/s", stage: 4 * 3600, scrape: 10, block: 1, canary: 1.0 };
const DAY: Length = Length { name: "24 h, 0.5 req/s", stage: 24 * 3600, scrape: 30, block: 1, canary: 0.5 };

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

/// Measures all of it; returns the worst.
pub fn measure() -> Result<Wrong> {
    println!("false verdicts, {RUNS} runs each, the canary exactly at its limit, judged at every scrape:");
    println!("  {:<26} {:<34} {:<18} {:>11} {:>11}", "limit", "traffic", "stage", "false Fail", "false Pass");
    let mut worst = Wrong::default();
    for (line, limit, base) in [
        (ERRORS, "errors 0.5%", 0.002),
        (ERRORS_COMPARED, "errors 1.5 x stable + 0.5%", 0.002),
        (P95, "p95", 0.03),
        (SLOW_COMPARED, "slow 1.25 x stable + 2%", 0.05),
    ] {
        for (course, crowd, traffic, lengths) in cases(&line) {
            for length in lengths {
                let base = if matches!(course, Course::Wanders | Course::Jumps) { base / 5.0 } else { base };
                let wrong = row(line, base, (course, crowd), length, &format!("{limit} {traffic} {}", length.name))?;
                println!(
                    "  {limit:<26} {traffic:<34} {:<18} {:>10.2}% {:>10.2}%",
                    length.name,
                    wrong.fail * 100.0,
                    wrong.pass * 100.0
                );
                worst = worst.worst(wrong);
            }
        }
    }
    Ok(worst)
}

type Case = (Course, Crowd, &'static str, Vec<Length>);

fn cases(line: &Line) -> Vec<Case> {
    let is_slow = line.margin >= 0.02;
    let mut cases = vec![(Course::Steady, Crowd::Alone, "steady", vec![SHORT, LONG])];
    if line.ratio > 0.0 {
        cases.push((Course::Wanders, Crowd::Alone, "common drift, 20x, wandering", vec![SHORT, LONG]));
        cases.push((Course::Jumps, Crowd::Alone, "common drift, 20x, at once", vec![SHORT, LONG]));
    }
    cases.push((Course::Daily, Crowd::Alone, "day and night", vec![DAY]));
    let crowd = if is_slow { Crowd::Rows(4.0) } else { Crowd::Bursts(5.0) };
    let name = if is_slow { "slow ones in rows of 4" } else { "bursts of 5" };
    cases.push((Course::Steady, crowd, name, vec![SHORT, LONG]));
    cases
}

fn row(line: Line, base: f64, (course, crowd): (Course, Crowd), length: Length, name: &str) -> Result<Wrong> {
    let traffic = Traffic {
        canary: length.canary * length.scrape as f64,
        stable_for_each: 19.0,
        base,
        line,
        course,
        crowd,
        length: length.stage / length.scrape,
        day: 86_400 / length.scrape,
    };
    let outcomes = runs(name, RUNS, |rng, number| {
        let (mut flow, baseline) = Flow::new(traffic, rng, length.block);
        let mut stage = Stage::new(line, &baseline, length.block);
        let (mut failed, mut passed) = (false, false);
        for _ in 0..traffic.length {
            let look = stage.look(flow.scrape());
            if number % AUDITED == 0 {
                stage.audit(look)?;
            }
            failed |= look.fails;
            passed |= look.passes;
            if failed && passed {
                break;
            }
        }
        Ok((failed, passed))
    })?;
    let share = |of: fn(&(bool, bool)) -> bool| outcomes.iter().filter(|it| of(it)).count() as f64 / RUNS as f64;
    Ok(Wrong { fail: share(|it| it.0), pass: share(|it| it.1) })
}
