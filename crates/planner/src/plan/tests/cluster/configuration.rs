//! ConfigMaps, Secrets and their copies, by the objects themselves.

use std::hash::{DefaultHasher, Hasher};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde_json::{Value, json};
use tidegate_api::{ConfigurationKind, Rollout, Tracked};

use super::{Cluster, api::Refused};
use crate::workload::{
    ReplicaSet,
    configuration::{Configuration, ConfigurationId, Content, Found, TrackedObject, copy, copy_name, counted, is_copy},
    is_deleting,
};

impl Cluster {
    /// `kubectl apply` of a ConfigMap.
    pub fn configure(&mut self, name: &str, data: &Value) {
        let id = (ConfigurationKind::ConfigMap, name.to_owned());
        self.insert_configuration(id, json!({"metadata": {"name": name, "namespace": "shop"}, "data": data}));
    }

    fn insert_configuration(&mut self, id: ConfigurationId, mut object: Value) {
        let mut metadata: ObjectMeta = serde_json::from_value(object["metadata"].clone()).unwrap();
        self.stamp(&mut metadata);
        object["metadata"] = json!(metadata);
        self.configuration.insert(id, object);
    }

    /// The names of all copies, with how many owners each has.
    pub fn copies(&self) -> Vec<(String, usize)> {
        let owners =
            |object: &Value| object.pointer("/metadata/ownerReferences").map_or(0, |it| it.as_array().unwrap().len());
        let all = self.configuration.iter().filter(|(_, object)| is_copy(&metadata(object)));
        all.map(|((_, name), object)| (name.clone(), owners(object))).collect()
    }

    /// What is in the ConfigMap that the first volume of the ReplicaSet `set` reads.
    pub fn read_by(&self, set: &str) -> Option<&Value> {
        let template = &self.replica_sets.get(set)?.spec.template;
        let pointers = ["/spec/volumes/0/configMap/name", "/spec/volumes/0/projected/sources/0/configMap/name"];
        let name = pointers.into_iter().find_map(|pointer| template.pointer(pointer))?.as_str()?;
        self.configuration.get(&(ConfigurationKind::ConfigMap, name.to_owned()))?.get("data")
    }

    /// Whether all is there that the pods of a ReplicaSet need as volumes.
    pub fn has_what_is_read_by(&self, set: &ReplicaSet) -> bool {
        let volumes = set.spec.template.pointer("/spec/volumes").and_then(Value::as_array);
        volumes
            .into_iter()
            .flatten()
            .filter(|volume| volume["configMap"]["optional"] != true)
            .filter_map(|volume| volume["configMap"]["name"].as_str())
            .all(|name| self.configuration.contains_key(&(ConfigurationKind::ConfigMap, name.to_owned())))
    }

    /// What is seen of what `rollout` tracks.
    pub fn configuration(&self, rollout: &Rollout) -> Configuration {
        let tracked: Vec<_> = rollout.spec.track.iter().map(|spec| self.tracked(spec)).collect();
        let copies = self.configuration.iter().map(|(id, object)| (id.clone(), metadata(object)));
        let is_known = !tracked.is_empty() || is_deleting(rollout);
        Configuration { copies: if is_known { copies.collect() } else { [].into() }, tracked }
    }

    fn tracked(&self, spec: &Tracked) -> TrackedObject {
        let (kind, name) = spec.object();
        let object = self.configuration.get(&(kind, name.to_owned()));
        let found = match object {
            _ if self.unreadable.contains(&kind) => Found::Forbidden("list"),
            None => Found::Missing,
            Some(object) => Found::Content(content(spec, object)),
        };
        TrackedObject { spec: spec.clone(), found }
    }

    pub(super) fn create_copy(&mut self, spec: &Tracked, name: &str, reader: &OwnerReference) -> Result<(), Refused> {
        let (kind, original) = spec.object();
        let Some(object) = self.configuration.get(&(kind, original.to_owned())) else { return Ok(()) };
        let id = (kind, name.to_owned());
        if copy_name(original, &content(spec, object)) != name || self.configuration.contains_key(&id) {
            return Ok(());
        }
        if self.forbids_copies {
            return Err(Refused::Forbidden("configmaps is forbidden".to_owned()));
        }
        let copied = copy(spec, object, name, reader);
        self.insert_configuration(id, copied);
        self.collect_copies();
        Ok(())
    }

    pub(super) fn patch_copy(&mut self, id: &ConfigurationId, patch: &Value) -> Result<(), Refused> {
        let object = self.configuration.get(id).cloned();
        let object = object.ok_or_else(|| Refused::Conflict(format!("{} does not exist", id.1)))?;
        let patched = self.patched(&object, patch)?;
        self.configuration.insert(id.clone(), patched);
        Ok(())
    }

    /// What the garbage collector does when ReplicaSets have gone.
    pub(super) fn collect_copies(&mut self) {
        let deployment = self.deployment.as_ref().and_then(|deployment| deployment.metadata.uid.clone());
        let sets = self.replica_sets.values().filter_map(|set| set.metadata.uid.clone());
        let alive: Vec<_> = sets.chain(deployment).collect();
        let is_kept = |object: &Value| {
            let owners = metadata(object).owner_references.unwrap_or_default();
            owners.is_empty() || owners.iter().any(|owner| alive.contains(&owner.uid))
        };
        self.configuration.retain(|_, object| is_kept(object));
    }
}

fn metadata(object: &Value) -> ObjectMeta {
    serde_json::from_value(object["metadata"].clone()).unwrap()
}

fn content(spec: &Tracked, object: &Value) -> Content {
    let mut hasher = DefaultHasher::new();
    hasher.write(&counted(spec, object));
    Content::new(spec, object, hasher.finish())
}
