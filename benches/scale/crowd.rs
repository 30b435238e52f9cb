//! Thousands of shops at rest: copies of one that the operator itself adopted.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tidegate::sim::api::ApiServer;

/// How many shops share a namespace.
const PER_NAMESPACE: usize = 100;

/// The name of everything in the shop that is copied.
pub const NAME: &str = "checkout";

/// The namespace of the shop that is copied.
pub const NAMESPACE: &str = "specimen";

/// One shop, to be copied.
pub struct Specimen {
    pub objects: Vec<Value>,
}

/// Where one of the copies is.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its namespace.
    pub namespace: String,
    /// The name of its Rollout, its Deployment, its Service and its HTTPRoute.
    pub name: String,
}

/// The kinds in a shop, each before those that it owns.
const KINDS: [&str; 7] = ["rollouts", "deployments", "services", "httproutes", "replicasets", "endpointslices", "pods"];

impl Specimen {
    /// Everything in the specimen's namespace on `server`.
    pub fn of(server: &ApiServer) -> Self {
        let all = KINDS.iter().flat_map(|kind| server.list(kind, Some(NAMESPACE)));
        Self { objects: all.map(|object| object.value().clone()).collect() }
    }

    /// Puts `count` copies onto `server`, each with UIDs of its own.
    pub fn copy(&self, server: &ApiServer, count: usize) -> Result<Vec<Place>> {
        let texts: Vec<_> = self.objects.iter().map(ToString::to_string).collect();
        (0..count)
            .map(|number| {
                let place = Place {
                    namespace: format!("team-{:03}", number / PER_NAMESPACE),
                    name: format!("app-{number:05}"),
                };
                if number % PER_NAMESPACE == 0 {
                    let metadata = json!({"name": place.namespace});
                    write(server, json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}))?;
                }
                stamp(server, &texts, &place)?;
                Ok(place)
            })
            .collect()
    }
}

fn stamp(server: &ApiServer, texts: &[String], place: &Place) -> Result<()> {
    let mut uids = BTreeMap::<String, String>::new();
    for text in texts {
        let mut text = text.replace(NAME, &place.name).replace(NAMESPACE, &place.namespace);
        for (old, new) in &uids {
            text = text.replace(old, new);
        }
        let object: Value = serde_json::from_str(&text)?;
        let old = object["metadata"]["uid"].as_str().context("an object without a UID")?.to_owned();
        uids.insert(old, write(server, object)?);
    }
    Ok(())
}

/// Creates an object as it stands, and returns its UID.
fn write(server: &ApiServer, mut object: Value) -> Result<String> {
    let status = object.as_object_mut().and_then(|fields| fields.remove("status"));
    let metadata = object["metadata"].as_object_mut().context("an object without metadata")?;
    metadata.remove("resourceVersion");
    let generation = metadata.remove("generation");
    let created = server.create(object, "scale")?;
    let Some(mut status) = status else { return Ok(created.uid().to_owned()) };
    // The copy is of the first generation, whatever the specimen's was when somebody observed it.
    if let Some(generation) = generation {
        observe(&mut status, &generation);
    }
    let plural = plural(created.value()["kind"].as_str().unwrap_or_default());
    server.merge(plural, created.namespace(), created.name(), "status", json!({"status": status}), "scale")?;
    Ok(created.uid().to_owned())
}

fn observe(status: &mut Value, generation: &Value) {
    match status {
        Value::Object(fields) => {
            for (name, value) in fields {
                if name == "observedGeneration" && value == generation {
                    *value = json!(1);
                } else {
                    observe(value, generation);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| observe(item, generation)),
        _ => {}
    }
}

fn plural(kind: &str) -> &'static str {
    match kind {
        "Rollout" => "rollouts",
        "Deployment" => "deployments",
        "ReplicaSet" => "replicasets",
        "Service" => "services",
        "HTTPRoute" => "httproutes",
        "Namespace" => "namespaces",
        _ => "pods",
    }
}
