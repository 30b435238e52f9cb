//! The `Rollout`: which workload, which Service, which stages.

use std::borrow::Cow;

use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    analysis::{Analysis, CheckOverride},
    culprit,
    gate::{Gate, Gates},
    matches::Match,
    rollback::RollbackWindow,
    schedule::Schedule,
    schema,
    status::RolloutStatus,
    traffic::{Capacity, Route, Traffic},
    units::{Percent, Span},
};

/// Moves a new version's traffic through stages, goes on only with evidence that it is not worse, and turns the
/// traffic back by itself when it is.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "tidegate.dev",
    version = "v1alpha1",
    kind = "Rollout",
    namespaced,
    status = "RolloutStatus",
    category = "all",
    validation = Rule::new("!has(oldSelf.status) || !has(oldSelf.status.phase) || oldSelf.status.phase in ['Pending', 'Stable', 'Reverted'] || (has(self.spec.traffic) == has(oldSelf.spec.traffic) && (!has(self.spec.traffic) || self.spec.traffic == oldSelf.spec.traffic))").message("spec.traffic cannot be changed while a rollout is under way, since the routes carry its weights: wait until it is over").field_path(".spec.traffic"),
    doc = "A Rollout moves a new version's traffic through stages, and back by itself when the new version is worse.",
    cel,
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Stage", type_ = "string", json_path = ".status.stage.name"),
    printcolumn(name = "Weight", type_ = "string", json_path = ".status.stage.weightInForce"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Stable", type_ = "string", json_path = ".status.stable.revision", priority = 1),
    printcolumn(name = "Canary", type_ = "string", json_path = ".status.canary.revision", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.message")
)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = schema::absent_not_null)]
#[x_kube(
    validation = Rule::new("!has(self.maxSurge) || !has(self.traffic)").message("maxSurge has no meaning beside traffic, where weights split the traffic and not the number of pods: leave one of them out").field_path(".maxSurge"),
    validation = Rule::new("has(self.traffic) || !has(self.analysis) || !has(self.analysis.controlShare) || double(string(self.analysis.controlShare).replace('%', '')) == 0.0").message("analysis.controlShare needs routes, since the number of pods splits nothing so finely: name them under traffic, or leave controlShare out").field_path(".analysis.controlShare"),
    validation = Rule::new("!has(self.analysis) || !has(self.analysis.controlShare) || double(string(self.analysis.controlShare).replace('%', '')) == 0.0 || !has(self.traffic) || !has(self.traffic.gatewayAPI) || self.traffic.gatewayAPI.routes.all(r, !has(r.rules))").message("analysis.controlShare does not go with rules of a route: what they leave with stable would come to the new version unjudged; leave one of them out").field_path(".analysis.controlShare"),
    validation = Rule::new("has(self.traffic) || !has(self.stages) || self.stages.all(s, !has(s.match) && !has(s.mirror))").message(culprit::MATCH_WITHOUT_ROUTE).field_path(".stages"),
    validation = Rule::new("has(self.traffic) || !has(self.stages) || self.stages.all(s, double(string(s.weight).replace('%', '')) > 0.0 && !has(s.preview))").message(culprit::NOTHING_WITHOUT_ROUTE).field_path(".stages"),
    validation = Rule::new("has(self.traffic) || !has(self.stages) || self.stages.all(s, !has(s.stableReplicas))").message(culprit::WARM_WITHOUT_ROUTE).field_path(".stages"),
    validation = Rule::new("!has(self.stages) || self.stages.all(s, !has(s.preview) || s.preview.service != self.service)").message(culprit::PREVIEW_IS_THE_SERVICE).field_path(".stages"),
    validation = Rule::new("!has(self.stages) || self.stages.all(s, !has(s.checks) || s.checks.all(o, has(self.analysis) && self.analysis.checks.exists(c, c.name == o.name)))").message(culprit::UNKNOWN_CHECK).field_path(".stages"),
    validation = Rule::new("!has(self.stages) || !has(self.analysis) || self.stages.all(s, !has(s.checks) || s.checks.all(o, !has(o.min) || self.analysis.checks.exists(c, c.name == o.name && has(c.query))))").message(culprit::NO_MIN).field_path(".stages"),
    validation = Rule::new("!has(self.stages) || !has(self.analysis) || self.stages.all(s, !has(s.checks) || s.checks.all(o, !has(o.max) || self.analysis.checks.all(c, c.name != o.name || string(o.max).matches(has(c.errorRate) ? '^[0-9.]+%?$' : has(c.latency) ? '^([0-9.]+(ms|s|m|h))+$' : '^-?[0-9.]+$'))))").message(culprit::OTHER_FORM).field_path(".stages")
)]
pub struct RolloutSpec {
    /// The workload whose pod template is released. It stays in Git as it is. Its kind and name cannot be changed.
    #[x_kube(validation = ("self.kind == oldSelf.kind && self.name == oldSelf.name", culprit::WORKLOAD_CHANGES))]
    pub workload: WorkloadRef,

    /// The Service that clients use today, in the same namespace. It cannot be changed.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = ("self == oldSelf", "the Service cannot be changed: delete the Rollout, which hands its pods back, and make another"))]
    pub service: String,

    /// How many pods the version that serves should have. Written by `kubectl scale` and by an autoscaler that
    /// targets the Rollout. When it is left out, the Deployment's own count at adoption is written here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub replicas: Option<i32>,

    /// Without `traffic`: how many pods there may be beyond `replicas`, both versions together, while a new version is
    /// on its way: a count, or a percentage of `replicas`, rounded up. Of all numbers of pods that this allows, those
    /// are taken whose share comes nearest to the weight, and never fewer than `replicas` in all. On the way back more
    /// are allowed, since speed counts there. Default: as many as it takes for stable to keep all of its pods, or for
    /// the new version to have all of its own from half of the traffic on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_surge: Option<Replicas>,

    /// Where weights go. Without it, traffic is split by the number of pods behind the Service, and the status
    /// says what share was really reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Traffic>,

    /// The way of a new version to all of the traffic. Default: 5 %, 25 % and 100 %, ten minutes each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    #[x_kube(
        validation = (
            "self.map(s, double(string(s.weight).replace('%', ''))).isSorted()",
            culprit::WEIGHTS_FALL
        ),
        validation = (
            "double(string(self[self.size() - 1].weight).replace('%', '')) == 100.0",
            culprit::LAST_IS_NOT_FULL
        )
    )]
    pub stages: Option<Vec<Stage>>,

    /// What Prometheus is asked. Without it nothing is asked, and stages are left on readiness and time alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analysis: Option<Analysis>,

    /// What happens when a version fails in a stage. Default: `Revert`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnFailure>,

    /// What happens when a stage's `deadline` passes without enough evidence. Default: `Hold`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_inconclusive: Option<OnInconclusive>,

    /// How long the new pods may take to become ready, and the gateway to accept a weight, before the revision
    /// fails. Default: 10m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress_deadline: Option<Span>,

    /// How long pods stay after their last traffic was taken away, for requests that are still under way.
    /// Default: 30s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<Span>,

    /// How many old ReplicaSets are kept, without pods. Default: 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub revision_history_limit: Option<i32>,

    /// A version that was stable before comes back at once when the Deployment asks for it again: without stages, checks,
    /// gates and schedule. Without this, it is a new version like any other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_window: Option<RollbackWindow>,

    /// When new versions may start, and stages may be left. The operator may have a schedule for the whole cluster: then
    /// both have to allow it. Going back is never held by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,

    /// Who or what else has to say yes before a version starts, and before it is promoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gates: Option<Gates>,

    /// Freezes advancing: no new rollout starts and no stage is left. Reverting is never frozen.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
}

impl Rollout {
    /// Whether the stable version may have fewer pods than all of the traffic takes: they follow its share
    /// ([`Capacity::Progressive`]), or the stage that is under way leaves it [fewer](Stage::stable_replicas). Then it is
    /// given no more than its ready pods carry.
    #[must_use]
    pub fn may_lack_stable_pods(&self) -> bool {
        let stage = self.status.as_ref().and_then(|status| status.stage.as_ref());
        self.spec.is_progressive() || stage.is_some_and(|stage| stage.stable_replicas.is_some())
    }
}

impl RolloutSpec {
    /// [`Self::progress_deadline`], or its default.
    #[must_use]
    pub fn progress_deadline(&self) -> Span {
        self.progress_deadline.unwrap_or(Span::seconds(600))
    }

    /// [`Self::drain`], or its default.
    #[must_use]
    pub fn drain(&self) -> Span {
        self.drain.unwrap_or(Span::seconds(30))
    }

    /// Whether the stable version's pods follow its share of the traffic: [`Capacity::Progressive`].
    #[must_use]
    pub fn is_progressive(&self) -> bool {
        self.traffic.as_ref().is_some_and(|traffic| traffic.capacity == Some(Capacity::Progressive))
    }

    /// [`Self::revision_history_limit`], or its default.
    #[must_use]
    pub fn revision_history_limit(&self) -> usize {
        self.revision_history_limit.and_then(|limit| limit.try_into().ok()).unwrap_or(10)
    }

    /// The objects that carry weights; empty when traffic is split by the number of pods.
    #[must_use]
    pub fn routes(&self) -> Vec<Route> {
        self.traffic.iter().flat_map(Traffic::routes).collect()
    }

    /// All gates, in the order in which a version comes to them.
    pub fn all_gates(&self) -> impl Iterator<Item = &Gate> {
        let staged = self.stages.iter().flatten().flat_map(|stage| stage.before.iter().chain(&stage.after));
        let (start, promote) = self.gates.as_ref().map(|gates| (&gates.start, &gates.promote)).unzip();
        start.into_iter().flatten().chain(staged).chain(promote.into_iter().flatten())
    }

    /// The name that several gates have, if there is one.
    #[must_use]
    pub fn gate_named_twice(&self) -> Option<&str> {
        let mut names = std::collections::HashSet::new();
        self.all_gates().map(|gate| gate.name.as_str()).find(|name| !names.insert(*name))
    }

    /// Whether a user stays on one version while a rollout is under way.
    #[must_use]
    pub fn keeps_users(&self) -> bool {
        self.traffic.as_ref().is_some_and(|traffic| traffic.session_persistence.is_some())
    }

    /// Whether objects carry the weights. Otherwise traffic is split by the number of pods.
    #[must_use]
    pub fn is_routed(&self) -> bool {
        self.traffic.is_some()
    }
}

/// The workload that a Rollout releases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorkloadRef {
    /// Its kind.
    pub kind: WorkloadKind,
    /// Its name, in the same namespace.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// An image that it asks for in the release that this Rollout belongs to. Changed with each release, it lets tools that
    /// wait know old conditions from new ones: until the Deployment asks for it, the Rollout is not ready. Nothing else
    /// depends on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub image: Option<String>,
}

/// The kinds of workload that can be released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WorkloadKind {
    /// `apps/v1` Deployment.
    Deployment,
}

/// One step of the way to all of the traffic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.deadline) || !has(self.bake) || duration(self.deadline) >= duration(self.bake)").message("a stage's deadline must not be shorter than its bake").field_path(".deadline"),
    validation = Rule::new("!has(self.stableReplicas) || double(string(self.weight).replace('%', '')) == 100.0").message("stableReplicas goes with a weight of 100% alone: below it, the stable version still serves").field_path(".stableReplicas")
)]
pub struct Stage {
    /// What the stage is called in the status and in events.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,

    /// The share of traffic that the new version gets. With 0%, and neither `match` nor `mirror`, its pods are up and get
    /// none: no check can say anything of it, and the stage is left after its bake and its gates.
    pub weight: Percent,

    /// A Service that leads to the new version's pods while the stage lasts, for whoever tries it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<Preview>,

    /// Requests that the new version gets whatever its weight: those that one of these describes. With a weight of 0%
    /// nobody else sees it. HTTPRoutes can say it, and GRPCRoutes but for parameters of a query.
    #[serde(default, rename = "match", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub matches: Option<Vec<Match>>,

    /// The part of all requests of which the new version gets a copy. Nobody sees what it answers to those, but they
    /// count for the checks. HTTPRoutes and GRPCRoutes can say it. Only for requests that may be made twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror: Option<Percent>,

    /// How many pods the new version has while the stage lasts: a count, or a percentage of `spec.replicas`.
    /// Default: the share of its weight and of what is mirrored, rounded up, and at least one. Fewer are taken as they are written: whoever asks for them knows that
    /// they carry the weight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<Replicas>,

    /// With a weight of 100%, and routes: how many pods of the stable version stay up while the stage lasts: a count, or a
    /// percentage of `spec.replicas`. The others go when the weight is in force and `drain` is over. Fewer than all of them
    /// do not take all of the traffic back at once: then it goes back as fast as the others are ready again, as with
    /// `capacity: Progressive`. Default: all of them; with `capacity: Progressive`, one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stable_replicas: Option<Replicas>,

    /// How long the stage lasts at least, from the moment its weight is in force. Default: 10m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bake: Option<Span>,

    /// How long the stage may wait for evidence, from the moment its weight is in force. Then `onInconclusive`
    /// applies. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Span>,

    /// Instead of the Rollout's `onFailure`, while the stage lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnFailure>,

    /// Who or what else has to say yes before the stage begins. Of the first stage, before the version starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub before: Vec<Gate>,

    /// Who or what else has to say yes, when the stage has passed, before it is left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub after: Vec<Gate>,

    /// Other limits for checks, by name, while the stage lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub checks: Option<Vec<CheckOverride>>,
}

impl Stage {
    /// 5 % → 25 % → 100 %, ten minutes each.
    pub(super) fn defaults() -> Vec<Self> {
        [("canary", 5.0), ("quarter", 25.0), ("full", 100.0)]
            .map(|(name, weight)| Self {
                name: name.to_owned(),
                weight: Percent::new(weight),
                preview: None,
                matches: None,
                mirror: None,
                replicas: None,
                stable_replicas: None,
                bake: None,
                deadline: None,
                on_failure: None,
                before: Vec::new(),
                after: Vec::new(),
                checks: None,
            })
            .into()
    }

    /// Whether it gives the new version more than a share of all requests.
    #[must_use]
    pub fn gives_more_than_a_share(&self) -> bool {
        self.matches.is_some() || self.mirror.is_some()
    }

    /// Whether the new version gets requests of users in it, or copies of them.
    #[must_use]
    pub fn gives_requests(&self) -> bool {
        self.weight > Percent::ZERO || self.gives_more_than_a_share()
    }

    /// What it gives the new version, as a sentence has it: `5% of the traffic and the requests that match`.
    #[must_use]
    pub fn gives(&self) -> String {
        let has_share = self.weight > Percent::ZERO || !self.gives_more_than_a_share();
        let share = has_share.then(|| format!("{} of the traffic", self.weight));
        let matches = self.matches.as_ref().map(|_| "the requests that match".to_owned());
        let mirror = self.mirror.map(|part| format!("copies of {part} of all requests"));
        let parts: Vec<_> = [share, matches, mirror].into_iter().flatten().collect();
        parts.join(" and ")
    }

    /// [`Self::bake`], or its default.
    #[must_use]
    pub fn bake(&self) -> Span {
        self.bake.unwrap_or(Span::seconds(600))
    }
}

/// A Service for whoever tries a version out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Preview {
    /// Its name. It is made when the stage begins, with the ports of the Rollout's Service, and goes when the stage is left.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"))]
    pub service: String,
}

/// A number of pods: a count, or a percentage of `spec.replicas`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Replicas {
    /// That many pods.
    Count(i32),
    /// That part of `spec.replicas`, rounded up.
    Share(Percent),
}

impl Replicas {
    /// How many pods that is, where `total` are asked for.
    #[must_use]
    pub fn of(self, total: i32) -> i32 {
        match self {
            Self::Count(count) => count,
            Self::Share(share) => share.of(total),
        }
    }
}

impl Serialize for Replicas {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Count(count) => serializer.serialize_i32(*count),
            Self::Share(share) => share.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Replicas {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum CountOrShare {
            Count(i32),
            Share(Percent),
        }
        Ok(match CountOrShare::deserialize(deserializer)? {
            CountOrShare::Count(count) => Self::Count(count),
            CountOrShare::Share(share) => Self::Share(share),
        })
    }
}

impl JsonSchema for Replicas {
    fn schema_name() -> Cow<'static, str> {
        "Replicas".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "maxLength": 12,
            "x-kubernetes-validations": [{
                "rule": "string(self).matches('^([1-9][0-9]{0,5}|(100|[1-9][0-9]?)%)$')",
                "message": "must be a number of pods of at least 1, or a percentage between 1% and 100%",
            }],
        })
    }
}

/// What happens when a version fails in a stage: by a check, or since its pods did not become ready in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum OnFailure {
    /// All traffic goes back to the stable version at once.
    #[default]
    Revert,
    /// The weight of the stage before comes back, whose clock and evidence for passing begin anew. The first stage has none
    /// before it: there it is `Revert`, and so it is when the same stage, or the one that it fell back to, fails again.
    StepBack,
    /// Everything stays as it is, and somebody is told.
    Hold,
}

/// What happens when a stage's deadline passes without enough evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum OnInconclusive {
    /// The stage waits on, and somebody is told.
    #[default]
    Hold,
    /// All traffic goes back to the stable version.
    Revert,
    /// The next stage begins all the same, on what little evidence there is. Where there are no numbers at all, the
    /// stage is held.
    Advance,
}
