//! Which objects belong to a controller: those that it controls and its selector finds. It takes orphans in that its
//! selector finds, and lets go those of its own that it no longer finds.
//!
//! <https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#non-template-pod-acquisitions>

use std::sync::Arc;

use serde_json::{Value, json};
use tidegate_apiserver::Refusal;

use super::{
    ReconcileContext,
    cache::{Cached, Indexer, Meta, Selector},
};

/// Somebody who controls other objects.
pub(super) struct Claimant<'a> {
    pub meta: &'a Meta,
    pub api_version: &'static str,
    pub kind: &'static str,
    pub selector: &'a Selector,
    /// Its field manager.
    pub manager: &'static str,
}

impl Claimant<'_> {
    /// The reference to it as the owner in control.
    pub(super) fn reference(&self) -> Value {
        json!({
            "apiVersion": self.api_version, "kind": self.kind, "name": self.meta.key.name(), "uid": self.meta.uid,
            "controller": true, "blockOwnerDeletion": true,
        })
    }

    /// All objects of a kind that belong to it, by name, after taking in and letting go.
    pub(super) fn claim<T: Cached>(
        &self,
        context: &ReconcileContext<'_>,
        objects: &Indexer<T>,
        plural: &str,
    ) -> Result<Vec<Arc<T>>, Refusal> {
        let (found, lost): (Vec<_>, Vec<_>) =
            objects.owned_by(&self.meta.uid).partition(|object| self.selector.finds(&object.meta().labels));
        let mut own: Vec<Arc<T>> = found.into_iter().cloned().collect();
        if self.meta.deleting {
            return Ok(own);
        }
        for object in lost {
            self.change_owners(context, plural, object.meta(), None)?;
        }
        let orphans = objects.found_by(self.meta.key.namespace(), self.selector);
        for orphan in orphans.into_iter().filter(|orphan| is_orphan(orphan.meta())) {
            self.change_owners(context, plural, orphan.meta(), Some(self.reference()))?;
            own.push(orphan.clone());
        }
        Ok(own)
    }

    /// Takes its own reference off an object, and puts `reference` on.
    fn change_owners(
        &self,
        context: &ReconcileContext<'_>,
        plural: &str,
        object: &Meta,
        reference: Option<Value>,
    ) -> Result<(), Refusal> {
        let Some(whole) = context.whole(plural, &object.key) else { return Ok(()) };
        let owners = whole.value()["metadata"]["ownerReferences"].as_array();
        let others = owners.into_iter().flatten().filter(|owner| owner["uid"] != self.meta.uid.as_str()).cloned();
        let owners: Vec<Value> = others.chain(reference).collect();
        let patch = json!({"metadata": {"uid": object.uid, "ownerReferences": owners}});
        context.merge(plural, &object.key, patch, self.manager)
    }
}

fn is_orphan(meta: &Meta) -> bool {
    meta.controller.is_none() && !meta.deleting
}
