//! What the demo's cluster shows to the outside: its API server over HTTP, and an ear for Ctrl-C.
//!
//! Both live in real time, on a thread and runtime of their own; simulated time knows nothing of them.

use std::{
    io,
    net::{Ipv4Addr, TcpListener},
    thread::{self, JoinHandle},
};

use anyhow::{Context, bail};
use tidegate_apiserver::{ApiServer, http};
use tokio::{runtime::Builder, sync::oneshot};

use crate::cli::shutdown;

/// The open front. Dropping it closes it.
#[derive(Debug)]
pub struct Front {
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

impl Front {
    /// Serves `api` on `listener`. The receiver is told when somebody wants the demo to end.
    pub fn open(api: ApiServer, listener: TcpListener) -> anyhow::Result<(Self, oneshot::Receiver<()>)> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        listener.set_nonblocking(true)?;
        let (close, closing) = oneshot::channel();
        let (ask, asked) = oneshot::channel();
        let (listener, requested) = {
            let _context = runtime.enter();
            (tokio::net::TcpListener::from_std(listener)?, shutdown::requested()?)
        };
        let thread = thread::Builder::new().name("front".to_owned()).spawn(move || {
            runtime.block_on(async {
                let serve = http::serve(api, listener, std::future::pending());
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
                    () = hear => {}
                    // Watches of kubectl would last for ever: they are cut off.
                    _ = closing => {}
                }
            });
        })?;
        Ok((Self { close: Some(close), thread: Some(thread) }, asked))
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
