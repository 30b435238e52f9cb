//! The dashboard over HTTP.

use std::{io, net::SocketAddr, sync::Arc};

use tokio::net::TcpListener;

use super::routes::Dashboard;

/// Why the dashboard cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken, or not ours.
    #[error("cannot listen on {address} for the dashboard; choose another address")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The server broke down.
    #[error("the server of the dashboard broke down")]
    Serve(#[from] io::Error),
}

/// A server that listens already.
pub struct Server(TcpListener);

impl Server {
    /// Listens on `address`; nothing is answered until [`Self::run`].
    ///
    /// # Errors
    /// [`ServeError::Listen`].
    pub async fn bind(address: SocketAddr) -> Result<Self, ServeError> {
        let listener = TcpListener::bind(address).await;
        listener.map(Self).map_err(|source| ServeError::Listen { address, source })
    }

    /// Takes over a listener that does not block.
    ///
    /// # Errors
    /// The system does not let it.
    pub fn on(listener: std::net::TcpListener) -> io::Result<Self> {
        TcpListener::from_std(listener).map(Self)
    }

    /// Where it listens: tells the port when the address left it to the system.
    ///
    /// # Errors
    /// The system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Answers for as long as it is polled: pages that are kept up to date would never end by themselves.
    ///
    /// # Errors
    /// [`ServeError::Serve`].
    pub async fn run(self, dashboard: Arc<Dashboard>) -> Result<(), ServeError> {
        Ok(axum::serve(self.0, dashboard.router()).await?)
    }
}
