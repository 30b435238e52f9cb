//! One line of the timeline.

use jiff::Timestamp;
use serde::Serialize;
use tidegate_api::{CheckStatus, Percent, Verdict};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// The Rollout that it was about; empty if it was about none.
    pub rollout: String,
    /// Who did it.
    pub by: By,
    /// What, in one word: the reason of a transition, or the name of an event of the scenario.
    pub what: String,
    /// What and why, in one sentence with the numbers.
    pub message: String,
    /// The stage that the new version was in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// The new version's weight in force after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<Percent>,
    /// What the checks said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckSummary>,
}

/// Who did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum By {
    /// Tidegate.
    Tidegate,
    /// The scenario.
    Scenario,
}

/// What a check said.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckSummary {
    /// The check.
    pub name: String,
    /// Its answer.
    pub verdict: Verdict,
    /// What was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// What it was held against.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// How many requests it stands on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample: Option<i64>,
}

impl From<&CheckStatus> for CheckSummary {
    fn from(check: &CheckStatus) -> Self {
        Self {
            name: check.name.clone(),
            verdict: check.verdict,
            value: check.value.clone(),
            limit: check.limit.clone(),
            sample: check.sample,
        }
    }
}
