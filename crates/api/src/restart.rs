//! The stable version's pods are replaced by others of the same version, as somebody asked.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::{Phase, RolloutStatus};

/// A restart that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestartStatus {
    /// The version whose pods are replaced.
    pub revision: String,
    /// When it began.
    pub at: Timestamp,
    /// Who asked, as they say themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// How many pods there are beyond those that are wanted, while it lasts.
    pub surge: i32,
    /// How many pods are to be replaced, in all.
    pub of: i32,
    /// How many of them are left.
    pub left: i32,
    /// When the last of those that are gone went, or the restart began.
    pub since: Timestamp,
    /// Which pods are to be replaced, by the ends of their names that are drawn at random, with spaces between.
    pub pods: String,
}

impl RestartStatus {
    /// The ends of the names of the pods that are to be replaced.
    pub fn endings(&self) -> impl Iterator<Item = &str> {
        self.pods.split_whitespace()
    }
}

impl RolloutStatus {
    /// The restart of the stable version that goes on: only where nothing else is under way.
    #[must_use]
    pub fn restart_under_way(&self) -> Option<&RestartStatus> {
        let is_of_stable =
            |restart: &&RestartStatus| self.stable.as_ref().is_some_and(|stable| stable.revision == restart.revision);
        self.restart.as_ref().filter(is_of_stable).filter(|_| matches!(self.phase, Phase::Stable | Phase::Reverted))
    }
}
