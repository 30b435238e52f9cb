//! The embedded cluster over HTTP, in real time: the API server and the controllers around it. Kubelet and gateway are
//! the rig's own, as they are before the real one.

use std::{net::TcpListener, path::Path, thread};

use anyhow::{Context, Result};
use tidegate_apiserver::{ApiServer, garbage};
use tidegate_clock::Clock;
use tidegate_sim::controllers::{Controllers, ModelSettings, Models};
use tokio::{runtime::Builder, sync::oneshot};

use super::{
    front_door::{FrontDoor, Reviews},
    identity::write_kubeconfigs,
};

/// A running embedded cluster. Ends when dropped.
pub struct Embedded {
    /// Where the API server answers.
    pub url: String,
    /// Who has a say in changes.
    pub reviews: Reviews,
    _running: oneshot::Sender<()>,
}

impl Embedded {
    /// Starts it on a thread of its own; its kubeconfigs and its audit log lie in `directory`.
    pub async fn start(directory: &Path) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let url = format!("http://{}", listener.local_addr()?);
        write_kubeconfigs(directory, &url)?;
        let reviews = Reviews::default();
        let (running, ended) = oneshot::channel();
        let (started, starting) = oneshot::channel();
        let (audit, heard) = (directory.join("audit.log"), reviews.clone());
        thread::Builder::new().name("embedded cluster".to_owned()).spawn(move || {
            let serve = async {
                let server = ApiServer::new(Clock::System, 1);
                let models = Models { kubelets: false, gateway: false, ..Models::default() };
                let controllers = Controllers::new(
                    server.clone(),
                    Clock::System,
                    1,
                    ModelSettings { models, ..ModelSettings::default() },
                );
                let door = FrontDoor::before(server.clone(), heard, &audit)?;
                let listener = tokio::net::TcpListener::from_std(listener)?;
                // Whoever waited for it may have given up.
                let _ = started.send(());
                tokio::select! {
                    ended = axum::serve(listener, door).into_future() => ended?,
                    () = controllers.run() => {}
                    () = garbage::collect(server) => {}
                    _ = ended => {}
                }
                anyhow::Ok(())
            };
            let outcome = Builder::new_current_thread().enable_all().build().map(|runtime| runtime.block_on(serve));
            if let Err(error) = outcome.map_err(anyhow::Error::from).flatten() {
                eprintln!("the embedded cluster ended: {error:#}");
            }
        })?;
        starting.await.context("the embedded cluster does not start")?;
        Ok(Self { url, reviews, _running: running })
    }
}
