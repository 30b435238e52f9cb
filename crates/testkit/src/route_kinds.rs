//! The kinds of meshes and ingress controllers that carry weights: their CRDs, and where each lists Services.
//!
//! Real CRDs where they lie beside those of the Gateway API; of the others as much as the API server has to know.

use anyhow::Result;
use kube::{
    Client,
    api::{ApiResource, DynamicObject, GroupVersionKind},
};
use serde_json::Value;

use super::{assets::Assets, cluster, policies::definition};

/// By group, version and kind, and the file of the real CRD.
const KINDS: [([&str; 3], Option<&str>); 9] = [
    (["traefik.io", "v1alpha1", "TraefikService"], Some("traefik.yaml")),
    (["traefik.io", "v1alpha1", "IngressRoute"], Some("traefik.yaml")),
    (["traefik.io", "v1alpha1", "IngressRouteTCP"], None),
    (["networking.istio.io", "v1", "VirtualService"], Some("istio.yaml")),
    (["projectcontour.io", "v1", "HTTPProxy"], Some("contour.yaml")),
    (["policy.linkerd.io", "v1beta3", "HTTPRoute"], None),
    (["kuma.io", "v1alpha1", "MeshHTTPRoute"], None),
    (["apisix.apache.org", "v2", "ApisixRoute"], None),
    (["gateway.solo.io", "v1", "VirtualService"], None),
];

/// Where lists of Services stand, and what names a Service in one of their elements.
const PLACES: [(&str, &str); 7] = [
    ("/spec/weighted/services", "/name"),
    ("/spec/routes/0/services", "/name"),
    ("/spec/http/0/route", "/destination/host"),
    ("/spec/rules/0/backendRefs", "/name"),
    ("/spec/to/0/rules/0/default/backendRefs", "/name"),
    ("/spec/http/0/backends", "/serviceName"),
    ("/spec/virtualHost/routes/0/routeAction/multi/destinations", "/destination/kube/ref/name"),
];

/// The kinds besides that Traefik wants to read.
const READ_BY_TRAEFIK: [&str; 7] = [
    "IngressRouteUDP",
    "Middleware",
    "MiddlewareTCP",
    "ServersTransport",
    "ServersTransportTCP",
    "TLSOption",
    "TLSStore",
];

/// All of them, as resources.
pub(super) fn resources() -> Vec<ApiResource> {
    let resource = |([group, version, kind], _): ([&str; 3], _)| {
        ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
    };
    KINDS.into_iter().map(resource).collect()
}

/// Installs them all.
pub(super) async fn install(client: &Client, assets: &Assets) -> Result<()> {
    for ([group, version, kind], real) in KINDS {
        let plural = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind)).plural;
        if let Some(file) = real {
            let bundle = assets.gateway_api.with_file_name(file);
            cluster::install_from(client, &bundle, &format!("{plural}.{group}")).await?;
        } else {
            cluster::install_crd(client, serde_json::from_value(definition((group, version, kind)))?).await?;
        }
    }
    Ok(())
}

/// Installs what Traefik wants to read besides.
pub(super) async fn install_for_traefik(client: &Client) -> Result<()> {
    for kind in READ_BY_TRAEFIK {
        let definition = serde_json::from_value(definition(("traefik.io", "v1alpha1", kind)))?;
        cluster::install_crd(client, definition).await?;
    }
    Ok(())
}

/// What the first rule of an object of theirs points at, each by its Service and its weight.
pub(super) fn backends(object: &DynamicObject) -> Vec<(&str, u64)> {
    let found = PLACES.iter().find_map(|(list, name)| Some((object.data.pointer(list)?.as_array()?, *name)));
    let (list, name) = found.unzip();
    list.into_iter()
        .flatten()
        .filter_map(|element| {
            let service = element.pointer(name?)?.as_str()?;
            // A host of a mesh may be written out.
            let service = service.split('.').next().unwrap_or(service);
            Some((service, element.get("weight").and_then(Value::as_u64).unwrap_or(1)))
        })
        .collect()
}
