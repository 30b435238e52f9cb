//! Where the real components are on this machine.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use super::{control_plane::Kind, ports};

/// A release of Kubernetes, and the variable that says where its binaries are.
struct Release {
    version: &'static str,
    variable: &'static str,
}

const CURRENT: Release = Release { version: "1.37.2", variable: "KUBEBUILDER_ASSETS" };
const OLDEST: Release = Release { version: "1.20.2", variable: "OLDEST_KUBEBUILDER_ASSETS" };

/// The binaries and manifests that the rig is made of.
#[derive(Debug, Clone)]
pub struct Assets {
    binaries: PathBuf,
    /// The command line of Kubernetes.
    pub kubectl: PathBuf,
    /// The Prometheus server.
    pub prometheus: PathBuf,
    /// The CRDs of the Gateway API.
    pub gateway_api: PathBuf,
    /// The world's gateway; without one, it is played.
    pub gateway: Option<Program>,
}

/// The program of a real gateway.
#[derive(Debug, Clone)]
pub enum Program {
    /// It is told of the routes by the rig.
    Envoy(PathBuf),
    /// It reads them by itself.
    Traefik(PathBuf),
}

impl Assets {
    /// Finds everything, or says in one line what is missing. The embedded cluster needs none of the control plane's
    /// binaries.
    pub fn find(kind: Kind) -> Result<Self> {
        let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
        let binaries = match kind {
            Kind::Real => control_plane(&beside, &CURRENT)?,
            Kind::Oldest => control_plane(&beside, &OLDEST)?,
            Kind::Embedded => PathBuf::new(),
        };
        let kubectl = named("kubectl", "KUBECTL")?;
        let gateway_api =
            env::var_os("GATEWAY_API_CRDS").map_or_else(|| beside.join("crds/gateway-api.yaml"), PathBuf::from);
        if !gateway_api.is_file() {
            bail!("the CRDs of the Gateway API are not at {} (GATEWAY_API_CRDS)", gateway_api.display());
        }
        let prometheus = on_path("prometheus").context("prometheus is not on the PATH")?;
        Ok(Self { binaries, kubectl, prometheus, gateway_api, gateway: None })
    }

    /// The same with Envoy.
    pub fn find_with_envoy(kind: Kind) -> Result<Self> {
        Ok(Self { gateway: Some(Program::Envoy(named("envoy", "ENVOY")?)), ..Self::find(kind)? })
    }

    /// The same with Traefik.
    pub fn find_with_traefik(kind: Kind) -> Result<Self> {
        if !ports::pods_are_reachable() {
            bail!("pods have no addresses here: ip route add local 198.18.0.0/15 dev lo");
        }
        Ok(Self { gateway: Some(Program::Traefik(named("traefik", "TRAEFIK")?)), ..Self::find(kind)? })
    }

    /// The path of one of the control plane's binaries.
    pub fn binary(&self, name: &str) -> PathBuf {
        self.binaries.join(name)
    }
}

/// The folder of a control plane's binaries.
fn control_plane(beside: &Path, Release { version, variable }: &Release) -> Result<PathBuf> {
    let binaries = match env::var_os(variable) {
        Some(directory) => PathBuf::from(directory),
        None => {
            unpack(&beside.join("control-plane/assets"), version).with_context(|| format!("{variable} is not set"))?
        }
    };
    for name in ["etcd", "kube-apiserver", "kube-controller-manager"] {
        if !binaries.join(name).is_file() {
            bail!("{name} is not in {} ({variable})", binaries.display());
        }
    }
    Ok(binaries)
}

/// Runs the script that unpacks the control plane's binaries and prints where they are.
fn unpack(script: &Path, version: &str) -> Result<PathBuf> {
    let output =
        Command::new(script).arg(version).output().context("no control plane is shipped beside the repository")?;
    match String::from_utf8(output.stdout) {
        Ok(directory) if output.status.success() => Ok(directory.trim().into()),
        _ => bail!("{} failed: {}", script.display(), String::from_utf8_lossy(&output.stderr).trim()),
    }
}

/// A program that a variable may name instead of the PATH.
pub fn named(program: &str, variable: &str) -> Result<PathBuf> {
    let found = env::var_os(variable).map_or_else(|| on_path(program), |path| Some(PathBuf::from(path)));
    found.filter(|path| path.is_file()).with_context(|| format!("{program} is not on the PATH ({variable})"))
}

/// Where the shell would find `program`.
pub fn on_path(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|directory| directory.join(program)).find(|path| path.is_file())
}
