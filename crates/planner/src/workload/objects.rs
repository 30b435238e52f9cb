//! Deployments and ReplicaSets, read as far as Tidegate needs them.
//!
//! The pod template stays untyped: a template that is copied from a Deployment into a ReplicaSet must not lose the
//! fields that a newer Kubernetes knows and this binary does not.

use k8s_openapi::{
    NamespaceResourceScope,
    apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta},
};
use kube::Resource;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{metadata, ownership};

/// An `apps/v1` Deployment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Deployment {
    /// Name, generation, owner.
    #[serde(deserialize_with = "metadata::read")]
    pub metadata: ObjectMeta,
    /// What was asked for.
    pub spec: DeploymentSpec,
    /// What its controller says.
    #[serde(default)]
    pub status: DeploymentStatus,
}

/// What a Deployment asks for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentSpec {
    /// How many pods; the API server fills in 1.
    #[serde(default)]
    pub replicas: Option<i32>,
    /// Which pods are its own.
    #[serde(default)]
    pub selector: LabelSelector,
    /// The pod template, as it stands on the API server.
    #[serde(default)]
    pub template: Value,
    /// How long a pod has to be ready before it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_ready_seconds: Option<i32>,
    /// Its controller starts nothing new.
    #[serde(default)]
    pub paused: bool,
}

/// What the Deployment controller says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeploymentStatus {
    /// The generation that the numbers speak of.
    pub observed_generation: Option<i64>,
    /// All of its pods.
    pub replicas: i32,
    /// Those of the current template.
    pub updated_replicas: i32,
    /// Those that have been ready for long enough.
    pub available_replicas: i32,
}

impl Deployment {
    /// How many pods are asked for.
    #[must_use]
    pub fn replicas(&self) -> i32 {
        self.spec.replicas.unwrap_or(1)
    }

    /// Its controller has seen the spec as it stands.
    #[must_use]
    pub fn is_observed(&self) -> bool {
        self.status.observed_generation >= self.metadata.generation
    }

    /// Every pod is of the current template and available, and no other pod is left.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let wanted = self.replicas();
        self.is_observed()
            && self.status.updated_replicas == wanted
            && self.status.replicas == wanted
            && self.status.available_replicas >= wanted
    }
}

/// An `apps/v1` ReplicaSet.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ReplicaSet {
    /// Name, labels, owner.
    #[serde(deserialize_with = "metadata::read")]
    pub metadata: ObjectMeta,
    /// What was asked for.
    pub spec: ReplicaSetSpec,
    /// What its controller says.
    #[serde(default)]
    pub status: ReplicaSetStatus,
}

/// What a ReplicaSet asks for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplicaSetSpec {
    /// How long a pod has to be ready before it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_ready_seconds: Option<i32>,
    /// How many pods; the API server fills in 1.
    #[serde(default)]
    pub replicas: Option<i32>,
    /// Which pods are its own.
    #[serde(default)]
    pub selector: LabelSelector,
    /// The pod template, as it stands on the API server.
    #[serde(default)]
    pub template: Value,
}

/// What the ReplicaSet controller says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplicaSetStatus {
    /// All of its pods.
    pub replicas: i32,
    /// Those that are ready.
    pub ready_replicas: i32,
    /// Those that have been ready for `minReadySeconds`.
    pub available_replicas: i32,
}

impl ReplicaSet {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    /// How many pods are asked for.
    #[must_use]
    pub fn replicas(&self) -> i32 {
        self.spec.replicas.unwrap_or(1)
    }

    /// No pod is asked for, and none is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.replicas() == 0 && self.status.replicas == 0
    }

    /// How many of `ready` pods count: not those that have not been ready for `minReadySeconds` yet.
    #[must_use]
    pub fn seasoned(&self, ready: i32) -> i32 {
        let patient = self.spec.min_ready_seconds.unwrap_or(0) > 0;
        if patient { ready.min(self.status.available_replicas) } else { ready }
    }

    /// The value of its pods' `pod-template-hash` label.
    #[must_use]
    pub fn revision(&self) -> &str {
        let labels = self.metadata.labels.as_ref();
        labels.and_then(|labels| labels.get(tidegate_api::POD_TEMPLATE_HASH)).map_or("", String::as_str)
    }

    /// The UID of the Rollout that it belongs to, or else of the object that controls it.
    #[must_use]
    pub fn holder(&self) -> Option<&str> {
        ownership::rollout_of(self).or_else(|| ownership::controller(self))
    }
}

macro_rules! apps_v1 {
    ($kind:ident, $plural:literal) => {
        impl k8s_openapi::Resource for $kind {
            const API_VERSION: &'static str = "apps/v1";
            const GROUP: &'static str = "apps";
            const KIND: &'static str = stringify!($kind);
            const VERSION: &'static str = "v1";
            const URL_PATH_SEGMENT: &'static str = $plural;
            type Scope = NamespaceResourceScope;
        }

        impl k8s_openapi::Metadata for $kind {
            type Ty = ObjectMeta;

            fn metadata(&self) -> &ObjectMeta {
                &self.metadata
            }

            fn metadata_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }
    };
}

apps_v1!(Deployment, "deployments");
apps_v1!(ReplicaSet, "replicasets");

/// Whether `object` is on its way out.
#[must_use]
pub fn is_deleting<K: Resource>(object: &K) -> bool {
    object.meta().deletion_timestamp.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_counts_once_it_has_been_ready_for_long_enough() {
        let status = ReplicaSetStatus { replicas: 3, ready_replicas: 3, available_replicas: 1 };
        let mut set = ReplicaSet { status, ..ReplicaSet::default() };
        assert_eq!(set.seasoned(3), 3);
        set.spec.min_ready_seconds = Some(30);
        assert_eq!(set.seasoned(3), 1);
    }
}
