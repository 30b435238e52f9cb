//! How a pipeline waits, as docs/pipelines.md says it: by `tidegate wait`, and by the recipe for kubectl that stands there.

use std::{env, fs, path::Path, process::Output};

use anyhow::Context;
use serde_json::json;
use tidegate_api::{Phase, Rollout, RolloutStatus};
use tidegate_testkit::{Result, control_plane::Identity, pod_server::Faults, shop::Shop, world::World};
use tokio::process::Command;

use crate::{
    behaviour::behaviours,
    helm::found,
    scenes::{adopted, lingering, quick},
};

behaviours![
    tidegate_waits_for_a_version_that_the_operator_has_not_seen_until_it_is_promoted,
    tidegate_tells_at_once_that_a_version_failed_and_nothing_of_the_one_before,
    tidegate_tells_at_once_that_somebody_has_to_act,
    tidegate_says_that_its_time_is_over_while_the_rollout_goes_on,
    the_recipe_for_kubectl_waits_for_every_change_until_it_is_promoted,
    kubectl_waits_for_the_image_that_the_rollout_names,
];

async fn tidegate_waits_for_a_version_that_the_operator_has_not_seen_until_it_is_promoted(world: &World) -> Result<()> {
    let mut shop = adopted(world.shop("pipeline"), quick()).await?;
    shop.operator()?.kill();
    shop.release("v2", &[]).await?;
    let unseen = tidegate(world, &shop, &["--timeout", "3s"]).await?;
    let waits = "Rollout checkout waits: the operator has not seen it yet\nRollout checkout: 3s are over\n";
    shop.check(&format!("it takes no old answer: {unseen:?}"), unseen == ended(4, waits)).await?;
    shop.operator()?.restart()?;
    let seen = tidegate(world, &shop, &["--timeout", "2m"]).await?;
    shop.check(&format!("it ends with the promotion: {seen:?}"), {
        seen.0 == Some(0) && seen.1.contains("\nRollout checkout serves: version ") && seen.1.contains("stage canary")
    })
    .await?;
    serves(&shop, "v2").await?;
    let known = tidegate(world, &shop, &[]).await?;
    shop.check(&format!("what is known is told at once: {known:?}"), known.0 == Some(0)).await
}

async fn tidegate_tells_at_once_that_a_version_failed_and_nothing_of_the_one_before(world: &World) -> Result<()> {
    let mut shop = adopted(world.shop("pipeline-failed"), quick()).await?;
    shop.set_faults("v2", Faults { error_rate: 0.5, ..Faults::default() });
    shop.release("v2", &[]).await?;
    let failed = tidegate(world, &shop, &["--timeout", "2m"]).await?;
    shop.check(&format!("the version failed, and why: {failed:?}"), {
        failed.0 == Some(1) && failed.1.contains("\nRollout checkout failed: ") && failed.1.contains("errors")
    })
    .await?;
    serves(&shop, "v1").await?;
    shop.operator()?.kill();
    shop.release("v3", &[]).await?;
    let unseen = tidegate(world, &shop, &["--timeout", "3s"]).await?;
    shop.check(&format!("an old failure is no answer: {unseen:?}"), unseen.0 == Some(4)).await?;
    shop.operator()?.restart()?;
    let seen = tidegate(world, &shop, &["--timeout", "2m", "--image", "shop/checkout:v3"]).await?;
    shop.check(&format!("the next is promoted: {seen:?}"), seen.0 == Some(0)).await?;
    serves(&shop, "v3").await
}

async fn tidegate_tells_at_once_that_somebody_has_to_act(world: &World) -> Result<()> {
    let shop = adopted(world.shop("pipeline-stalled"), quick()).await?;
    shop.patch_rollout(json!({"analysis": {"prometheus": "nowhere"}})).await?;
    shop.release("v2", &[]).await?;
    let stalled = tidegate(world, &shop, &["--timeout", "2m"]).await?;
    shop.check(&format!("what to do is said: {stalled:?}"), {
        stalled.0 == Some(3)
            && stalled.1.contains("Rollout checkout stands still until somebody acts: ")
            && stalled.1.contains("nowhere")
    })
    .await
}

async fn tidegate_says_that_its_time_is_over_while_the_rollout_goes_on(world: &World) -> Result<()> {
    let shop = adopted(world.shop("pipeline-late"), lingering()).await?;
    shop.release("v2", &[]).await?;
    let late = tidegate(world, &shop, &["--timeout", "8s"]).await?;
    let is_told = late.1.contains("Rollout checkout waits: ") && late.1.ends_with("Rollout checkout: 8s are over\n");
    shop.check(&format!("its time is over: {late:?}"), late.0 == Some(4) && is_told).await?;
    let other = tidegate(world, &shop, &["--timeout", "1s", "--image", "shop/checkout:v3"]).await?;
    let awaited = "Rollout checkout waits: the Deployment does not ask for shop/checkout:v3 yet, but for shop/checkout:v2\nRollout checkout: 1s are over\n";
    shop.check(&format!("an image is waited for: {other:?}"), other == ended(4, awaited)).await?;
    shop.delete_rollout().await?;
    shop.wait("the Rollout to be gone", crate::scenes::LATER, |now| now.rollouts.is_empty()).await?;
    let gone = tidegate(world, &shop, &[]).await?;
    shop.check(&format!("one that is not there is not waited for: {gone:?}"), gone.0 == Some(2)).await
}

async fn the_recipe_for_kubectl_waits_for_every_change_until_it_is_promoted(world: &World) -> Result<()> {
    let Some(kubectl) = &found("kubectl", "KUBECTL")? else { return Ok(()) };
    let mut shop = adopted(world.shop("pipeline-kubectl"), quick()).await?;
    // The second changes nothing but an annotation of the pods.
    for change in [&[][..], &[("note", "changed")]] {
        let before = status(&shop).await?.stable.map(|stable| stable.revision);
        shop.operator()?.kill();
        shop.release("v2", change).await?;
        let unseen = recipe(world, &shop, kubectl, "3s").await?;
        let complaint = String::from_utf8_lossy(&unseen.stderr);
        let is_late = !unseen.status.success() && complaint.contains("timed out");
        shop.check(&format!("it takes no old answer: {complaint}"), is_late).await?;
        shop.operator()?.restart()?;
        let seen = recipe(world, &shop, kubectl, "90s").await?;
        let words = String::from_utf8_lossy(&seen.stderr);
        shop.check(&format!("it ends with the promotion: {words}"), seen.status.success()).await?;
        serves(&shop, "v2").await?;
        let after = status(&shop).await?.stable.map(|stable| stable.revision);
        shop.check(&format!("another version serves: {before:?}, {after:?}"), before != after).await?;
    }
    Ok(())
}

async fn kubectl_waits_for_the_image_that_the_rollout_names(world: &World) -> Result<()> {
    let Some(kubectl) = &found("kubectl", "KUBECTL")? else { return Ok(()) };
    let mut shop = adopted(world.shop("pipeline-image"), quick()).await?;
    let ready = |timeout: &str| {
        format!("kubectl wait -n {} rollout/checkout --for=condition=Ready --timeout={timeout}", shop.namespace)
    };
    let (short, long) = (ready("3s"), ready("90s"));
    shop.operator()?.kill();
    shop.patch_rollout(json!({"workload": {"image": "shop/checkout:v2"}})).await?;
    let unseen = sh(world, kubectl, &short).await?;
    shop.check(&format!("an old Ready is of another generation: {unseen:?}"), !unseen.status.success()).await?;
    shop.operator()?.restart()?;
    shop.wait("the Rollout to be seen before its Deployment", crate::scenes::SOON, |now| now.is(Phase::Stable)).await?;
    let behind = sh(world, kubectl, &short).await?;
    shop.check(&format!("the Deployment asks for another image: {behind:?}"), !behind.status.success()).await?;
    shop.release("v2", &[]).await?;
    let seen = sh(world, kubectl, &long).await?;
    shop.check(&format!("it ends with the promotion: {seen:?}"), seen.status.success()).await?;
    serves(&shop, "v2").await
}

/// The code that a `tidegate wait` ended with, and what it printed.
type Ended = (Option<i32>, String);

fn ended(code: i32, printed: &str) -> Ended {
    (Some(code), printed.to_owned())
}

async fn tidegate(world: &World, shop: &Shop, arguments: &[&str]) -> Result<Ended> {
    let output = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .args(["wait", "checkout", "--namespace", &shop.namespace])
        .args(arguments)
        .env("KUBECONFIG", world.control_plane.kubeconfig(Identity::Admin))
        .kill_on_drop(true)
        .output()
        .await?;
    Ok((output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned()))
}

/// The commands for kubectl of docs/pipelines.md, in this shop, with other limits.
async fn recipe(world: &World, shop: &Shop, kubectl: &Path, timeout: &str) -> Result<Output> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pipelines.md");
    let page = fs::read_to_string(page)?;
    let blocks = page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let block =
        blocks.into_iter().find(|block| block.contains("observedGeneration")).context("the page has no recipe")?;
    let script =
        block.replace("-n shop", &format!("-n {}", shop.namespace)).replace("5m", timeout).replace("2h", timeout);
    sh(world, kubectl, &script).await
}

async fn sh(world: &World, kubectl: &Path, script: &str) -> Result<Output> {
    let folder = kubectl.parent().context("kubectl lies nowhere")?;
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths([folder.to_owned()].into_iter().chain(env::split_paths(&path)))?;
    let output = Command::new("sh")
        .args(["-c", script])
        .env("PATH", path)
        .env("HOME", world.control_plane.directory())
        .env("KUBECONFIG", world.control_plane.kubeconfig(Identity::Admin))
        .kill_on_drop(true)
        .output()
        .await;
    output.context("sh does not start")
}

/// What the API server says of the Rollout: what a watch shows may be from before.
pub async fn status(shop: &Shop) -> Result<RolloutStatus> {
    let rollout = shop.rollouts().get("checkout").await?.try_parse::<Rollout>()?;
    rollout.status.context("the Rollout has no status")
}

/// That the version serves alone, and no other is on its way, at this very moment.
async fn serves(shop: &Shop, version: &str) -> Result<()> {
    let status = status(shop).await?;
    let images = status.stable.map(|stable| stable.images).unwrap_or_default();
    let is_alone = matches!(status.phase, Phase::Stable | Phase::Reverted) && status.canary.is_none();
    let image = format!("shop/checkout:{version}");
    shop.check(&format!("{version} serves alone, not {images:?}"), is_alone && images == [image]).await
}
