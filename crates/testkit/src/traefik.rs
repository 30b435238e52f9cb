//! Traefik as the gateway: a process on loopback with a Gateway API controller of its own, which reads the API server
//! and writes what it thinks of routes into their status.
//!
//! It sends requests to the addresses of EndpointSlices, so that pods have to serve at theirs: see
//! [`ports::address`].

use std::{
    ffi::OsStr,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    time::Duration,
};

use anyhow::Result;
use kube::{Client, api::DynamicObject};
use serde_json::json;

use super::{
    cluster,
    control_plane::{ControlPlane, Identity},
    ports,
    process::Process,
};

const START: Duration = Duration::from_secs(30);

/// The class of its Gateways.
const CLASS: &str = "traefik";

/// By this name it accepts a class, and signs what it says of a route.
/// <https://doc.traefik.io/traefik/reference/install-configuration/providers/kubernetes/kubernetes-gateway/>
const CONTROLLER: &str = "traefik.io/gateway-controller";

/// Where it listens.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// Where customers send their requests.
    pub web: SocketAddr,
    /// Where it tells about itself.
    pub administration: SocketAddr,
}

impl Addresses {
    /// On ports that were free a moment ago.
    pub fn reserve() -> Result<Self> {
        let free = || anyhow::Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()?)));
        Ok(Self { web: free()?, administration: free()? })
    }
}

/// Installs what it wants to read besides the routes, and starts it.
pub async fn start(
    program: &Path,
    control_plane: &ControlPlane,
    addresses: Addresses,
    http: &reqwest::Client,
) -> Result<Process> {
    let client = &control_plane.client;
    let class = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass", "metadata": {"name": CLASS},
        "spec": {"controllerName": CONTROLLER},
    });
    cluster::create(client, class).await?;
    let authority = control_plane.directory().join("ca.crt").display().to_string();
    let providers = ["kubernetesgateway", "kubernetescrd"].map(|provider| {
        [("endpoint", control_plane.url()), ("certauthfilepath", &authority), ("token", Identity::Admin.token())]
            .map(|(option, value)| format!("--providers.{provider}.{option}={value}"))
    });
    let own = [
        format!("--entrypoints.web.address={}", addresses.web),
        format!("--entrypoints.traefik.address={}", addresses.administration),
        "--ping=true".to_owned(),
        "--metrics.prometheus=true".to_owned(),
        "--metrics.prometheus.addrouterslabels=true".to_owned(),
        "--global.checknewversion=false".to_owned(),
        "--global.sendanonymoususage=false".to_owned(),
        "--log.level=WARN".to_owned(),
    ];
    let arguments = own.into_iter().chain(providers.into_iter().flatten()).collect::<Vec<_>>();
    // A proxy of the machine is not meant for requests to the pods.
    let environment = [("NO_PROXY", OsStr::new("*"))];
    let process = Process::start(program, &arguments, &environment, ("traefik", control_plane.directory()))?;
    let ping = format!("http://{}/ping", addresses.administration);
    let answers = || async { http.get(&ping).send().await.is_ok_and(|answer| answer.status().is_success()) };
    process.until_ready(START, answers).await?;
    Ok(process)
}

/// Opens a namespace to requests: the Gateway that its routes name as their parent.
pub async fn open(client: &Client, namespace: &str, addresses: Addresses) -> Result<()> {
    let listener = json!({"name": "web", "protocol": "HTTP", "port": addresses.web.port()});
    let gateway = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
        "metadata": {"name": "public", "namespace": namespace},
        "spec": {"gatewayClassName": CLASS, "listeners": [listener]},
    });
    cluster::create(client, gateway).await
}

/// Whether it says of a route, as it now is, that it follows it. Of its own kinds it says nothing.
pub fn follows(route: &DynamicObject) -> bool {
    if route.types.as_ref().is_some_and(|types| types.api_version.starts_with("traefik.io/")) {
        return true;
    }
    let parents = route.data["status"]["parents"].as_array().into_iter().flatten();
    let mut own = parents.filter(|parent| parent["controllerName"] == CONTROLLER);
    own.any(|parent| {
        let holds = |kind: &str| {
            parent["conditions"].as_array().into_iter().flatten().any(|condition| {
                condition["type"] == kind
                    && condition["status"] == "True"
                    && condition["observedGeneration"].as_i64() == route.metadata.generation
            })
        };
        holds("Accepted") && holds("ResolvedRefs")
    })
}
