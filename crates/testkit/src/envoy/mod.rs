//! Envoy as the gateway: a process on loopback, configured through files that it watches.

mod adapter;
mod admin;
mod clusters;
mod files;
mod filters;
mod matches;
mod routes;

use std::{
    ffi::OsStr,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use serde_json::Value;
use tempfile::TempDir;

use self::admin::Admin;
use super::process::Process;

pub use self::{
    adapter::{Adapter, Reload},
    routes::authority,
};

const START: Duration = Duration::from_secs(30);

/// A running Envoy; killed when dropped.
pub struct Envoy {
    /// Where customers send their requests.
    pub address: SocketAddr,
    admin: Admin,
    process: Process,
    directory: TempDir,
}

impl Envoy {
    /// Starts it without any route, on ports that the system chooses.
    pub async fn start(program: &Path, http: reqwest::Client) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("tidegate-envoy-").tempdir()?;
        let bootstrap = files::begin(directory.path())?;
        let admin_address = directory.path().join("admin");
        let arguments = [
            OsStr::new("--config-path"),
            bootstrap.as_os_str(),
            OsStr::new("--admin-address-path"),
            admin_address.as_os_str(),
            OsStr::new("--disable-hot-restart"),
            OsStr::new("--concurrency"),
            OsStr::new("2"),
            OsStr::new("--log-level"),
            OsStr::new("warning"),
        ];
        let process = Process::start(program, arguments, &[], ("envoy", directory.path()))?;
        let find = || async {
            match Admin::at(&admin_address, &http) {
                Some(admin) => admin.listener().await.is_ok(),
                None => false,
            }
        };
        process.until_ready(START, find).await?;
        let admin = Admin::at(&admin_address, &http).context("Envoy's administration has gone")?;
        let address = admin.listener().await?;
        Ok(Self { address, admin, process, directory })
    }

    /// Where it tells about itself, as `host:port`.
    pub fn administration(&self) -> &str {
        &self.admin.address
    }

    /// Its last words.
    fn log(&self) -> String {
        self.process.tail(10)
    }

    fn files(&self) -> PathBuf {
        self.directory.path().to_owned()
    }
}

/// The items of a list that may be missing.
fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
