//! `status.releases`: how many versions were promoted, and how many failed.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How releases of a Rollout ended. A version whose place another one took on its way is neither, and one that comes back is
/// not counted again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseCount {
    /// Since when they are counted.
    pub since: Timestamp,
    /// Versions that were promoted and have not failed since, while they were watched.
    #[schemars(with = "i32")]
    pub promoted: u32,
    /// Versions that failed: by a check, a gate, a deadline or somebody's abort, or after their promotion.
    #[schemars(with = "i32")]
    pub failed: u32,
}

impl ReleaseCount {
    /// The part of all that was promoted: a number from 0 to 1; nothing where there were none.
    #[must_use]
    pub fn success(&self) -> Option<f64> {
        let (promoted, failed) = (f64::from(self.promoted), f64::from(self.failed));
        (promoted + failed > 0.0).then(|| promoted / (promoted + failed))
    }
}
