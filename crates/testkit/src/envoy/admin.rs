//! What Envoy says of itself.

use std::{fs, net::SocketAddr, path::Path, time::Duration};

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::time::{Instant, sleep};

/// The subscription that brings clusters.
pub const CLUSTERS: &str = "cluster_manager.cds";

/// The subscription that brings routes.
pub const ROUTES: &str = "http.gateway.rds.routes";

/// Short, because reloads are measured.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Its administration.
pub struct Admin {
    /// As `host:port`.
    pub address: String,
    http: reqwest::Client,
}

impl Admin {
    /// The one whose address Envoy wrote into a file, once it has.
    pub fn at(file: &Path, http: &reqwest::Client) -> Option<Self> {
        let address = fs::read_to_string(file).ok()?.trim().to_owned();
        (!address.is_empty()).then(|| Self { address, http: http.clone() })
    }

    /// The address on which its one listener accepts.
    pub async fn listener(&self) -> Result<SocketAddr> {
        let listeners: Value = serde_json::from_str(&self.get("listeners?format=json").await?)?;
        let socket = &listeners["listener_statuses"][0]["local_address"]["socket_address"];
        let address = format!("{}:{}", socket["address"].as_str().context("no listener yet")?, socket["port_value"]);
        Ok(address.parse()?)
    }

    /// Waits until a subscription has taken a version over; whether it has within `deadline`.
    pub async fn takes_over(&self, subscription: &str, version: u64, deadline: Duration) -> Result<bool> {
        let end = Instant::now() + deadline;
        let question = format!("stats?type=TextReadouts&filter=^{subscription}.version_text$");
        let wanted = format!("\"{version}\"");
        loop {
            if self.get(&question).await?.contains(&wanted) {
                return Ok(true);
            }
            if Instant::now() >= end {
                return Ok(false);
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn get(&self, question: &str) -> Result<String> {
        let answer = self.http.get(format!("http://{}/{question}", self.address)).send().await?;
        Ok(answer.error_for_status()?.text().await?)
    }
}
