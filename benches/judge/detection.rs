//! How many requests it takes to see that a version is bad, or good.

use anyhow::{Context, Result};
use rand::{Rng, rngs::StdRng};
use rand_distr::{Binomial, Distribution};
use tidegate::judge::{Baseline, Counts, Line};

use crate::{
    runs::{figures, runs},
    stage::{Scrape, Stage},
};

const RUNS: usize = 10_000;

/// Nothing takes longer.
const ENDLESS: u32 = 1_000_000;

pub struct Detection {
    pub five_percent: f64,
    pub two_percent: f64,
    pub late_blocks: f64,
}

pub fn measure() -> Result<Detection> {
    let line = Line::fixed(0.005);
    println!("requests of the canary until a verdict, limit 0.5%, {RUNS} runs each (mean, median, 90th percentile):");
    let mut found = Vec::new();
    for learned in [true, false] {
        for rate in [0.05, 0.02, 0.01] {
            for (block, look) in [(50, 1), (10, 1), (50, 25)] {
                let name = format!("{rate} {block} {look} {learned}");
                let taken = runs(&name, RUNS, |rng, _| until_fail(line, rate, (block, look), learned, rng))?;
                let (mean, median, tail) = figures(taken);
                println!("  {:>4}% blocks of {block}, look each {look}, learned {learned}: Fail after {mean:.0} {median:.0} {tail:.0}", rate * 100.0);
                found.push(mean);
            }
        }
    }
    for rate in [0.0, 0.001, 0.0025] {
        let name = format!("pass {rate}");
        let taken = runs(&name, RUNS / 5, |rng, _| until_pass(line, rate, rng))?;
        let (mean, median, tail) = figures(taken);
        println!("  {:>4}% Pass after {mean:.0} {median:.0} {tail:.0}", rate * 100.0);
    }
    let mut late = 0.0;
    for bad in [0.01, 0.02, 0.05] {
        for good in [0, 40] {
            let line = Line { ratio: 1.5, margin: 0.001 };
            let taken = runs(&format!("late {bad} {good}"), RUNS, |rng, _| late_blocks(line, bad, good, rng))?;
            let (mean, median, tail) = figures(taken);
            println!("  to {bad} after {good} good blocks: {mean:.1} blocks {median} {tail}");
            if bad == 0.02 && good == 40 {
                late = mean;
            }
        }
    }
    Ok(Detection { five_percent: found[0], two_percent: found[3], late_blocks: late })
}

fn history(rng: &mut StdRng, learned: bool) -> Baseline {
    let blocks: Vec<_> = (0..120).map(|_| counts(rng, 1000, 0.002)).collect();
    Baseline::of(&blocks).with_overdispersion((!learned).then_some(1.0))
}

fn counts(rng: &mut StdRng, total: u64, rate: f64) -> Counts {
    let bad = Binomial::new(total, rate).map_or(0.0, |binomial| binomial.sample(rng) as f64);
    Counts::exact(bad, total as f64)
}

fn until_fail(line: Line, rate: f64, (block, look): (i64, u64), learned: bool, mut rng: StdRng) -> Result<f64> {
    let baseline = history(&mut rng, learned);
    let mut stage = Stage::new(line, &baseline, block / i64::try_from(look)?);
    (1..ENDLESS)
        .find_map(|taken| {
            let scrape = Scrape { canary: counts(&mut rng, look, rate), stable: Counts::default() };
            stage.look(scrape).fails.then(|| f64::from(taken) * look as f64)
        })
        .context("never")
}

fn until_pass(line: Line, rate: f64, mut rng: StdRng) -> Result<f64> {
    let baseline = history(&mut rng, true);
    let mut stage = Stage::new(line, &baseline, 1);
    (1..ENDLESS)
        .find_map(|taken| {
            let scrape = Scrape { canary: counts(&mut rng, 25, rate), stable: Counts::default() };
            stage.look(scrape).passes.then(|| f64::from(taken) * 25.0)
        })
        .context("never")
}

fn late_blocks(line: Line, bad: f64, good: u32, mut rng: StdRng) -> Result<f64> {
    let past = Baseline { counts: Counts::exact(10.0, 10_000.0), overdispersion: 1.0 };
    let mut stage = Stage::new(line, &past, 1);
    let _ = rng.random::<u64>();
    for taken in 1..ENDLESS {
        let rate = if taken > good { bad } else { 0.001 };
        let scrape = Scrape { canary: counts(&mut rng, 100, rate), stable: counts(&mut rng, 1900, 0.001) };
        if stage.look(scrape).fails && taken > good {
            return Ok(f64::from(taken - good));
        }
    }
    anyhow::bail!("never")
}
