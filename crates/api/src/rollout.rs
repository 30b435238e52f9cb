//! The `Rollout`: which workload, which Service, which stages.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    analysis::Analysis,
    culprit,
    degrade::Degrade,
    gate::{Gate, Gates},
    rollback::RollbackWindow,
    schedule::Schedule,
    schema,
    stage::{Replicas, Stage},
    status::RolloutStatus,
    track::Tracked,
    traffic::{Capacity, Route, Traffic},
    units::Span,
    watch::Watch,
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
    validation = Rule::new("!has(self.stages) || self.stages.all(s, !has(s.preview) || !(s.preview.service in [self.service, self.service + '-stable', self.service + '-canary']))").message(culprit::PREVIEW_IS_THE_SERVICE).field_path(".stages"),
    validation = Rule::new("!has(self.stages) || self.stages.all(s, !has(s.checks) || s.checks.all(o, (has(o.errorRate) || has(o.latency) || has(o.query)) || (has(self.analysis) && self.analysis.checks.exists(c, c.name == o.name))))").message(culprit::UNKNOWN_CHECK).field_path(".stages"),
    validation = Rule::new("!has(self.stages) || self.stages.all(s, !has(s.checks) || s.checks.all(o, !(has(o.errorRate) || has(o.latency) || has(o.query)) || (has(self.analysis) && !self.analysis.checks.exists(c, c.name == o.name))))").message(culprit::OWN_CHECK_IS_NOT).field_path(".stages"),
    validation = Rule::new("!has(self.stages) || !has(self.analysis) || self.stages.all(s, !has(s.checks) || s.checks.all(o, !has(o.min) || self.analysis.checks.exists(c, c.name == o.name && has(c.query))))").message(culprit::NO_MIN).field_path(".stages"),
    validation = Rule::new("!has(self.stages) || !has(self.analysis) || self.stages.all(s, !has(s.checks) || s.checks.all(o, !has(o.max) || self.analysis.checks.all(c, c.name != o.name || string(o.max).matches(has(c.errorRate) ? '^[0-9.]+%?$' : has(c.latency) ? '^([0-9.]+(ms|s|m|h))+$' : '^-?[0-9.]+$'))))").message(culprit::OTHER_FORM).field_path(".stages"),
    validation = Rule::new("!has(self.watch) || has(self.analysis)").message("a watch has nothing to ask without analysis: give it checks, or leave watch out").field_path(".watch"),
    validation = Rule::new("!has(self.watch) || !has(self.watch.checks) || !has(self.analysis) || self.watch.checks.all(o, (has(o.errorRate) || has(o.latency) || has(o.query)) != self.analysis.checks.exists(c, c.name == o.name))").message("a check of watch is either other limits of one that analysis.checks has, or a whole one of a name that it does not have").field_path(".watch.checks")
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
        ),
        validation = (
            "!has(self[0].drill) && !has(self[self.size() - 1].drill)",
            culprit::DRILL_AT_AN_END
        )
    )]
    pub stages: Option<Vec<Stage>>,

    /// What Prometheus is asked. Without it nothing is asked, and stages are left on readiness and time alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analysis: Option<Analysis>,

    /// What happens when a version fails in a stage. Default: `Revert`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnFailure>,

    /// What is tried once for a version when a check fails in a stage, before `onFailure` applies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub degrade: Option<Degrade>,

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

    /// Goes on judging a version for a while when it has been promoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<Watch>,

    /// When new versions may start, and stages may be left. The operator may have a schedule for the whole cluster: then
    /// both have to allow it. Going back is never held by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,

    /// Configuration that is part of a version: another content is another version, and goes through the stages like any
    /// other. Of an object that the pod template does not refer to, nothing makes a version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    #[x_kube(validation = ("self.all(t, self.exists_one(o, has(o.configMap) == has(t.configMap) && (has(o.configMap) ? o.configMap == t.configMap : has(o.secret) == has(t.secret) && (!has(o.secret) || o.secret == t.secret))))", culprit::TRACKED_TWICE))]
    pub track: Vec<Tracked>,

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

    /// All gates, in the order in which a version comes to them; last those that are asked when it fails.
    pub fn all_gates(&self) -> impl Iterator<Item = &Gate> {
        let staged = self.stages.iter().flatten().flat_map(|stage| stage.before.iter().chain(&stage.after));
        let (start, promote) = self.gates.as_ref().map(|gates| (&gates.start, &gates.promote)).unzip();
        let degrading = self.stages.iter().flatten().filter_map(|stage| stage.degrade.as_ref()).chain(&self.degrade);
        let gates = start.into_iter().flatten().chain(staged).chain(promote.into_iter().flatten());
        gates.chain(degrading.map(|degrade| &degrade.by))
    }

    /// What is tried when a version fails in `stage`.
    #[must_use]
    pub fn degrade_in<'a>(&'a self, stage: &'a Stage) -> Option<&'a Degrade> {
        stage.degrade.as_ref().or(self.degrade.as_ref())
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
