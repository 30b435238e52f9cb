//! The kinds of policies that name Services, as far as the API server has to know them: whatever they say is kept.

use anyhow::Result;
use futures::future::try_join_all;
use kube::Client;
use serde_json::{Value, json};

use super::cluster;

/// By group, version, and kind.
const KINDS: [(&str, &str, &str); 6] = [
    ("gateway.networking.k8s.io", "v1", "BackendTLSPolicy"),
    ("gateway.networking.x-k8s.io", "v1alpha1", "XBackendTrafficPolicy"),
    ("gateway.envoyproxy.io", "v1alpha1", "BackendTrafficPolicy"),
    ("networking.gke.io", "v1", "HealthCheckPolicy"),
    ("networking.gke.io", "v1", "GCPBackendPolicy"),
    ("networking.istio.io", "v1", "DestinationRule"),
];

/// Installs them all.
pub async fn install(client: &Client) -> Result<()> {
    let installed =
        KINDS.map(|kind| async move { cluster::install_crd(client, serde_json::from_value(definition(kind))?).await });
    try_join_all(installed).await.map(drop)
}

/// A kind of which whatever it says is kept.
pub(super) fn definition((group, version, kind): (&str, &str, &str)) -> Value {
    let singular = kind.to_lowercase();
    let plural = singular.strip_suffix('y').map_or_else(|| format!("{singular}s"), |stem| format!("{stem}ies"));
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let version = json!({
        "name": version, "served": true, "storage": true, "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": schema},
    });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {
            "name": format!("{plural}.{group}"),
            // Without it, an API server refuses groups of Kubernetes' own.
            "annotations": {"api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/gateway-api"},
        },
        "spec": {
            "group": group, "scope": "Namespaced", "versions": [version],
            "names": {"kind": kind, "listKind": format!("{kind}List"), "plural": plural, "singular": singular},
        },
    })
}
