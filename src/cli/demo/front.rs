//! What the demo's cluster shows to the outside: its API server over HTTP, the dashboard, and an ear for Ctrl-C.
//!
//! They live in real time, on a thread and runtime of their own; simulated time knows nothing of them.

use std::{
    io,
    net::{Ipv4Addr, TcpListener},
    sync::Arc,
    thread::{self, JoinHandle},
};

use anyhow::{Context, bail};
use tidegate_apiserver::{ApiServer, http};
use tidegate_dashboard::{Access, Dashboard, Laptop, Scope, Server, Store, follow};
use tokio::{runtime::Builder, sync::oneshot};

use crate::cli::{dashboard::explained, shutdown};

/// The open front. Dropping it closes it.
#[derive(Debug)]
pub struct Front {
    /// Where the dashboard is.
    pub dashboard: String,
    close: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Listens on `port` of this machine alone; 0 is any that is free.
pub fn listen(port: u16) -> anyhow::Result<TcpListener> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            bail!("port {port} of this machine is taken; choose another with --port, or any that is free with --port 0")
        }
        Err(error) => Err(error).with_context(|| format!("port {port} of this machine cannot be listened on")),
    }
}

/// Listens on the port after that of the API server, so that a link that was opened once may be found again; on any that is
/// free where that is taken.
fn beside(port: u16) -> io::Result<TcpListener> {
    let next = TcpListener::bind((Ipv4Addr::LOCALHOST, port.saturating_add(1)));
    next.or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
}

/// The dashboard of `api` on the port of `listener`, with the time of the simulation; and where it is.
fn dashboard(api: &ApiServer, port: u16) -> (Dashboard, String) {
    let laptop = Laptop::new(api.client(), port);
    let link = laptop.link();
    let clock = api.clone();
    let now = Arc::new(move || clock.now());
    (Dashboard::new(Arc::new(Store::default()), Access::Laptop(laptop), now, explained()), link)
}

impl Front {
    /// Serves `api` on `listener`. The receiver is told when somebody wants the demo to end.
    pub fn open(api: ApiServer, listener: TcpListener) -> anyhow::Result<(Self, oneshot::Receiver<()>)> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let beside = beside(listener.local_addr()?.port())?;
        let port = beside.local_addr()?.port();
        for listener in [&listener, &beside] {
            listener.set_nonblocking(true)?;
        }
        let (close, closing) = oneshot::channel();
        let (ask, asked) = oneshot::channel();
        let (listener, beside, requested) = {
            let _context = runtime.enter();
            (tokio::net::TcpListener::from_std(listener)?, Server::on(beside)?, shutdown::requested()?)
        };
        let (shown, link) = {
            let _context = runtime.enter();
            dashboard(&api, port)
        };
        let thread = thread::Builder::new().name("front".to_owned()).spawn(move || {
            runtime.block_on(async {
                let (client, store, now) = (api.client(), shown.store.clone(), shown.now.clone());
                let serve = http::serve(api, listener, std::future::pending());
                let show = async {
                    tokio::select! {
                        served = beside.run(Arc::new(shown)) => served,
                        () = follow(client, Scope::All, store, now) => Ok(()),
                    }
                };
                let hear = async {
                    requested.await;
                    // The other side may have come to its end by itself.
                    let _ = ask.send(());
                    std::future::pending::<()>().await;
                };
                tokio::select! {
                    served = serve => if let Err(error) = served {
                        eprintln!("tidegate: the API server's port broke down: {error}");
                    },
                    shown = show => if let Err(error) = shown {
                        eprintln!("tidegate: the dashboard's port broke down: {error}");
                    },
                    () = hear => {}
                    // Watches of kubectl would last for ever: they are cut off.
                    _ = closing => {}
                }
            });
        })?;
        Ok((Self { dashboard: link, close: Some(close), thread: Some(thread) }, asked))
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        drop(self.close.take());
        if let Some(thread) = self.thread.take() {
            // It panics nowhere; if it did, that was told.
            let _ = thread.join();
        }
    }
}
