//! Users who keep their cookies stay on one version.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Context;
use jiff::Timestamp;
use serde_json::{Value, json};
use tidegate_api::Phase;
use tidegate_testkit::{
    Result,
    customers::{Customer, Customers, Receipt},
    gateway::InForce,
    pod_server::{Crowd, Faults},
    shop::Shop,
    snapshot::{share, weights},
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

/// Stages that last until every user has asked at least once.
fn keeping_users(mut plan: Value) -> Value {
    for stage in plan["stages"].as_array_mut().into_iter().flatten().filter(|stage| stage["bake"] == "2s") {
        stage["bake"] = json!("8s");
    }
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

/// The part of the users who asked in a time, and were on the canary when they last did.
fn part_on_canary(ways: &Ways, from: Timestamp, to: Timestamp) -> (usize, f64) {
    let last =
        |way: &Vec<(Timestamp, bool)>| way.iter().rfind(|(at, _)| (from..to).contains(at)).map(|(_, canary)| *canary);
    let last: Vec<_> = ways.values().filter_map(last).collect();
    (last.len(), last.iter().filter(|canary| **canary).count() as f64 / last.len() as f64)
}

/// Six standard deviations around a weight, and what the users of each stage really were. Where all of them are meant,
/// those do not count who asked for the last time while the gateway still followed what was before.
fn stages(history: &[InForce], ways: &Ways, lag: Duration) -> Vec<(u64, usize, f64, bool)> {
    let after = history.iter().skip(1).map(|next| next.reload.began).chain([Timestamp::MAX]);
    let split = |(in_force, to): (&InForce, Timestamp)| {
        let weight = share(&weights(&in_force.backends)).filter(|weight| *weight > 0)?;
        let from = in_force.reload.done + if weight == 100 { lag } else { Duration::ZERO };
        let (users, part) = part_on_canary(ways, from, to);
        let wanted = weight as f64 / 100.0;
        let deviation = (wanted * (1.0 - wanted) / users as f64).sqrt();
        Some((weight, users, part, (part - wanted).abs() <= 6.0 * deviation))
    };
    history.iter().zip(after).filter_map(split).collect()
}

async fn users_move_once_from_stable_to_the_canary_and_as_many_as_each_stage_says(world: &World) -> Result<()> {
    let (shop, customers) = with_users(world.shop("users"), lasting(Some(0))).await?;
    released(&shop, "v2", 0).await?;
    let canary = shop.now().revision("v2").context("no revision")?;
    settled(&customers, &canary).await?;
    shop.patch_rollout(json!({"stages": lasting(Some(1))["stages"]})).await?;
    shop.wait("the second stage to have its weight", LATER, |now| {
        now.status().stage.is_some_and(|stage| stage.index == 2 && stage.since.is_some())
    })
    .await?;
    settled(&customers, &canary).await?;
    shop.patch_rollout(json!({"stages": lasting(None)["stages"]})).await?;
    promoted(&shop, "v2").await?;
    let receipt = nothing_lost(&shop, customers).await?;
    let ways = ways(&receipt, &canary);
    let restless: Vec<_> = ways.iter().filter(|(_, way)| moves(way) > 1).collect();
    shop.check(&format!("nobody went back and forth: {restless:?}"), restless.is_empty()).await?;
    let stages = stages(&shop.history(), &ways, world.data_plane.gateway.leader.lag());
    let weights: Vec<_> = stages.iter().map(|(weight, ..)| *weight).collect();
    let all_asked = stages.iter().take(2).all(|(_, users, ..)| users * 10 >= USERS * 9);
    let as_told = weights == [25, 50, 100] && all_asked && stages.iter().all(|(.., inside)| *inside);
    shop.check(&format!("each stage had its part of the users: {stages:?}"), as_told).await
}

async fn when_a_version_is_reverted_all_users_are_on_stable_and_stay_there(world: &World) -> Result<()> {
    let (shop, customers) = with_users(world.shop("users-back"), lasting(Some(1))).await?;
    released(&shop, "v2", 1).await?;
    let canary = shop.now().revision("v2").context("no revision")?;
    let crowd = Some(Crowd { per_second: 50.0, error_rate: 0.5, seed: 1 });
    shop.set_faults("v2", Faults { crowd, ..Faults::default() });
    reverted(&shop).await?;
    let since = Timestamp::now();
    until("every user to have asked again", LATER, || async {
        let ways = customers.so_far(|so_far| ways(so_far, &canary));
        let asked = ways.values().filter(|way| way.last().is_some_and(|(at, _)| *at > since)).count();
        (asked == USERS).then_some(())
    })
    .await?;
    let receipt = nothing_lost(&shop, customers).await?;
    let ways = ways(&receipt, &canary);
    let restless: Vec<_> = ways.iter().filter(|(_, way)| moves(way) > 2).collect();
    shop.check(&format!("nobody went back and forth: {restless:?}"), restless.is_empty()).await?;
    let (_, part) = part_on_canary(&ways, since, Timestamp::MAX);
    shop.check(&format!("everybody is on stable but {part}"), part == 0.0).await
}

/// Waits until every user has asked again, and says which part of them is on the canary.
async fn settled(customers: &Customers, canary: &str) -> Result<f64> {
    let since = Timestamp::now();
    let ways = until("every user to have asked again", LATER, || async {
        let ways = customers.so_far(|so_far| ways(so_far, canary));
        let asked = ways.values().filter(|way| way.last().is_some_and(|(at, _)| *at > since)).count();
        (asked == USERS).then_some(ways)
    })
    .await?;
    Ok(part_on_canary(&ways, since, Timestamp::MAX).1)
}

/// Six standard deviations around a quarter of the users.
fn is_a_quarter(part: f64) -> bool {
    (0.158..=0.342).contains(&part)
}

async fn a_version_that_comes_again_begins_anew_whoever_knew_it_before(world: &World) -> Result<()> {
    let (shop, customers) = with_users(world.shop("users-again"), lasting(Some(1))).await?;
    released(&shop, "v2", 1).await?;
    let canary = shop.now().revision("v2").context("no revision")?;
    settled(&customers, &canary).await?;
    shop.release("v1", &[]).await?;
    shop.wait("v1 to serve alone", LATER, |now| now.is(Phase::Stable) && now.share().is_none()).await?;
    shop.patch_rollout(json!({"stages": lasting(Some(0))["stages"]})).await?;
    released(&shop, "v2", 0).await?;
    let part = settled(&customers, &canary).await?;
    shop.check(&format!("a quarter of the users is on it again: {part}"), is_a_quarter(part)).await?;
    nothing_lost(&shop, customers).await.map(drop)
}

async fn a_weight_that_somebody_lowers_is_reached_whoever_was_there_before(world: &World) -> Result<()> {
    let (shop, customers) = with_users(world.shop("users-fewer").patient(), lasting(Some(1))).await?;
    released(&shop, "v2", 1).await?;
    let canary = shop.now().revision("v2").context("no revision")?;
    settled(&customers, &canary).await?;
    let mut stages = lasting(Some(1))["stages"].clone();
    stages[1]["weight"] = json!("25%");
    shop.patch_rollout(json!({"stages": stages})).await?;
    shop.wait("the lower weight to be in force", LATER, |now| {
        now.status().stage.is_some_and(|stage| stage.since.is_some() && stage.weight.to_string() == "25%")
    })
    .await?;
    let part = settled(&customers, &canary).await?;
    shop.check(&format!("a quarter of the users is on it now: {part}"), is_a_quarter(part)).await?;
    nothing_lost(&shop, customers).await.map(drop)
}
