//! The files through which Envoy is configured: one for each subscription, replaced by renaming.
//!
//! <https://www.envoyproxy.io/docs/envoy/latest/configuration/overview/examples>

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;
use serde_json::{Value, json};

use super::clusters::Cluster;

const CLUSTERS: &str = "clusters.json";
const LISTENERS: &str = "listeners.json";
const ROUTES: &str = "routes.json";

/// What Envoy watches.
pub struct Files {
    directory: PathBuf,
    /// Of the file written last.
    version: u64,
}

/// Writes all that Envoy starts with, and returns the file that names the others.
pub fn begin(directory: &Path) -> Result<PathBuf> {
    let mut files = Files::of(directory.to_owned());
    files.clusters(std::iter::empty())?;
    files.routes(&[])?;
    files.put(LISTENERS, &[listener(&files.source(ROUTES))])?;
    let bootstrap = json!({
        "node": {"id": "gateway", "cluster": "rig"},
        "admin": {"address": loopback(0)},
        "dynamic_resources": {"cds_config": files.source(CLUSTERS), "lds_config": files.source(LISTENERS)},
    });
    let path = directory.join("bootstrap.json");
    fs::write(&path, bootstrap.to_string())?;
    Ok(path)
}

impl Files {
    /// Those in a directory that has been begun.
    pub fn of(directory: PathBuf) -> Self {
        Self { directory, version: 0 }
    }

    /// Replaces the clusters; their version.
    pub fn clusters<'a>(&mut self, clusters: impl Iterator<Item = &'a Cluster>) -> Result<u64> {
        let clusters: Vec<_> = clusters.map(|cluster| cluster.resource(&self.source(&endpoints_of(cluster)))).collect();
        self.put(CLUSTERS, &clusters)
    }

    /// Replaces the endpoints of one cluster.
    pub fn endpoints(&mut self, cluster: &Cluster, ports: &[u16]) -> Result<()> {
        let endpoints: Vec<_> = ports.iter().map(|port| json!({"endpoint": {"address": loopback(*port)}})).collect();
        let assignment = json!({
            "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
            "cluster_name": cluster.to_string(),
            "endpoints": [{"lb_endpoints": endpoints}],
        });
        self.put(&endpoints_of(cluster), &[assignment]).map(drop)
    }

    /// Replaces the virtual hosts of all routes; their version.
    pub fn routes(&mut self, virtual_hosts: &[Value]) -> Result<u64> {
        let configuration = json!({
            "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
            "name": "routes",
            "virtual_hosts": virtual_hosts,
        });
        self.put(ROUTES, &[configuration])
    }

    /// Envoy looks when a file is moved into place, so that it never reads half of one.
    fn put(&mut self, name: &str, resources: &[Value]) -> Result<u64> {
        self.version += 1;
        let response = json!({"version_info": self.version.to_string(), "resources": resources});
        let draft = self.directory.join(".draft");
        fs::write(&draft, response.to_string())?;
        fs::rename(&draft, self.directory.join(name))?;
        Ok(self.version)
    }

    fn source(&self, name: &str) -> Value {
        json!({"resource_api_version": "V3", "path_config_source": {"path": self.directory.join(name)}})
    }
}

fn endpoints_of(cluster: &Cluster) -> String {
    format!("{}.{}.endpoints.json", cluster.namespace, cluster.service)
}

fn loopback(port: u16) -> Value {
    json!({"socket_address": {"address": "127.0.0.1", "port_value": port}})
}

/// One port for HTTP/1.1 and HTTP/2. Nothing is tried twice: a request that is lost is to be seen.
fn listener(routes: &Value) -> Value {
    let forwarding = json!({
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
    });
    let connection_manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "gateway",
        "rds": {"route_config_name": "routes", "config_source": routes},
        "http_filters": [forwarding],
    });
    json!({
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": "gateway",
        "address": loopback(0),
        "filter_chains": [{"filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": connection_manager,
        }]}],
    })
}
