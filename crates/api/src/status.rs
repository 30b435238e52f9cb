//! What a Rollout says of itself: for people to read, and for the next reconcile to go on from.
//!
//! The committed status is the write-ahead log: every effect on the cluster is a function of spec and status, so
//! whatever is needed to go on after a crash stands here.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    command::Asked,
    degrade::DegradedStatus,
    drill::DrillStatus,
    gate_status::GateStatus,
    preset::Preset,
    release_count::ReleaseCount,
    restart::RestartStatus,
    rollback::FormerRevision,
    schema,
    stage_status::{StageBegun, StageStatus, SteppedBack},
    units::Span,
    watch::WatchStatus,
};

/// Where a Rollout stands, and every number that led there.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = schema::absent_not_null)]
pub struct RolloutStatus {
    /// The generation of the spec that this status speaks of.
    pub observed_generation: Option<i64>,
    /// Where the Rollout stands, in one word.
    pub phase: Phase,
    /// Where the Rollout stands, in one sentence.
    pub message: String,
    /// The stage that the new version is in; absent when none is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<StageStatus>,
    /// The stages of the rollout under way, in the order in which their weights came into force; at most 32. The
    /// evidence of each is counted in blocks of time from there on, so that whoever reads it again comes to the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub begun: Vec<StageBegun>,
    /// Where the rollout under way fell back to the stage before, the last one last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stepped_back: Vec<SteppedBack>,
    /// The version on its way failed, and is judged without what `degrade` switched off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub degraded: Option<DegradedStatus>,
    /// The drill of the version on its way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drill: Option<DrillStatus>,
    /// The Deployment that this status speaks of, as it was last looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload: Option<WorkloadStatus>,
    /// The version that worked, and to which traffic returns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stable: Option<RevisionStatus>,
    /// The version on its way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<RevisionStatus>,
    /// What each check last said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub checks: Vec<CheckStatus>,
    /// What `preset: auto` stands for, since the last release began.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["check"]))]
    pub presets: Vec<PresetStatus>,
    /// The last transitions, newest first; at most ten.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Transition>,
    /// How many versions were promoted, and how many failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub releases: Option<ReleaseCount>,
    /// Revisions that failed and stay failed, newest first; at most ten.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["revision"]))]
    pub failed: Vec<FailedRevision>,
    /// Versions that were stable, newest first, as many as `spec.rollbackWindow` says, and at least one while `spec.watch` may
    /// want it back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["revision"]))]
    pub former: Vec<FormerRevision>,
    /// The version on its way was stable before, and comes back unjudged.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub rolls_back: bool,
    /// The version that was promoted, while `spec.watch` has it judged on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watch: Option<WatchStatus>,
    /// What people asked for, and what came of it: the last of each kind.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["command"]))]
    pub commands: Vec<CommandStatus>,
    /// The gates that were asked about the version on its way, or the one that waits to be, in that order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<GateStatus>,
    /// The stable version's pods are being replaced by others of the same version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart: Option<RestartStatus>,
    /// Approvals of an earlier rollout that are still in the annotation: they count for none after it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub spent_approvals: Vec<String>,
    /// A gateway of the routes refused a backend of weight 0: what gets nothing is left out of them.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub zero_weights_refused: bool,
    /// The version that waits because the routes could not be written for it: nothing speaks against it. It starts again
    /// when the Rollout's spec changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taken_back: Option<TakenBack>,
    /// `Ready`, `Progressing` and `Healthy`; while they hold, `Stalled` and `Reconciling`, as kstatus reads them, and
    /// `Warning`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// How far the adoption or the hand-back of the Deployment has come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adoption: Option<AdoptionStatus>,
    /// Whether the routes point at the Service as the user wrote it, or at one Service for each revision.
    pub route: RouteMode,
    /// Since when no traffic is meant for the pods that are about to go; they stay for `spec.drain` after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub draining_since: Option<Timestamp>,
    /// While a new version is on its way: the lowest number of pods that an autoscaler may ask for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas_floor: Option<i32>,
    /// The pod of the new version that `suspectPod` had deleted; its requests do not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaced_pod: Option<ReplacedPod>,
    /// While a new version is on its way: since when no pod of the stable one is ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stable_lost_since: Option<Timestamp>,
    /// Who else keeps changing what Tidegate writes: one entry for each object, for ten minutes after its last change.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["object"]))]
    pub contentions: Vec<Contention>,
    /// The number of pods, for the scale subresource.
    pub replicas: i32,
    /// Selects the pods of the revision that carries most of the traffic, for the scale subresource.
    pub selector: String,
}

impl RolloutStatus {
    /// Whether somebody's command was decided on.
    #[must_use]
    pub fn is_decided(&self, asked: &Asked) -> bool {
        let known = self.commands.iter().find(|known| known.command == asked.command.name());
        known.is_some_and(|known| known.text == asked.text || known.earlier.contains(&asked.text))
    }

    /// What a gate said about `revision`, if it was asked.
    #[must_use]
    pub fn gate(&self, revision: &str, name: &str) -> Option<&GateStatus> {
        self.gates.iter().find(|gate| gate.revision == revision && gate.name == name)
    }
}

/// A pod that was deleted since the bad requests of a check came from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReplacedPod {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// When that was decided.
    pub at: Timestamp,
}

/// The Deployment as it was last looked at: what it asks for now, the status has not heard of unless its generation is
/// this one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadStatus {
    /// Its generation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The images of the containers that it asks for, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    /// Who else set its `spec.replicas`; forgotten when the Deployment is changed without them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scaled: Option<Scaled>,
}

/// Somebody else asked a Deployment for pods.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Scaled {
    /// The field manager, as far as the object tells.
    pub manager: String,
    /// The generation of the Deployment in which it was seen.
    pub generation: i64,
}

/// Where a Rollout stands, in one word.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// Something that the Rollout names is missing or does not fit; nothing has been touched.
    #[default]
    Pending,
    /// The Deployment's pods are being taken over, without a restart.
    Adopting,
    /// One version serves, and none is on its way.
    Stable,
    /// A new version is on its way.
    Progressing,
    /// A new version is on its way, but stays where it is until somebody acts.
    Held,
    /// The new version passed; the old one is going.
    Promoting,
    /// Traffic is back, or on its way back, to the stable version, and the new one is going.
    Reverting,
    /// The stable version serves; the version that the Deployment asks for failed.
    Reverted,
    /// The Rollout is being deleted, and the Deployment gets its pods back.
    HandingBack,
}

/// One revision: one pod template, one ReplicaSet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RevisionStatus {
    /// The value of its pods' `pod-template-hash` label.
    pub revision: String,
    /// The ReplicaSet that holds it.
    pub replica_set: String,
    /// Its containers' images, in order.
    #[serde(default)]
    pub images: Vec<String>,
    /// How many pods it has.
    #[serde(default)]
    pub replicas: i32,
    /// How many of them are ready.
    #[serde(default)]
    pub ready: i32,
}

impl fmt::Display for RevisionStatus {
    /// As people are told of it: `7f9c6b54d (checkout:v2)`. Where an image comes from and the most of a digest are left
    /// out; the status has them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.revision)?;
        let Some(first) = self.images.first() else { return Ok(()) };
        let image = first.rsplit('/').next().unwrap_or(first);
        let end = image.find("@sha256:").map_or(image.len(), |at| image.len().min(at + "@sha256:".len() + 12));
        match self.images.len() - 1 {
            0 => write!(f, " ({})", &image[..end]),
            more => write!(f, " ({} and {more} more)", &image[..end]),
        }
    }
}

/// What a check says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Verdict {
    /// The new version is good enough, and there is enough evidence to say so.
    Pass,
    /// The new version is worse than its limit.
    Fail,
    /// Not enough has been seen yet.
    NeedMoreData,
    /// Prometheus has no numbers, or none that can be trusted. Never a pass.
    #[default]
    NoData,
}

/// What one check last said, with the numbers that it went by.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckStatus {
    /// The check's name.
    pub name: String,
    /// Its answer.
    pub verdict: Verdict,
    /// The measured value, in the form of the limit: `0.3%`, `0.412s`, `0.85`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The limit that it was held against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// The same number for the stable version over the same time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stable: Option<String>,
    /// Where the true value lies, with a certainty of 95 %, as far as can be said from so many requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<String>,
    /// How many requests of the new version the value stands on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<i64>,
    /// How many more requests of the new version it is expected to take until the check passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more_requests: Option<i64>,
    /// How long that is at the traffic at hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more_time: Option<Span>,
    /// The instant up to which the numbers were read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// Why, in one word: `WithinLimit`, `AboveLimit`, `TooFewRequests`, `PrometheusUnreachable`…
    pub reason: String,
    /// Why, in one sentence.
    pub message: String,
    /// The value is beyond the check's `warn` limit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub warning: bool,
}

/// The preset that a check with `preset: auto` took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PresetStatus {
    /// The check's name.
    pub check: String,
    /// The preset.
    pub preset: Preset,
    /// Why that one: what it reads, and which others would fit as well.
    pub reason: String,
}

/// One step that the Rollout took.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Transition {
    /// When.
    pub at: Timestamp,
    /// What, in one word: the reason of the event that was sent for it.
    pub reason: String,
    /// What and why, in one sentence with the numbers.
    pub message: String,
    /// The revision that it was about.
    pub revision: String,
    /// While a new version was on its way: the weight that it had, such as `25%`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<String>,
    /// What the checks measured, by the name of the check, where the step was taken with an eye on them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, String>,
}

/// A revision that failed and stays failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailedRevision {
    /// The value of its pods' `pod-template-hash` label.
    pub revision: String,
    /// The ReplicaSet that keeps its template, without pods.
    pub replica_set: String,
    /// When it failed.
    pub at: Timestamp,
    /// Why, in one sentence.
    pub message: String,
}

/// A command that somebody gave, which is done once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommandStatus {
    /// What was asked: `abort`, `promote` or `retry`.
    pub command: String,
    /// The whole annotation: another one is another command.
    pub text: String,
    /// Those of its kind that were decided on before it, newest first; at most seven. One of them that is written anew does
    /// nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<String>,
    /// Who asked, as they said themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When that was decided on.
    pub at: Timestamp,
    /// Whether it was done.
    pub done: bool,
    /// What came of it, in one sentence.
    pub message: String,
}

/// A write of the routes that was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TakenBack {
    /// The revision that it was for.
    pub revision: String,
    /// The generation of the Rollout's spec at that time.
    pub generation: Option<i64>,
    /// When.
    pub at: Timestamp,
    /// `RouteRefused` or `RouteBroken`.
    pub reason: String,
    /// Why, in one sentence.
    pub message: String,
}

/// How far the adoption or the hand-back of the Deployment has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdoptionStatus {
    /// The step under way.
    pub step: AdoptionStep,
    /// How the pods come over.
    pub mode: AdoptionMode,
    /// The Deployment whose pods these are.
    #[serde(default)]
    pub workload: String,
    /// How many pods the Deployment had.
    pub replicas: i32,
    /// When the step began.
    pub since: Timestamp,
}

/// How the Deployment's pods come over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AdoptionMode {
    /// The running ReplicaSet changes its owner; no pod restarts.
    #[default]
    Move,
    /// The cluster refused that: a second ReplicaSet is brought up first, then the Deployment's goes.
    Surge,
}

/// The steps of the walk, in the order of adoption; hand-back walks its own three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AdoptionStep {
    /// The Deployment is paused, and its controller has to see that.
    Pausing,
    /// The ReplicaSet gets its new owner (or, in `Surge`, the second one becomes ready).
    Moving,
    /// The Deployment goes to 0 replicas and is unpaused.
    Emptying,
    /// The Deployment's pods belong to the Rollout.
    Adopted,
    /// Hand-back: the Deployment is paused, and its own empty ReplicaSets go.
    Clearing,
    /// Hand-back: the Deployment gets its count and the stable template.
    Restoring,
    /// Hand-back: the ReplicaSet is let go, adopted by the Deployment, and the Deployment unpaused.
    Releasing,
}

/// Where the routes point.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RouteMode {
    /// At the Service, exactly as the user wrote it.
    #[default]
    Service,
    /// At `<service>-stable` and `<service>-canary`, by weight.
    Split,
    /// At `<service>-canary` alone, which holds the version that was just promoted, until the old one is gone.
    Promoted,
}

/// Somebody else keeps changing what Tidegate writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Contention {
    /// The object, such as `HTTPRoute checkout`.
    pub object: String,
    /// The field manager that did it, as far as the object tells.
    pub manager: String,
    /// The generation of the object that they left; a later one that is not Tidegate's is another change.
    pub generation: i64,
    /// It is written back.
    #[serde(default)]
    pub answered: bool,
    /// When their changes were seen within the last ten minutes, newest first; at most ten.
    #[serde(default)]
    pub changes: Vec<Timestamp>,
}

impl Contention {
    /// When the last change was seen.
    #[must_use]
    pub fn last(&self) -> Timestamp {
        self.changes.first().copied().unwrap_or(Timestamp::MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_is_named_by_what_people_know_it_by() {
        let named = |images: &[&str]| {
            let images = images.iter().map(|image| (*image).to_owned()).collect();
            RevisionStatus { revision: "7f9c6b54d".to_owned(), images, ..RevisionStatus::default() }.to_string()
        };
        let digest = format!("registry.example.com:5000/shop/checkout@sha256:{}", "0123456789abcdef".repeat(4));
        assert_eq!(named(&[]), "7f9c6b54d");
        assert_eq!(named(&["registry.example.com/shop/checkout:v2"]), "7f9c6b54d (checkout:v2)");
        assert_eq!(named(&["checkout", "proxy:v1"]), "7f9c6b54d (checkout and 1 more)");
        assert_eq!(named(&[&digest]), "7f9c6b54d (checkout@sha256:0123456789ab)");
    }
}
