//! What the cluster looks like, as far as a decision may depend on it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Service;
use serde_json::Value;
use tidegate_api::{self as api, ConfigurationKind, RevisionStatus, Rollout, Schedule};

use crate::{
    plan::OtherRolloutState,
    traffic::{Expression, Names, Quirks, Revisions, RouteId, Router, router},
    workload::{Deployment, ReplicaSet, configuration::Configuration, is_deleting, naming, template},
};

/// What the cluster looks like around one Rollout.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observed {
    /// What is wrong with the spec by the rules of the CRD: a sentence.
    pub invalid: Option<String>,
    /// The Deployment that the Rollout names.
    pub workload: Option<Arc<Deployment>>,
    /// The ReplicaSets that the Rollout controls, by name.
    pub replica_sets: Vec<Arc<ReplicaSet>>,
    /// The ReplicaSets that the Deployment controls, by name.
    pub workload_replica_sets: Vec<Arc<ReplicaSet>>,
    /// The ReplicaSets that the Deployment keeps for a Rollout that is gone, by name.
    pub orphans: Vec<Arc<ReplicaSet>>,
    /// `<service>-stable` and `<service>-canary`, as far as the Deployment keeps them for a Rollout that is gone.
    pub orphaned_services: Vec<Arc<Service>>,
    /// An autoscaler that targets the Deployment.
    pub autoscaler: Option<String>,
    /// The Service that the Rollout names.
    pub service: Option<Arc<Service>>,
    /// `<service>-stable`.
    pub stable_service: Option<Arc<Service>>,
    /// `<service>-canary`.
    pub canary_service: Option<Arc<Service>>,
    /// The Rollout's other Services, for whoever tries a version out.
    pub previews: Vec<Arc<Service>>,
    /// The names of the ready pods behind each of these Services, by the Service's name.
    pub ready_pods: BTreeMap<String, Vec<String>>,
    /// The pods behind the Service, ready or not, as the API server has them: only where [`super::looks_at_pods`] asks for
    /// it, and it answered.
    pub pods: Option<Vec<ServingPod>>,
    /// The routes that the Rollout names, in its order.
    pub routes: Vec<Route>,
    /// Other routes that give requests to the Service; nothing while it is not known which there are.
    pub bypassing_routes: Option<Vec<RouteId>>,
    /// Policies that are attached to the Service, and that requests do without during a rollout, by their kind and name;
    /// nothing while it is not known which there are.
    pub policies_left_behind: Option<Vec<String>>,
    /// The ReferenceGrants of the Rollout's namespace, if one of its routes lies in another.
    pub grants: Vec<Value>,
    /// What the gateways of the routes say that they support, before a rollout that asks for more than every gateway has.
    pub gateway_features: Vec<GatewayFeatures>,
    /// Another Rollout that came first to the Deployment, the Service or a route: a sentence.
    pub rival: Option<String>,
    /// The operator knows the Prometheus endpoint that the Rollout names.
    pub endpoint_known: bool,
    /// When anything may go on by itself in this cluster, by the operator's configuration.
    pub cluster_schedule: Option<Arc<Schedule>>,
    /// The Rollouts that gates of this one wait for, as far as they are known.
    pub other_rollouts: Vec<OtherRolloutState>,
    /// A Service of somebody else that is called as a stage's preview.
    pub preview_taken: Option<String>,
    /// A gate that cannot be asked, since what it names is not configured on the operator: a sentence.
    pub unusable_gate: Option<String>,
    /// The cluster vouches for the names in approvals, by the operator's configuration.
    pub are_approvals_verified: bool,
    /// A check that cannot be asked, since its template is missing or its parameters do not fit: a sentence.
    pub unusable_check: Option<String>,
    /// The configuration that the Rollout tracks.
    pub configuration: Configuration,
    /// A write of the last round that the API server refused for good.
    pub refused: Option<RefusedWrite>,
    /// The field managers that last changed what [`super::suspects`] points at, by the object.
    pub editors: BTreeMap<String, String>,
}

/// A pod behind a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServingPod {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// It takes requests.
    pub is_ready: bool,
    /// It was deleted, and is not gone yet.
    pub is_terminating: bool,
}

/// What a gateway says that it supports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayFeatures {
    /// The Gateway, by namespace and name.
    pub gateway: String,
    /// The name of its `GatewayClass`, which says so.
    pub class: String,
    /// The names of the features.
    pub supported: BTreeSet<String>,
}

/// A route that the Rollout names.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// What the Rollout says of it.
    pub spec: api::Route,
    /// Which object it is.
    pub id: RouteId,
    /// The expression that says whether it is in force, compiled, where somebody keeps it so.
    pub accepted: Option<Arc<Expression>>,
    /// Whether the API server can be asked for it.
    pub kind: Served,
    /// The whole object; `None` when there is none.
    pub object: Option<Value>,
    /// When this process last wrote it, where its gateway names no generation.
    pub written: Option<Timestamp>,
}

/// Whether the API server serves a kind of object to the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    /// It does.
    Yes,
    /// It does not know the kind, at this moment.
    Unknown,
    /// The operator may not list or watch it.
    Forbidden,
    /// The operator watches as many kinds as it does at a time, and this is not one of them.
    NoRoom {
        /// How many that are.
        most: usize,
    },
    /// The operator serves one namespace, and the object lies in another.
    OutOfReach,
}

impl Route {
    /// How it carries weights.
    pub(super) fn router<'a>(&'a self, rollout: &'a Rollout, names: &'a Names) -> Box<dyn Router<Object = Value> + 'a> {
        let namespace = rollout.metadata.namespace.as_deref().unwrap_or_default();
        let status = rollout.status.as_ref();
        let hash = |revision: Option<&'a RevisionStatus>| revision.map(|revision| revision.revision.as_str());
        let stable = hash(status.and_then(|status| status.stable.as_ref())).unwrap_or_default();
        let canary = hash(status.and_then(|status| status.canary.as_ref())).unwrap_or(stable);
        router(&self.spec, namespace, names, Revisions { stable, canary }, self.accepted.as_ref(), self.quirks(rollout))
    }

    fn quirks(&self, rollout: &Rollout) -> Quirks {
        let status = rollout.status.as_ref();
        let gateway = rollout.spec.traffic.as_ref().and_then(|traffic| traffic.gateway_api.as_ref());
        let is_observed = gateway.and_then(|gateway| gateway.acceptance) == Some(api::Acceptance::Observed);
        // Another process may have written it, at the earliest when the stage was entered.
        let entered = || status.and_then(|status| status.stage.as_ref()).map(|stage| stage.entered_at);
        let reports_since = if is_observed { self.written.or_else(entered).or(Some(Timestamp::MIN)) } else { None };
        let refuses_zero_weights = status.is_some_and(|status| status.zero_weights_refused);
        Quirks { refuses_zero_weights, reports_since }
    }

    /// The route's generation; 0 when it does not exist.
    #[must_use]
    pub fn generation(&self) -> i64 {
        let generation = self.object.as_ref().and_then(|object| object.pointer("/metadata/generation"));
        generation.and_then(Value::as_i64).unwrap_or(0)
    }
}

/// A write that the API server refused for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedWrite {
    /// What was written, and why it was refused.
    pub answer: String,
    /// The kind of configuration, where it was a copy that was written. Of several writes that were refused, it is one of these.
    pub copied: Option<ConfigurationKind>,
}

impl RefusedWrite {
    /// The one to tell of two: without a copy no pod starts, whatever else is in its way.
    #[must_use]
    pub fn or(self, later: Self) -> Self {
        if self.copied.is_none() && later.copied.is_some() { later } else { self }
    }
}

impl fmt::Display for RefusedWrite {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.answer)
    }
}

impl Observed {
    /// The ReplicaSet of that name, whoever controls it.
    #[must_use]
    pub fn replica_set(&self, name: &str) -> Option<&Arc<ReplicaSet>> {
        self.replica_sets.iter().chain(&self.workload_replica_sets).find(|candidate| candidate.name() == name)
    }

    /// The Deployment, unless it is being deleted.
    #[must_use]
    pub fn living_workload(&self) -> Option<&Arc<Deployment>> {
        self.workload.as_ref().filter(|workload| !is_deleting(workload.as_ref()))
    }

    /// The ReplicaSet among `sets` that holds `wanted`; the oldest, as the Deployment controller chooses.
    #[must_use]
    pub fn holding<'a>(sets: &'a [Arc<ReplicaSet>], wanted: &Value) -> Option<&'a Arc<ReplicaSet>> {
        oldest_holding(sets.iter(), wanted)
    }

    /// The ReplicaSet of the Rollout that holds `wanted` and may be given pods: not an empty one whose pods could not be
    /// told by name from those that another one has.
    #[must_use]
    pub fn reusable(&self, wanted: &Value) -> Option<&Arc<ReplicaSet>> {
        let usable = |set: &&Arc<ReplicaSet>| !set.is_empty() || self.look_alikes(set.name()).next().is_none();
        oldest_holding(self.replica_sets.iter().filter(usable), wanted)
    }

    /// The other ReplicaSets with pods whose names begin as those of `replica_set` do: Kubernetes cut both.
    fn look_alikes(&self, replica_set: &str) -> impl Iterator<Item = &Arc<ReplicaSet>> {
        let beginning = naming::pod_beginning(replica_set);
        let is_cut = naming::is_cut(replica_set);
        self.replica_sets
            .iter()
            .chain(&self.workload_replica_sets)
            .filter(move |set| is_cut && set.name() != replica_set && naming::pod_beginning(set.name()) == beginning)
            .filter(|set| !set.is_empty())
    }

    /// How many ready pods of `replica_set` are behind `service`, by the EndpointSlices.
    #[must_use]
    pub fn ready_behind(&self, service: &str, replica_set: &str) -> i32 {
        let pods = self.ready_pods.get(service).map(Vec::as_slice).unwrap_or_default();
        let ready = pods.iter().filter(|pod| naming::is_pod_of(replica_set, pod)).count();
        let ready = i32::try_from(ready).unwrap_or(i32::MAX);
        match self.replica_set(replica_set) {
            // Some of them may be another's: no more than its own controller counts.
            Some(set) if self.look_alikes(replica_set).next().is_some() => ready.min(set.status.ready_replicas),
            _ => ready,
        }
    }

    /// Ready pods behind `service` that belong to no ReplicaSet of the Rollout.
    #[must_use]
    pub fn foreign_behind(&self, service: &str) -> Vec<&str> {
        let pods = self.ready_pods.get(service).map(Vec::as_slice).unwrap_or_default();
        pods.iter()
            .map(String::as_str)
            .filter(|pod| !self.replica_sets.iter().any(|set| naming::is_pod_of(set.name(), pod)))
            .collect()
    }

    /// Ready pods behind `service` that belong neither to the Rollout nor to the Deployment.
    #[must_use]
    pub fn strangers_behind(&self, service: &str) -> Vec<&str> {
        let is_of_workload =
            |pod: &&str| self.workload_replica_sets.iter().any(|set| naming::is_pod_of(set.name(), pod));
        self.foreign_behind(service).into_iter().filter(|pod| !is_of_workload(pod)).collect()
    }

    /// Either of the Services that tell revisions apart exists.
    #[must_use]
    pub fn has_revision_services(&self) -> bool {
        self.stable_service.is_some() || self.canary_service.is_some()
    }
}

fn oldest_holding<'a>(sets: impl Iterator<Item = &'a Arc<ReplicaSet>>, wanted: &Value) -> Option<&'a Arc<ReplicaSet>> {
    sets.filter(|set| !is_deleting(set.as_ref()) && template::same(&set.spec.template, wanted))
        .min_by_key(|set| (set.metadata.creation_timestamp.clone(), set.name().to_owned()))
}
