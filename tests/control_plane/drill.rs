//! A way back that is tried before it is needed.

use serde_json::{Value, json};
use tidegate_api::{Phase, condition::reason};
use tidegate_testkit::{Result, pod_server::Faults, shop::Shop, world::World};

use crate::{
    behaviour::behaviours,
    scenes::{LATER, adopted, promoted, quick, reverted},
};

behaviours![
    a_stage_with_a_drill_gives_its_traffic_back_before_the_version_goes_on,
    a_version_that_fails_after_its_drill_goes_back_all_the_same,
    a_drill_that_is_not_back_in_time_fails_the_version,
];

/// All at once after a rehearsal, judged by errors.
fn rehearsed(within: &str) -> Value {
    let mut plan = quick();
    plan["stages"] = json!([
        {"name": "preview", "weight": "0%", "replicas": "100%", "bake": "1s"},
        {"name": "rehearsal", "weight": "25%", "replicas": "100%", "bake": "2s", "drill": {"within": within}},
        {"name": "switched", "weight": "100%", "bake": "5s"},
    ]);
    plan
}

/// The shares that the new version had, one after another.
fn shares(shop: &Shop) -> Vec<Option<u64>> {
    let mut shares = shop.canary_weights();
    shares.dedup();
    shares
}

async fn a_stage_with_a_drill_gives_its_traffic_back_before_the_version_goes_on(world: &World) -> Result<()> {
    let shop = adopted(world.shop("drill"), rehearsed("1m")).await?;
    shop.release("v2", &[]).await?;
    promoted(&shop, "v2").await?;
    let shares = shares(&shop);
    let there_and_back = [Some(0), Some(25), Some(0), Some(100)];
    shop.check(&format!("{shares:?}"), shares.windows(4).any(|seen| seen == there_and_back)).await?;
    let history = shop.now().status().history;
    let passed = history.iter().find(|step| step.reason == reason::DRILL_PASSED).map(|step| step.message.clone());
    let passed = passed.unwrap_or_default();
    shop.check(&passed, passed.starts_with("drill of stage rehearsal: 0% of the traffic in force again after "))
        .await?;
    shop.lost_nothing().await
}

async fn a_version_that_fails_after_its_drill_goes_back_all_the_same(world: &World) -> Result<()> {
    let mut plan = rehearsed("1m");
    plan["stages"][2]["bake"] = json!("1m");
    let shop = adopted(world.shop("drill-revert"), plan).await?;
    shop.release("v2", &[]).await?;
    shop.wait("the last stage", LATER, |now| now.stage() == "switched" && now.share_in_force() == Some(100)).await?;
    shop.set_faults("v2", Faults { error_rate: 0.5, ..Faults::default() });
    reverted(&shop).await?;
    shop.lost_nothing().await
}

/// No gateway is as quick as that.
async fn a_drill_that_is_not_back_in_time_fails_the_version(world: &World) -> Result<()> {
    let shop = adopted(world.shop("drill-late"), rehearsed("1ms")).await?;
    shop.release("v2", &[]).await?;
    reverted(&shop).await?;
    let now = shop.now();
    let message = now.status().failed.first().map(|failed| failed.message.clone()).unwrap_or_default();
    shop.check(&message, message.starts_with("drill of stage rehearsal: 0% of the traffic was")).await?;
    shop.check("stable has all of its pods", now.phase() == Phase::Reverted && now.ready_count("v1") == 4).await?;
    shop.lost_nothing().await
}
