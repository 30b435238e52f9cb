//! An embedded API server behind HTTP, and a kubectl that talks to it.

use std::{
    env,
    ffi::OsString,
    io::Write,
    process::{Output, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tidegate_api::definitions;
use tidegate_apiserver::{ApiServer, garbage, http};
use tidegate_clock::Clock;
use tokio::{io::AsyncWriteExt, net::TcpListener, process::Command};

/// The minor version of the first kubectl that validates on the server and edits subresources.
const OLDEST: u32 = 25;

/// The kubectl that `KUBECTL` names, or else the one on the path.
fn program() -> OsString {
    env::var_os("KUBECTL").unwrap_or_else(|| "kubectl".into())
}

/// A server that serves as long as it is held, with a shop in it.
pub struct Front {
    /// The server, for what no kubectl does.
    pub server: ApiServer,
    home: TempDir,
    kubeconfig: tempfile::NamedTempFile,
}

impl Front {
    /// Starts a server; nothing where there is no kubectl.
    pub async fn start() -> Option<Self> {
        let Ok(told) = Command::new(program()).args(["version", "--client", "--output=json"]).output().await else {
            assert!(env::var("CI").as_deref() != Ok("true"), "kubectl is missing");
            eprintln!("skipped: kubectl is not installed (KUBECTL)");
            return None;
        };
        let version: Value = serde_json::from_slice(&told.stdout).unwrap();
        let minor = version["clientVersion"]["minor"].as_str().unwrap().trim_end_matches('+').parse::<u32>().unwrap();
        if minor < OLDEST {
            eprintln!("skipped: kubectl 1.{minor} lacks what these tests type; 1.{OLDEST} has it");
            return None;
        }
        let server = ApiServer::new(Clock::System, 1);
        for definition in definitions() {
            server.create(serde_json::to_value(definition).unwrap(), "installer").unwrap();
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(http::serve(server.clone(), listener, std::future::pending()));
        tokio::spawn(garbage::collect(server.clone()));
        let mut kubeconfig = tempfile::NamedTempFile::new().unwrap();
        kubeconfig.write_all(http::kubeconfig("tidegate", port).as_bytes()).unwrap();
        Some(Self { server, home: TempDir::new().unwrap(), kubeconfig })
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(program());
        command
            .args(arguments.split_whitespace())
            .env("KUBECONFIG", self.kubeconfig.path())
            .env("HOME", self.home.path())
            .env_remove("KUBERNETES_MASTER")
            .kill_on_drop(true);
        command
    }

    /// Runs kubectl with `arguments`, and `input` on its standard input.
    async fn run(&self, arguments: &str, input: &str) -> Output {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).await.unwrap();
        drop(stdin);
        child.wait_with_output().await.unwrap()
    }

    /// What kubectl prints for `arguments`; it must succeed.
    pub async fn kubectl(&self, arguments: &str) -> String {
        self.kubectl_with(arguments, &Value::Null).await
    }

    /// What kubectl prints for `arguments` with a manifest on its standard input; it must succeed.
    pub async fn kubectl_with(&self, arguments: &str, manifest: &Value) -> String {
        let output = self.run(arguments, &manifest.to_string()).await;
        let (printed, complaint) = texts(&output);
        assert!(output.status.success(), "kubectl {arguments}: {complaint}{printed}");
        format!("{printed}{complaint}")
    }

    /// What kubectl complains about; it must fail.
    pub async fn refused(&self, arguments: &str, manifest: &Value) -> String {
        let output = self.run(arguments, &manifest.to_string()).await;
        let (printed, complaint) = texts(&output);
        assert!(!output.status.success(), "kubectl {arguments}: {printed}");
        complaint
    }

    /// What kubectl prints where it ends with 1, as it does to tell a difference.
    pub async fn differing(&self, arguments: &str, manifest: &Value) -> String {
        let output = self.run(arguments, &manifest.to_string()).await;
        let (printed, complaint) = texts(&output);
        assert_eq!(output.status.code(), Some(1), "kubectl {arguments}: {complaint}{printed}");
        printed
    }

    /// A kubectl that is still running, with its output piped.
    pub fn running(&self, arguments: &str) -> tokio::process::Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// The object as JSON.
    pub fn object(&self, kind: &str, name: &str) -> Value {
        self.server.get(kind, "default", name).unwrap().value().clone()
    }
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// A Deployment of two containers.
pub fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "checkout", "labels": {"app": "checkout"}},
        "spec": {
            "replicas": 2, "selector": {"matchLabels": {"app": "checkout"}},
            "template": {
                "metadata": {"labels": {"app": "checkout"}},
                "spec": {"containers": [{"name": "app", "image": "shop:1"}, {"name": "log", "image": "log:1"}]},
            },
        },
    })
}

/// A Rollout of that Deployment.
pub fn rollout() -> Value {
    json!({
        "apiVersion": "tidegate.dev/v1alpha1", "kind": "Rollout", "metadata": {"name": "checkout"},
        "spec": {"workload": {"kind": "Deployment", "name": "checkout"}, "service": "checkout"},
    })
}

/// A `ConfigMap` with one entry.
pub fn config_map(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"name": name}},
        "data": {"colour": "red"},
    })
}
