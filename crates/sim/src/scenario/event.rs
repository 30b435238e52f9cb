//! What happens while a scenario lasts.

use std::collections::BTreeMap;

use serde::Deserialize;
use tidegate_api::{Command, Percent};

use crate::{
    board::Manner,
    controllers::{Ending, PodBehaviour},
};

use super::{Length, traffic::Count, yaml::WrongValue};

/// Something that happens, as it is written: exactly one of its actions.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WrittenEvent {
    pub at: Length,
    #[serde(default, rename = "for")]
    pub for_: Option<Length>,
    #[serde(default)]
    pub every: Option<Length>,
    #[serde(default)]
    release: Option<Release>,
    #[serde(default)]
    pause: Option<Target>,
    #[serde(default)]
    resume: Option<Target>,
    #[serde(default)]
    scale: Option<Scale>,
    #[serde(default)]
    delete: Option<Delete>,
    #[serde(default)]
    edit_weights: Option<EditWeights>,
    #[serde(default)]
    crash_pods: Option<Pods>,
    #[serde(default)]
    evict_pods: Option<Pods>,
    #[serde(default)]
    quota: Option<Quota>,
    #[serde(default)]
    dependency: Option<Dependency>,
    #[serde(default)]
    prometheus: Option<PrometheusFault>,
    #[serde(default)]
    gateway: Option<GatewayFault>,
    #[serde(default)]
    crash_operator: Option<Nothing>,
    #[serde(default)]
    config_map: Option<ConfigMapChange>,
    #[serde(default)]
    approve: Option<Approve>,
    #[serde(default)]
    webhooks: Option<Manner>,
    #[serde(default)]
    jobs: Option<JobsEnd>,
    #[serde(default)]
    abort: Option<Target>,
    #[serde(default)]
    promote: Option<Promote>,
    #[serde(default)]
    retry: Option<Target>,
    #[serde(default)]
    restart: Option<Target>,
}

/// Something that happens.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When, counted from the scenario's start.
    pub at: Length,
    /// How long it lasts. What it means without that depends on what happens.
    pub for_: Option<Length>,
    /// It happens again and again, until `for_` is over.
    pub every: Option<Length>,
    /// What happens.
    pub action: Action,
}

/// What happens.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Somebody changes the Deployment's image.
    Release(Release),
    /// Somebody sets `spec.paused`; back to false where `for` is over.
    Pause(Target),
    /// Somebody clears `spec.paused`.
    Resume(Target),
    /// Somebody, or an autoscaler, sets the Rollout's count of pods.
    Scale(Scale),
    /// Somebody deletes an object.
    Delete(Delete),
    /// Somebody else than Tidegate writes the weights of a route.
    EditWeights(EditWeights),
    /// Pods crash, and start anew as Kubernetes has them: at once, then after growing pauses.
    CrashPods(Pods),
    /// Pods are evicted: others take their place.
    EvictPods(Pods),
    /// No more pods than a number are allowed in the namespace while `for` lasts.
    Quota(Quota),
    /// Something that all versions need is out of order while `for` lasts.
    Dependency(Dependency),
    /// Something is wrong with Prometheus while `for` lasts.
    Prometheus(PrometheusFault),
    /// Something is wrong with the gateway while `for` lasts.
    Gateway(GatewayFault),
    /// The operator's process is killed, and another one comes up after `for` (default 10s).
    CrashOperator,
    /// Somebody applies a ConfigMap.
    ConfigMap(ConfigMapChange),
    /// Somebody approves at a gate.
    Approve(Approve),
    /// The webhooks that gates ask answer in this manner, while `for` lasts.
    Webhooks(Manner),
    /// Jobs that start end in this way, while `for` lasts.
    Jobs(JobsEnd),
    /// Somebody asks for something, by a command.
    Ask(Command, Target),
    /// Somebody has a stage left without waiting for it, or all of them.
    Promote(Promote),
}

/// How Jobs end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum JobsEnd {
    /// They do what they are for, in a few seconds.
    Succeed,
    /// They fail, as soon.
    Fail,
    /// They never end.
    Hang,
}

impl JobsEnd {
    /// How their pods behave.
    #[must_use]
    pub fn pods(self) -> PodBehaviour {
        match self {
            Self::Succeed => PodBehaviour::ending(Ending::Success),
            Self::Fail => PodBehaviour::ending(Ending::Failure),
            Self::Hang => PodBehaviour::default(),
        }
    }
}

/// An approval, for the version that is on its way or waits to be.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Approve {
    /// The gate.
    pub gate: String,
    /// Who. Default: `jane`.
    #[serde(default = "Approve::default_name")]
    pub by: String,
    /// The groups that they are of.
    #[serde(default)]
    pub groups: Vec<String>,
    /// The Rollout. Default: the first.
    #[serde(default)]
    pub rollout: Option<String>,
}

impl Approve {
    fn default_name() -> String {
        "jane".to_owned()
    }
}

/// A new image.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Release {
    /// The image of the first container.
    pub image: String,
    /// Which of `versions` it behaves like. Default: as it did before, or else `canary`.
    #[serde(default)]
    pub version: Option<String>,
    /// The Rollout whose Deployment it is. Default: the first.
    #[serde(default)]
    pub rollout: Option<String>,
}

/// What is in a ConfigMap from then on.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigMapChange {
    /// Its name.
    pub name: String,
    /// All of it.
    pub data: BTreeMap<String, String>,
    /// Which of `versions` the requests to pods behave like whose revision starts from then on, whatever its image. Default:
    /// as the image says.
    #[serde(default)]
    pub version: Option<String>,
    /// The Rollout whose pods read it. Default: the first.
    #[serde(default)]
    pub rollout: Option<String>,
}

/// A Rollout.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Target {
    /// Its name. Default: the first.
    #[serde(default)]
    pub rollout: Option<String>,
}

/// A stage that is left without waiting for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Promote {
    /// The Rollout. Default: the first.
    #[serde(default)]
    pub rollout: Option<String>,
    /// Whether all stages that are to come are left so, too.
    #[serde(default)]
    pub full: bool,
}

/// Another count of pods.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scale {
    /// The count.
    pub replicas: u16,
    /// The Rollout. Default: the first.
    #[serde(default)]
    pub rollout: Option<String>,
}

/// An object that is deleted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Delete {
    /// Its kind.
    pub kind: DeletedKind,
    /// Its name.
    pub name: String,
}

/// The kinds of objects that a scenario can delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum DeletedKind {
    /// A Rollout.
    Rollout,
    /// A Deployment.
    Deployment,
    /// A Service.
    Service,
    /// An HTTPRoute.
    #[serde(rename = "HTTPRoute")]
    HttpRoute,
}

/// Weights that somebody else writes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EditWeights {
    /// The HTTPRoute.
    pub route: String,
    /// The new version's weight, out of 100.
    pub canary: u8,
    /// Who does it. Default: `kubectl-edit`.
    #[serde(default = "EditWeights::default_manager")]
    pub by: String,
}

impl EditWeights {
    fn default_manager() -> String {
        "kubectl-edit".to_owned()
    }
}

/// Some of the pods of a version.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pods {
    /// Whose.
    #[serde(default)]
    pub of: Arm,
    /// How many of them, rounded up. Default: 100%.
    #[serde(default = "Pods::default_share")]
    pub share: Percent,
}

impl Pods {
    const fn default_share() -> Percent {
        Percent::FULL
    }
}

/// Which of the two versions that serve.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Arm {
    /// The one on its way.
    #[default]
    Canary,
    /// The one that worked.
    Stable,
}

/// A limit on pods.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Quota {
    /// How many pods may be in the namespace.
    pub pods: u16,
}

/// What becomes of requests while something is out of order that all versions need, such as a database.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dependency {
    /// How many more of them fail. Default: 0%.
    #[serde(default)]
    pub errors: Percent,
    /// How many times as long they take. Default: 1.
    #[serde(default = "Dependency::default_factor")]
    pub slower_by: Count,
}

impl Dependency {
    const fn default_factor() -> Count {
        Count(1.0)
    }
}

/// What may be wrong with Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub enum PrometheusFault {
    /// It does not answer, and does not scrape.
    Down,
    /// Its answers take half a minute.
    Slow,
    /// It answers, but does not scrape.
    NotScraping,
    /// It starts anew with an empty disk.
    LostData,
    /// So many of its scrapes fail, each by itself.
    #[serde(rename = "missing")]
    Missing(Percent),
    /// Its clock is so much ahead.
    #[serde(rename = "ahead")]
    Ahead(Length),
    /// Its clock is so much behind.
    #[serde(rename = "behind")]
    Behind(Length),
}

/// What may be wrong with the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub enum GatewayFault {
    /// It takes a minute to program a route.
    Slow,
    /// It programs nothing, and says nothing.
    Silent,
    /// It refuses each route that names a Service of one revision, and goes on with what it had.
    Refusing,
    /// It takes such routes over and says so, but answers all their requests with an error.
    Breaking,
    /// It takes such routes over and says so, but gives the new version this share, whatever the weights are.
    #[serde(rename = "share")]
    Share(Percent),
}

/// `{}`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

impl WrittenEvent {
    /// The event, or what is wrong with it.
    pub(super) fn event(self) -> Result<Event, WrongValue> {
        let Self { at, for_, every, .. } = self;
        let actions = [
            self.release.map(Action::Release),
            self.pause.map(Action::Pause),
            self.resume.map(Action::Resume),
            self.scale.map(Action::Scale),
            self.delete.map(Action::Delete),
            self.edit_weights.map(Action::EditWeights),
            self.crash_pods.map(Action::CrashPods),
            self.evict_pods.map(Action::EvictPods),
            self.quota.map(Action::Quota),
            self.dependency.map(Action::Dependency),
            self.prometheus.map(Action::Prometheus),
            self.gateway.map(Action::Gateway),
            self.crash_operator.map(|_| Action::CrashOperator),
            self.config_map.map(Action::ConfigMap),
            self.approve.map(Action::Approve),
            self.webhooks.map(Action::Webhooks),
            self.jobs.map(Action::Jobs),
            self.abort.map(|target| Action::Ask(Command::Abort, target)),
            self.promote.map(Action::Promote),
            self.retry.map(|target| Action::Ask(Command::Retry, target)),
            self.restart.map(|target| Action::Ask(Command::Restart, target)),
        ];
        let mut actions = actions.into_iter().flatten();
        let Some(action) = actions.next() else {
            let why = "says when, but not what happens, such as `release: {image: shop/checkout:v2}`";
            return Err(WrongValue(why.to_owned()));
        };
        if actions.next().is_some() {
            return Err(WrongValue("says two things that happen; write two events".to_owned()));
        }
        if let Some(every) = every
            && (for_.is_none() || every < Length::seconds(1))
        {
            return Err(WrongValue("`every` takes at least 1s, and needs `for`, which says how long".to_owned()));
        }
        Ok(Event { at, for_, every, action })
    }
}
