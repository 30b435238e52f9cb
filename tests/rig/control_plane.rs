//! etcd, kube-apiserver and kube-controller-manager, as released, on loopback.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::json;
use tempfile::TempDir;

use super::{assets::Assets, certificates, modern_crds::ModernCrds, ports, process::Process, wait::until};

const START: Duration = Duration::from_mins(1);

/// Who speaks to the API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// The user, the kubelet and the gateway.
    Admin,
    /// The controller manager.
    Controllers,
    /// Tidegate, under its own service account.
    Operator,
}

impl Identity {
    const ALL: [Self; 3] = [Self::Admin, Self::Controllers, Self::Operator];

    /// The name in the audit log.
    pub const fn user(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Controllers => "system:kube-controller-manager",
            Self::Operator => "system:serviceaccount:tidegate-system:tidegate",
        }
    }

    const fn token(self) -> &'static str {
        match self {
            Self::Admin => "admin-token",
            Self::Controllers => "controllers-token",
            Self::Operator => "operator-token",
        }
    }

    const fn groups(self) -> &'static str {
        match self {
            Self::Admin | Self::Controllers => "system:masters",
            Self::Operator => "system:serviceaccounts,system:serviceaccounts:tidegate-system,system:authenticated",
        }
    }
}

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
pub struct ControlPlane {
    /// As the administrator.
    pub client: Client,
    modern: tokio::sync::OnceCell<ModernCrds>,
    assets: Assets,
    etcd_url: String,
    url: String,
    // Dropped in this order: what depends on another goes before it.
    _controllers: Process,
    _api_server: Process,
    _etcd: Process,
    directory: TempDir,
}

impl ControlPlane {
    /// Starts everything, and returns when it answers.
    pub async fn start(assets: &Assets) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("tidegate-rig-").tempdir()?;
        let at = directory.path();
        certificates::write(at)?;
        fs::write(at.join("audit.yaml"), AUDIT_POLICY)?;
        let tokens = Identity::ALL.map(|who| format!("{0},{1},{1},\"{2}\"\n", who.token(), who.user(), who.groups()));
        fs::write(at.join("tokens.csv"), tokens.concat())?;

        let etcd_url = format!("http://127.0.0.1:{}", ports::free()?);
        let etcd = start_etcd(assets, at, &etcd_url)?;
        let port = ports::free()?;
        let url = format!("https://127.0.0.1:{port}");
        let api_server = start_api_server(assets, at, &etcd_url, port)?;
        for who in Identity::ALL {
            write_kubeconfig(at, &url, who)?;
        }
        let client = connect(at, &url, Identity::Admin).await?;
        api_server
            .until_ready(START, || async {
                let Ok(request) = http::Request::get("/readyz").body(Vec::new()) else { return false };
                client.request_text(request).await.is_ok()
            })
            .await?;
        let controllers = start_controllers(assets, at)?;
        let namespaces = Api::<Namespace>::all(client.clone());
        until("the namespace default", START, || async { namespaces.get_opt("default").await.ok().flatten() }).await?;
        Ok(Self {
            client,
            modern: tokio::sync::OnceCell::new(),
            assets: assets.clone(),
            etcd_url,
            url,
            _controllers: controllers,
            _api_server: api_server,
            _etcd: etcd,
            directory,
        })
    }

    /// The CRD server of a current Kubernetes, started with its first use.
    pub async fn modern(&self) -> Result<&ModernCrds> {
        self.modern.get_or_try_init(|| ModernCrds::start(&self.assets, self.directory(), &self.etcd_url)).await
    }

    /// Where keys, kubeconfigs and logs lie while the control plane runs.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A kubeconfig file with which a process speaks to the API server as `who`.
    pub fn kubeconfig(&self, who: Identity) -> PathBuf {
        kubeconfig_path(self.directory(), who)
    }

    /// A client that speaks as `who`.
    pub async fn client(&self, who: Identity) -> Result<Client> {
        connect(self.directory(), &self.url, who).await
    }

    /// The API server's audit log: one JSON document a line.
    pub fn audit_log(&self) -> PathBuf {
        self.directory().join("audit.log")
    }
}

fn kubeconfig_path(directory: &Path, who: Identity) -> PathBuf {
    directory.join(format!("{who:?}.kubeconfig").to_lowercase())
}

fn write_kubeconfig(directory: &Path, url: &str, who: Identity) -> Result<()> {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{
            "name": "rig",
            "cluster": {"server": url, "certificate-authority": directory.join("ca.crt")},
        }],
        "users": [{"name": "user", "user": {"token": who.token()}}],
        "contexts": [{"name": "rig", "context": {"cluster": "rig", "user": "user"}}],
        "current-context": "rig",
    });
    fs::write(kubeconfig_path(directory, who), config.to_string())?;
    Ok(())
}

/// A client for the server at `url`, which need not be the one that the kubeconfig names.
pub(super) async fn connect(directory: &Path, url: &str, who: Identity) -> Result<Client> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig_path(directory, who))?;
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    config.cluster_url = url.parse()?;
    Client::try_from(config).context("no client for the API server")
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

fn start_controllers(assets: &Assets, directory: &Path) -> Result<Process> {
    let arguments = [
        format!("--kubeconfig={}", kubeconfig_path(directory, Identity::Controllers).display()),
        "--leader-elect=false".to_owned(),
        "--port=0".to_owned(),
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
    Process::start(&assets.binary("kube-controller-manager"), arguments, &[], ("kube-controller-manager", directory))
}
