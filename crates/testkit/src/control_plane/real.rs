//! etcd, kube-apiserver and kube-controller-manager, as released, on loopback.

use std::{fs, path::Path, time::Duration};

use anyhow::Result;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;

use super::{
    Kind,
    identity::{Identity, connect, kubeconfig_path, write_kubeconfigs},
};
use crate::{assets::Assets, certificates, ports, process::Process, wait::until};

const START: Duration = Duration::from_mins(1);

/// Metadata of every request, and the weights of every route; the controllers' and the API server's own reads are of
/// no interest.
const AUDIT_POLICY: &str = r#"
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: None, users: ["system:apiserver", "system:anonymous"]}
- {level: None, users: ["admin", "system:kube-controller-manager"], verbs: [get, list, watch]}
- {level: Request, verbs: [update], resources: [{group: gateway.networking.k8s.io, resources: [httproutes]}]}
- {level: Metadata}
"#;

/// A running control plane. Ends with its last field, whatever happens.
pub struct Real {
    /// Where the API server answers.
    pub url: String,
    // Dropped in this order: what depends on another goes before it.
    _controllers: Process,
    _api_server: Process,
    _etcd: Process,
}

impl Real {
    /// Starts everything in `directory`, and returns when it answers.
    pub async fn start(assets: &Assets, kind: Kind, directory: &Path) -> Result<Self> {
        certificates::write(directory)?;
        fs::write(directory.join("audit.yaml"), AUDIT_POLICY)?;
        let tokens =
            Identity::ALL.map(|who| format!("{0},{1},{1},\"{2}\"\n", who.token(), who.user(), who.groups().join(",")));
        fs::write(directory.join("tokens.csv"), tokens.concat())?;

        let etcd_url = format!("http://127.0.0.1:{}", ports::free()?);
        let etcd = start_etcd(assets, directory, &etcd_url)?;
        let port = ports::free()?;
        let url = format!("https://127.0.0.1:{port}");
        let api_server = start_api_server(assets, directory, &etcd_url, port)?;
        write_kubeconfigs(directory, &url)?;
        let client = connect(directory, &url, Identity::Admin).await?;
        api_server
            .until_ready(START, || async {
                let Ok(request) = http::Request::get("/readyz").body(Vec::new()) else { return false };
                client.request_text(request).await.is_ok()
            })
            .await?;
        let controllers = start_controllers(assets, kind, directory)?;
        let namespaces = Api::<Namespace>::all(client);
        until("the namespace default", START, || async { namespaces.get_opt("default").await.ok().flatten() }).await?;
        Ok(Self { url, _controllers: controllers, _api_server: api_server, _etcd: etcd })
    }
}

fn start_etcd(assets: &Assets, directory: &Path, url: &str) -> Result<Process> {
    let peer = format!("http://127.0.0.1:{}", ports::free()?);
    let data = directory.join("etcd");
    let arguments = [
        &format!("--data-dir={}", data.display()),
        &format!("--listen-client-urls={url}"),
        &format!("--advertise-client-urls={url}"),
        &format!("--listen-peer-urls={peer}"),
        "--unsafe-no-fsync",
        "--log-level=error",
    ];
    Process::start(&assets.binary("etcd"), arguments, &[], ("etcd", directory))
}

fn start_api_server(assets: &Assets, directory: &Path, etcd_url: &str, port: u16) -> Result<Process> {
    let file = |name: &str| directory.join(name).display().to_string();
    let arguments = [
        format!("--etcd-servers={etcd_url}"),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={port}"),
        format!("--tls-cert-file={}", file("server.crt")),
        format!("--tls-private-key-file={}", file("server.key")),
        "--service-account-issuer=https://kubernetes.default".to_owned(),
        format!("--service-account-key-file={}", file("sa.pub")),
        format!("--service-account-signing-key-file={}", file("sa.key")),
        format!("--token-auth-file={}", file("tokens.csv")),
        "--authorization-mode=RBAC".to_owned(),
        "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
        "--disable-admission-plugins=ServiceAccount".to_owned(),
        format!("--audit-policy-file={}", file("audit.yaml")),
        format!("--audit-log-path={}", file("audit.log")),
        "--audit-log-mode=blocking".to_owned(),
        // Without it the log is rotated at 100 MB, and writes would be missed.
        "--audit-log-maxsize=100000".to_owned(),
        "--enable-priority-and-fairness=false".to_owned(),
        "--max-requests-inflight=0".to_owned(),
        "--max-mutating-requests-inflight=0".to_owned(),
    ];
    Process::start(&assets.binary("kube-apiserver"), arguments, &[], ("kube-apiserver", directory))
}

fn start_controllers(assets: &Assets, kind: Kind, directory: &Path) -> Result<Process> {
    let mut arguments = vec![
        format!("--kubeconfig={}", kubeconfig_path(directory, Identity::Controllers).display()),
        "--leader-elect=false".to_owned(),
        format!("--secure-port={}", ports::free()?),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--cert-dir={}", directory.display()),
        "--controllers=deployment,replicaset,garbagecollector,endpoint,endpointslice,namespace,\
         horizontalpodautoscaling,job"
            .to_owned(),
        // The defaults of 20 and 30 are for clusters that have all day.
        "--kube-api-qps=1000".to_owned(),
        "--kube-api-burst=2000".to_owned(),
    ];
    if kind == Kind::Oldest {
        // Later versions have no port without TLS that could be taken, and refuse the flag.
        arguments.push("--port=0".to_owned());
    }
    Process::start(&assets.binary("kube-controller-manager"), arguments, &[], ("kube-controller-manager", directory))
}
