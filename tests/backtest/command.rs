//! Runs the built binary.

use std::{path::Path, process::Command};

use serde_json::Value;
use tempfile::TempDir;

use crate::past::Past;

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    pub code: i32,
    pub printed: String,
    pub complaint: String,
}

impl Outcome {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.printed).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A Rollout of the shop with these checks, in two stages of five minutes.
pub fn rollout(checks: &str) -> String {
    format!(
        "apiVersion: tidegate.dev/v1alpha1
kind: Rollout
metadata: {{name: checkout, namespace: shop}}
spec:
  workload: {{kind: Deployment, name: checkout}}
  service: checkout
  stages: [{{name: canary, weight: 25%, bake: 5m}}, {{name: full, weight: 100%, bake: 5m}}]
  traffic: {{gatewayAPI: {{routes: [{{name: checkout}}]}}}}
  analysis:
    interval: 15s
    checks: {checks}
"
    )
}

pub const ERRORS: &str = "[{name: errors, errorRate: {preset: pod-http, max: 1%}}]";

fn run(folder: &Path, arguments: &[&str]) -> Outcome {
    let output = Command::new(env!("CARGO_BIN_EXE_tidegate")).args(arguments).current_dir(folder).output().unwrap();
    Outcome {
        code: output.status.code().unwrap_or_else(|| panic!("{:?}", output.status)),
        printed: String::from_utf8(output.stdout).unwrap(),
        complaint: String::from_utf8(output.stderr).unwrap(),
    }
}

/// `tidegate COMMAND rollout.yaml` with these arguments.
pub async fn on_file(command: &str, rollout: &str, arguments: &[&str]) -> Outcome {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("rollout.yaml"), rollout).unwrap();
    let all: Vec<_> = [command, "rollout.yaml"].iter().chain(arguments).map(|text| (*text).to_owned()).collect();
    // The server of the test runs on these threads too.
    tokio::task::spawn_blocking(move || run(folder.path(), &all.iter().map(String::as_str).collect::<Vec<_>>()))
        .await
        .unwrap()
}

/// The same with the Prometheus of `past`.
pub async fn on(past: &Past, command: &str, rollout: &str, arguments: &[&str]) -> Outcome {
    on_file(command, rollout, &[&["--prometheus", past.server.url.as_str()], arguments].concat()).await
}
