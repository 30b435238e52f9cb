//! The controllers of Kubernetes, as far as Tidegate depends on what they do. One call is one round.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde_json::Value;
use tidegate_api::POD_TEMPLATE_HASH;

use super::{Cluster, Pod, image_of};
use crate::workload::{Deployment, ReplicaSet, ReplicaSetSpec, ReplicaSetStatus, naming, ownership, template};

/// What runs around the API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Controller {
    Deployments,
    ReplicaSets,
    Endpoints,
    Gateway,
}

impl Controller {
    /// Against the flow of information, so that each is a round behind the one that it follows.
    pub const ALL: [Self; 4] = [Self::Gateway, Self::Endpoints, Self::ReplicaSets, Self::Deployments];
}

impl Cluster {
    /// One round of one controller.
    pub fn run(&mut self, controller: Controller) {
        match controller {
            Controller::Deployments => self.run_deployments(),
            Controller::ReplicaSets => self.run_replica_sets(),
            Controller::Endpoints => self.run_endpoints(),
            Controller::Gateway => self.run_gateway(),
        }
    }

    /// One round of all of them. Whether anything changed.
    pub fn tick(&mut self) -> bool {
        let before = self.clone();
        for controller in Controller::ALL {
            self.run(controller);
        }
        self.differs(&before)
    }

    /// Whether anything is otherwise than it was.
    pub fn differs(&self, before: &Self) -> bool {
        self.deployment != before.deployment
            || self.replica_sets != before.replica_sets
            || self.pods != before.pods
            || self.endpoints != before.endpoints
            || self.routes != before.routes
    }

    fn run_deployments(&mut self) {
        let Some(deployment) = self.deployment.clone() else { return };
        self.adopt_orphans(&deployment);
        let owned = |cluster: &Self| -> Vec<ReplicaSet> {
            let sets = cluster.replica_sets.values().filter(|set| cluster.belongs_to_deployment(set));
            let mut sets: Vec<_> = sets.cloned().collect();
            sets.sort_by_key(|set| (set.metadata.creation_timestamp.clone(), set.name().to_owned()));
            sets
        };
        let newest = newest(&owned(self), &deployment.spec.template);
        if deployment.spec.paused {
            self.scale_paused(&deployment, &owned(self), newest.as_deref());
        } else {
            let name = newest.unwrap_or_else(|| self.create_for(&deployment));
            self.roll(&deployment, &owned(self), &name);
        }
        let sets = owned(self);
        let newest = self::newest(&sets, &deployment.spec.template);
        let of_newest = |set: &&ReplicaSet| Some(set.name()) == newest.as_deref();
        let Some(deployment) = &mut self.deployment else { return };
        deployment.status.observed_generation = deployment.metadata.generation;
        deployment.status.replicas = sets.iter().map(|set| set.status.replicas).sum();
        deployment.status.updated_replicas = sets.iter().filter(of_newest).map(|set| set.status.replicas).sum();
        deployment.status.available_replicas = sets.iter().map(|set| set.status.ready_replicas).sum();
    }

    fn adopt_orphans(&mut self, deployment: &Deployment) {
        let selector = deployment.spec.selector.match_labels.clone().unwrap_or_default();
        let orphan = |set: &&ReplicaSet| {
            let labels = set.metadata.labels.clone().unwrap_or_default();
            ownership::controller(*set).is_none() && selector.iter().all(|(key, value)| labels.get(key) == Some(value))
        };
        let orphans: Vec<_> = self.replica_sets.values().filter(orphan).map(|set| set.name().to_owned()).collect();
        for name in orphans {
            let version = self.version();
            if let Some(set) = self.replica_sets.get_mut(&name) {
                set.metadata.owner_references = Some(vec![owner(deployment)]);
                set.metadata.resource_version = Some(version);
            }
        }
    }

    /// A paused Deployment still scales: its only active ReplicaSet, or else the newest.
    fn scale_paused(&mut self, deployment: &Deployment, sets: &[ReplicaSet], newest: Option<&str>) {
        let active: Vec<_> = sets.iter().filter(|set| set.replicas() > 0).collect();
        let only = match active.as_slice() {
            [] => newest.or_else(|| sets.last().map(ReplicaSet::name)),
            [only] => Some(only.name()),
            _ => None,
        };
        if let Some(name) = only {
            self.scale(name, deployment.replicas());
        } else if deployment.replicas() == 0 {
            for set in active {
                self.scale(set.name(), 0);
            }
        }
    }

    /// The new ReplicaSet up, and the others down when it is ready.
    fn roll(&mut self, deployment: &Deployment, sets: &[ReplicaSet], newest: &str) {
        self.scale(newest, deployment.replicas());
        let ready = sets.iter().find(|set| set.name() == newest).map_or(0, |set| set.status.ready_replicas);
        if ready >= deployment.replicas() {
            for set in sets.iter().filter(|set| set.name() != newest) {
                self.scale(set.name(), 0);
            }
        }
    }

    fn create_for(&mut self, deployment: &Deployment) -> String {
        let asked = &deployment.spec.template;
        // Not the name that Tidegate would give it, nor one that is taken: the real one counts collisions, too.
        let name = deployment.metadata.name.clone().unwrap_or_default();
        let hashes = (4711..).map(|collision| template::hash(asked, collision));
        let (name, hash) = hashes
            .map(|hash| (format!("{name}-{hash}"), hash))
            .find(|(name, _)| !self.replica_sets.contains_key(name))
            .unwrap();
        let template = template::with_hash(asked, &hash);
        let mut selector = deployment.spec.selector.clone();
        selector.match_labels.get_or_insert_default().insert(POD_TEMPLATE_HASH.to_owned(), hash);
        self.insert_replica_set(ReplicaSet {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                labels: selector.match_labels.clone(),
                owner_references: Some(vec![owner(deployment)]),
                ..ObjectMeta::default()
            },
            spec: ReplicaSetSpec {
                replicas: Some(deployment.replicas()),
                selector,
                template,
                ..ReplicaSetSpec::default()
            },
            status: ReplicaSetStatus::default(),
        });
        name
    }

    /// Writes a ReplicaSet's count, as anybody but Tidegate.
    pub fn scale(&mut self, name: &str, replicas: i32) {
        let version = self.version();
        if let Some(set) = self.replica_sets.get_mut(name)
            && set.replicas() != replicas
        {
            set.spec.replicas = Some(replicas);
            set.metadata.resource_version = Some(version);
        }
    }

    fn run_replica_sets(&mut self) {
        for name in self.replica_sets.keys().cloned().collect::<Vec<_>>() {
            let set = &self.replica_sets[&name];
            let image = image_of(set);
            let wanted = usize::try_from(set.replicas()).unwrap();
            let ready = if self.broken.contains(&image) { 0 } else { *self.limits.get(&image).unwrap_or(&wanted) };
            let mut pods = self.pods.remove(&name).unwrap_or_default();
            for (place, pod) in pods.iter_mut().enumerate() {
                pod.ready = place < ready;
            }
            while pods.len() > wanted {
                self.ended.extend(pods.pop().map(|pod| pod.name));
            }
            while pods.len() < wanted {
                let number = self.fresh();
                pods.push(Pod { name: format!("{}{number:05}", naming::pod_beginning(&name)), ready: false });
            }
            let status = ReplicaSetStatus {
                replicas: i32::try_from(pods.len()).unwrap(),
                ready_replicas: i32::try_from(pods.iter().filter(|pod| pod.ready).count()).unwrap(),
                available_replicas: i32::try_from(pods.iter().filter(|pod| pod.ready).count()).unwrap(),
            };
            self.pods.insert(name.clone(), pods);
            if self.replica_sets[&name].status != status {
                let version = self.version();
                let set = self.replica_sets.get_mut(&name).unwrap();
                set.status = status;
                set.metadata.resource_version = Some(version);
            }
        }
    }

    fn run_endpoints(&mut self) {
        let behind = |service: &String| {
            let sets = self.replica_sets.values().filter(|set| self.selects(service, set));
            let pods = sets.flat_map(|set| self.pods.get(set.name()).into_iter().flatten());
            let strangers = self.strangers.iter().filter(|_| service == "checkout");
            pods.filter(|pod| pod.ready).map(|pod| pod.name.clone()).chain(strangers.cloned()).collect()
        };
        self.endpoints = self.services.keys().map(|service| (service.clone(), behind(service))).collect();
    }
}

/// The oldest ReplicaSet that holds the template, as the real one chooses.
fn newest(sets: &[ReplicaSet], asked: &Value) -> Option<String> {
    sets.iter().find(|set| template::same(&set.spec.template, asked)).map(|set| set.name().to_owned())
}

fn owner(deployment: &Deployment) -> OwnerReference {
    OwnerReference {
        api_version: "apps/v1".to_owned(),
        kind: "Deployment".to_owned(),
        name: deployment.metadata.name.clone().unwrap_or_default(),
        uid: deployment.metadata.uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}
