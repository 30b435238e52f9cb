//! Whose an object is, in a way that the garbage collector cannot turn into an outage.
//!
//! A Rollout that is deleted in the foreground (as Argo CD prunes) has its dependents deleted *before* it goes,
//! finalizer or not: the pods that serve would be gone before they can be handed back. So the Deployment is a second
//! owner, which keeps them: <https://kubernetes.io/docs/concepts/architecture/garbage-collection/#foreground-deletion>.
//! A label says whose they are when the reference to the Rollout has been taken off.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Resource, ResourceExt};
use tidegate_api::{POD_TEMPLATE_HASH, ROLLOUT_LABEL, ROLLOUT_UID_LABEL, Rollout};

use super::Deployment;

/// Whose an object is.
#[derive(Debug, Clone, PartialEq)]
pub struct Ownership {
    /// The Rollout, which controls the object; then the Deployment, which keeps it.
    pub references: Vec<OwnerReference>,
    /// The labels that say the same.
    pub labels: BTreeMap<String, String>,
}

impl Ownership {
    /// The ownership of `rollout`, kept by `workload`.
    #[must_use]
    pub fn of(rollout: &Rollout, workload: &Deployment) -> Self {
        let keeper = OwnerReference {
            controller: None,
            block_owner_deletion: None,
            ..workload.controller_owner_ref(&()).unwrap_or_default()
        };
        let controller =
            OwnerReference { block_owner_deletion: None, ..rollout.controller_owner_ref(&()).unwrap_or_default() };
        let mut labels = BTreeMap::from([(ROLLOUT_UID_LABEL.to_owned(), controller.uid.clone())]);
        if controller.name.len() <= 63 {
            labels.insert(ROLLOUT_LABEL.to_owned(), controller.name.clone());
        }
        Self { references: vec![controller, keeper], labels }
    }

    /// The labels of a ReplicaSet that holds `revision`: none that the Deployment's selector asks for, so that the
    /// Deployment never takes it for one of its own, even without a controller. Its pods keep all of theirs.
    #[must_use]
    pub fn revision_labels(&self, revision: &str) -> BTreeMap<String, String> {
        let mut labels = self.labels.clone();
        labels.insert(POD_TEMPLATE_HASH.to_owned(), revision.to_owned());
        labels
    }
}

/// The UID of the Rollout that `object` belongs to.
#[must_use]
pub fn rollout_of<K: Resource>(object: &K) -> Option<&str> {
    object.meta().labels.as_ref()?.get(ROLLOUT_UID_LABEL).map(String::as_str)
}

/// Whether `object` belongs to `rollout`.
#[must_use]
pub fn is_of<K: Resource>(rollout: &Rollout, object: &K) -> bool {
    let uid = rollout.metadata.uid.as_deref();
    uid.is_some() && rollout_of(object) == uid
}

/// The UID of the object that controls `object`.
#[must_use]
pub fn controller<K: Resource>(object: &K) -> Option<&str> {
    object.owner_references().iter().find(|owner| owner.controller == Some(true)).map(|owner| owner.uid.as_str())
}
