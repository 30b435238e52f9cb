//! Users who keep their cookies stay on one version.

use std::collections::BTreeMap;

use anyhow::Context;
use jiff::Timestamp;
use serde_json::{Value, json};
use tidegate_api::Phase;
use tidegate_testkit::{
    Result,
    customers::{Customer, Customers, Receipt},
    pod_server::{Crowd, Faults},
    shop::Shop,
    wait::until,
    world::{ShopPlan, World},
};

use crate::{
    behaviour::behaviours,
    nothing_lost::{lasting, nothing_lost, released},
    scenes::{LATER, adopted, promoted, reverted},
};

behaviours![
    users_move_once_from_stable_to_the_canary_and_as_many_as_each_stage_says,
    when_a_version_is_reverted_all_users_are_on_stable_and_stay_there,
    a_version_that_comes_again_begins_anew_whoever_knew_it_before,
    a_weight_that_somebody_lowers_is_reached_whoever_was_there_before,
];

const USERS: usize = 800;

/// Each user asks about every four seconds.
const REQUESTS_PER_SECOND: f64 = 200.0;

fn keeping_users(mut plan: Value) -> Value {
    plan["traffic"] = json!({"gatewayAPI": {"routes": [{"name": "checkout"}]}, "sessionPersistence": "Cookie"});
    plan
}

async fn with_users(shop: ShopPlan<'_>, plan: Value) -> Result<(Shop, Customers)> {
    let shop = adopted(shop.load(0.0), keeping_users(plan)).await?;
    let users = vec![Customer::who_keeps_cookies(); USERS];
    let customers = Customers::enter_as(&shop, REQUESTS_PER_SECOND, users)?;
    Ok((shop, customers))
}

/// By user: when a request arrived, and whether at the canary; in the order in which they were made.
type Ways = BTreeMap<usize, Vec<(Timestamp, bool)>>;

fn ways(receipt: &Receipt, canary: &str) -> Ways {
    let mut ways = Ways::new();
    for answer in &receipt.answers {
        ways.entry(answer.customer).or_default().push((answer.arrived, answer.revision == canary));
    }
    ways
}

/// How often a user came to another version than before.
fn moves(way: &[(Timestamp, bool)]) -> usize {
    way.windows(2).filter(|pair| pair[0].1 != pair[1].1).count()
}

/// Waits until every user has asked once more, and as many are on the canary as a weight says: within six standard deviations
/// of it, so that nobody is there at 0 and everybody at 1. A gateway may follow a route a while later than it says.
async fn parted(customers: &Customers, canary: &str, weight: f64) -> Result<()> {
    let since = Timestamp::now();
    let deviation = (weight * (1.0 - weight) / USERS as f64).sqrt();
    until(&format!("{weight} of the users to be on the canary"), LATER, || async {
        let ways = customers.so_far(|so_far| ways(so_far, canary));
        let last: Vec<_> = ways.values().filter_map(|way| way.last().filter(|(at, _)| *at > since)).collect();
        let part = last.iter().filter(|(_, canary)| *canary).count() as f64 / USERS as f64;
        (last.len() == USERS && (part - weight).abs() <= 6.0 * deviation).then_some(())
    })
    .await
}

async fn users_move_once_from_stable_to_the_canary_and_as_many_as_each_stage_says(world: &World) -> Result<()> {
    let (shop, customers) = with_users(world.shop("users"), lasting(Some(0))).await?;
    released(&shop, "v2", 0).await?;
    let canary = shop.now().revision("v2").context("no revision")?;
    parted(&customers, &canary, 0.25).await?;
    for (stage, weight) in [(1, 0.5), (2, 1.0)] {
        shop.patch_rollout(json!({"stages": lasting(Some(stage))["stages"]})).await?;
        weighted(&shop, stage).await?;
        parted(&customers, &canary, weight).await?;
    }
    shop.patch_rollout(json!({"stages": lasting(None)["stages"]})).await?;
    promoted(&shop, "v2").await?;
    let receipt = nothing_lost(&shop, customers).await?;
    let ways = ways(&receipt, &canary);
    let restless: Vec<_> = ways.iter().filter(|(_, way)| moves(way) > 1).collect();
    shop.check(&format!("nobody went back and forth: {restless:?}"), restless.is_empty()).await
}

/// Waits until a stage has its weight.
async fn weighted(shop: &Shop, stage: usize) -> Result<()> {
    shop.wait("the next stage to have its weight", LATER, |now| {
        now.status().stage.is_some_and(|of| usize::try_from(of.index) == Ok(stage + 1) && of.since.is_some())
    })
    .await
    .map(drop)
}

async fn when_a_version_is_reverted_all_users_are_on_stable_and_stay_there(world: &World) -> Result<()> {
    let (shop, customers) = with_users(world.shop("users-back"), lasting(Some(1))).await?;
    released(&shop, "v2", 1).await?;
    let canary = shop.now().revision("v2").context("no revision")?;
    let crowd = Some(Crowd { per_second: 50.0, error_rate: 0.5, seed: 1 });
    shop.set_faults("v2", Faults { crowd, ..Faults::default() });
    reverted(&shop).await?;
    parted(&customers, &canary, 0.0).await?;
    let receipt = nothing_lost(&shop, customers).await?;
    let ways = ways(&receipt, &canary);
    let restless: Vec<_> = ways.iter().filter(|(_, way)| moves(way) > 2).collect();
    shop.check(&format!("nobody went back and forth: {restless:?}"), restless.is_empty()).await
}

async fn a_version_that_comes_again_begins_anew_whoever_knew_it_before(world: &World) -> Result<()> {
    let (shop, customers) = with_users(world.shop("users-again"), lasting(Some(1))).await?;
    released(&shop, "v2", 1).await?;
    let canary = shop.now().revision("v2").context("no revision")?;
    parted(&customers, &canary, 0.5).await?;
    shop.release("v1", &[]).await?;
    shop.wait("v1 to serve alone", LATER, |now| now.is(Phase::Stable) && now.share().is_none()).await?;
    shop.patch_rollout(json!({"stages": lasting(Some(0))["stages"]})).await?;
    released(&shop, "v2", 0).await?;
    parted(&customers, &canary, 0.25).await?;
    nothing_lost(&shop, customers).await.map(drop)
}

async fn a_weight_that_somebody_lowers_is_reached_whoever_was_there_before(world: &World) -> Result<()> {
    let (shop, customers) = with_users(world.shop("users-fewer").patient(), lasting(Some(1))).await?;
    released(&shop, "v2", 1).await?;
    let canary = shop.now().revision("v2").context("no revision")?;
    parted(&customers, &canary, 0.5).await?;
    let mut stages = lasting(Some(1))["stages"].clone();
    stages[1]["weight"] = json!("25%");
    shop.patch_rollout(json!({"stages": stages})).await?;
    shop.wait("the lower weight to be in force", LATER, |now| {
        now.status().stage.is_some_and(|stage| stage.since.is_some() && stage.weight.to_string() == "25%")
    })
    .await?;
    parted(&customers, &canary, 0.25).await?;
    nothing_lost(&shop, customers).await.map(drop)
}
