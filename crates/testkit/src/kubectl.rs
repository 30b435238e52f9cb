//! The real `kubectl`, as the administrator.

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use super::{control_plane::Identity, shop::Shop, world::World};

impl World {
    /// What `kubectl` answers in the shop's namespace.
    pub async fn kubectl(&self, shop: &Shop, arguments: &[&str]) -> Result<String> {
        let program = &self.assets.kubectl;
        let output = Command::new(program)
            .args(arguments)
            .args(["--namespace", &shop.namespace])
            .arg("--cache-dir")
            .arg(self.control_plane.directory().join("kubectl-cache"))
            .env("KUBECONFIG", self.control_plane.kubeconfig(Identity::Admin))
            .kill_on_drop(true)
            .output()
            .await
            .with_context(|| format!("{} does not start", program.display()))?;
        let words = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "kubectl {} failed: {}", arguments.join(" "), words.trim());
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}
