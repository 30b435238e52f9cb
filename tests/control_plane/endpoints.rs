//! Pods that say that they are not ready any more, while a version is on its way.

use serde_json::{Value, json};
use tidegate_api::{
    Phase,
    condition::{kind, reason},
};
use tidegate_testkit::{Result, shop::Shop, wait::until, world::World};

use crate::{
    behaviour::behaviours,
    scenes::{A_WHILE, SOON, adopted, promoted, underway, unjudged},
};

behaviours![
    the_weight_of_a_canary_without_ready_pods_goes_back_until_they_are,
    with_no_pod_ready_on_either_side_the_rollout_holds_says_so_and_writes_no_route,
];

/// A first stage that lasts until somebody shortens it.
fn patient() -> Value {
    let mut plan = unjudged();
    plan["stages"][0]["bake"] = json!("10m");
    plan["progressDeadline"] = json!("6s");
    plan
}

async fn in_first_stage(world: &World, name: &str) -> Result<Shop> {
    let shop = adopted(world.shop(name).load(0.0), patient()).await?;
    underway(&shop).await?;
    Ok(shop)
}

/// Ends the stage that would last until then.
async fn go_on(shop: &Shop) -> Result<()> {
    shop.patch_rollout(json!({"stages": unjudged()["stages"]})).await?;
    promoted(shop, "v2").await
}

async fn the_weight_of_a_canary_without_ready_pods_goes_back_until_they_are(world: &World) -> Result<()> {
    let shop = in_first_stage(world, "lost-canary").await?;
    shop.set_ready("v2", false).await?;
    shop.wait("the weight to go back, and why", SOON, |now| {
        now.share_in_force() == Some(0) && now.status().history.iter().any(|step| step.reason == reason::CANARY_LOST)
    })
    .await?;
    shop.set_ready("v2", true).await?;
    shop.wait("the stage to begin anew", SOON, |now| {
        now.share_in_force() == Some(25) && now.status().stage.is_some_and(|stage| stage.since.is_some())
    })
    .await?;
    go_on(&shop).await
}

async fn with_no_pod_ready_on_either_side_the_rollout_holds_says_so_and_writes_no_route(world: &World) -> Result<()> {
    let shop = in_first_stage(world, "nobody-ready").await?;
    let routes = shop.routes();
    shop.set_ready("v1", false).await?;
    // What the operator goes by are the EndpointSlices, which are a little behind the pods.
    until("no endpoint of v1 to be ready", SOON, || async {
        world.data_plane.endpoints.ready(&shop.namespace, "checkout-stable").is_empty().then_some(())
    })
    .await?;
    let written = routes.get("checkout").await?.metadata.generation;
    shop.set_ready("v2", false).await?;
    let now = shop.wait("the rollout to hold", SOON, |now| now.phase() == Phase::Held).await?;
    let why = now.condition(kind::STALLED).map(|stalled| (stalled.reason, stalled.message)).unwrap_or_default();
    let says = why.0 == reason::STABLE_NOT_READY && why.1.contains("is ready");
    shop.check(&format!("it says why: {why:?}"), says).await?;
    let resting = routes.get("checkout").await?.metadata.resource_version;
    let rollout = now.rollouts.first().and_then(|rollout| rollout.metadata.resource_version.clone());
    shop.stays("nothing is written", A_WHILE, |now| {
        now.rollouts.first().and_then(|rollout| rollout.metadata.resource_version.clone()) == rollout
    })
    .await?;
    let route = routes.get("checkout").await?.metadata;
    shop.check("the route says what it said", route.generation == written && route.resource_version == resting).await?;
    shop.set_ready("v2", true).await?;
    shop.set_ready("v1", true).await?;
    shop.wait("the stage to begin anew", SOON, |now| {
        now.is(Phase::Progressing)
            && now.share_in_force() == Some(25)
            && now.status().stage.is_some_and(|stage| stage.since.is_some())
    })
    .await?;
    go_on(&shop).await
}
