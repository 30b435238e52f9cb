//! What does a current Kubernetes say to our CRDs? The CRD server of 1.36 beside the older control plane, with the
//! same etcd under a prefix of its own: schema, CEL rules with their cost budget, defaulting, pruning.

use std::{path::Path, time::Duration};

use anyhow::Result;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, Client, api::ListParams};

use super::identity::{Identity, connect};
use crate::rig::{assets::Assets, ports, process::Process};

const START: Duration = Duration::from_mins(1);

/// A running CRD server. It has no `/api` or `/apis` index: typed requests only.
pub struct ModernCrds {
    /// As the administrator.
    pub client: Client,
    _server: Process,
}

impl ModernCrds {
    pub async fn start(assets: &Assets, directory: &Path, etcd_url: &str) -> Result<Self> {
        let port = ports::free()?;
        let file = |name: &str| directory.join(name).display().to_string();
        let arguments = [
            format!("--etcd-servers={etcd_url}"),
            "--etcd-prefix=/modern".to_owned(),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={port}"),
            format!("--tls-cert-file={}", file("server.crt")),
            format!("--tls-private-key-file={}", file("server.key")),
            format!("--kubeconfig={}", file("admin.kubeconfig")),
            format!("--authentication-kubeconfig={}", file("admin.kubeconfig")),
            format!("--authorization-kubeconfig={}", file("admin.kubeconfig")),
            "--authentication-tolerate-lookup-failure".to_owned(),
            "--enable-priority-and-fairness=false".to_owned(),
            "--disable-admission-plugins=ValidatingAdmissionPolicy,MutatingAdmissionPolicy,\
             ValidatingAdmissionWebhook,MutatingAdmissionWebhook,NamespaceLifecycle"
                .to_owned(),
        ];
        let name = "apiextensions-apiserver";
        let server = Process::start(&assets.binary(name), arguments, &[], (name, directory))?;
        let client = connect(directory, &format!("https://127.0.0.1:{port}"), Identity::Admin).await?;
        let crds = Api::<CustomResourceDefinition>::all(client.clone());
        server.until_ready(START, || async { crds.list(&ListParams::default().limit(1)).await.is_ok() }).await?;
        Ok(Self { client, _server: server })
    }
}
