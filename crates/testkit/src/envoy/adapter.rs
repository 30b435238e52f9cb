//! Turns routes and EndpointSlices into Envoy's configuration.
//!
//! In the order that loses nothing: clusters with their endpoints first, then the routes that name them, and only then
//! are clusters taken away that no route names any more.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use anyhow::{Result, ensure};
use jiff::Timestamp;
use kube::{ResourceExt, api::DynamicObject};
use tokio::sync::Mutex;

use super::{Envoy, admin, clusters::Cluster, files::Files, routes};
use crate::{endpoints::Endpoints, kubelet::Kubelet};

/// Far more than Envoy takes over anything.
const RELOAD: Duration = Duration::from_secs(5);

/// Keeps Envoy as the routes and EndpointSlices are.
pub struct Adapter {
    /// The one that it keeps.
    pub envoy: Envoy,
    pods: Pods,
    configuration: Mutex<Configuration>,
}

/// Which pods stand behind a Service.
struct Pods {
    endpoints: Endpoints,
    kubelet: Kubelet,
}

/// What Envoy was given last.
struct Configuration {
    files: Files,
    /// By kind, namespace and name.
    routes: BTreeMap<[String; 3], DynamicObject>,
    /// The ports of each cluster's endpoints, as written.
    clusters: BTreeMap<Cluster, Vec<u16>>,
}

/// How Envoy took a route over.
#[derive(Debug, Clone, Copy)]
pub struct Reload {
    /// When the file was put in its place.
    pub began: Timestamp,
    /// When Envoy said that it follows it.
    pub done: Timestamp,
}

impl Adapter {
    /// Starts to follow the endpoints.
    pub fn start(envoy: Envoy, endpoints: Endpoints, kubelet: Kubelet) -> Arc<Self> {
        let mut changes = endpoints.changes();
        let files = Files::of(envoy.files());
        let configuration = Configuration { files, routes: BTreeMap::new(), clusters: BTreeMap::new() };
        let adapter = Self { envoy, pods: Pods { endpoints, kubelet }, configuration: Mutex::new(configuration) };
        let adapter = Arc::new(adapter);
        let following = Arc::downgrade(&adapter);
        tokio::spawn(async move {
            while changes.changed().await.is_ok() {
                let Some(adapter) = following.upgrade() else { return };
                let mut configuration = adapter.configuration.lock().await;
                if let Err(error) = configuration.follow(&adapter.pods) {
                    eprintln!("envoy: {error:#}");
                }
            }
        });
        adapter
    }

    /// Has Envoy follow a route as it now is, and returns when it does. If Envoy refuses it, all stays as it was.
    pub async fn program(&self, route: &DynamicObject) -> Result<Reload> {
        let mut configuration = self.configuration.lock().await;
        let before = configuration.routes.insert(key(route), route.clone());
        let reload = self.reload(&mut configuration).await;
        if reload.is_err() {
            configuration.routes.remove(&key(route));
            configuration.routes.extend(before.map(|before| (key(route), before)));
        }
        reload
    }

    /// Has Envoy forget a route.
    pub async fn forget(&self, route: &DynamicObject) -> Result<()> {
        let mut configuration = self.configuration.lock().await;
        configuration.routes.remove(&key(route));
        self.reload(&mut configuration).await.map(drop)
    }

    async fn reload(&self, configuration: &mut Configuration) -> Result<Reload> {
        let virtual_hosts = routes::virtual_hosts(configuration.routes.values())?;
        let wanted: BTreeSet<_> = routes::clusters(configuration.routes.values());
        configuration.add(&wanted, &self.pods)?;
        self.taken_over(admin::CLUSTERS, configuration.write_clusters()?).await?;
        configuration.follow(&self.pods)?;
        let began = Timestamp::now();
        self.taken_over(admin::ROUTES, configuration.files.routes(&virtual_hosts)?).await?;
        let reload = Reload { began, done: Timestamp::now() };
        configuration.clusters.retain(|cluster, _| wanted.contains(cluster));
        self.taken_over(admin::CLUSTERS, configuration.write_clusters()?).await?;
        Ok(reload)
    }

    async fn taken_over(&self, subscription: &str, version: u64) -> Result<()> {
        let taken_over = self.envoy.admin.takes_over(subscription, version, RELOAD).await?;
        ensure!(taken_over, "Envoy does not take over {subscription} {version}:\n{}", self.envoy.log());
        Ok(())
    }
}

impl Configuration {
    fn add(&mut self, wanted: &BTreeSet<Cluster>, pods: &Pods) -> Result<()> {
        for cluster in wanted {
            if !self.clusters.contains_key(cluster) {
                let ports = pods.ports(cluster);
                self.files.endpoints(cluster, &ports)?;
                self.clusters.insert(cluster.clone(), ports);
            }
        }
        Ok(())
    }

    /// Writes the endpoints of those clusters whose pods have changed.
    fn follow(&mut self, pods: &Pods) -> Result<()> {
        for (cluster, written) in &mut self.clusters {
            let ports = pods.ports(cluster);
            if ports != *written {
                self.files.endpoints(cluster, &ports)?;
                *written = ports;
            }
        }
        Ok(())
    }

    fn write_clusters(&mut self) -> Result<u64> {
        self.files.clusters(self.clusters.keys())
    }
}

impl Pods {
    /// Pods have made-up addresses, and serve on loopback.
    fn ports(&self, cluster: &Cluster) -> Vec<u16> {
        let ready = self.endpoints.ready(&cluster.namespace, &cluster.service);
        let serving = |pod: &String| self.kubelet.serving(&cluster.namespace, pod);
        ready.iter().filter_map(serving).map(|(port, _)| port).collect()
    }
}

fn key(route: &DynamicObject) -> [String; 3] {
    let kind = route.types.as_ref().map(|types| types.kind.clone()).unwrap_or_default();
    [kind, route.namespace().unwrap_or_default(), route.name_any()]
}
