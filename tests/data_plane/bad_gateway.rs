//! A gateway that does not do what it should: a stage waits for it until the progress deadline, then it is given up.

use anyhow::Context;
use serde_json::{Value, json};
use tidegate::api::Phase;

use crate::{
    behaviour::behaviours,
    rig::{Result, customers::Customers, shop::Shop, world::World},
    scenes::{SOON, adopted, promoted, reverted, underway, unjudged},
};

behaviours![
    a_gateway_that_accepts_late_starts_the_stages_clock_late,
    a_gateway_that_never_accepts_is_given_up,
    a_gateway_that_accepts_and_then_rejects_is_given_up,
    a_gateway_that_reports_an_old_generation_is_given_up,
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

async fn a_gateway_that_never_accepts_is_given_up(world: &World) -> Result<()> {
    given_up(world, "never", ("rig/never-accept", "true")).await
}

async fn a_gateway_that_accepts_and_then_rejects_is_given_up(world: &World) -> Result<()> {
    given_up(world, "rejects", ("rig/reject-after", "500ms")).await
}

async fn a_gateway_that_reports_an_old_generation_is_given_up(world: &World) -> Result<()> {
    given_up(world, "old", ("rig/reports-old-generation", "true")).await
}

/// The gateway goes wrong while the first stage is under way, and right again after the version was given up for it.
async fn given_up(world: &World, name: &str, (annotation, value): (&str, &str)) -> Result<()> {
    let shop = adopted(world.shop(name).load(0.0), impatient()).await?;
    let customers = Customers::enter(&shop, REQUESTS_PER_SECOND)?;
    underway(&shop).await?;
    shop.patch_route("gateway", json!({"metadata": {"annotations": {annotation: value}}})).await?;
    let now = shop.wait("v2 to fail", SOON, |now| now.status().failed.len() == 1).await?;
    let message = now.status().failed[0].message.clone();
    shop.check(&format!("the status says why: {message}"), message.contains("8s")).await?;
    shop.check("it never had all of the traffic", shop.canary_weights().iter().flatten().max() < Some(&100)).await?;
    shop.check("it is on its way back", [Phase::Reverting, Phase::Reverted].contains(&now.phase())).await?;
    shop.patch_route("gateway", json!({"metadata": {"annotations": {annotation: null}}})).await?;
    reverted(&shop).await?;
    nothing_lost(&shop, customers).await
}

async fn nothing_lost(shop: &Shop, customers: Customers) -> Result<()> {
    let receipt = customers.leave().await?;
    shop.check(&format!("no request was lost: {receipt}"), receipt.failures.is_empty()).await
}
