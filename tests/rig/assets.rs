//! Where the real components are on this machine.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use super::control_plane::Kind;

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
    /// Envoy, for a world that has it as its gateway; without it, the gateway is played.
    pub envoy: Option<PathBuf>,
}

impl Assets {
    /// Finds everything, or says in one line what is missing. The embedded cluster needs none of the control plane's
    /// binaries.
    pub fn find(kind: Kind) -> Result<Self, String> {
        let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
        let binaries = match kind {
            Kind::Real => control_plane(&beside, &CURRENT)?,
            Kind::Oldest => control_plane(&beside, &OLDEST)?,
            Kind::Embedded => PathBuf::new(),
        };
        let kubectl = on_path("kubectl").ok_or("kubectl is not on the PATH")?;
        let gateway_api =
            env::var_os("GATEWAY_API_CRDS").map_or_else(|| beside.join("crds/gateway-api.yaml"), PathBuf::from);
        if !gateway_api.is_file() {
            return Err(format!("the CRDs of the Gateway API are not at {} (GATEWAY_API_CRDS)", gateway_api.display()));
        }
        let prometheus = on_path("prometheus").ok_or("prometheus is not on the PATH")?;
        Ok(Self { binaries, kubectl, prometheus, gateway_api, envoy: None })
    }

    /// The same with Envoy.
    #[allow(dead_code, reason = "only what sends real packets has it")]
    pub fn find_with_envoy(kind: Kind) -> Result<Self, String> {
        let envoy = env::var_os("ENVOY").map_or_else(|| on_path("envoy"), |envoy| Some(PathBuf::from(envoy)));
        let envoy = envoy.filter(|envoy| envoy.is_file()).ok_or("envoy is not on the PATH (ENVOY)")?;
        Ok(Self { envoy: Some(envoy), ..Self::find(kind)? })
    }

    /// The CRDs of Traefik, which lie beside those of the Gateway API.
    pub fn traefik(&self) -> PathBuf {
        self.gateway_api.with_file_name("traefik.yaml")
    }

    /// The path of one of the control plane's binaries.
    pub fn binary(&self, name: &str) -> PathBuf {
        self.binaries.join(name)
    }
}

/// The folder of a control plane's binaries.
fn control_plane(beside: &Path, Release { version, variable }: &Release) -> Result<PathBuf, String> {
    let binaries = match env::var_os(variable) {
        Some(directory) => PathBuf::from(directory),
        None => unpack(&beside.join("control-plane/assets"), version)
            .map_err(|why| format!("{variable} is not set, and {why}"))?,
    };
    for name in ["etcd", "kube-apiserver", "kube-controller-manager"] {
        if !binaries.join(name).is_file() {
            return Err(format!("{name} is not in {} ({variable})", binaries.display()));
        }
    }
    Ok(binaries)
}

/// Runs the script that unpacks the control plane's binaries and prints where they are.
fn unpack(script: &Path, version: &str) -> Result<PathBuf, String> {
    let output = Command::new(script)
        .arg(version)
        .output()
        .map_err(|_| "no control plane is shipped beside the repository".to_owned())?;
    match String::from_utf8(output.stdout) {
        Ok(directory) if output.status.success() => Ok(directory.trim().into()),
        _ => Err(format!("{} failed: {}", script.display(), String::from_utf8_lossy(&output.stderr).trim())),
    }
}

/// Where the shell would find `program`.
pub fn on_path(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|directory| directory.join(program)).find(|path| path.is_file())
}
