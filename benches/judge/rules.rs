//! The same requests, decided by the rules of Flagger and of Argo Rollouts.
//!
//! Both ask once a minute for the share of requests that failed in that minute, and hold it against the limit. What is
//! rebuilt here is how they count the answers; weights, pods and webhooks are left out.

use anyhow::{Context, Result};
use rand::{SeedableRng, rngs::StdRng};
use tidegate_judge::Boundary;

use crate::{
    runs::{figures, runs},
    stage::{Scrape, Stage},
    traffic::{Course, Crowd, Flow, Traffic},
};

const RUNS: usize = 10_000;

const LIMIT: f64 = 0.005;

/// How many scrapes a minute has.
const MINUTE: i64 = 6;

/// Tidegate's stage lasts at least ten minutes, and as long as its verdict needs.
const BAKE: i64 = 10 * MINUTE;

/// Nothing takes longer, in scrapes.
const ENDLESS: i64 = 1_000_000;

/// How a release ended.
struct End {
    is_promoted: bool,
    minutes: f64,
    exposed: f64,
}

type Rule = fn(Traffic, StdRng) -> Result<End>;

pub fn measure() -> Result<()> {
    println!("decision rules on the same requests, limit 0.5%, {RUNS} releases each; Tidegate bakes for ten minutes");
    println!("and for as long as it needs more data:");
    println!(
        "  {:<10} {:<10} {:<14} {:>16} {:>16} {:>15} {:>16}",
        "requests", "errors", "rule", "wrong promotions", "wrong reverts", "exposed before", "until decided"
    );
    println!(
        "  {:<10} {:<10} {:<14} {:>16} {:>16} {:>15} {:>16}",
        "per check", "", "", "", "", "the revert", "mean, median"
    );
    for per_check in [20.0, 100.0] {
        for rate in [0.003, 0.01, 0.02, 0.05] {
            for (name, rule) in [("Tidegate", tidegate as Rule), ("Flagger", flagger), ("Argo Rollouts", argo_rollouts)]
            {
                row(per_check, rate, (name, rule))?;
            }
        }
    }
    Ok(())
}

fn row(per_check: f64, rate: f64, (name, rule): (&str, Rule)) -> Result<()> {
    let traffic = Traffic {
        canary: per_check / MINUTE as f64,
        stable_for_each: 19.0,
        base: 0.001,
        boundary: Boundary::fixed(rate),
        course: Course::Steady,
        crowd: Crowd::Alone,
        length: 0,
        day: 1,
    };
    // The same chance for each rule.
    let ends = runs(&format!("{per_check} {rate}"), RUNS, |rng, _| rule(traffic, rng))?;
    let promoted = ends.iter().filter(|end| end.is_promoted).count() as f64 / RUNS as f64;
    let percent = |part: f64| format!("{:.1}%", part * 100.0);
    let (wrong_promotions, wrong_reverts) =
        if rate > LIMIT { (percent(promoted), "-".to_owned()) } else { ("-".to_owned(), percent(1.0 - promoted)) };
    let reverted: Vec<_> = ends.iter().filter(|end| !end.is_promoted).map(|end| end.exposed).collect();
    let exposed = if reverted.is_empty() { "-".to_owned() } else { format!("{:.0}", figures(reverted).0) };
    let (mean, median, _) = figures(ends.iter().map(|end| end.minutes).collect());
    println!(
        "  {per_check:<10} {:<10} {name:<14} {wrong_promotions:>16} {wrong_reverts:>16} {exposed:>15} {:>16}",
        format!("{:.1}%", rate * 100.0),
        format!("{mean:.0} min, {median:.0}")
    );
    Ok(())
}

fn tidegate(traffic: Traffic, rng: StdRng) -> Result<End> {
    let (mut flow, baseline) = Flow::new(traffic, rng, 1);
    let mut stage = Stage::new(Boundary::fixed(LIMIT), &baseline, 1);
    let (mut exposed, mut has_passed) = (0.0, false);
    for at in 1..ENDLESS {
        let scrape = flow.scrape();
        exposed += scrape.canary.total;
        let look = stage.look(scrape);
        has_passed = if look.has_settled { look.passes } else { has_passed };
        if look.fails || (has_passed && at >= BAKE) {
            return Ok(End { is_promoted: !look.fails, minutes: at as f64 / MINUTE as f64, exposed });
        }
    }
    anyhow::bail!("no verdict")
}

/// Whether each minute kept the limit, with how many requests there were up to its end.
fn checks(traffic: Traffic, mut rng: StdRng) -> impl Iterator<Item = (bool, f64)> {
    let (mut flow, _) = Flow::new(traffic, StdRng::from_rng(&mut rng), 1);
    let mut exposed = 0.0;
    std::iter::repeat_with(move || {
        let minute = (0..MINUTE).map(|_| flow.scrape()).fold(Scrape::default(), Scrape::plus).canary;
        exposed += minute.total;
        (minute.bad <= LIMIT * minute.total, exposed)
    })
}

/// `interval: 1m`, `threshold: 5`: each good check is a step on, ten of them are the end; five bad ones, whenever, are
/// too many, which the check after them acts on.
fn flagger(traffic: Traffic, rng: StdRng) -> Result<End> {
    let (mut good, mut bad) = (0, 0);
    for (minute, (keeps, exposed)) in checks(traffic, rng).enumerate() {
        let is_promoted = good == 10;
        if is_promoted || bad == 5 {
            return Ok(End { is_promoted, minutes: minute as f64 + 1.0, exposed });
        }
        if keeps { good += 1 } else { bad += 1 }
    }
    None.context("no verdict")
}

/// `interval: 1m`, `count: 10`, `failureLimit: 3`: the fourth bad one of ten measurements is one too many.
fn argo_rollouts(traffic: Traffic, rng: StdRng) -> Result<End> {
    let mut bad = 0;
    for (minute, (keeps, exposed)) in checks(traffic, rng).enumerate() {
        bad += u32::from(!keeps);
        if bad > 3 || minute == 9 {
            return Ok(End { is_promoted: bad <= 3, minutes: minute as f64 + 1.0, exposed });
        }
    }
    None.context("no verdict")
}
