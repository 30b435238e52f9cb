//! A chart installed and upgraded at every moment of a rollout, by Helm 3 and Helm 4 with the settings of docs/gitops.md.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Output,
};

use anyhow::{Context, ensure};
use serde_json::Value;
use tidegate_testkit::{Result, assets::named, control_plane::Identity, shop::Shop, world::World};
use tokio::process::Command;

use crate::{
    behaviour::behaviours,
    gitops::{Often, git, names_the_rules, undisturbed},
    scenes::SOON,
};

behaviours![
    helm_3_disturbs_no_rollout,
    helm_4_that_applies_client_side_disturbs_no_rollout,
    helm_4_that_applies_server_side_is_refused_the_route_and_disturbs_no_rollout,
];

async fn helm_3_disturbs_no_rollout(world: &World) -> Result<()> {
    let Some(helm) = found("helm", "HELM")? else { return Ok(()) };
    upgraded(world, "helm-3", &helm, &[]).await
}

async fn helm_4_that_applies_client_side_disturbs_no_rollout(world: &World) -> Result<()> {
    let Some(helm) = found("helm4", "HELM4")? else { return Ok(()) };
    upgraded(world, "helm-4", &helm, &["--server-side=false"]).await
}

async fn helm_4_that_applies_server_side_is_refused_the_route_and_disturbs_no_rollout(world: &World) -> Result<()> {
    let Some(helm) = &found("helm4", "HELM4")? else { return Ok(()) };
    let shop = &world.shop("helm-4-ssa").open().await?;
    undisturbed(shop, Often::AllTheTime, |commit| async move {
        // Who made the objects still has a share in what they say.
        let flags: &[_] = if commit.is_new { &["--server-side=true", "--force-conflicts"] } else { &[] };
        let output = upgrade(world, shop, helm, &git(shop, commit.version), flags).await?;
        // It goes on with the other objects.
        let refused = String::from_utf8_lossy(&output.stderr);
        let is_fine = output.status.success() || names_the_rules(&refused);
        shop.check(&format!("only the route's rules are refused: {refused}"), is_fine).await
    })
    .await?;
    let output = upgrade(world, shop, helm, &git(shop, "v3"), &[]).await?;
    let refused = String::from_utf8_lossy(&output.stderr);
    shop.check(&format!("they are refused between rollouts, too: {refused}"), names_the_rules(&refused)).await?;
    shop.wait("the next version to start all the same", SOON, |now| now.canary() == "v3").await?;
    Ok(())
}

async fn upgraded(world: &World, name: &str, helm: &Path, flags: &[&str]) -> Result<()> {
    let shop = &world.shop(name).open().await?;
    undisturbed(shop, Often::AllTheTime, |commit| async move {
        let output = upgrade(world, shop, helm, &git(shop, commit.version), flags).await?;
        ensure!(output.status.success(), "helm upgrade failed: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    })
    .await
}

/// `helm upgrade --install` of a chart with these of the shop's objects, which it takes over where they are.
pub async fn upgrade(world: &World, shop: &Shop, helm: &Path, objects: &[Value], flags: &[&str]) -> Result<Output> {
    let chart = chart(world, shop, objects)?;
    let output = Command::new(helm)
        .args(["upgrade", "--install", "--take-ownership", "shop"])
        .arg(chart)
        .args(flags)
        .args(["--namespace", &shop.namespace])
        .env("KUBECONFIG", world.control_plane.kubeconfig(Identity::Admin))
        .env("HOME", world.control_plane.directory())
        .kill_on_drop(true)
        .output()
        .await;
    output.with_context(|| format!("{} does not start", helm.display()))
}

fn chart(world: &World, shop: &Shop, objects: &[Value]) -> Result<PathBuf> {
    let chart = world.control_plane.directory().join(format!("{}.chart", shop.namespace));
    fs::create_dir_all(chart.join("templates"))?;
    fs::write(chart.join("Chart.yaml"), "apiVersion: v2\nname: shop\nversion: 1.0.0\n")?;
    for object in objects {
        let kind = object["kind"].as_str().context("an object without a kind")?;
        fs::write(chart.join("templates").join(format!("{kind}.yaml").to_lowercase()), object.to_string())?;
    }
    Ok(chart)
}

/// The program, or nothing where it is missing on somebody's machine.
pub fn found(program: &str, variable: &str) -> Result<Option<PathBuf>> {
    let found = named(program, variable);
    if let Err(missing) = &found {
        ensure!(env::var_os("CI").is_none_or(|ci| ci != "true"), "on CI nothing may be skipped, and {missing:#}");
        eprintln!("skipped: {missing:#}");
    }
    Ok(found.ok())
}
