//! A gateway that does not do what it should: a stage waits for it, and nothing of it is held against the new version.

use anyhow::Context;
use serde_json::{Value, json};
use tidegate_api::Phase;
use tidegate_testkit::{Result, customers::Customers, shop::Shop, world::World};

use crate::{
    behaviour::behaviours,
    scenes::{LATER, SOON, adopted, promoted, underway, unjudged},
};

behaviours![
    a_gateway_that_accepts_late_starts_the_stages_clock_late,
    a_gateway_that_never_accepts_holds_the_stage,
    a_gateway_that_rejects_gets_its_route_back,
    a_gateway_that_reports_an_old_generation_holds_the_stage,
];

const REQUESTS_PER_SECOND: f64 = 50.0;

fn impatient() -> Value {
    let mut plan = unjudged();
    plan["drain"] = json!("6s");
    plan["progressDeadline"] = json!("8s");
    plan
}

async fn a_gateway_that_accepts_late_starts_the_stages_clock_late(world: &World) -> Result<()> {
    let shop = adopted(world.shop("late").load(0.0), impatient()).await?;
    let customers = Customers::enter(&shop, REQUESTS_PER_SECOND)?;
    shop.patch_route("gateway", json!({"metadata": {"annotations": {"rig/accept-after": "2s"}}})).await?;
    underway(&shop).await?;
    let since = shop.now().status().stage.and_then(|stage| stage.since).context("no clock")?;
    let history = shop.history();
    let in_force = history.last().context("nothing was ever in force")?.reload.done;
    // Times in a status have no fractions of a second.
    shop.check("the gateway followed first", since.as_second() >= in_force.as_second()).await?;
    promoted(&shop, "v2").await?;
    nothing_lost(&shop, customers).await
}

async fn a_gateway_that_never_accepts_holds_the_stage(world: &World) -> Result<()> {
    held(world, "never", ("rig/never-accept", "true")).await
}

async fn a_gateway_that_rejects_gets_its_route_back(world: &World) -> Result<()> {
    let shop = adopted(world.shop("rejects").load(0.0), impatient()).await?;
    let customers = Customers::enter(&shop, REQUESTS_PER_SECOND)?;
    underway(&shop).await?;
    shop.patch_route("gateway", json!({"metadata": {"annotations": {"rig/reject": "true"}}})).await?;
    let now = shop.wait("the routes to be taken back", SOON, |now| now.status().taken_back.is_some()).await?;
    let message = now.status().taken_back.map(|taken| taken.message).unwrap_or_default();
    shop.check(&format!("the gateway is quoted: {message}"), message.contains("Accepted is False")).await?;
    shop.check("no version failed", now.status().failed.is_empty()).await?;
    shop.patch_route("gateway", json!({"metadata": {"annotations": {"rig/reject": null}}})).await?;
    shop.wait("it to rest", LATER, |now| now.is(Phase::Reverted) && now.share().is_none()).await?;
    nothing_lost(&shop, customers).await
}

async fn a_gateway_that_reports_an_old_generation_holds_the_stage(world: &World) -> Result<()> {
    held(world, "old", ("rig/reports-old-generation", "true")).await
}

/// The gateway goes wrong while the first stage is under way, and right again after the rollout has held for it.
async fn held(world: &World, name: &str, (annotation, value): (&str, &str)) -> Result<()> {
    let shop = adopted(world.shop(name).load(0.0), impatient()).await?;
    let customers = Customers::enter(&shop, REQUESTS_PER_SECOND)?;
    underway(&shop).await?;
    shop.patch_route("gateway", json!({"metadata": {"annotations": {annotation: value}}})).await?;
    let now = shop.wait("the rollout to be held", SOON, |now| now.is(Phase::Held)).await?;
    let message = now.status().message;
    shop.check(&format!("the status says why: {message}"), message.contains("Gateway") && message.contains("8s"))
        .await?;
    shop.check("it never had all of the traffic", shop.canary_weights().iter().flatten().max() < Some(&100)).await?;
    shop.check("no version failed", now.status().failed.is_empty()).await?;
    shop.patch_route("gateway", json!({"metadata": {"annotations": {annotation: null}}})).await?;
    promoted(&shop, "v2").await?;
    nothing_lost(&shop, customers).await
}

async fn nothing_lost(shop: &Shop, customers: Customers) -> Result<()> {
    let receipt = customers.leave().await?;
    shop.check(&format!("no request was lost: {receipt}"), receipt.failures.is_empty()).await
}
