//! What a webhook is told.

use serde::Serialize;

/// What the rollout is at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    /// The same for each try of one question, so that it is answered once.
    #[serde(skip)]
    pub id: String,
    /// The Rollout's namespace.
    pub namespace: String,
    /// The Rollout's name.
    pub rollout: String,
    /// The Rollout's UID.
    pub uid: String,
    /// The gate that asks.
    pub gate: String,
    /// What waits for it: `start`, `after STAGE`, `before STAGE` or `promote`.
    pub place: String,
    /// The version that wants to go on.
    pub version: Version,
    /// The version that serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stable: Option<Version>,
    /// The stage under way; absent before the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<StageQuestion>,
    /// What the gate's `body` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
}

/// One version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Version {
    /// The value of its pods' `pod-template-hash` label.
    pub revision: String,
    /// The images of its containers, in order.
    pub images: Vec<String>,
}

/// The stage under way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StageQuestion {
    /// Its name.
    pub name: String,
    /// The share of traffic that the new version has: `25%`.
    pub weight: String,
    /// The Service by which it may be tried out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview: Option<String>,
}
