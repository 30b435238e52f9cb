//! Which share of the requests the canary got while a weight was in force.

use std::{collections::BTreeMap, fmt};

use jiff::{SignedDuration, Timestamp};
use tidegate_testkit::snapshot::{share, weights};

use crate::scenes::Played;

/// The quantile of the normal distribution that leaves half a percent on each side.
const Z: f64 = 2.576;

/// For the requests that the gateway had routed, and that had not arrived, when it took a weight over.
const ON_THEIR_WAY: SignedDuration = SignedDuration::from_millis(20);

/// By weight in percent: how many requests there were, and how many of them went to the canary.
pub struct Shares(BTreeMap<u64, (u64, u64)>);

/// Counts them over all scenes; from `lag` after the gateway said that it follows a weight, which is when it does.
pub fn of(played: &[Played], lag: SignedDuration) -> Shares {
    let mut shares = BTreeMap::new();
    for scene in played {
        for (place, in_force) in scene.history.iter().enumerate() {
            let Some(weight) = share(&weights(&in_force.backends)).filter(|weight| *weight > 0) else { continue };
            let from = in_force.reload.done + lag + ON_THEIR_WAY;
            let to = scene.history.get(place + 1).map_or(Timestamp::MAX, |next| next.reload.began);
            let (requests, to_canary) = count(scene, from, to);
            let (all, canary) = shares.entry(weight).or_insert((0, 0));
            *all += requests;
            *canary += to_canary;
        }
    }
    Shares(shares)
}

/// All requests that arrived in a time, and those of them that did not arrive at the version which was there first.
fn count(scene: &Played, from: Timestamp, to: Timestamp) -> (u64, u64) {
    let first = scene.receipt.answers.iter().min_by_key(|answer| answer.arrived);
    let stable = first.map_or("", |answer| answer.revision.as_str());
    let arrived = scene.receipt.answers.iter().filter(|answer| (from..to).contains(&answer.arrived));
    arrived.fold((0, 0), |(all, canary), answer| (all + 1, canary + u64::from(answer.revision != stable)))
}

impl Shares {
    /// The share that was measured, in percent.
    pub fn at(&self, weight: u64) -> f64 {
        self.0.get(&weight).map_or(f64::NAN, |(all, canary)| *canary as f64 * 100.0 / *all as f64)
    }
}

impl fmt::Display for Shares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the canary's share, and where 99 % of such counts lie for that weight:")?;
        writeln!(f, "  {:>6} {:>9} {:>9} {:>20}", "weight", "requests", "share", "interval")?;
        for (weight, (all, _)) in &self.0 {
            let p = *weight as f64 / 100.0;
            let half = Z * (p * (1.0 - p) / *all as f64).sqrt() * 100.0;
            let (measured, weight) = (self.at(*weight), p * 100.0);
            let verdict = if (measured - weight).abs() <= half { "inside" } else { "OUTSIDE" };
            let interval = format!("{:.2}–{:.2} %", weight - half, weight + half);
            writeln!(f, "  {weight:>4} % {all:>9} {measured:>7.2} % {interval:>20} {verdict}")?;
        }
        Ok(())
    }
}
