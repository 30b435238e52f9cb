//! The embedded cluster over HTTP, on a thread of its own, which counts what the operator writes.

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use anyhow::{Context, Result};
use axum::{
    Router,
    body::to_bytes,
    extract::{Request, State},
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tidegate_api::definitions;
use tidegate_apiserver::{ApiServer, garbage, http};
use tidegate_clock::Clock;
use tidegate_sim::controllers::{Controllers, Delay, GatewayMode, ModelSettings, Models, Pace, PodBehaviour};
use tokio::{runtime::Builder, sync::oneshot};

/// Bodies that are longer are no requests of the operator.
const LONGEST: usize = 16 << 20;

/// By verb and resource: how often it was written.
pub type Writes = BTreeMap<String, usize>;

/// A running cluster.
pub struct Cluster {
    /// Its own calls.
    pub server: ApiServer,
    /// Where its kubeconfig and the operator's log lie.
    pub directory: TempDir,
    writes: Arc<Mutex<Writes>>,
    _running: oneshot::Sender<()>,
}

#[derive(Clone)]
struct Served {
    server: ApiServer,
    writes: Arc<Mutex<Writes>>,
}

impl Cluster {
    /// Starts the API server, and around it the models of everything else if it is to be `alive`.
    pub async fn start(alive: bool) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("tidegate-scale-").tempdir()?;
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        fs::write(directory.path().join("kubeconfig"), http::kubeconfig("tidegate", listener.local_addr()?.port()))?;
        let server = ApiServer::new(Clock::System, 1);
        for definition in definitions() {
            server.create(serde_json::to_value(definition)?, "scale")?;
        }
        server.create(http_routes(), "scale")?;
        let controllers = alive.then(|| Controllers::new(server.clone(), Clock::System, 1, brisk()));
        let front = Served { server: server.clone(), writes: Arc::default() };
        let writes = front.writes.clone();
        let (running, ended) = oneshot::channel();
        let (started, starting) = oneshot::channel();
        thread::Builder::new().name("cluster".to_owned()).spawn(move || {
            let run = async {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                let collector = garbage::collect(front.server.clone());
                let router = Router::new().fallback(answer).with_state(front);
                let models = async {
                    match controllers {
                        Some(controllers) => controllers.run().await,
                        None => std::future::pending().await,
                    }
                };
                // Whoever waited for it may have given up.
                let _ = started.send(());
                tokio::select! {
                    ended = axum::serve(listener, router).into_future() => ended?,
                    () = models => {}
                    () = collector => {}
                    _ = ended => {}
                }
                anyhow::Ok(())
            };
            let outcome = Builder::new_current_thread().enable_all().build().map(|runtime| runtime.block_on(run));
            if let Err(error) = outcome.map_err(anyhow::Error::from).flatten() {
                eprintln!("the cluster ended: {error:#}");
            }
        })?;
        starting.await.context("the cluster does not start")?;
        Ok(Self { server, directory, writes, _running: running })
    }

    /// The file with which a process finds it.
    pub fn kubeconfig(&self) -> PathBuf {
        self.directory.path().join("kubeconfig")
    }

    /// What the operator has written since this was last asked, without its lease.
    pub fn take_writes(&self) -> Writes {
        std::mem::take(&mut self.writes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Everything but the operator takes as little time as it can: what is measured is the operator.
fn brisk() -> ModelSettings {
    let soon = Delay::millis(1, 5);
    let pace = Pace {
        deployments: soon,
        replica_sets: soon,
        endpoint_slices: soon,
        scheduler: soon,
        gateway: soon,
        data_plane: soon,
        ..Pace::default()
    };
    let pods =
        PodBehaviour { starts_after: soon, ready_after: Some(soon), ends_after: soon, ..PodBehaviour::default() };
    ModelSettings { models: Models::default(), pace, pods, gateway: GatewayMode::default() }
}

async fn answer(State(served): State<Served>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LONGEST).await else { return StatusCode::BAD_REQUEST.into_response() };
    let path = parts.uri.path();
    if parts.method != Method::GET && !path.contains("/leases") {
        let resource = path.split('/').skip_while(|part| *part != "namespaces").nth(2).unwrap_or(path);
        let mut writes = served.writes.lock().unwrap_or_else(PoisonError::into_inner);
        *writes.entry(format!("{} {resource}", parts.method)).or_default() += 1;
    }
    http::respond(&served.server, &parts, &body).await
}

/// HTTPRoutes without their schema: what they hold is the operator's affair here.
fn http_routes() -> Value {
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "httproutes.gateway.networking.k8s.io"},
        "spec": {
            "group": "gateway.networking.k8s.io", "scope": "Namespaced",
            "names": {"kind": "HTTPRoute", "plural": "httproutes", "singular": "httproute", "listKind": "HTTPRouteList"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": schema}, "subresources": {"status": {}},
            }],
        },
    })
}
