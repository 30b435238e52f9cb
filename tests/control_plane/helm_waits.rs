//! `helm upgrade --wait` at every moment of a rollout, by Helm 3 and Helm 4, as docs/pipelines.md says it.

use std::path::Path;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tidegate_api::{Phase, condition::reason};
use tidegate_testkit::{Result, pod_server::Faults, shop::Shop, world::World};
use tokio::time::Instant;

use crate::{
    behaviour::behaviours,
    gitops::git,
    helm::{found, upgrade},
    pipelines::status,
    scenes::{SOON, lingering},
};

behaviours![
    helm_4_waits_for_a_version_that_the_operator_has_not_seen_until_it_is_promoted,
    helm_4_fails_as_soon_as_the_version_has_and_not_by_what_was_said_of_the_one_before,
    helm_4_fails_as_soon_as_the_rollout_is_refused,
    helm_4_takes_the_answer_of_the_version_before_where_the_rollout_names_no_image,
    helm_3_takes_every_rollout_for_ready,
];

/// How long it waits for what does not come.
const SHORT: &str = "8s";

/// Longer than a rollout takes.
const LONG: &str = "100s";

async fn helm_4_waits_for_a_version_that_the_operator_has_not_seen_until_it_is_promoted(world: &World) -> Result<()> {
    let Some(helm) = &found("helm4", "HELM4")? else { return Ok(()) };
    let mut shop = installed(world, "helm-4-unseen", helm).await?;
    shop.operator()?.kill();
    let unseen = waited(world, &shop, helm, &release(&shop, "v2"), SHORT).await?;
    shop.check(&format!("an old Ready does not stand for it: {unseen:?}"), unseen.is_over()).await?;
    shop.operator()?.restart()?;
    let seen = waited(world, &shop, helm, &release(&shop, "v2"), LONG).await?;
    let status = status(&shop).await?;
    let is_promoted =
        status.phase == Phase::Stable && status.stable.is_some_and(|it| it.images == ["shop/checkout:v2"]);
    shop.check(&format!("it waited for the promotion: {seen:?}"), seen.complaint.is_none() && is_promoted).await?;
    shop.lost_nothing().await
}

async fn helm_4_fails_as_soon_as_the_version_has_and_not_by_what_was_said_of_the_one_before(
    world: &World,
) -> Result<()> {
    let Some(helm) = &found("helm4", "HELM4")? else { return Ok(()) };
    let mut shop = installed(world, "helm-4-failed", helm).await?;
    shop.set_faults("v2", Faults { error_rate: 0.5, ..Faults::default() });
    let failed = waited(world, &shop, helm, &release(&shop, "v2"), LONG).await?;
    let phase = status(&shop).await?.phase;
    let told = failed.complaint.is_some() && !failed.is_over() && phase == Phase::Reverted;
    shop.check(&format!("it fails when the traffic is back, {phase:?}: {failed:?}"), told).await?;
    shop.operator()?.kill();
    let unseen = waited(world, &shop, helm, &release(&shop, "v3"), SHORT).await?;
    shop.check(&format!("an old failure does not stand for the next: {unseen:?}"), unseen.is_over()).await?;
    shop.operator()?.restart()?;
    let seen = waited(world, &shop, helm, &release(&shop, "v3"), LONG).await?;
    shop.check(&format!("the next is promoted: {seen:?}"), seen.complaint.is_none()).await
}

async fn helm_4_fails_as_soon_as_the_rollout_is_refused(world: &World) -> Result<()> {
    let Some(helm) = &found("helm4", "HELM4")? else { return Ok(()) };
    let shop = installed(world, "helm-4-refused", helm).await?;
    let mut objects = release(&shop, "v2");
    rollout(&mut objects)?["spec"]["analysis"]["prometheus"] = json!("nowhere");
    let refused = waited(world, &shop, helm, &objects, LONG).await?;
    let told = refused.complaint.is_some() && !refused.is_over();
    shop.check(&format!("it does not wait for somebody who acts: {refused:?}"), told).await?;
    let conditions = status(&shop).await?.conditions;
    let is_refused = conditions.iter().any(|it| it.type_ == "Stalled" && it.reason == reason::ENDPOINT_NOT_FOUND);
    shop.check(&format!("it is Stalled: {conditions:?}"), is_refused).await
}

async fn helm_4_takes_the_answer_of_the_version_before_where_the_rollout_names_no_image(world: &World) -> Result<()> {
    let Some(helm) = &found("helm4", "HELM4")? else { return Ok(()) };
    let mut shop = installed(world, "helm-4-fooled", helm).await?;
    // Without an image the Rollout is the same in every release.
    waited(world, &shop, helm, &git(&shop, "v1"), SHORT).await?;
    shop.wait("the Rollout to be seen without it", SOON, |now| now.is(Phase::Stable)).await?;
    shop.operator()?.kill();
    let fooled = waited(world, &shop, helm, &git(&shop, "v2"), SHORT).await?;
    shop.check(&format!("nothing says that the answer is old: {fooled:?}"), fooled.complaint.is_none()).await
}

async fn helm_3_takes_every_rollout_for_ready(world: &World) -> Result<()> {
    let Some(helm) = &found("helm", "HELM")? else { return Ok(()) };
    let shop = installed(world, "helm-3-waits", helm).await?;
    let mut objects = release(&shop, "v2");
    rollout(&mut objects)?["spec"]["stages"] = lingering()["stages"].clone();
    let taken = waited(world, &shop, helm, &objects, LONG).await?;
    let status = status(&shop).await?;
    let is_under_way = status.stable.is_some_and(|stable| stable.images == ["shop/checkout:v1"]);
    shop.check(&format!("it is content in mid-rollout: {taken:?}"), taken.complaint.is_none() && is_under_way).await
}

/// How `helm upgrade --wait` ended.
#[derive(Debug)]
struct Waited {
    /// What it complained of, if it failed.
    complaint: Option<String>,
    /// Whether its time was over.
    is_late: bool,
}

impl Waited {
    /// Whether it waited in vain to the end.
    fn is_over(&self) -> bool {
        self.complaint.is_some() && self.is_late
    }
}

async fn waited(world: &World, shop: &Shop, helm: &Path, objects: &[Value], timeout: &str) -> Result<Waited> {
    let began = Instant::now();
    let mut flags = vec!["--wait", "--timeout", timeout];
    flags.extend(apply_client_side(helm));
    let output = upgrade(world, shop, helm, objects, &flags).await?;
    let complaint = (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).trim().to_owned());
    let seconds: u64 = timeout.trim_end_matches('s').parse()?;
    Ok(Waited { complaint, is_late: began.elapsed().as_secs() >= seconds })
}

/// As docs/gitops.md advises.
fn apply_client_side(helm: &Path) -> Option<&'static str> {
    helm.ends_with("helm4").then_some("--server-side=false")
}

/// A shop whose v1 Helm has installed, and the operator adopted.
async fn installed(world: &World, name: &str, helm: &Path) -> Result<Shop> {
    let shop = world.shop(name).open().await?;
    let flags: Vec<_> = apply_client_side(helm).into_iter().collect();
    let output = upgrade(world, &shop, helm, &release(&shop, "v1"), &flags).await?;
    ensure!(output.status.success(), "helm upgrade failed: {}", String::from_utf8_lossy(&output.stderr));
    shop.wait("the Deployment to be adopted", SOON, |now| now.is(Phase::Stable)).await?;
    Ok(shop)
}

/// What lies in Git, where the Rollout names the image of the release.
fn release(shop: &Shop, version: &str) -> Vec<Value> {
    let mut objects = git(shop, version);
    if let Ok(rollout) = rollout(&mut objects) {
        rollout["spec"]["workload"]["image"] = json!(format!("shop/checkout:{version}"));
    }
    objects
}

fn rollout(objects: &mut [Value]) -> Result<&mut Value> {
    objects.iter_mut().find(|object| object["kind"] == "Rollout").context("no Rollout among the objects")
}
