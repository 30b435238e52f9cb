//! A real Prometheus that is given its samples.

use std::{
    ffi::OsStr,
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::{application::Application, remote_write};

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_mins(1);

/// So many series are written at once.
const BATCH: usize = 540;

pub struct Store {
    port: u16,
    child: Child,
    _directory: TempDir,
}

impl Store {
    pub fn start(program: &OsStr) -> Result<Self> {
        let directory = TempDir::new()?;
        fs::write(directory.path().join("empty.yml"), "global: {}\n")?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Command::new(program)
            .args(["--config.file=empty.yml", "--storage.tsdb.path=data", "--web.enable-remote-write-receiver"])
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .current_dir(directory.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("there is no Prometheus on this machine")?;
        let store = Self { port, child, _directory: directory };
        let deadline = Instant::now() + PATIENCE;
        while !store.request("GET", "/-/ready", &[]).is_ok_and(|answer| answer.starts_with(b"HTTP/1.0 200")) {
            ensure!(Instant::now() < deadline, "Prometheus does not start");
            thread::sleep(Duration::from_millis(50));
        }
        Ok(store)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Writes all that the application counted.
    pub fn write(&self, application: &Application) -> Result<()> {
        for (pod, born) in application.pods() {
            let series: Vec<_> = application.histograms(pod, born).collect();
            for batch in series.chunks(BATCH) {
                let body = remote_write::request(batch.iter().map(|(labels, points)| (labels, points.as_slice())));
                let answer = self.request("POST", "/api/v1/write", &body)?;
                let head = String::from_utf8_lossy(&answer).into_owned();
                ensure!(head.starts_with("HTTP/1.0 204") || head.starts_with("HTTP/1.0 200"), "not written: {head}");
            }
        }
        Ok(())
    }

    /// How many bytes the answer to a question has that is asked without compression.
    pub fn asked_plainly(&self, form: &str) -> Result<usize> {
        let answer = self.request("GET", &format!("/api/v1/query?{form}"), &[])?;
        ensure!(answer.starts_with(b"HTTP/1.0 200"), "{}", String::from_utf8_lossy(&answer));
        Ok(answer.len())
    }

    /// By HTTP/1.0, after whose answer the connection ends.
    fn request(&self, method: &str, path: &str, body: &[u8]) -> Result<Vec<u8>> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Encoding: snappy\r\nContent-Type: application/x-protobuf\r\nContent-Length: {length}\r\n\r\n"
        )?;
        stream.write_all(body)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
