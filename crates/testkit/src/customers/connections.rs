//! The customers' connections to the gateway: as many of HTTP/1.1 as are needed at a time, and one of HTTP/2.

use std::{
    net::SocketAddr,
    sync::{Mutex, PoisonError},
};

use anyhow::Result;
use axum::body::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

/// A request with all of its body.
pub type Whole = Request<Full<Bytes>>;

type Http1 = http1::SendRequest<Full<Bytes>>;
type Http2 = http2::SendRequest<Full<Bytes>>;

/// Connections to one gateway.
pub struct Connections {
    /// Whom the requests are for.
    pub authority: String,
    address: SocketAddr,
    idle: Mutex<Vec<Http1>>,
    shared: tokio::sync::Mutex<Option<Http2>>,
}

impl Connections {
    /// None yet.
    pub fn to(address: SocketAddr, authority: String) -> Self {
        Self { authority, address, idle: Mutex::default(), shared: tokio::sync::Mutex::default() }
    }

    /// Sends over HTTP/1.1; the connection can be given back once the answer has been read.
    pub async fn http1(&self, request: Whole) -> Result<(Response<Incoming>, Http1)> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut connection = match idle.filter(|connection| !connection.is_closed()) {
            Some(connection) => connection,
            None => self.connect_http1().await?,
        };
        connection.ready().await?;
        Ok((connection.send_request(request).await?, connection))
    }

    /// Keeps a connection for the next request.
    pub fn give_back(&self, connection: Http1) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    }

    /// Sends over HTTP/2.
    pub async fn http2(&self, request: Whole) -> Result<Response<Incoming>> {
        let mut shared = self.shared.lock().await;
        let mut connection = match shared.take().filter(|connection| !connection.is_closed()) {
            Some(connection) => connection,
            None => self.connect_http2().await?,
        };
        *shared = Some(connection.clone());
        drop(shared);
        connection.ready().await?;
        Ok(connection.send_request(request).await?)
    }

    async fn connect_http1(&self) -> Result<Http1> {
        let (connection, driver) = http1::handshake(self.connect().await?).await?;
        tokio::spawn(driver);
        Ok(connection)
    }

    async fn connect_http2(&self) -> Result<Http2> {
        let (connection, driver) = http2::handshake(TokioExecutor::new(), self.connect().await?).await?;
        tokio::spawn(driver);
        Ok(connection)
    }

    async fn connect(&self) -> Result<TokioIo<TcpStream>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(TokioIo::new(stream))
    }
}
