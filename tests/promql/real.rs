//! The real Prometheus, with the same samples.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{remote_write, samples::Samples};

/// A running server; it ends with this.
pub struct Real {
    address: String,
    process: Child,
    _directory: TempDir,
}

impl Real {
    /// Starts the `prometheus` of the machine and tells it the samples. Without one the test is skipped, except on CI.
    pub fn start(samples: &Samples) -> Option<Self> {
        let directory = TempDir::new().unwrap();
        std::fs::write(directory.path().join("prometheus.yml"), "scrape_configs: []\n").unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let started = Command::new("prometheus")
            .current_dir(directory.path())
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--web.enable-remote-write-receiver"])
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let process = match started {
            Ok(process) => process,
            Err(error) => {
                assert!(
                    std::env::var("CI").as_deref() != Ok("true"),
                    "there is no prometheus on this machine: {error}"
                );
                println!("skipped: there is no prometheus on this machine");
                return None;
            }
        };
        let real = Self { address, process, _directory: directory };
        let deadline = Instant::now() + Duration::from_mins(1);
        while real.request("GET", "/-/ready", "", &[]).is_none_or(|(status, _)| status != 200) {
            assert!(Instant::now() < deadline, "prometheus is not ready");
            std::thread::sleep(Duration::from_millis(20));
        }
        let all = samples.0.iter().map(|(labels, points)| (labels, points.as_slice()));
        let headers = "Content-Encoding: snappy\r\nX-Prometheus-Remote-Write-Version: 0.1.0\r\n";
        let told = real.request("POST", "/api/v1/write", headers, &remote_write::request(all));
        assert_eq!(told, Some((204, String::new())));
        Some(real)
    }

    /// Status and answer of a request with these parameters.
    pub fn ask(&self, path: &str, parameters: &str) -> (u16, Value) {
        let form = "Content-Type: application/x-www-form-urlencoded\r\n";
        let (status, body) = self.request("POST", path, form, parameters.as_bytes()).unwrap();
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    fn request(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        let head = format!("{method} {path} HTTP/1.0\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(body).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
