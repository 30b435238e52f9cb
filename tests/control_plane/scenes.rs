//! Where many behaviours begin: plans short enough to watch, and shops that are already adopted.

use std::time::Duration;

use serde_json::{Value, json};
use tidegate_api::{
    Phase, Span,
    condition::{kind, reason},
};
use tidegate_testkit::{Result, shop::Shop, world::ShopPlan};

/// For what takes a few reconciles.
pub const SOON: Duration = Duration::from_secs(30);

/// For what takes a whole rollout.
pub const LATER: Duration = Duration::from_secs(90);

/// Long enough to see that nothing happens.
pub const A_WHILE: Duration = Duration::from_secs(5);

/// Three stages of two seconds, judged by errors and latency.
pub fn quick() -> Value {
    with_checks(&[errors("5%"), p95("500ms")])
}

/// Three stages of two seconds, judged by `checks`.
pub fn with_checks(checks: &[Value]) -> Value {
    let mut plan = unjudged();
    plan["analysis"] = json!({"interval": "1s", "checks": checks});
    plan
}

/// Three stages of two seconds, left on readiness and time alone.
pub fn unjudged() -> Value {
    json!({
        "stages": [
            {"name": "canary", "weight": "25%", "bake": "2s"},
            {"name": "half", "weight": "50%", "bake": "2s"},
            {"name": "full", "weight": "100%", "bake": "2s"},
        ],
        "drain": "1s",
        "progressDeadline": "30s",
    })
}

/// A first stage that lasts until the behaviour is over, judged by errors.
pub fn lingering() -> Value {
    let mut plan = with_checks(&[errors("5%")]);
    plan["stages"][0]["bake"] = json!("10m");
    plan
}

/// At most `max` of the requests may fail.
pub fn errors(max: &str) -> Value {
    json!({"name": "errors", "errorRate": {"preset": "pod-http", "max": max}})
}

/// 95 % of the requests must be faster than `max`.
pub fn p95(max: &str) -> Value {
    json!({"name": "p95", "latency": {"preset": "pod-http", "quantile": 0.95, "max": max}})
}

/// Opens a shop and has its Deployment adopted. Where the gateway follows a route late, pods stay for as much longer.
pub async fn adopted(plan: ShopPlan<'_>, mut spec: Value) -> Result<Shop> {
    let shop = plan.open().await?;
    let late = shop.lag();
    if let Some(drain) = spec["drain"].as_str().filter(|_| !late.is_zero()) {
        spec["drain"] = json!(format!("{}s", (drain.parse::<Span>()?.duration() + late).as_secs()));
    }
    shop.apply_rollout(spec).await?;
    shop.wait("the Deployment to be adopted", SOON, |now| now.is(Phase::Stable)).await?;
    Ok(shop)
}

/// Releases v2 without faults, and waits until its first stage has its weight.
pub async fn underway(shop: &Shop) -> Result<()> {
    shop.release("v2", &[]).await?;
    shop.wait("the first stage to have its weight", SOON, |now| {
        now.canary() == "v2" && now.status().stage.is_some_and(|stage| stage.since.is_some())
    })
    .await?;
    Ok(())
}

/// Waits until a version serves alone and nothing of the rollout is left.
pub async fn promoted(shop: &Shop, version: &str) -> Result<()> {
    let what = format!("{version} to be the stable version, and the only one");
    shop.wait(&what, LATER, |now| {
        now.is(Phase::Stable)
            && now.stable() == version
            && now.share().is_none()
            && now.pods.len() == now.ready_count(version)
            && !now.has_service("checkout-canary")
            && !now.has_service("checkout-stable")
    })
    .await?;
    Ok(())
}

/// Waits until v1 serves alone again and v2 is marked as failed.
pub async fn reverted(shop: &Shop) -> Result<()> {
    shop.wait("v2 to be reverted and gone", LATER, |now| {
        now.is(Phase::Reverted)
            && now.stable() == "v1"
            && now.share().is_none()
            && now.pods_of("v2") == 0
            && now.status().failed.len() == 1
    })
    .await?;
    Ok(())
}

/// Releases v2 with a stage of copies, which the gateway does not know: it is refused, and without that stage promoted.
pub async fn without_copies(shop: &Shop) -> Result<()> {
    let shadow = json!([{"name": "shadow", "weight": "0%", "mirror": "10%", "bake": "1s"}, unjudged()["stages"][2]]);
    shop.patch_rollout(json!({"stages": shadow})).await?;
    shop.release("v2", &[]).await?;
    let now = shop.wait("the stage to be refused", SOON, |now| now.holds(kind::STALLED).is_some()).await?;
    let message = now.status().message;
    let told = now.holds(kind::STALLED).as_deref() == Some(reason::ROUTE_UNUSABLE);
    shop.check(&message, told && message.contains("does not support HTTPRouteRequestMirror")).await?;
    shop.patch_rollout(json!({"stages": unjudged()["stages"]})).await?;
    promoted(shop, "v2").await
}
