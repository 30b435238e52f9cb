//! The embedded API server over HTTP, on a thread of its own, which counts what the operator writes.

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
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
use serde_json::json;
use tempfile::TempDir;
use tidegate::{controller::clock::Clock, sim::api::ApiServer};
use tokio::{runtime::Builder, sync::oneshot};

/// Bodies that are longer are no requests of the operator.
const LONGEST: usize = 16 << 20;

/// By verb and resource: how often it was asked for.
pub type Writes = BTreeMap<String, usize>;

/// A running API server.
pub struct Cluster {
    /// Its own calls.
    pub server: ApiServer,
    /// Where its kubeconfig lies.
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
    /// Starts it.
    pub async fn start() -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("tidegate-scale-").tempdir()?;
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        write_kubeconfig(directory.path(), &format!("http://{}", listener.local_addr()?))?;
        let server = ApiServer::new(Clock::System, 1);
        let writes = Arc::<Mutex<Writes>>::default();
        let served = Served { server: server.clone(), writes: writes.clone() };
        let (running, ended) = oneshot::channel();
        let (started, starting) = oneshot::channel();
        thread::Builder::new().name("api-server".to_owned()).spawn(move || {
            let serve = async {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                // Whoever waited for it may have given up.
                let _ = started.send(());
                tokio::select! {
                    served = axum::serve(listener, Router::new().fallback(answer).with_state(served)).into_future() => served?,
                    _ = ended => {}
                }
                anyhow::Ok(())
            };
            let outcome = Builder::new_current_thread().enable_all().build().map(|runtime| runtime.block_on(serve));
            if let Err(error) = outcome.map_err(anyhow::Error::from).flatten() {
                eprintln!("the API server ended: {error:#}");
            }
        })?;
        starting.await.context("the API server does not start")?;
        Ok(Self { server, directory, writes, _running: running })
    }

    /// The file with which a process finds it.
    pub fn kubeconfig(&self) -> PathBuf {
        self.directory.path().join("kubeconfig")
    }

    /// What was written over HTTP since this was last asked: the operator's writes, without its lease.
    pub fn take_writes(&self) -> Writes {
        std::mem::take(&mut self.writes.lock().unwrap_or_else(PoisonError::into_inner))
    }
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
    served.server.respond(&parts, &body)
}

fn write_kubeconfig(directory: &Path, url: &str) -> Result<()> {
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "scale",
        "clusters": [{"name": "scale", "cluster": {"server": url}}],
        "users": [{"name": "operator", "user": {}}],
        "contexts": [{"name": "scale", "context": {"cluster": "scale", "user": "operator"}}],
    });
    fs::write(directory.join("kubeconfig"), config.to_string())?;
    Ok(())
}
