//! Which pods stand ready behind a Service, as a data plane sees it: through EndpointSlices.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, RwLock},
};

use anyhow::Result;
use futures::StreamExt;
use kube::{
    Api, Client, ResourceExt,
    api::DynamicObject,
    runtime::{WatchStreamExt, watcher},
};
use serde_json::Value;
use tidegate_operator::controller::caches;
use tokio::sync::watch;

/// By namespace, Service and slice: the names of the ready pods.
type Slices = HashMap<String, HashMap<String, HashMap<String, Vec<String>>>>;

/// The ready endpoints of all Services.
#[derive(Debug, Clone, Default)]
pub struct Endpoints {
    slices: Arc<RwLock<Slices>>,
    changes: watch::Sender<()>,
}

impl Endpoints {
    /// Starts to follow all EndpointSlices.
    pub async fn follow(client: Client) -> Result<Self> {
        let kind = caches::endpoint_slices(&client).await?;
        let endpoints = Self::default();
        let following = endpoints.clone();
        tokio::spawn(async move {
            let api = Api::<DynamicObject>::all_with(client, &kind);
            let mut events = watcher(api, watcher::Config::default()).default_backoff().boxed();
            while let Some(event) = events.next().await {
                match event {
                    Ok(watcher::Event::Apply(slice) | watcher::Event::InitApply(slice)) => {
                        following.set(&slice, ready_pods(&slice));
                    }
                    Ok(watcher::Event::Delete(slice)) => following.set(&slice, Vec::new()),
                    _ => {}
                }
            }
        });
        Ok(endpoints)
    }

    /// The ready pods behind a Service, in order of their names.
    pub fn ready(&self, namespace: &str, service: &str) -> Vec<String> {
        let Ok(slices) = self.slices.read() else { return Vec::new() };
        let slices = slices.get(namespace).and_then(|services| services.get(service));
        let pods: BTreeSet<_> = slices.into_iter().flat_map(HashMap::values).flatten().cloned().collect();
        pods.into_iter().collect()
    }

    /// Is told of every change from now on.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    fn set(&self, slice: &DynamicObject, pods: Vec<String>) {
        let Some(service) = slice.labels().get("kubernetes.io/service-name") else { return };
        if let Ok(mut slices) = self.slices.write() {
            let services = slices.entry(slice.namespace().unwrap_or_default()).or_default();
            services.entry(service.clone()).or_default().insert(slice.name_any(), pods);
        }
        self.changes.send_replace(());
    }
}

fn ready_pods(slice: &DynamicObject) -> Vec<String> {
    let endpoints = slice.data["endpoints"].as_array().into_iter().flatten();
    let ready = endpoints.filter(|endpoint| endpoint["conditions"]["ready"] != Value::Bool(false));
    ready.filter_map(|endpoint| endpoint["targetRef"]["name"].as_str()).map(str::to_owned).collect()
}
