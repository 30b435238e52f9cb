//! A server over TLS, with the control plane's keys, that answers one request for each connection.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    sync::Arc,
    thread::sleep,
    time::Duration,
};

use anyhow::Result;
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{net::TcpListener, task::AbortHandle};

/// What was asked.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// The path of the address.
    pub path: String,
    /// The headers, with small letters.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

/// What is answered.
#[derive(Debug, Clone, Default)]
pub struct Response {
    /// The status of HTTP.
    pub status: u16,
    /// Further headers, such as a type or a location.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
    /// How long it takes.
    pub after: Duration,
}

impl Response {
    /// JSON, with that status.
    #[must_use]
    pub fn json(status: u16, body: String) -> Self {
        let headers = vec![("Content-Type", "application/json".to_owned())];
        Self { status, headers, body, after: Duration::ZERO }
    }
}

/// Serves at the address that it answers with, with the keys in `directory`.
pub async fn serve(
    directory: &Path,
    answer: impl Fn(&Asked) -> Response + Send + Sync + 'static,
) -> Result<(String, AbortHandle)> {
    let tls = Arc::new(config(directory)?);
    let answer = Arc::new(answer);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("https://{}", listener.local_addr()?);
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (tls, answer) = (tls.clone(), answer.clone());
            tokio::task::spawn_blocking(move || {
                // A client that goes away says so itself.
                let _ = stream.into_std().map_err(anyhow::Error::from).and_then(|stream| one(tls, stream, &*answer));
            });
        }
    });
    Ok((url, task.abort_handle()))
}

fn config(directory: &Path) -> Result<ServerConfig> {
    let certificate = CertificateDer::from_pem_file(directory.join("server.crt"))?;
    let key = PrivateKeyDer::from_pem_file(directory.join("server.key"))?;
    Ok(ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key)?)
}

/// One request, one answer.
fn one(tls: Arc<ServerConfig>, stream: TcpStream, answer: &dyn Fn(&Asked) -> Response) -> Result<()> {
    stream.set_nonblocking(false)?;
    let mut reader = BufReader::new(StreamOwned::new(ServerConnection::new(tls)?, stream));
    let mut asked = Asked::default();
    let mut line = String::new();
    reader.read_line(&mut line)?;
    line.split(' ').nth(1).unwrap_or_default().clone_into(&mut asked.path);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        asked.headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = asked.headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    asked.body = vec![0; length];
    reader.read_exact(&mut asked.body)?;
    let Response { status, headers, body, after } = answer(&asked);
    sleep(after);
    let stream = reader.get_mut();
    write!(stream, "HTTP/1.1 {status} \r\nConnection: close\r\nContent-Length: {}\r\n", body.len())?;
    for (name, value) in headers {
        write!(stream, "{name}: {value}\r\n")?;
    }
    write!(stream, "\r\n{body}")?;
    stream.conn.send_close_notify();
    stream.flush()?;
    Ok(())
}
