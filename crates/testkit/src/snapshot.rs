//! One shop at one moment, as its watches show it.

use std::{collections::BTreeMap, sync::Arc};

use futures::StreamExt;
use k8s_openapi::{
    api::{
        apps::v1::{Deployment, ReplicaSet},
        core::v1::{Pod, Service},
    },
    apimachinery::pkg::apis::meta::v1::Condition,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ApiResource, DynamicObject},
    runtime::{
        WatchStreamExt,
        reflector::{self, Store},
        watcher,
    },
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tidegate_api::{CheckStatus, POD_TEMPLATE_HASH, Phase, Rollout, RolloutStatus};
use tokio::task::JoinSet;

use super::gateway::{Backend, GATEWAY_API, backends, carriers};

/// The name of the shop's Deployment, Service, HTTPRoute and Rollout.
pub const NAME: &str = "checkout";

/// Watches everything in one namespace.
#[derive(Debug)]
pub struct Watches {
    rollouts: Store<DynamicObject>,
    routes: Vec<Store<DynamicObject>>,
    deployments: Store<Deployment>,
    replica_sets: Store<ReplicaSet>,
    pods: Store<Pod>,
    services: Store<Service>,
    _tasks: JoinSet<()>,
}

impl Watches {
    /// Starts to watch `namespace`: of what carries weights, the kinds of the Gateway API and those of `routes`.
    pub fn start(client: &Client, namespace: &str, routes: &[Value]) -> Self {
        let tasks = &mut JoinSet::new();
        let rollout = ApiResource::erase::<Rollout>(&());
        let is_named = |kind: &ApiResource| {
            routes.iter().any(|it| it["apiVersion"] == *kind.api_version && it["kind"] == *kind.kind)
        };
        let carriers: Vec<_> =
            carriers().into_iter().filter(|kind| kind.group == GATEWAY_API || is_named(kind)).collect();
        let untyped = |resource| Api::namespaced_with(client.clone(), namespace, resource);
        Self {
            rollouts: watch(untyped(&rollout), rollout.clone(), tasks),
            routes: carriers.iter().map(|kind| watch(untyped(kind), kind.clone(), tasks)).collect(),
            deployments: watch(Api::namespaced(client.clone(), namespace), (), tasks),
            replica_sets: watch(Api::namespaced(client.clone(), namespace), (), tasks),
            pods: watch(Api::namespaced(client.clone(), namespace), (), tasks),
            services: watch(Api::namespaced(client.clone(), namespace), (), tasks),
            _tasks: std::mem::take(tasks),
        }
    }

    /// What they show now.
    pub fn snapshot(&self, in_force: &[Backend]) -> Snapshot {
        Snapshot {
            rollouts: self.rollouts.state(),
            routes: self.routes.iter().flat_map(Store::state).collect(),
            deployments: self.deployments.state(),
            replica_sets: self.replica_sets.state(),
            pods: self.pods.state(),
            services: self.services.state(),
            in_force: weights(in_force),
        }
    }
}

fn watch<K>(api: Api<K>, kind: K::DynamicType, tasks: &mut JoinSet<()>) -> Store<K>
where
    K: Resource<DynamicType: Clone + Eq + std::hash::Hash + std::fmt::Debug + Unpin + Send + Sync>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    let writer = reflector::store::Writer::new(kind);
    let store = writer.as_reader();
    let events = watcher(api, watcher::Config::default()).default_backoff();
    tasks.spawn(async move { reflector::reflector(writer, events).for_each(|_| std::future::ready(())).await });
    store
}

/// Everything in a shop.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Untyped, so that one that cannot be decoded hides no other.
    pub rollouts: Vec<Arc<DynamicObject>>,
    /// What carries weights, of whatever kind.
    pub routes: Vec<Arc<DynamicObject>>,
    /// The Deployments.
    pub deployments: Vec<Arc<Deployment>>,
    /// The ReplicaSets.
    pub replica_sets: Vec<Arc<ReplicaSet>>,
    /// The pods.
    pub pods: Vec<Arc<Pod>>,
    /// The Services.
    pub services: Vec<Arc<Service>>,
    /// By Service: the weights that the gateway follows.
    pub in_force: BTreeMap<String, u64>,
}

impl Snapshot {
    /// The Rollout of that name.
    pub fn rollout(&self, name: &str) -> Option<Rollout> {
        let rollout = self.rollouts.iter().find(|rollout| rollout.name_any() == name)?;
        rollout.as_ref().clone().try_parse().ok()
    }

    /// The status of the Rollout `checkout`; the empty one while it has none.
    pub fn status(&self) -> RolloutStatus {
        self.rollout(NAME).and_then(|rollout| rollout.status).unwrap_or_default()
    }

    /// The phase of the Rollout `checkout`.
    pub fn phase(&self) -> Phase {
        self.status().phase
    }

    /// Whether it is in `phase`, and the spec has been seen.
    pub fn is(&self, phase: Phase) -> bool {
        self.rollout(NAME).is_some_and(|rollout| {
            let status = rollout.status.unwrap_or_default();
            status.phase == phase && status.observed_generation == rollout.metadata.generation
        })
    }

    /// The stable version's tag, such as `v1`.
    pub fn stable(&self) -> String {
        self.status().stable.and_then(|stable| version(stable.images.first()?)).unwrap_or_default()
    }

    /// The tag of the version on its way.
    pub fn canary(&self) -> String {
        self.status().canary.and_then(|canary| version(canary.images.first()?)).unwrap_or_default()
    }

    /// The name of the stage.
    pub fn stage(&self) -> String {
        self.status().stage.map(|stage| stage.name).unwrap_or_default()
    }

    /// One check's last answer.
    pub fn check(&self, name: &str) -> Option<CheckStatus> {
        self.status().checks.into_iter().find(|check| check.name == name)
    }

    /// One condition.
    pub fn condition(&self, kind: &str) -> Option<Condition> {
        self.status().conditions.into_iter().find(|condition| condition.type_ == kind)
    }

    /// The reason of a condition that is `True`.
    pub fn holds(&self, kind: &str) -> Option<String> {
        self.condition(kind).filter(|condition| condition.status == "True").map(|condition| condition.reason)
    }

    /// The route's weights as written, by Service.
    pub fn weights(&self) -> BTreeMap<String, u64> {
        let route = self.routes.iter().find(|route| route.name_any() == NAME);
        weights(&route.map(|route| backends(route)).unwrap_or_default())
    }

    /// The canary's share of the split as written, in percent; nothing while the route is the user's.
    pub fn share(&self) -> Option<u64> {
        share(&self.weights())
    }

    /// The same as the gateway follows it.
    pub fn share_in_force(&self) -> Option<u64> {
        share(&self.in_force)
    }

    /// The Deployment, whatever it is called: that of the pods behind the Service.
    pub fn deployment(&self) -> Option<&Deployment> {
        let app =
            |deployment: &Deployment| deployment.spec.as_ref()?.selector.match_labels.as_ref()?.get("app").cloned();
        self.deployments.iter().find(|deployment| app(deployment).is_some_and(|app| app == NAME)).map(AsRef::as_ref)
    }

    /// How many pods the Deployment is told to have.
    pub fn deployment_replicas(&self) -> Option<i32> {
        self.deployment()?.spec.as_ref()?.replicas
    }

    /// The ready pods of one version, such as `v1`.
    pub fn ready(&self, version: &str) -> Vec<&Pod> {
        self.pods.iter().map(AsRef::as_ref).filter(|pod| is_ready(pod) && runs(pod, version)).collect()
    }

    /// The number of ready pods of one version.
    pub fn ready_count(&self, version: &str) -> usize {
        self.ready(version).len()
    }

    /// All pods of one version, ready or not, that are not being deleted.
    pub fn pods_of(&self, version: &str) -> usize {
        self.pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none() && runs(pod, version)).count()
    }

    /// The UIDs of the ready pods of one version.
    pub fn uids(&self, version: &str) -> Vec<String> {
        let mut uids: Vec<_> = self.ready(version).into_iter().filter_map(ResourceExt::uid).collect();
        uids.sort();
        uids
    }

    /// The `pod-template-hash` of one version's pods.
    pub fn revision(&self, version: &str) -> Option<String> {
        let pod = self.pods.iter().find(|pod| runs(pod, version))?;
        pod.labels().get(POD_TEMPLATE_HASH).cloned()
    }

    /// Whether there is a Service of that name.
    pub fn has_service(&self, name: &str) -> bool {
        self.service(name).is_some()
    }

    /// The Service of that name.
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.name_any() == name).map(AsRef::as_ref)
    }
}

/// Backends by Service.
pub fn weights(backends: &[Backend]) -> BTreeMap<String, u64> {
    backends.iter().map(|backend| (backend.service.clone(), backend.weight)).collect()
}

/// What the canary gets of what the two revisions share, in percent.
pub fn share(weights: &BTreeMap<String, u64>) -> Option<u64> {
    let of = |service: &str| weights.get(service).copied();
    let (stable, canary) = (of("checkout-stable"), of("checkout-canary"));
    let whole = stable.or(canary).map(|_| stable.unwrap_or_default() + canary.unwrap_or_default())?;
    Some((canary.unwrap_or_default() * 100).checked_div(whole).unwrap_or_default())
}

fn version(image: &str) -> Option<String> {
    image.rsplit_once(':').map(|(_, tag)| tag.to_owned())
}

/// Whether it is of a version, such as `v1`.
pub fn runs(pod: &Pod, tag: &str) -> bool {
    let image = pod.spec.as_ref().and_then(|spec| spec.containers.first()?.image.as_deref());
    image.and_then(version).is_some_and(|version| version == tag)
}

/// Whether it is ready, and not about to go.
pub fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    pod.metadata.deletion_timestamp.is_none()
        && conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
