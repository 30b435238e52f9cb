//! A toy cluster: the objects around one Rollout as an API server keeps them.
//!
//! It is a plain value. Nothing happens in it but what a test says: writes, controllers (one round each), time.

mod api;
mod configuration;
mod controllers;
mod gateway;
mod observe;
mod people;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::{Span as Days, Timestamp};
use k8s_openapi::api::core::v1::Service;
use serde_json::Value;
use tidegate_api::{ConfigurationKind, Percent, RevisionStatus, Rollout, RolloutStatus, Schedule};

use crate::{
    plan::OtherRolloutState,
    traffic::{Names, RouteId},
    workload::{Deployment, ReplicaSet, configuration::ConfigurationId, naming, ownership, template},
};

pub use api::Refused;
pub use controllers::Controller;
pub use gateway::{Gateway, backends, share};
pub use people::user_route;

/// One pod of a ReplicaSet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    pub name: String,
    pub ready: bool,
}

/// The objects, and what the machinery around them knows.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a habit of one part of the cluster")]
pub struct Cluster {
    pub now: Timestamp,
    pub rollout: Option<Rollout>,
    pub deployment: Option<Deployment>,
    pub replica_sets: BTreeMap<String, ReplicaSet>,
    /// By the name of their ReplicaSet.
    pub pods: BTreeMap<String, Vec<Pod>>,
    pub services: BTreeMap<String, Service>,
    /// Whether Services say when they were made, so that routes wait for their gateways to hear of them.
    pub services_are_news: bool,
    /// The ready pods behind each Service, as its EndpointSlices have them.
    pub endpoints: BTreeMap<String, Vec<String>>,
    pub routes: BTreeMap<String, Value>,
    /// The routes as the data plane last took them over.
    pub programmed: BTreeMap<String, Value>,
    pub gateway: Gateway,
    /// Images whose pods are not ready.
    pub broken: BTreeSet<String>,
    /// How many pods of an image are ready at most: there is no room for more.
    pub limits: BTreeMap<String, usize>,
    /// An autoscaler that targets the Deployment.
    pub autoscaler: Option<String>,
    /// Ready pods behind the user's Service that are no ReplicaSet's here.
    pub strangers: Vec<String>,
    pub rival: Option<String>,
    /// When anything may go on by itself.
    pub schedule: Option<Arc<Schedule>>,
    /// The Rollouts that gates wait for.
    pub other_rollouts: Vec<OtherRolloutState>,
    /// Routes that point at the Service, and that the Rollout does not name.
    pub bypassing_routes: Option<Vec<RouteId>>,
    /// Policies for the Service that requests do without during a rollout.
    pub policies: Option<Vec<String>>,
    /// ConfigMaps and Secrets, copies among them.
    pub configuration: BTreeMap<ConfigurationId, Value>,
    /// The ConfigMap that the pods of every version read as a volume.
    pub mounted: Option<String>,
    /// Kinds of those that the operator may not list.
    pub unreadable: BTreeSet<ConfigurationKind>,
    /// The operator may not make copies.
    pub forbids_copies: bool,
    /// Admission does not let a ReplicaSet change its owner.
    pub forbids_moving: bool,
    /// The operator may not delete pods.
    pub forbids_deletions: bool,
    /// Until when each ReplicaSet had at least each part of the traffic that it ever had, in thousandths.
    pub last_traffic: BTreeMap<(String, u16), Timestamp>,
    /// Until when a route gave weight to each Service.
    pub last_weight: BTreeMap<String, Timestamp>,
    /// Pods that ended.
    pub ended: Vec<String>,
    versions: u64,
    names: u64,
}

impl Cluster {
    /// An empty one.
    pub fn new() -> Self {
        Self {
            now: "2026-03-02T09:00:00Z".parse().unwrap(),
            rollout: None,
            deployment: None,
            replica_sets: BTreeMap::new(),
            pods: BTreeMap::new(),
            services: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            routes: BTreeMap::new(),
            programmed: BTreeMap::new(),
            services_are_news: false,
            gateway: Gateway::Accepts,
            broken: BTreeSet::new(),
            limits: BTreeMap::new(),
            autoscaler: None,
            strangers: Vec::new(),
            rival: None,
            schedule: None,
            other_rollouts: Vec::new(),
            bypassing_routes: Some(Vec::new()),
            policies: Some(Vec::new()),
            configuration: BTreeMap::new(),
            mounted: None,
            unreadable: BTreeSet::new(),
            forbids_copies: false,
            forbids_moving: false,
            forbids_deletions: false,
            last_traffic: BTreeMap::new(),
            last_weight: BTreeMap::new(),
            ended: Vec::new(),
            versions: 0,
            names: 0,
        }
    }

    /// Lets time pass. Whatever carries traffic carries it until then.
    pub fn pass(&mut self, seconds: i64) {
        self.now = self.now.checked_add(Days::new().seconds(seconds)).unwrap();
        for set in self.replica_sets.keys().cloned().collect::<Vec<_>>() {
            let thousandths = thousandths(self.share(&set));
            if thousandths > 0 {
                let now = self.now;
                self.last_traffic.insert((set.clone(), thousandths), now);
            }
        }
        for service in self.services.keys().cloned().collect::<Vec<_>>() {
            if self.carries_weight(&service) {
                self.last_weight.insert(service, self.now);
            }
        }
    }

    pub fn status(&self) -> RolloutStatus {
        self.rollout.as_ref().and_then(|rollout| rollout.status.clone()).unwrap_or_default()
    }

    pub fn service_names(&self) -> Names {
        Names::of(&self.rollout.as_ref().map_or("checkout".to_owned(), |rollout| rollout.spec.service.clone()))
    }

    /// The largest part of the traffic that any route, as written or as the data plane has it, gives to a ReplicaSet.
    pub fn share(&self, replica_set: &str) -> f64 {
        let Some(set) = self.replica_sets.get(replica_set) else { return 0.0 };
        let names = self.service_names();
        let routes = self.routes.values().chain(self.programmed.values());
        let shares = routes.flat_map(|route| {
            [&names.service, &names.stable, &names.canary]
                .into_iter()
                .filter(|name| self.selects(name, set))
                .map(|name| gateway::share(route, &names, name).percent())
        });
        shares.fold(0.0, f64::max)
    }

    /// The largest part of the traffic, in thousandths, that a ReplicaSet has had at any moment since `start`.
    pub fn share_since(&self, replica_set: &str, start: Timestamp) -> u16 {
        let had = self.last_traffic.iter().filter(|((set, _), last)| set == replica_set && **last > start);
        had.map(|((_, thousandths), _)| *thousandths).fold(thousandths(self.share(replica_set)), u16::max)
    }

    /// Whether any route, as written or as the data plane has it, gives weight to a Service.
    pub fn carries_weight(&self, service: &str) -> bool {
        let mut routes = self.routes.values().chain(self.programmed.values());
        routes.any(|route| backends(route).any(|backend| backend["name"] == *service && backend["weight"] != 0))
    }

    /// Whether a Service finds the pods of a ReplicaSet.
    pub fn selects(&self, service: &str, set: &ReplicaSet) -> bool {
        let selector = self.services.get(service).and_then(|service| service.spec.as_ref()?.selector.clone());
        selector.is_some_and(|selector| crate::workload::selects(&selector, &set.spec.template))
    }

    /// The share of a Service in the route that a Rollout names first.
    pub fn weight_of(&self, service: &str) -> Percent {
        let names = self.service_names();
        self.routes.values().next().map_or(Percent::ZERO, |route| gateway::share(route, &names, service))
    }

    pub fn canary_weight(&self) -> Percent {
        self.weight_of(&self.service_names().canary)
    }

    /// The ready endpoints of one revision behind one Service.
    pub fn ready_behind(&self, service: &str, revision: Option<&RevisionStatus>) -> usize {
        let Some(revision) = revision else { return 0 };
        let pods = self.endpoints.get(service).map(Vec::as_slice).unwrap_or_default();
        pods.iter().filter(|pod| naming::is_pod_of(&revision.replica_set, pod)).count()
    }

    /// The ReplicaSet that runs an image, by name.
    pub fn running(&self, image: &str) -> Option<&ReplicaSet> {
        let runs = |set: &&ReplicaSet| image_of(set) == image && !self.belongs_to_deployment(set);
        self.replica_sets.values().find(runs)
    }

    fn belongs_to_deployment(&self, set: &ReplicaSet) -> bool {
        let uid = self.deployment.as_ref().and_then(|deployment| deployment.metadata.uid.as_deref());
        uid.is_some() && ownership::controller(set) == uid
    }

    /// How many pods run an image.
    pub fn pods_of(&self, image: &str) -> usize {
        let sets = self.replica_sets.values().filter(|set| image_of(set) == image);
        sets.map(|set| self.pods.get(set.name()).map_or(0, Vec::len)).sum()
    }

    /// The names of all pods.
    pub fn all_pods(&self) -> BTreeSet<String> {
        self.pods.values().flatten().map(|pod| pod.name.clone()).collect()
    }

    /// How many writes have changed anything.
    pub fn age(&self) -> u64 {
        self.versions
    }

    fn fresh(&mut self) -> u64 {
        self.names += 1;
        self.names
    }
}

/// A share in percent as thousandths, rounded up.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 1000")]
fn thousandths(share: f64) -> u16 {
    (share * 10.0 - 1e-6).ceil() as u16
}

/// The image of a ReplicaSet's only container.
pub fn image_of(set: &ReplicaSet) -> String {
    template::images(&set.spec.template).join(",")
}
