//! Thousands of shops at rest: copies of one that the operator itself adopted, object by object.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tidegate_apiserver::ApiServer;
use tidegate_testkit::wait::until;
use tokio::time::sleep;

use crate::{
    cluster::Cluster,
    each::PATIENCE,
    operator::Operator,
    shop::{Place, create_namespace, plan},
};

/// The shop that is copied. No other text in its objects contains these words.
const NAME: &str = "the-specimen";
const NAMESPACE: &str = "its-namespace";

/// An operator that has written nothing for so long has nothing left to write.
const QUIET: Duration = Duration::from_secs(20);

/// The kinds in a shop, each before those that it owns.
const KINDS: [&str; 7] = ["rollouts", "deployments", "services", "httproutes", "replicasets", "endpointslices", "pods"];

/// One shop, to be copied.
pub struct Specimen {
    objects: Vec<String>,
}

impl Specimen {
    /// Has the operator adopt one, in a cluster of its own.
    pub async fn adopted() -> Result<Self> {
        let cluster = Cluster::start(true).await?;
        let server = &cluster.server;
        create_namespace(server, NAMESPACE)?;
        let place = Place { namespace: NAMESPACE.to_owned(), name: NAME.to_owned() };
        place.open(server, plan("10m", true))?;
        let _operator = Operator::start(&cluster, "http://127.0.0.1:9")?;
        until("the specimen to be adopted", PATIENCE, || async { place.serves(server, "v1").then_some(()) }).await?;
        // A while later the operator says it once more, without how it came to be.
        let said = || place.rollout(server).and_then(|rollout| rollout.metadata.resource_version);
        let mut before = None;
        while before != said() {
            before = said();
            sleep(QUIET).await;
        }
        let all = KINDS.iter().flat_map(|kind| server.list(kind, Some(NAMESPACE)));
        Ok(Self { objects: all.map(|object| object.value().to_string()).collect() })
    }

    /// How long its objects are as JSON, in bytes.
    pub fn size(&self) -> usize {
        self.objects.iter().map(String::len).sum()
    }

    /// Puts `count` copies onto `server`, each with UIDs of its own.
    pub fn copy(&self, server: &ApiServer, count: usize) -> Result<()> {
        (0..count).try_for_each(|number| self.put(server, &Place::number(server, number)?))
    }

    fn put(&self, server: &ApiServer, place: &Place) -> Result<()> {
        let mut uids = BTreeMap::<String, String>::new();
        for object in &self.objects {
            let mut text = object.replace(NAME, &place.name).replace(NAMESPACE, &place.namespace);
            for (old, new) in &uids {
                text = text.replace(old, new);
            }
            let object: Value = serde_json::from_str(&text)?;
            let old = object["metadata"]["uid"].as_str().context("an object without a UID")?.to_owned();
            uids.insert(old, write(server, object)?);
        }
        Ok(())
    }
}

/// Creates an object as it stands, and returns its UID. What its status has observed is its first generation now.
fn write(server: &ApiServer, mut object: Value) -> Result<String> {
    let kind = object["kind"].as_str().unwrap_or_default().to_lowercase();
    let plural = KINDS.iter().find(|plural| plural.trim_end_matches('s') == kind).context("an unknown kind")?;
    let status = object.as_object_mut().and_then(|fields| fields.remove("status"));
    let metadata = object["metadata"].as_object_mut().context("an object without metadata")?;
    metadata.remove("resourceVersion");
    metadata.remove("generation");
    let created = server.create(object, "scale")?;
    if let Some(mut status) = status {
        begin_anew(&mut status);
        let status = json!({"status": status});
        server.merge(plural, created.namespace(), created.name(), "status", status, "scale")?;
    }
    Ok(created.uid().to_owned())
}

/// Every object that it has observed is in its first generation, its Deployment too.
fn begin_anew(status: &mut Value) {
    match status {
        Value::Object(fields) => {
            for (name, value) in fields {
                if name == "observedGeneration" {
                    *value = json!(1);
                } else {
                    begin_anew(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(begin_anew),
        _ => {}
    }
}
