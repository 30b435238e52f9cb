//! What the status says of gates: what they wait for, since when, and what they answered.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One gate that was asked about the version that is on its way, or wants to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GateStatus {
    /// Its name.
    pub name: String,
    /// The revision that it was asked about.
    pub revision: String,
    /// What waits for it: `start`, `after STAGE`, `before STAGE`, `promote`, or `degrade STAGE`.
    pub place: String,
    /// Where it stands.
    pub state: GateState,
    /// Since when it has been asked.
    pub since: Timestamp,
    /// When it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<Timestamp>,
    /// What it waits for, or what it answered, in one sentence.
    pub message: String,
    /// Who has approved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<ApprovalStatus>,
}

/// Where a gate stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum GateState {
    /// It has not answered yet.
    #[default]
    Waiting,
    /// It has waited for longer than its `timeout`.
    TimedOut,
    /// It said yes. It is not asked again about this version.
    Passed,
    /// It said no.
    Stopped,
}

impl GateState {
    /// Whether it may still say yes.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Waiting | Self::TimedOut)
    }
}

/// One person's yes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalStatus {
    /// Who, by their own account; where the chart's policy is installed, by the cluster's.
    pub by: String,
    /// When it was first seen.
    pub at: Timestamp,
}
