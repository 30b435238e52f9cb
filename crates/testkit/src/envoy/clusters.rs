//! One Service as Envoy knows it: a cluster whose endpoints come from a file of their own.

use std::fmt;

use serde_json::{Value, json};

/// A Service that a route points at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cluster {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub service: String,
}

impl fmt::Display for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.service)
    }
}

impl Cluster {
    /// The one that a reference from a namespace means.
    pub fn of(namespace: &str, reference: &Value) -> Self {
        let namespace = reference["namespace"].as_str().unwrap_or(namespace).to_owned();
        Self { namespace, service: reference["name"].as_str().unwrap_or_default().to_owned() }
    }

    /// What Envoy is told of it. Requests go on in the protocol in which they came.
    pub fn resource(&self, endpoints: &Value) -> Value {
        let protocols = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
        let by_downstream = json!({"http_protocol_options": {}, "http2_protocol_options": {}});
        json!({
            "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
            "name": self.to_string(),
            "type": "EDS",
            "connect_timeout": "2s",
            "eds_cluster_config": {"eds_config": endpoints},
            "typed_extension_protocol_options": {protocols: {
                "@type": format!("type.googleapis.com/{protocols}"),
                "use_downstream_protocol_config": by_downstream,
            }},
        })
    }
}
