//! The real kubectl before one of the servers.

use std::{ffi::OsStr, path::PathBuf, process::Stdio};

use anyhow::Result;
use serde_json::Value;
use tempfile::TempDir;
use tidegate_testkit::{
    assets::Assets,
    control_plane::{ControlPlane, Identity, Kind},
};
use tokio::{io::AsyncWriteExt, process::Command};

use crate::normal::normal;

/// The namespace that everything happens in.
const NAMESPACE: &str = "shop";

/// kubectl, as the administrator of a control plane that runs as long as it is held.
pub struct Kubectl {
    program: PathBuf,
    /// What it talks to.
    pub control_plane: ControlPlane,
    cache: TempDir,
}

/// What kubectl printed, without what is of chance, and how it ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Printed {
    pub code: i32,
    pub output: String,
    pub complaint: String,
}

impl Kubectl {
    /// Starts a control plane, and puts kubectl before it.
    pub async fn before(assets: &Assets, kind: Kind, program: &OsStr) -> Result<Self> {
        let control_plane = ControlPlane::start(assets, kind).await?;
        Ok(Self { program: program.into(), control_plane, cache: tempfile::tempdir()? })
    }

    /// Types `arguments`, with `input` on the standard input.
    pub async fn run(&self, arguments: &str, input: &str) -> Printed {
        let mut command = Command::new(&self.program);
        command
            .args(["--namespace", NAMESPACE])
            .arg("--cache-dir")
            .arg(self.cache.path())
            .args(words(arguments))
            .env("KUBECONFIG", self.control_plane.kubeconfig(Identity::Admin))
            .env("HOME", self.cache.path())
            .env("KUBECTL_EXTERNAL_DIFF", "diff -u")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // What does not read its input may have ended by now.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let output = child.wait_with_output().await.unwrap();
        let [printed, complaint] = [output.stdout, output.stderr].map(|bytes| normal(&String::from_utf8_lossy(&bytes)));
        Printed { code: output.status.code().unwrap_or(-1), output: printed, complaint }
    }

    /// The minor version of the kubectl or of the server.
    pub async fn minor(&self, of: &str) -> u32 {
        let told = self.run("version --output=json", "").await;
        let told: Value = serde_json::from_str(&told.output).unwrap();
        told[of]["minor"].as_str().unwrap().trim_end_matches('+').parse().unwrap()
    }
}

/// The words of a line, of which those between quotation marks are one.
fn words(line: &str) -> Vec<String> {
    let outside_and_inside = line.split('\'').enumerate();
    let mut words = vec![String::new()];
    for (index, part) in outside_and_inside {
        if index % 2 == 1 {
            words.last_mut().unwrap().push_str(part);
            continue;
        }
        for (index, word) in part.split(' ').enumerate() {
            if index > 0 {
                words.push(String::new());
            }
            words.last_mut().unwrap().push_str(word);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}
