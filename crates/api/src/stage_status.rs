//! The stage that a new version is in, and those that it has been in.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    matches::Match,
    stage::{Replicas, Stage},
    units::Percent,
};

/// The stage that a new version is in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StageStatus {
    /// Its name in the spec.
    pub name: String,
    /// Its place in the spec, counted from 1.
    #[schemars(with = "i32")]
    pub index: u32,
    /// How many stages there are.
    #[schemars(with = "i32")]
    pub of: u32,
    /// The weight that the stage asks for.
    pub weight: Percent,
    /// The requests that are the new version's whatever its weight.
    #[serde(default, rename = "match", skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<Match>,
    /// The part of all requests of which it gets a copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror: Option<Percent>,
    /// How many of the stable version's pods stay while all of the traffic is the new version's, where the plan says it. Once
    /// they are fewer, `100%` until the rollout is over where no more is said: they may still be on their way back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stable_replicas: Option<Replicas>,
    /// How users come to the versions that they stay on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_generation: Option<SessionGeneration>,
    /// The weight that the data plane has confirmed; without a route, the share of ready pods. While somebody else's
    /// weights are in force, theirs.
    pub weight_in_force: Percent,
    /// The share of the requests that the new version was really given since the weight is in force, by what the checks
    /// count: `4.9%`. Absent where a weight does not promise a share of all requests, and while too few were seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_measured: Option<String>,
    /// Where that share lies, with a certainty of 99.9 %: `4.4% to 5.5%`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_range: Option<String>,
    /// Since when it is certainly another one than the weight promises.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_off_since: Option<Timestamp>,
    /// Present while the routes do not say what was in force: the stage's clock stands still.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disturbance: Option<Disturbance>,
    /// Since when the stage waits for a stable version that is unwell itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stable_unwell_since: Option<Timestamp>,
    /// When the stage was entered.
    pub entered_at: Timestamp,
    /// When its weight came into force: its clock started. Later by as long as other weights were in force since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// When its bake time ends; absent while its clock stands still.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl StageStatus {
    /// Whether the new version gets requests of users in it, or copies of them.
    #[must_use]
    pub fn gives_requests(&self) -> bool {
        self.weight > Percent::ZERO || !self.matches.is_empty() || self.mirror.is_some()
    }

    /// What [`Self::stable_replicas`] is where `spec` takes the place of `before`.
    #[must_use]
    pub fn stable_replicas_after(before: Option<&Self>, spec: &Stage) -> Option<Replicas> {
        let all = || before.and_then(|before| before.stable_replicas).map(|_| Replicas::Share(Percent::FULL));
        spec.stable_replicas.or_else(all)
    }

    /// The weight that the stage itself brought into force, whatever others wrote since.
    #[must_use]
    pub fn own_weight(&self) -> Percent {
        self.disturbance.as_ref().map_or(self.weight_in_force, |disturbance| disturbance.weight)
    }
}

/// The routes do not say what was in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Disturbance {
    /// When that was first seen.
    pub since: Timestamp,
    /// The weight that was in force before.
    pub weight: Percent,
}

/// How users come to the versions that they stay on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionGeneration {
    /// What tells it from every other one: the new version's revision, and when it began. A weight that falls begins
    /// another, in which everybody counts anew.
    pub id: String,
    /// The weight before this one, at which everybody who is known came to their version.
    pub before: Percent,
}

/// A stage that failed, and was left for the one before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SteppedBack {
    /// The name of the stage that failed.
    pub stage: String,
    /// The name of the one before it.
    pub to: String,
    /// When that was decided.
    pub at: Timestamp,
    /// The checks that failed. What spoke against the version by them has been answered: by them it is judged anew.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<String>,
}

/// A stage whose weight came into force, or a part of one that was disturbed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StageBegun {
    /// Its name in the spec.
    pub stage: String,
    /// When its weight came into force.
    pub since: Timestamp,
    /// That it goes on with a stage whose weight was in force already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<StagePart>,
    /// After a step back to it: the checks whose failure caused that. What speaks against the version by them counts from here
    /// on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answered: Vec<String>,
}

impl StageBegun {
    /// A stage whose weight came into force at `since`, with nothing to answer for.
    #[must_use]
    pub fn first(stage: &str, since: Timestamp) -> Self {
        Self { stage: stage.to_owned(), since, ..Self::default() }
    }
}

/// A part of a stage after its first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StagePart {
    /// Another weight came into force: what is seen speaks against the new version, and not for it.
    Disturbed,
    /// The stage's own weight is back in force, and its evidence goes on.
    Resumed,
}
