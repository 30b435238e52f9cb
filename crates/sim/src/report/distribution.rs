//! Many runs of one scenario, each with its own seed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::Report;
use crate::scenario::{Outcome, Scenario};

/// What counts of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    seed: u64,
    outcome: Option<Outcome>,
    expected: Option<Outcome>,
    /// In seconds.
    time_to_detect: Option<u64>,
    exposed: u64,
    failed: u64,
    failures: Vec<String>,
}

/// Many runs of one scenario.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Distribution {
    /// How many.
    pub runs: u64,
    /// The lowest seed.
    pub first: u64,
    /// The highest seed.
    pub last: u64,
    /// How often the last release ended how.
    pub outcomes: BTreeMap<String, u64>,
    /// How often everything was as expected.
    pub held: u64,
    /// How often it was reverted, though a promotion was expected.
    pub false_reverts: u64,
    /// How often it was promoted, though a revert was expected.
    pub false_promotions: u64,
    /// In runs that reverted: the seconds from when the new version became what it was in the end, or first got
    /// requests, to the decision; lowest, median, 90th percentile and highest.
    pub time_to_detect: Option<[u64; 4]>,
    /// Requests that a version under test answered; the same four.
    pub exposed: Option<[u64; 4]>,
    /// Requests that failed; the same four.
    pub failed: Option<[u64; 4]>,
    /// What was not as expected, and how often; numbers are left out of the sentences.
    pub failures: BTreeMap<String, u64>,
}

impl Run {
    /// What counts of a report.
    #[must_use]
    pub fn new(report: &Report, scenario: &Scenario) -> Self {
        let release = report.releases.last();
        let reverted = release.filter(|release| release.outcome == Outcome::Reverted);
        let time_to_detect = reverted.and_then(|release| {
            let (ended, exposed) = (release.ended?, release.exposed_since?);
            let changed = last_change(scenario, ended);
            let since = changed.map_or(exposed, |changed| changed.max(exposed));
            u64::try_from(ended.duration_since(since).as_secs()).ok()
        });
        Self {
            seed: report.seed,
            outcome: release.map(|release| release.outcome),
            expected: scenario.expect.0.iter().rev().find_map(|expectation| expectation.outcome),
            time_to_detect,
            exposed: report.requests.exposed,
            failed: report.requests.failed,
            failures: report.failures.clone(),
        }
    }
}

/// When a version last changed how it behaves, before `end`.
fn last_change(scenario: &Scenario, end: Timestamp) -> Option<Timestamp> {
    let versions = scenario.versions.values();
    let changes = versions.flat_map(|version| version.errors.changes().chain(version.latency.changes()));
    changes.map(|change| scenario.instant(change)).filter(|change| *change < end).max()
}

impl Distribution {
    /// Of these runs.
    #[must_use]
    pub fn new(runs: &[Run]) -> Self {
        let mut outcomes = BTreeMap::new();
        let mut failures = BTreeMap::new();
        for run in runs {
            let outcome = run.outcome.map_or_else(|| "NoRelease".to_owned(), |outcome| outcome.to_string());
            *outcomes.entry(outcome).or_default() += 1;
            for failure in &run.failures {
                let alike: String = failure.split(": ").take(2).collect::<Vec<_>>().join(": ");
                let alike = alike.replace(|c: char| c.is_ascii_digit(), "#");
                *failures.entry(alike).or_default() += 1;
            }
        }
        let count = |is: &dyn Fn(&Run) -> bool| runs.iter().filter(|run| is(run)).count() as u64;
        let ended =
            |run: &Run, expected: Outcome, came: Outcome| run.expected == Some(expected) && run.outcome == Some(came);
        Self {
            runs: runs.len() as u64,
            first: runs.iter().map(|run| run.seed).min().unwrap_or_default(),
            last: runs.iter().map(|run| run.seed).max().unwrap_or_default(),
            outcomes,
            held: count(&|run| run.failures.is_empty()),
            false_reverts: count(&|run| ended(run, Outcome::Promoted, Outcome::Reverted)),
            false_promotions: count(&|run| ended(run, Outcome::Reverted, Outcome::Promoted)),
            time_to_detect: four(runs.iter().filter_map(|run| run.time_to_detect).collect()),
            exposed: four(runs.iter().map(|run| run.exposed).collect()),
            failed: four(runs.iter().map(|run| run.failed).collect()),
            failures,
        }
    }
}

/// The lowest, the median, the 90th percentile and the highest.
fn four(mut values: Vec<u64>) -> Option<[u64; 4]> {
    values.sort_unstable();
    let at = |percent: usize| values.get((values.len() - 1) * percent / 100).copied().unwrap_or_default();
    (!values.is_empty()).then(|| [at(0), at(50), at(90), at(100)])
}
