//! The control plane below a world: Kubernetes' own programs, or the embedded cluster in their place.

mod embedded;
mod front_door;
mod identity;
mod real;

use std::{
    fmt,
    path::{Path, PathBuf},
};

use anyhow::Result;
use kube::Client;
use tempfile::TempDir;

use self::{embedded::Embedded, real::Real};
use super::assets::Assets;

pub use self::{
    front_door::Reviews,
    identity::{Identity, kubeconfig_path},
};

/// Which control plane it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// etcd, kube-apiserver and kube-controller-manager, as released.
    Real,
    /// The same of the oldest version on which Tidegate is tested. It drops the rules of CRDs: those in CEL are younger.
    Oldest,
    /// The embedded cluster of `tidegate_sim`, over HTTP.
    Embedded,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Real => "control plane",
            Self::Oldest => "oldest",
            Self::Embedded => "embedded",
        })
    }
}

/// A running control plane. Ends with its last field, whatever happens.
pub struct ControlPlane {
    /// As the administrator.
    pub client: Client,
    /// Which one it is.
    pub kind: Kind,
    assets: Assets,
    url: String,
    // Dropped in this order: what depends on another goes before it.
    programs: Programs,
    directory: TempDir,
}

enum Programs {
    Real { _running: Box<Real> },
    Embedded(Embedded),
}

impl ControlPlane {
    /// Starts everything, and returns when it answers.
    pub async fn start(assets: &Assets, kind: Kind) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("tidegate-rig-").tempdir()?;
        let (programs, url) = match kind {
            Kind::Real | Kind::Oldest => {
                let real = Real::start(assets, kind, directory.path()).await?;
                let url = real.url.clone();
                (Programs::Real { _running: Box::new(real) }, url)
            }
            Kind::Embedded => {
                let embedded = Embedded::start(directory.path()).await?;
                let url = embedded.url.clone();
                (Programs::Embedded(embedded), url)
            }
        };
        let client = identity::connect(directory.path(), &url, Identity::Admin).await?;
        Ok(Self { client, kind, assets: assets.clone(), url, programs, directory })
    }

    /// Another one beside it, with nothing in it.
    pub async fn another(&self, kind: Kind) -> Result<Self> {
        Self::start(&self.assets, kind).await
    }

    /// Where keys, kubeconfigs and logs lie while the control plane runs.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Where the API server answers.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A kubeconfig file with which a process speaks to the API server as `who`.
    pub fn kubeconfig(&self, who: Identity) -> PathBuf {
        identity::kubeconfig_path(self.directory(), who)
    }

    /// A client that speaks as `who`.
    pub async fn client(&self, who: Identity) -> Result<Client> {
        identity::connect(self.directory(), &self.url, who).await
    }

    /// Who has a say in changes, where that takes no webhook.
    pub fn reviews(&self) -> Option<&Reviews> {
        match &self.programs {
            Programs::Real { .. } => None,
            Programs::Embedded(embedded) => Some(&embedded.reviews),
        }
    }

    /// The API server's audit log: one JSON document a line.
    pub fn audit_log(&self) -> PathBuf {
        self.directory().join("audit.log")
    }
}
