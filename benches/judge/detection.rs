//! How many requests it takes to see that a version is bad, or good.

use anyhow::{Context, Result};
use rand::rngs::StdRng;
use rand_distr::{Binomial, Distribution};
use tidegate_judge::{Baseline, Boundary, Counts};

use crate::{
    runs::{figures, runs},
    stage::{HISTORY, Scrape, Stage},
};

const RUNS: usize = 10_000;

const LIMIT: Boundary = Boundary { ratio: 0.0, margin: 0.005 };

/// A block, in requests of the canary: ten seconds with five of them in each.
const BLOCK: u64 = 50;

/// Nothing takes longer, in scrapes.
const ENDLESS: u32 = 1_000_000;

/// What was found, on average.
pub struct Found {
    /// Requests until a version with 5 % errors fails.
    pub at_five_percent: f64,
    /// The same with 2 %.
    pub at_two_percent: f64,
    /// Blocks until a version fails that went bad late.
    pub late_blocks: f64,
}

pub fn measure() -> Result<Found> {
    println!(
        "requests of the canary until a verdict, limit 0.5%, blocks of {BLOCK}, {RUNS} runs each; how many go bad"
    );
    println!("together is learned from {HISTORY} blocks of history, or known to be one:");
    println!(
        "  {:<8} {:<8} {:<17} {:<8} {:>7} {:>7} {:>7}",
        "errors", "verdict", "a look each", "together", "mean", "median", "90 of 100"
    );
    let at_five_percent = fail(0.05, 1, true)?;
    let at_two_percent = fail(0.02, 1, true)?;
    fail(0.01, 1, true)?;
    for (rate, look, is_learned) in [(0.05, 25, true), (0.02, 25, true), (0.05, 1, false), (0.02, 1, false)] {
        fail(rate, look, is_learned)?;
    }
    for rate in [0.0, 0.001, 0.0025] {
        let taken = runs(&format!("pass {rate}"), RUNS, |rng, _| until(rate, 25, true, rng, |look| look.passes))?;
        row(rate, "Pass", 25, true, taken);
    }
    println!(
        "a regression to an error rate after so many good blocks, compared with stable at 0.1% (1.5 x stable + 0.1%),"
    );
    println!("100 requests of the canary and 1,900 of stable in each block, {RUNS} runs each:");
    println!("  {:<8} {:<12} {:>12} {:>7} {:>9}", "errors", "good blocks", "blocks, mean", "median", "90 of 100");
    for rate in [0.01, 0.02, 0.05] {
        late(rate, 0)?;
    }
    late(0.01, 40)?;
    late(0.05, 40)?;
    let late_blocks = late(0.02, 40)?;
    Ok(Found { at_five_percent, at_two_percent, late_blocks })
}

fn fail(rate: f64, look: u64, is_learned: bool) -> Result<f64> {
    let name = format!("fail {rate} {look} {is_learned}");
    let taken = runs(&name, RUNS, |rng, _| until(rate, look, is_learned, rng, |look| look.fails))?;
    Ok(row(rate, "Fail", look, is_learned, taken))
}

fn row(rate: f64, verdict: &str, look: u64, is_learned: bool, taken: Vec<f64>) -> f64 {
    let (mean, median, tail) = figures(taken);
    let look = if look == 1 { "request".to_owned() } else { format!("{look} requests") };
    let together = if is_learned { "learned" } else { "1" };
    let errors = format!("{}%", rate * 100.0);
    println!("  {errors:<8} {verdict:<8} {look:<17} {together:<8} {mean:>7.0} {median:>7.0} {tail:>7.0}");
    mean
}

/// How many requests it takes until a look, each so many of them, is what is waited for.
fn until(
    rate: f64,
    look: u64,
    is_learned: bool,
    mut rng: StdRng,
    is_it: impl Fn(crate::stage::Look) -> bool,
) -> Result<f64> {
    let history: Vec<_> = (0..HISTORY).map(|_| counts(&mut rng, 20 * BLOCK, 0.002)).collect();
    let baseline = Baseline::of(&history).with_overdispersion((!is_learned).then_some(1.0));
    let mut stage = Stage::new(LIMIT, &baseline, i64::try_from(BLOCK / look)?);
    let mut looks = 1..ENDLESS;
    let found = looks.find(|_| {
        let scrape = Scrape { canary: counts(&mut rng, look, rate), stable: Counts::default() };
        is_it(stage.look(scrape))
    });
    Ok(f64::from(found.context("no verdict")?) * look as f64)
}

/// How many blocks it takes to see that a version went bad after so many good ones.
fn late(rate: f64, good: u32) -> Result<f64> {
    let taken = runs(&format!("late {rate} {good}"), RUNS, |mut rng, _| {
        let past = Baseline::of(&[Counts::exact(1.0, 1000.0); 10]).with_overdispersion(Some(1.0));
        let mut stage = Stage::new(Boundary { ratio: 1.5, margin: 0.001 }, &past, 1);
        let mut blocks = 1..ENDLESS;
        let found = blocks.find(|block| {
            let is_bad = *block > good;
            let canary = counts(&mut rng, 100, if is_bad { rate } else { 0.001 });
            let look = stage.look(Scrape { canary, stable: counts(&mut rng, 1900, 0.001) });
            look.fails && is_bad
        });
        Ok(f64::from(found.context("no verdict")? - good))
    })?;
    let (mean, median, tail) = figures(taken);
    println!("  {:<8} {good:<12} {mean:>12.1} {median:>7.0} {tail:>9.0}", format!("{}%", rate * 100.0));
    Ok(mean)
}

/// So many requests, of which each is bad with that probability.
pub fn counts(rng: &mut StdRng, total: u64, rate: f64) -> Counts {
    let bad = Binomial::new(total, rate).map_or(0.0, |binomial| binomial.sample(rng) as f64);
    Counts::exact(bad, total as f64)
}
