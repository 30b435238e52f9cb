//! Judging a version on when it has been promoted.

use jiff::Timestamp;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    cadence::CadenceStep,
    culprit, schema,
    stage::Stage,
    stage_check::StageCheck,
    units::{Percent, Span},
};

/// Goes on asking the checks when a version has been promoted. The rollout is over then: the routes are as their user wrote
/// them, and the next version may come, which ends the watch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = schema::absent_not_null)]
pub struct Watch {
    /// For how long.
    #[serde(rename = "for")]
    pub lasting: Span,

    /// What happens when a check fails. Default: `Notify`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnWatchFailure>,

    /// How often the checks are asked, by time since the promotion, as in a stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    #[x_kube(validation = (CadenceStep::RISES, culprit::CADENCE_FALLS))]
    pub cadence: Option<Vec<CadenceStep>>,

    /// Other limits for checks, by name, and checks of the watch's own, while it lasts. There is no other version to compare with any more: of a
    /// check, `max` and `min` decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub checks: Option<Vec<StageCheck>>,
}

impl Watch {
    /// What the checks are asked in: a stage of all of the traffic, whose name no other stage can have.
    #[must_use]
    pub fn stage(&self) -> Stage {
        Stage {
            name: Stage::WATCH.to_owned(),
            bake: Some(self.lasting),
            cadence: self.cadence.clone(),
            checks: self.checks.clone(),
            ..Stage::with_weight(Percent::FULL)
        }
    }
}

/// What happens when a version fails after its promotion.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnWatchFailure {
    /// Somebody is told, by an event and the Rollout's message.
    #[default]
    Notify,
    /// The version before it comes back at once, as with `rollbackWindow`, and this one counts as failed.
    Revert,
}

/// The version that was promoted, and is watched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WatchStatus {
    /// Which one.
    pub revision: String,
    /// The one before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former: Option<String>,
    /// Since when: its rollout was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// When the watch ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Why it failed, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}
