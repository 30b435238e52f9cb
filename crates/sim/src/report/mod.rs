//! What a simulation tells: as a table, as JSON, as a picture.

mod curve;
mod distribution;
mod entry;
mod json;
mod recorder;
mod svg;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod writes;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use tidegate_api::Phase;

pub use self::{
    curve::{Curves, Point, Reading},
    distribution::{Distribution, Run},
    entry::{By, CheckSummary, Entry},
    json::json,
    recorder::Recorder,
    svg::svg,
    table::{Style, distribution_table, table},
    writes::Writes,
};
use crate::{scenario::Outcome, traffic::Causes};

/// What became of one release.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Release {
    /// The Rollout.
    pub rollout: String,
    /// The first image of the new version.
    pub image: String,
    /// Its revision.
    pub revision: String,
    /// What became of it.
    pub outcome: Outcome,
    /// The one word for why.
    pub reason: String,
    /// The sentence of the decision; while there is none, how it stands.
    pub message: String,
    /// The last stage that it was in.
    pub stage: Option<String>,
    /// When it began.
    pub started: Timestamp,
    /// When that was decided.
    pub ended: Option<Timestamp>,
    /// When the first of its weight was in force.
    pub exposed_since: Option<Timestamp>,
    /// How many requests the new version answered before it was promoted or gone.
    pub exposed: u64,
}

impl Release {
    /// Whether nothing is decided about it yet, or not for good.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        matches!(self.outcome, Outcome::Unfinished | Outcome::SteppedBack)
    }
}

/// How many requests there were, from the scenario's start to the end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requests {
    /// That were answered without an error.
    pub served: u64,
    /// That failed, or that nobody answered.
    pub failed: u64,
    /// The same, by why.
    pub causes: Causes,
    /// That a new version answered before it was promoted or gone.
    pub exposed: u64,
}

/// What a simulation tells.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The seed that all chance came from.
    pub seed: u64,
    /// When the scenario started.
    pub start: Timestamp,
    /// When the simulation ended.
    pub end: Timestamp,
    /// One sentence for each object that was missing, and was made up.
    pub notes: Vec<String>,
    /// What happened, in order of time.
    pub timeline: Vec<Entry>,
    /// Weight and metrics over time, by Rollout.
    pub curves: BTreeMap<String, Curves>,
    /// What became of each release.
    pub releases: Vec<Release>,
    /// How many requests there were.
    pub requests: Requests,
    /// What Tidegate wrote, from the scenario's start to the end.
    pub writes: Writes,
    /// For each Rollout, how it stands at the end: its phase, and the sentence of its status.
    pub standing: BTreeMap<String, (Phase, String)>,
    /// For each Rollout, the image that serves at the end.
    pub serving: BTreeMap<String, String>,
    /// One sentence for each expectation that does not hold.
    pub failures: Vec<String>,
}

impl Report {
    /// The last release of that Rollout and image; of any, where none is named.
    #[must_use]
    pub fn release(&self, rollout: Option<&str>, image: Option<&str>) -> Option<&Release> {
        let named = |release: &&Release| {
            rollout.is_none_or(|rollout| rollout == release.rollout) && image.is_none_or(|image| image == release.image)
        };
        self.releases.iter().rev().find(named)
    }

    /// How that Rollout stands at the end, in a sentence; the first one, where none is named.
    #[must_use]
    pub fn standing(&self, rollout: Option<&str>) -> Option<String> {
        let mut standing = self.standing.iter().filter(|(name, _)| rollout.is_none_or(|rollout| rollout == *name));
        standing.next().map(|(name, (phase, message))| format!("Rollout {name} is {phase:?}: {message}"))
    }

    /// The image that serves at the end.
    #[must_use]
    pub fn serving(&self, rollout: Option<&str>) -> Option<&str> {
        let mut serving = self.serving.iter().filter(|(name, _)| rollout.is_none_or(|rollout| rollout == *name));
        serving.next().map(|(_, image)| image.as_str())
    }
}
