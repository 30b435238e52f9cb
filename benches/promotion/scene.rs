//! The shop that is measured: ten pods behind one route, three stages, two checks.

use std::time::Duration;

use serde_json::{Value, json};
use tidegate_api::Phase;
use tidegate_testkit::{Result, shop::Shop, world::World};

/// How many pods serve.
pub const REPLICAS: i32 = 10;

/// How many requests are sent a second.
pub const REQUESTS_PER_SECOND: f64 = 300.0;

/// What makes each pod of a good version count as many requests a second besides as a verdict within a stage's bake takes.
pub const CROWD: (&str, &str) = ("rig/crowd", "300 0 1");

/// How long a step may take; far more than any should.
pub const PATIENCE: Duration = Duration::from_mins(3);

/// Three stages, judged by errors and latency.
fn plan(bake: &str) -> Value {
    json!({
        "stages": [
            {"name": "canary", "weight": "5%", "bake": bake},
            {"name": "quarter", "weight": "25%", "bake": bake},
            {"name": "full", "weight": "100%", "bake": bake},
        ],
        "drain": "2s",
        "analysis": {
            "interval": "1s",
            "checks": [
                {"name": "errors", "errorRate": {"preset": "pod-http", "max": "0.5%"}},
                {"name": "p95", "latency": {"preset": "pod-http", "quantile": 0.95, "max": "500ms"}},
            ],
        },
    })
}

/// How long the stages of what is measured bake.
pub const SHORT: &str = "10s";

/// Opens a shop whose stages bake for `bake`, and has its Deployment adopted.
pub async fn adopted(world: &World, name: &str, bake: &str) -> Result<Shop> {
    let shop = world.shop(name).replicas(REPLICAS).load(REQUESTS_PER_SECOND).open().await?;
    shop.apply_rollout(plan(bake)).await?;
    shop.wait("the Deployment to be adopted", PATIENCE, |now| now.is(Phase::Stable)).await?;
    Ok(shop)
}

/// Waits until `version` serves alone.
pub async fn promoted(shop: &Shop, version: &str) -> Result<()> {
    let what = format!("{version} to be the stable version");
    shop.wait(&what, PATIENCE, |now| now.is(Phase::Stable) && now.stable() == version).await?;
    Ok(())
}
