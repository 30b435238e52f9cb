//! Configuration as part of a version: what its pods read, and what is left of it.

use serde_json::Value;
use tidegate_apiserver::ApiServer;

use crate::{
    invariants::Invariants,
    trial::{NAME, SHOP},
};

/// The ConfigMap that a scene changes.
pub const SETTINGS: &str = "settings";

/// The ConfigMaps that the pods of a workload read.
fn read_by(workload: &Value) -> Vec<String> {
    let volumes = workload.pointer("/spec/template/spec/volumes").and_then(Value::as_array);
    let names = volumes.into_iter().flatten().filter_map(|volume| volume.pointer("/configMap/name")?.as_str());
    names.map(str::to_owned).collect()
}

impl Invariants {
    /// No pod is started that lacks what it reads.
    pub fn has_what_it_reads(&mut self, name: &str, set: &Value) {
        for read in read_by(set) {
            let is_there = self.get("ConfigMap", &read).is_some();
            self.hold(is_there, || format!("pods of {name} are started that lack ConfigMap {read}"));
        }
    }

    /// At the end the stable version reads what is asked for, whoever has pods has what they read, and each copy belongs to
    /// somebody.
    pub fn configuration_at_rest(&mut self, api: &ApiServer, is_stable: bool) {
        let Some(settings) = api.get("configmaps", SHOP, SETTINGS) else { return };
        let sets = api.list("replicasets", Some(SHOP));
        let uids: Vec<_> =
            sets.iter().chain(&api.get("deployments", SHOP, NAME)).map(|it| it.uid().to_owned()).collect();
        let serving = self.status().and_then(|status| status.stable).map(|stable| stable.replica_set);
        for set in sets.iter().filter(|set| set.value()["spec"]["replicas"] != 0) {
            for read in read_by(set.value()) {
                let found = api.get("configmaps", SHOP, &read);
                self.hold(found.is_some(), || format!("ConfigMap {read}, which {} reads, is gone", set.name()));
                let is_asked = found.is_none_or(|found| found.value()["data"] == settings.value()["data"]);
                let serves = is_stable && serving.as_deref() == Some(set.name());
                self.hold(is_asked || !serves, || format!("{read} is not what ConfigMap {SETTINGS} says"));
            }
        }
        for copy in api.list("configmaps", Some(SHOP)) {
            let labels = copy.value().pointer("/metadata/labels").cloned().unwrap_or_default();
            let owners = copy.value().pointer("/metadata/ownerReferences").and_then(Value::as_array);
            let mut uid = owners.into_iter().flatten().filter_map(|owner| owner["uid"].as_str());
            let is_kept = uid.any(|uid| uids.iter().any(|known| known == uid));
            self.hold(labels["tidegate.dev/copy-of"].is_null() || is_kept, || {
                format!("nobody has the copy {} any more", copy.name())
            });
        }
    }
}
