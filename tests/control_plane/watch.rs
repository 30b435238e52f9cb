//! A version is judged on after its promotion.

use serde_json::{Value, json};
use tidegate_api::{Phase, condition::reason};
use tidegate_testkit::{Result, pod_server::Faults, shop::Shop, snapshot::Snapshot, world::World};

use crate::{
    behaviour::behaviours,
    scenes::{LATER, SOON, adopted, promoted, quick, reverted},
};

behaviours![
    a_version_that_stays_well_after_its_promotion_is_watched_to_the_end,
    a_version_that_fails_after_its_promotion_goes_and_the_one_before_it_comes_back,
    a_version_that_fails_after_its_promotion_is_told_and_stays_where_the_spec_says_no_more,
    a_version_that_fails_after_its_promotion_goes_although_another_one_waits,
    an_operator_that_is_killed_goes_on_watching,
];

/// [`quick`], and the version is watched for so long.
fn watched(lasting: &str, on_failure: &str) -> Value {
    let mut plan = quick();
    plan["watch"] = json!({"for": lasting, "onFailure": on_failure});
    plan
}

async fn under_watch(shop: &Shop) -> Result<()> {
    shop.release("v2", &[]).await?;
    promoted(shop, "v2").await?;
    let since = |now: &Snapshot| now.status().watch.is_some_and(|watch| watch.since.is_some());
    shop.wait("it to be watched", SOON, since).await?;
    Ok(())
}

async fn told(shop: &Shop, word: &str) -> Result<usize> {
    Ok(shop.events().await?.iter().filter(|event| event.reason == word).count())
}

async fn a_version_that_stays_well_after_its_promotion_is_watched_to_the_end(world: &World) -> Result<()> {
    let shop = adopted(world.shop("watch-well"), watched("10s", "Revert")).await?;
    under_watch(&shop).await?;
    let now = shop.wait("the watch to end", LATER, |now| now.status().watch.is_none()).await?;
    let step = now.status().history.into_iter().find(|step| step.reason == reason::WATCHED);
    let said = step.map(|step| step.message).unwrap_or_default();
    shop.check(&said, said.contains("nothing speaks against it (errors: 0% of ")).await?;
    shop.check("v2 serves", now.stable() == "v2" && now.is(Phase::Stable)).await?;
    shop.lost_nothing().await
}

async fn a_version_that_fails_after_its_promotion_goes_and_the_one_before_it_comes_back(world: &World) -> Result<()> {
    let shop = adopted(world.shop("watch-fails"), watched("10m", "Revert")).await?;
    under_watch(&shop).await?;
    shop.set_faults("v2", Faults { error_rate: 0.5, ..Faults::default() });
    reverted(&shop).await?;
    let now = shop.now();
    shop.check("with all of its pods", now.ready_count("v1") == 4).await?;
    shop.check("an event tells of it", told(&shop, reason::WATCH_FAILED).await? == 1).await?;
    shop.check("nothing is watched", now.status().watch.is_none()).await?;
    shop.lost_nothing().await
}

async fn a_version_that_fails_after_its_promotion_is_told_and_stays_where_the_spec_says_no_more(
    world: &World,
) -> Result<()> {
    let shop = adopted(world.shop("watch-told"), watched("10m", "Notify")).await?;
    under_watch(&shop).await?;
    shop.set_faults("v2", Faults { error_rate: 0.5, ..Faults::default() });
    let failed = |now: &Snapshot| now.status().watch.is_some_and(|watch| watch.failed.is_some());
    let now = shop.wait("its failure", LATER, failed).await?;
    let message = now.status().message;
    shop.check(&message, message.contains("after its promotion: errors: ")).await?;
    shop.check("v2 serves on", now.stable() == "v2" && now.is(Phase::Stable)).await?;
    shop.check("an event tells of it", told(&shop, reason::WATCH_FAILED).await? == 1).await
}

async fn a_version_that_fails_after_its_promotion_goes_although_another_one_waits(world: &World) -> Result<()> {
    let mut plan = watched("10m", "Revert");
    let shop = adopted(world.shop("watch-beside"), plan.clone()).await?;
    under_watch(&shop).await?;
    plan["paused"] = json!(true);
    shop.apply_rollout(plan).await?;
    shop.release("v3", &[]).await?;
    shop.wait("v3 to wait", SOON, |now| now.status().message.starts_with("a new version waits")).await?;
    shop.set_faults("v2", Faults { error_rate: 0.5, ..Faults::default() });
    let is_back = |now: &Snapshot| now.stable() == "v1" && now.share().is_none() && now.pods_of("v2") == 0;
    let now = shop.wait("v1 to serve again", LATER, is_back).await?;
    shop.check("with all of its pods", now.ready_count("v1") == 4).await?;
    shop.check("and v3 waits on", now.pods_of("v3") == 0 && now.canary().is_empty()).await?;
    shop.check("an event tells of it", told(&shop, reason::WATCH_FAILED).await? == 1).await?;
    shop.lost_nothing().await
}

async fn an_operator_that_is_killed_goes_on_watching(world: &World) -> Result<()> {
    let mut shop = adopted(world.shop("watch-killed"), watched("10m", "Revert")).await?;
    under_watch(&shop).await?;
    let until = shop.now().status().watch.and_then(|watch| watch.until);
    shop.operator()?.restart()?;
    shop.set_faults("v2", Faults { error_rate: 0.5, ..Faults::default() });
    let still = shop.now().status().watch.and_then(|watch| watch.until);
    shop.check(&format!("to the same end: {until:?}, {still:?}"), until.is_some() && until == still).await?;
    reverted(&shop).await
}
