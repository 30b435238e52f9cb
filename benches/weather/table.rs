//! What came of it, by scenario and by who decided.

use std::fmt;

use tidegate_sim::scenario::Outcome;

use crate::{
    library::{Kind, Library, Weather},
    played::{Decider, Run},
};

/// A release at ten requests a second or more is stuck when it takes longer than so many times its bake.
const PATIENCE: f64 = 4.0;

/// Prints a row for each scenario, and each run of Tidegate's that was not as it should be.
pub fn print(library: &Library, runs: &[Run]) {
    println!(
        "good: releases that were promoted / reverted / neither; bad: reverted / promoted / neither; `all` where all were"
    );
    println!(
        "promoted, or reverted; exposed: requests that a bad release answers on average, a promoted one until the end. By Tidegate, Flagger, Argo Rollouts:"
    );
    println!("| weather | good, T | F | A | bad, T | F | A | exposed, T | F | A |");
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let row = |name: &str, place: Option<usize>| {
        let tallies = tallies(runs, place);
        let good = tallies.map(|tally| tally.good.to_string());
        let bad = tallies.map(|tally| tally.bad.to_string());
        let exposed = tallies.map(|tally| format!("{:.0}", tally.each()));
        println!("| {name} | {} |", [good, bad, exposed].concat().join(" | "));
    };
    for (place, weather) in library.scenarios.iter().enumerate() {
        row(&weather.name, Some(place));
    }
    row("**all**", None);
    let mut wrong: Vec<_> =
        runs.iter().filter(|run| run.decider == Decider::Tidegate && is_wrong(library, run)).collect();
    wrong.sort_by_key(|run| (run.scenario, run.kind == Kind::Bad, run.seed));
    for run in wrong {
        let name = library.scenarios.get(run.scenario).map_or("", |weather| weather.name.as_str());
        let took = run.took.map_or_else(String::new, |took| format!(" after {took:.0} s"));
        println!("not as it should be: {name}, {:?}, seed {}: {}{took}", run.kind, run.seed, run.outcome);
    }
}

/// How many scenarios have which ratio of exposed requests, wrong reverts, and the last line.
pub fn figures(library: &Library, runs: &[Run]) -> String {
    let ratio = |[ours, flagger, argo]: [Tally; 3]| ours.each() / flagger.each().min(argo.each()).max(1.0);
    let scenarios = library.scenarios.len();
    let ratios: Vec<_> = (0..scenarios).map(|place| ratio(tallies(runs, Some(place)))).collect();
    let logarithms = ratios.iter().map(|ratio| ratio.max(1e-3).ln()).sum::<f64>() / ratios.len().max(1) as f64;
    let high = ratios.iter().filter(|ratio| **ratio > 0.5).count();
    let all = tallies(runs, None);
    let reverted = all.map(|tally| format!("{:.2}%", tally.good.part(1)));
    println!(
        "exposed requests, ratio by scenario: geometric mean {:.2}, above 0.5 in {high} of {}",
        logarithms.exp(),
        ratios.len()
    );
    let short = all.map(|tally| tally.exposed);
    println!(
        "where a bad release that is promoted counts only until then: exposed_ratio={:.2}",
        short[0] / short[1].min(short[2]).max(1.0)
    );
    println!("wrong reverts: Tidegate {}, Flagger {}, Argo Rollouts {}", reverted[0], reverted[1], reverted[2]);
    let stuck = runs.iter().filter(|run| run.decider == Decider::Tidegate && is_stuck(library, run)).count();
    let [ours, ..] = all;
    format!(
        "weather: good_promoted={:.1}% bad_reverted={:.1}% exposed_ratio={:.2} stuck={stuck}",
        ours.good.part(0),
        ours.bad.part(0),
        ratio(all)
    )
}

/// How all releases ended, or those of one scenario, by who decided.
fn tallies(runs: &[Run], place: Option<usize>) -> [Tally; 3] {
    Decider::ALL.map(|decider| {
        let mine = runs.iter().filter(move |run| run.decider == decider);
        Tally::of(mine.filter(|run| place.is_none_or(|place| run.scenario == place)))
    })
}

fn is_wrong(library: &Library, run: &Run) -> bool {
    let wanted = match run.kind {
        Kind::Good => Outcome::Promoted,
        Kind::Bad => Outcome::Reverted,
    };
    run.outcome != wanted || is_stuck(library, run)
}

fn is_stuck(library: &Library, run: &Run) -> bool {
    let Some(weather) = library.scenarios.get(run.scenario).filter(|weather: &&Weather| weather.is_busy()) else {
        return false;
    };
    run.took.is_none_or(|took| took > PATIENCE * weather.bake())
        || !matches!(run.outcome, Outcome::Promoted | Outcome::Reverted)
}

/// How releases ended.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    good: Ends,
    bad: Ends,
    /// Requests that bad ones answered until they were promoted or gone.
    exposed: f64,
    /// Requests that they answered after they were promoted.
    promoted: f64,
}

/// How many ended as they should, the other way, and not at all.
#[derive(Debug, Clone, Copy, Default)]
struct Ends([u32; 3]);

impl Ends {
    fn count(&mut self, outcome: Outcome, right: Outcome) {
        let place = match outcome {
            it if it == right => 0,
            Outcome::Promoted | Outcome::Reverted => 1,
            _ => 2,
        };
        self.0[place] += 1;
    }

    fn all(self) -> u32 {
        self.0.iter().sum()
    }

    /// What part of all, in percent.
    fn part(self, place: usize) -> f64 {
        100.0 * f64::from(self.0[place]) / f64::from(self.all().max(1))
    }
}

impl fmt::Display for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [_, 0, 0] => f.write_str("all"),
            [right, wrong, neither] => write!(f, "{right} / {wrong} / {neither}"),
        }
    }
}

impl Tally {
    fn of<'a>(runs: impl Iterator<Item = &'a Run>) -> Self {
        runs.fold(Self::default(), |mut tally, run| {
            match run.kind {
                Kind::Good => tally.good.count(run.outcome, Outcome::Promoted),
                Kind::Bad => {
                    tally.bad.count(run.outcome, Outcome::Reverted);
                    tally.exposed += run.exposed;
                    tally.promoted += run.promoted;
                }
            }
            tally
        })
    }

    /// Requests that a bad one answered, on average.
    fn each(self) -> f64 {
        (self.exposed + self.promoted) / f64::from(self.bad.all().max(1))
    }
}
