//! One write to the cluster.

use k8s_openapi::{
    api::core::v1::Service,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use kube::Resource;
use serde_json::{Value, json};
use tidegate_api::{ConfigurationKind, Tracked};

use crate::{
    traffic::RouteId,
    workload::{Ownership, ReplicaSet, configuration::ConfigurationId, is_deleting, taking_over},
};

/// One write. All of them are idempotent: what is already so is not written again.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Merges into the Rollout itself (finalizers, `spec.replicas`).
    PatchRollout(Value),
    /// Merges into the Deployment of that name.
    PatchDeployment(String, Value),
    /// Creates a ReplicaSet.
    CreateReplicaSet(Box<ReplicaSet>),
    /// Merges into the ReplicaSet of that name.
    PatchReplicaSet(String, Value),
    /// Deletes a ReplicaSet.
    DeleteReplicaSet {
        /// The one of that name,
        name: String,
        /// if it still has that UID.
        uid: String,
    },
    /// Deletes a pod.
    DeletePod {
        /// The one of that name,
        name: String,
        /// if it still has that UID.
        uid: String,
    },
    /// Creates a Service.
    CreateService(Box<Service>),
    /// Merges into the Service of that name.
    PatchService(String, Value),
    /// Deletes a Service.
    DeleteService {
        /// The one of that name,
        name: String,
        /// if it still has that UID.
        uid: String,
    },
    /// Copies what is in a tracked object, if that is still what the name of the copy says.
    CreateCopy {
        /// Of which object, and of what in it.
        spec: Tracked,
        /// The name of the copy.
        name: String,
        /// The ReplicaSet whose pods read it, to which it belongs.
        reader: OwnerReference,
    },
    /// Merges into the metadata of a copy.
    PatchCopy(ConfigurationId, Value),
    /// Replaces the route by this object, under the resourceVersion in it.
    ReplaceRoute(RouteId, Box<Value>),
}

impl Effect {
    /// The kind of configuration, if it writes a copy.
    #[must_use]
    pub fn copied(&self) -> Option<ConfigurationKind> {
        match self {
            Self::CreateCopy { spec, .. } => Some(spec.object().0),
            Self::PatchCopy((kind, _), _) => Some(*kind),
            _ => None,
        }
    }
}

/// An effect, and whether it needs the certainty that nobody has decided otherwise meanwhile.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// The write.
    pub effect: Effect,
    /// It gives the canary more traffic, or takes pods away: the Rollout is read live before it.
    pub fenced: bool,
}

impl Write {
    pub(super) fn unfenced(effect: Effect) -> Self {
        Self { effect, fenced: false }
    }

    pub(super) fn fenced(effect: Effect) -> Self {
        Self { effect, fenced: true }
    }
}

/// A merge patch that is refused when somebody changed the object meanwhile.
pub(super) fn guarded<K: Resource>(object: &K, patch: Value) -> Value {
    guarded_metadata(object.meta(), patch)
}

/// The same of an object of which only the metadata is known.
pub(super) fn guarded_metadata(metadata: &ObjectMeta, mut patch: Value) -> Value {
    patch["metadata"]["resourceVersion"] = json!(metadata.resource_version);
    patch
}

/// Scales `set`, if it is not so already. Taking pods away needs certainty.
pub(super) fn scale(set: &ReplicaSet, wanted: i32) -> Option<Write> {
    if set.replicas() == wanted || is_deleting(set) {
        return None;
    }
    let effect = Effect::PatchReplicaSet(set.name().to_owned(), guarded(set, json!({"spec": {"replicas": wanted}})));
    Some(if wanted < set.replicas() { Write::fenced(effect) } else { Write::unfenced(effect) })
}

/// Makes the Rollout the owner of `set`.
pub(super) fn taken(set: &ReplicaSet, owner: &Ownership) -> Write {
    let patch = guarded(set, taking_over(set, owner));
    Write::fenced(Effect::PatchReplicaSet(set.name().to_owned(), patch))
}
