//! What `kubectl` shows of a running, a promoted and a reverted rollout: docs/reading.md, to be made again.

use anyhow::{Context, ensure};
use tidegate_api::{Phase, Verdict};
use tidegate_testkit::{Result, control_plane::Identity, shop::Shop, snapshot::NAME, world::World};
use tokio::process::Command;

use crate::scene::{CROWD, PATIENCE, adopted, promoted};

/// Long enough for a stage to be seen with its numbers: the status shows them within seconds, not at once.
const LONG: &str = "30s";

const ROLLOUTS: &str = "rollouts.tidegate.dev";

/// Shows all three, one after the other.
pub async fn all(world: &World) -> Result<()> {
    let shop = adopted(world, "show", LONG).await?;
    shop.release("v2", &[CROWD]).await?;
    shop.wait("the second stage to have numbers", PATIENCE, |now| {
        let status = now.status();
        let passes = !status.checks.is_empty() && status.checks.iter().all(|check| check.verdict == Verdict::Pass);
        status.stage.is_some_and(|stage| stage.index == 2 && stage.since.is_some()) && passes
    })
    .await?;
    show(world, &shop, "On its way, in the second of three stages:").await?;
    promoted(&shop, "v2").await?;
    show(world, &shop, "Promoted:").await?;
    shop.release("v3", &[("rig/error-rate", "0.2")]).await?;
    shop.wait("v3 to be reverted", PATIENCE, |now| now.is(Phase::Reverted)).await?;
    show(world, &shop, "Reverted:").await
}

/// Prints Markdown. Of `describe`, what follows the spec: all before it is what the user wrote.
async fn show(world: &World, shop: &Shop, what: &str) -> Result<()> {
    let get = kubectl(world, shop, &["get", ROLLOUTS]).await?;
    let describe = kubectl(world, shop, &["describe", ROLLOUTS, NAME]).await?;
    let (_, status) = describe.split_once("\nStatus:").context("kubectl describes no status")?;
    println!("{what}\n\n```console\n$ kubectl get {ROLLOUTS}\n{get}```\n");
    println!("<details><summary><code>kubectl describe</code>, from its status on</summary>\n");
    println!("```console\n$ kubectl describe {ROLLOUTS} {NAME}\n…\nStatus:{status}```\n\n</details>\n");
    Ok(())
}

async fn kubectl(world: &World, shop: &Shop, arguments: &[&str]) -> Result<String> {
    let output = Command::new("kubectl")
        .arg("--kubeconfig")
        .arg(world.control_plane.kubeconfig(Identity::Admin))
        .args(["--namespace", &shop.namespace])
        .args(arguments)
        .output()
        .await?;
    ensure!(output.status.success(), "kubectl: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}
