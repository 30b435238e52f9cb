//! What an API server does with a write: resourceVersions, generations, merge patches, finalizers, garbage collection.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tidegate_api::{Rollout, RolloutStatus};

use super::Cluster;
use crate::{plan::Effect, workload::ReplicaSet};

/// Why a write was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// Somebody was faster, or the object is not there: look again.
    Conflict(String),
    /// For good: a sentence.
    Forbidden(String),
}

impl Cluster {
    /// Carries one effect out.
    pub fn write(&mut self, effect: &Effect) -> Result<(), Refused> {
        match effect {
            Effect::PatchRollout(patch) => self.patch_rollout(patch),
            Effect::PatchDeployment(_, patch) => {
                let deployment = self.deployment.take().ok_or_else(|| missing("Deployment"))?;
                let patched = self.patched(&deployment, patch);
                self.deployment = Some(patched.as_ref().map_or(deployment, Clone::clone));
                patched.map(drop)
            }
            Effect::PatchReplicaSet(name, patch) => self.patch_replica_set(name, patch),
            Effect::PatchService(name, patch) => {
                let service = self.services.get(name).cloned().ok_or_else(|| missing(name))?;
                let patched = self.patched(&service, patch)?;
                self.services.insert(name.clone(), patched);
                Ok(())
            }
            Effect::CreateReplicaSet(set) => {
                if !self.replica_sets.contains_key(set.name()) {
                    self.insert_replica_set(set.as_ref().clone());
                }
                Ok(())
            }
            Effect::CreateService(service) => {
                let name = service.metadata.name.clone().unwrap();
                if !self.services.contains_key(&name) {
                    let mut service = service.as_ref().clone();
                    self.stamp(&mut service.metadata);
                    if !self.services_are_news {
                        service.metadata.creation_timestamp = None;
                    }
                    self.services.insert(name, service);
                }
                Ok(())
            }
            Effect::DeleteReplicaSet { name, uid } => {
                let same = |set: &ReplicaSet| set.metadata.uid.as_deref() == Some(uid);
                if self.replica_sets.get(name).is_some_and(same) {
                    self.remove_replica_set(name);
                }
                Ok(())
            }
            Effect::DeletePod { .. } if self.forbids_deletions => {
                Err(Refused::Forbidden("pods is forbidden".to_owned()))
            }
            Effect::DeletePod { name, .. } => {
                let is_there = self.pods.values().flatten().any(|pod| pod.name == *name);
                if is_there {
                    self.version();
                    self.pods.values_mut().for_each(|pods| pods.retain(|pod| pod.name != *name));
                    self.endpoints.values_mut().for_each(|pods| pods.retain(|pod| pod != name));
                }
                Ok(())
            }
            Effect::DeleteService { name, uid } => {
                if self.services.get(name).is_some_and(|service| service.metadata.uid.as_deref() == Some(uid)) {
                    self.version();
                    self.services.remove(name);
                    self.endpoints.remove(name);
                }
                Ok(())
            }
            Effect::CreateCopy { spec, name, reader } => self.create_copy(spec, name, reader),
            Effect::PatchCopy(id, patch) => self.patch_copy(id, patch),
            Effect::ReplaceRoute(id, object) => self.replace_route(&id.name, object),
        }
    }

    /// Replaces the status under the resourceVersion that it was decided at.
    pub fn commit(&mut self, decided_on: &Rollout, status: RolloutStatus) -> Result<Rollout, Refused> {
        let version = self.version();
        let Some(rollout) = &mut self.rollout else { return Err(missing("Rollout")) };
        if rollout.metadata.resource_version != decided_on.metadata.resource_version {
            return Err(Refused::Conflict("the Rollout changed".to_owned()));
        }
        rollout.metadata.resource_version = Some(version);
        // Through JSON, as a real one goes: what does not survive that must not be relied on.
        rollout.status = Some(serde_json::from_value(serde_json::to_value(status).unwrap()).unwrap());
        Ok(rollout.clone())
    }

    fn patch_rollout(&mut self, patch: &Value) -> Result<(), Refused> {
        let rollout = self.rollout.clone().ok_or_else(|| missing("Rollout"))?;
        let patched = self.patched(&rollout, patch)?;
        self.rollout = Some(patched);
        self.let_go();
        Ok(())
    }

    /// Removes a Rollout that is being deleted and has no finalizers any more, and what it owns.
    pub fn let_go(&mut self) {
        let gone = |rollout: &Rollout| {
            rollout.metadata.deletion_timestamp.is_some()
                && rollout.metadata.finalizers.as_ref().is_none_or(Vec::is_empty)
        };
        if !self.rollout.as_ref().is_some_and(gone) {
            return;
        }
        let uid = self.rollout.take().and_then(|rollout| rollout.metadata.uid);
        let owned =
            |meta: &ObjectMeta| meta.owner_references.iter().flatten().any(|owner| Some(&owner.uid) == uid.as_ref());
        let sets = self.replica_sets.values().filter(|set| owned(&set.metadata)).map(|set| set.name().to_owned());
        for name in sets.collect::<Vec<_>>() {
            self.remove_replica_set(&name);
        }
        self.services.retain(|_, service| !owned(&service.metadata));
    }

    fn patch_replica_set(&mut self, name: &str, patch: &Value) -> Result<(), Refused> {
        let set = self.replica_sets.get(name).cloned().ok_or_else(|| missing(name))?;
        if self.forbids_moving && patch.pointer("/metadata/ownerReferences").is_some() {
            return Err(Refused::Forbidden("owner references are protected here".to_owned()));
        }
        let patched = self.patched(&set, patch)?;
        self.replica_sets.insert(name.to_owned(), patched);
        Ok(())
    }

    fn replace_route(&mut self, name: &str, object: &Value) -> Result<(), Refused> {
        let stored = self.routes.get(name).cloned().ok_or_else(|| missing(name))?;
        if stored["metadata"]["resourceVersion"] != object["metadata"]["resourceVersion"] {
            return Err(Refused::Conflict("the route changed".to_owned()));
        }
        let mut replaced = object.clone();
        if replaced["spec"] != stored["spec"] {
            replaced["metadata"]["generation"] = json!(stored["metadata"]["generation"].as_i64().unwrap_or(0) + 1);
        }
        replaced["status"] = stored["status"].clone();
        replaced["metadata"]["resourceVersion"] = json!(self.version());
        self.routes.insert(name.to_owned(), replaced);
        Ok(())
    }

    /// Creates a ReplicaSet.
    pub fn insert_replica_set(&mut self, mut set: ReplicaSet) {
        self.stamp(&mut set.metadata);
        self.pods.insert(set.name().to_owned(), Vec::new());
        self.replica_sets.insert(set.name().to_owned(), set);
    }

    /// Deletes a ReplicaSet with its pods.
    pub fn remove_replica_set(&mut self, name: &str) {
        self.version();
        self.replica_sets.remove(name);
        self.collect_copies();
        let pods = self.pods.remove(name).unwrap_or_default();
        self.ended.extend(pods.into_iter().map(|pod| pod.name));
    }

    /// What the API server fills in at creation.
    pub fn stamp(&mut self, meta: &mut ObjectMeta) {
        meta.namespace = Some("shop".to_owned());
        meta.uid = Some(format!("uid-{}", self.fresh()));
        meta.generation = Some(1);
        meta.creation_timestamp = Some(Time(self.now));
        meta.resource_version = Some(self.version());
    }

    /// The next resourceVersion.
    pub fn version(&mut self) -> String {
        self.versions += 1;
        self.versions.to_string()
    }

    /// `object` after a merge patch, under the resourceVersion in it, if there is one.
    pub fn patched<T: Serialize + DeserializeOwned>(&mut self, object: &T, patch: &Value) -> Result<T, Refused> {
        let before = serde_json::to_value(object).unwrap();
        let asked = &patch["metadata"]["resourceVersion"];
        if !asked.is_null() && *asked != before["metadata"]["resourceVersion"] {
            return Err(Refused::Conflict(format!("{} changed", before["metadata"]["name"])));
        }
        let mut after = before.clone();
        merge(&mut after, patch);
        after["metadata"]["resourceVersion"] = before["metadata"]["resourceVersion"].clone();
        if after != before {
            if after["spec"] != before["spec"] {
                let generation = before["metadata"]["generation"].as_i64().unwrap_or(0);
                after["metadata"]["generation"] = json!(generation + 1);
            }
            after["metadata"]["resourceVersion"] = json!(self.version());
        }
        Ok(serde_json::from_value(after).unwrap())
    }
}

fn missing(what: &str) -> Refused {
    Refused::Conflict(format!("{what} does not exist"))
}

/// <https://www.rfc-editor.org/rfc/rfc7386>
fn merge(target: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Some(object) = target.as_object_mut() else { return };
    for (key, value) in fields {
        if value.is_null() {
            object.remove(key);
        } else {
            merge(object.entry(key).or_insert(Value::Null), value);
        }
    }
}
