//! Gates: who or what else has to say yes before a version starts, before or after a stage, and before it is promoted.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{culprit, schema, units::Span};

/// One question. It is asked when everything else lets the rollout go on, after the gate before it in the list has passed;
/// what it answers stays its answer for that version. A gate never delays a revert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = schema::absent_not_null)]
#[x_kube(
    validation = (
        "[has(self.approval), has(self.query), has(self.webhook), has(self.job), has(self.rollouts)].filter(x, x).size() == 1",
        culprit::GATE_ASKS
    ),
    validation = Rule::new("!has(self.timeout) || !has(self.onTimeout) || self.onTimeout != 'Revert' || duration(self.timeout) > duration('0s')").message("a gate that turns the traffic back when its time is up needs some time: lengthen timeout, or let it hold").field_path(".timeout")
)]
pub struct Gate {
    /// What the gate is called in the status, in events and in commands. No other gate of the Rollout may have its name.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,

    /// How long it may wait for its answer. Then `onTimeout` applies. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,

    /// What happens when it has waited for longer than `timeout`. Default: `Hold`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_timeout: Option<OnTimeout>,

    /// Waits for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,

    /// Waits until a number of Prometheus is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<QueryGate>,

    /// Asks a service of the platform team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookGate>,

    /// Runs a Job, whose end is the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobGate>,

    /// Waits for other Rollouts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub rollouts: Option<Vec<OtherRollout>>,
}

/// What happens when a gate has waited for too long.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnTimeout {
    /// Everything stays as it is, and somebody is told. An answer that comes late still counts.
    #[default]
    Hold,
    /// All traffic goes back to the stable version.
    Revert,
}

/// Whose yes it takes: without `users` and `groups`, anybody's who may annotate the Rollout.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.count) || !has(self.users) || self.users.size() == 0 || has(self.groups) && self.groups.size() > 0 || self.count <= self.users.size()").message("an approval takes more people than its users are: lower count, or name more of them, or a group").field_path(".count")
)]
pub struct Approval {
    /// Users whose approval counts, by the names by which the cluster knows them. A name with a space, a comma or a semicolon
    /// cannot be written into an approval.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 253), regex(pattern = r"^[^ ;,]+$")))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub users: Vec<String>,

    /// Groups whose members' approval counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 253), regex(pattern = r"^[^ ;,]+$")))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub groups: Vec<String>,

    /// How many different people it takes. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 8))]
    pub count: Option<i32>,
}

impl Approval {
    /// [`Self::count`], or its default.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count.and_then(|count| count.try_into().ok()).unwrap_or(1).max(1)
    }

    /// Whether the approval of `user`, who is of `groups`, counts.
    #[must_use]
    pub fn takes(&self, user: &str, groups: &[String]) -> bool {
        let is_open = self.users.is_empty() && self.groups.is_empty();
        let is_named = self.users.iter().any(|known| known == user);
        is_open || is_named || self.groups.iter().any(|known| groups.contains(known))
    }
}

/// A number that has to be well, without statistics: all series that the expression yields, and at least one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("has(self.max) || has(self.min)", culprit::GATE_LIMIT),
    validation = Rule::new("!has(self.max) || !has(self.min) || self.min <= self.max").message("a gate's min must not be above its max").field_path(".min")
)]
pub struct QueryGate {
    /// The expression.
    #[schemars(length(min = 1, max = 4096))]
    pub expr: String,

    /// The lowest value that is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,

    /// The highest value that is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,

    /// For how long it has to have been well. Default: it has to be now.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = ("duration(self) <= duration('24h')", "a gate's query looks back for at most 24h"))]
    pub lasting: Option<Span>,

    /// The Prometheus endpoint that is asked. Default: that of `spec.analysis`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub prometheus: Option<String>,
}

/// A service of the platform team's list, which answers with go, wait or stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookGate {
    /// What the platform team calls it.
    #[schemars(length(min = 1, max = 63))]
    pub endpoint: String,

    /// Added to the address of the endpoint. No part of it is `.` or `..`: it leads to nowhere but below that address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256), regex(pattern = r"^(/[.]{0,2}[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$"))]
    pub path: Option<String>,

    /// Sent along, under `data`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub body: Option<String>,
}

/// A Job in the Rollout's namespace. When it completes, the gate says yes; when it fails, no. It runs once for each version
/// and gate; one that somebody deletes before it has ended runs again. It goes when the rollout is over; one that failed stays
/// until the next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("has(self.template) != has(self.cronJob)", culprit::JOB_OF))]
pub struct JobGate {
    /// The Job, as the `jobTemplate` of a CronJob describes one. Its pods are told what they are asked about by variables
    /// whose names begin with `TIDEGATE_`. Unless it says otherwise, its pods are not started anew: a `backoffLimit` of 0 and
    /// a `restartPolicy` of `Never`. A `ttlSecondsAfterFinished` is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::any_object")]
    pub template: Option<Value>,

    /// A CronJob in the Rollout's namespace whose `jobTemplate` it is. It may be suspended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub cron_job: Option<String>,
}

/// Another Rollout that has to be where this one needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OtherRollout {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,

    /// Its namespace. Default: that of this Rollout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,

    /// What its stable version has to be. Default: `Stable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<OtherRevision>,
}

/// What the stable version of another Rollout has to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OtherRevision {
    /// The one that its Deployment asks for, with none on its way.
    #[default]
    Stable,
    /// The same, and one of its images has the tag of one of this version's.
    SameImageTag,
}

/// The gates of the whole rollout.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Gates {
    /// Before a new version starts: nothing of it is there yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub start: Vec<Gate>,

    /// When it has passed its last stage, before it becomes the stable one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub promote: Vec<Gate>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_named_by_name_or_group_may_approve_and_anybody_where_nobody_is() {
        let of = |users: &[&str], groups: &[&str]| Approval {
            users: users.iter().map(|&user| user.to_owned()).collect(),
            groups: groups.iter().map(|&group| group.to_owned()).collect(),
            count: None,
        };
        let sre = ["sre".to_owned()];
        assert!(of(&[], &[]).takes("jane", &[]));
        assert!(of(&["jane"], &[]).takes("jane", &[]) && !of(&["jane"], &[]).takes("joe", &sre));
        assert!(of(&["jane"], &["sre"]).takes("joe", &sre) && !of(&[], &["sre"]).takes("joe", &[]));
    }
}
