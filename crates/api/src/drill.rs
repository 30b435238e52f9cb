//! `drill` of a stage: the way back is tried before it is needed.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::units::Span;

/// A stage that has passed is left for the one before it, whose weight has to be in force within a time; only then the version
/// goes on. So the way back is proved for this very version, with few requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Drill {
    /// How long it may take, from the decision until the gateway has confirmed the weight. Otherwise all traffic goes back,
    /// and the version fails. Default: 5m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Span>,
}

impl Drill {
    /// [`Self::within`], or its default.
    #[must_use]
    pub fn within(&self) -> Span {
        self.within.unwrap_or(Span::seconds(300))
    }
}

/// The drill of the version on its way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DrillStatus {
    /// The name of the stage that was left for the one before it.
    pub stage: String,
    /// Where it stands.
    pub state: DrillState,
    /// When it was left.
    pub at: Timestamp,
    /// When the weight of the stage before was in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back_at: Option<Timestamp>,
}

/// Where a drill stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DrillState {
    /// The traffic is on its way back.
    #[default]
    Returning,
    /// It was back in time.
    Back,
    /// The version has gone on since. There is one drill for each version.
    Over,
}
