//! Pods that are slow until they are warm.

use anyhow::Result;
use serde_json::json;
use tidegate_testkit::world::World;

use crate::{
    behaviour::behaviours,
    scenes::{adopted, p95, promoted, reverted, with_checks},
};

behaviours![a_version_whose_pods_are_slow_at_first_is_reverted_without_a_warm_up_and_promoted_with_one];

/// For six seconds each request takes a quarter longer than it may.
const COLD: (&str, &str) = ("rig/cold", "6s 625ms");

async fn a_version_whose_pods_are_slow_at_first_is_reverted_without_a_warm_up_and_promoted_with_one(
    world: &World,
) -> Result<()> {
    let shop = adopted(world.shop("cold").load(40.0), with_checks(&[p95("500ms")])).await?;
    shop.release("v2", &[COLD]).await?;
    reverted(&shop).await?;
    shop.patch_rollout(json!({"analysis": {"warmUp": "8s"}})).await?;
    shop.release("v3", &[COLD]).await?;
    promoted(&shop, "v3").await?;
    shop.lost_nothing().await
}
