//! Who speaks to the API server, and how it knows.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::json;

/// Who speaks to the API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// The user, the kubelet and the gateway.
    Admin,
    /// The controller manager.
    Controllers,
    /// Tidegate, under its own service account.
    Operator,
    /// Tidegate, where somebody made its role by hand: it may read everything, and lead, and write nothing.
    Onlooker,
}

impl Identity {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Admin, Self::Controllers, Self::Operator, Self::Onlooker];

    /// The name in the audit log.
    pub const fn user(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Controllers => "system:kube-controller-manager",
            Self::Operator => "system:serviceaccount:tidegate-system:tidegate",
            Self::Onlooker => "system:serviceaccount:tidegate-system:onlooker",
        }
    }

    /// What it shows to the API server.
    pub const fn token(self) -> &'static str {
        match self {
            Self::Admin => "admin-token",
            Self::Controllers => "controllers-token",
            Self::Operator => "operator-token",
            Self::Onlooker => "onlooker-token",
        }
    }

    /// The groups that it belongs to.
    pub const fn groups(self) -> &'static [&'static str] {
        match self {
            Self::Admin | Self::Controllers => &["system:masters"],
            Self::Operator | Self::Onlooker => {
                &["system:serviceaccounts", "system:serviceaccounts:tidegate-system", "system:authenticated"]
            }
        }
    }
}

/// Where the kubeconfig file of `who` lies.
pub fn kubeconfig_path(directory: &Path, who: Identity) -> PathBuf {
    directory.join(format!("{who:?}.kubeconfig").to_lowercase())
}

/// Writes the kubeconfig files of everybody; over https, `ca.crt` in `directory` vouches for the server.
pub fn write_kubeconfigs(directory: &Path, url: &str) -> Result<()> {
    let mut cluster = json!({"server": url});
    if url.starts_with("https:") {
        cluster["certificate-authority"] = json!(directory.join("ca.crt"));
    }
    for who in Identity::ALL {
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "rig", "cluster": cluster}],
            "users": [{"name": "user", "user": {"token": who.token()}}],
            "contexts": [{"name": "rig", "context": {"cluster": "rig", "user": "user"}}],
            "current-context": "rig",
        });
        fs::write(kubeconfig_path(directory, who), config.to_string())?;
    }
    Ok(())
}

/// A client for the server at `url`, which need not be the one that the kubeconfig names.
pub async fn connect(directory: &Path, url: &str, who: Identity) -> Result<Client> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig_path(directory, who))?;
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    config.cluster_url = url.parse()?;
    Client::try_from(config).context("no client for the API server")
}
