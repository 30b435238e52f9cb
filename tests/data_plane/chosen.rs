//! Stages that give the canary some people's requests, or copies.

use anyhow::Context;
use jiff::Timestamp;
use serde_json::{Value, json};
use tidegate_testkit::{
    Result,
    customers::{Answer, Customer, Customers, Kind, Receipt},
    pod_server::{Crowd, Faults},
    shop::Shop,
    wait::until,
    world::World,
};

use crate::{
    behaviour::behaviours,
    nothing_lost::{nothing_lost, released},
    scenes::{LATER, SOON, adopted, errors, promoted, reverted, unjudged, with_checks},
};

behaviours![
    in_a_stage_of_matches_those_whom_they_describe_see_the_canary_and_nobody_else_does,
    when_a_stage_of_matches_is_reverted_everybody_is_on_stable,
    copies_reach_the_canary_in_their_share_and_nobody_is_answered_by_it,
    a_version_that_fails_on_copies_is_reverted_before_anybody_has_seen_it,
];

const REQUESTS_PER_SECOND: f64 = 100.0;

/// A plan whose first stage has no weight, but this, and lasts until somebody shortens it.
fn beginning_with(mut plan: Value, (field, value): (&str, Value)) -> Value {
    plan["drain"] = json!("6s");
    plan["stages"][0] = json!({"name": "canary", "weight": "0%", "bake": "10m", field: value});
    plan
}

fn matches() -> (&'static str, Value) {
    let matches = json!([
        {"headers": [{"name": "x-beta", "value": "yes"}]},
        {"cookie": {"name": "beta", "value": "yes"}},
        {"queryParams": [{"name": "beta", "regex": "y(es)?"}]},
    ]);
    ("match", matches)
}

/// The first three are those whom the matches describe; the last of them by a query, which calls do not have.
fn people() -> Vec<Customer> {
    let nobody = Customer::default;
    vec![
        nobody().with_header("X-Beta", "yes"),
        nobody().with_cookie("theme", "dark").with_cookie("beta", "yes"),
        nobody().with_query("page", "2").with_query("beta", "y"),
        nobody(),
        nobody().with_header("x-beta", "no").with_cookie("beta", "yesterday").with_query("beta", "yesterday"),
    ]
}

fn is_meant(answer: &Answer) -> bool {
    match answer.customer {
        0 | 1 => true,
        2 => ![Kind::Unary, Kind::Stream].contains(&answer.kind),
        _ => false,
    }
}

/// Waits until so many requests have arrived after `since` and been answered.
async fn answered_since(customers: &Customers, since: Timestamp, count: usize) -> Result<Receipt> {
    until("requests to be answered", LATER, || async {
        let is_fresh = |answer: &&Answer| answer.arrived > since;
        customers.once(|receipt| receipt.answers.iter().filter(is_fresh).count() >= count)
    })
    .await
}

async fn in_a_stage_of_matches_those_whom_they_describe_see_the_canary_and_nobody_else_does(
    world: &World,
) -> Result<()> {
    let shop = adopted(world.shop("matches").load(0.0), beginning_with(unjudged(), matches())).await?;
    let customers = Customers::enter_as(&shop, REQUESTS_PER_SECOND, people())?;
    in_the_stage(&shop, &customers).await?;
    shop.patch_rollout(json!({"stages": unjudged()["stages"]})).await?;
    promoted(&shop, "v2").await?;
    nothing_lost(&shop, customers).await.map(drop)
}

/// Releases v2, and sees whom it answers in its first stage: soon everybody who is meant, and never anybody else. A gateway
/// may follow a route a while later than it says.
async fn in_the_stage(shop: &Shop, customers: &Customers) -> Result<()> {
    let since = released(shop, "v2", 0).await?;
    let canary = shop.now().revision("v2").context("no revision")?;
    let receipt = until("those who are meant to be answered by the canary alone", LATER, || async {
        customers.once(|receipt| {
            let passed_over = |answer: &&Answer| is_meant(answer) && answer.revision != canary;
            let last = receipt.answers.iter().filter(passed_over).map(|answer| answer.arrived).max();
            let after = last.unwrap_or(since).max(since);
            receipt.answers.iter().filter(|answer| answer.arrived > after).count() >= 500
        })
    })
    .await?;
    let wrong: Vec<_> = receipt.answers.iter().filter(|it| it.revision == canary && !is_meant(it)).collect();
    shop.check(&format!("nobody else was answered by it: {wrong:?}"), wrong.is_empty()).await
}

async fn when_a_stage_of_matches_is_reverted_everybody_is_on_stable(world: &World) -> Result<()> {
    let plan = beginning_with(with_checks(&[errors("5%")]), matches());
    let shop = adopted(world.shop("matches-back").load(0.0), plan).await?;
    let customers = Customers::enter_as(&shop, REQUESTS_PER_SECOND, people())?;
    in_the_stage(&shop, &customers).await?;
    let stable = shop.now().revision("v1").context("no revision")?;
    let crowd = Some(Crowd { per_second: 50.0, error_rate: 0.5, seed: 1 });
    shop.set_faults("v2", Faults { crowd, ..Faults::default() });
    reverted(&shop).await?;
    let since = Timestamp::now();
    let receipt = answered_since(&customers, since, 200).await?;
    let mut fresh = receipt.answers.iter().filter(|answer| answer.arrived > since);
    shop.check("everybody is on stable", fresh.all(|answer| answer.revision == stable)).await?;
    nothing_lost(&shop, customers).await.map(drop)
}

async fn copies_reach_the_canary_in_their_share_and_nobody_is_answered_by_it(world: &World) -> Result<()> {
    let plan = beginning_with(unjudged(), ("mirror", json!("20%")));
    let shop = adopted(world.shop("mirror").load(0.0), plan).await?;
    let customers = Customers::enter(&shop, REQUESTS_PER_SECOND)?;
    released(&shop, "v2", 0).await?;
    let since = shop.history().last().context("nothing is in force")?.reload.done;
    let canary = shop.now().revision("v2").context("no revision")?;
    let receipt = answered_since(&customers, since, 1000).await?;
    let copies = world.data_plane.kubelet.copies(&shop.namespace, &canary);
    let requests = receipt.answers.iter().filter(|answer| answer.arrived > since).count();
    // Six standard deviations around a fifth, and a few that were still on their way.
    let share = copies as f64 / requests as f64;
    shop.check(&format!("{copies} of {requests} were copied"), (0.12..=0.29).contains(&share)).await?;
    let seen = receipt.answered(&canary, Kind::Short);
    shop.check(&format!("nobody was answered by the canary: {receipt}"), seen == 0).await?;
    shop.patch_rollout(json!({"stages": unjudged()["stages"]})).await?;
    promoted(&shop, "v2").await?;
    nothing_lost(&shop, customers).await.map(drop)
}

async fn a_version_that_fails_on_copies_is_reverted_before_anybody_has_seen_it(world: &World) -> Result<()> {
    let plan = beginning_with(with_checks(&[errors("5%")]), ("mirror", json!("50%")));
    let shop = adopted(world.shop("mirror-back").load(0.0), plan).await?;
    let customers = Customers::enter(&shop, REQUESTS_PER_SECOND)?;
    let stable = shop.now().revision("v1").context("no revision")?;
    shop.release("v2", &[("rig/error-rate", "1.0")]).await?;
    shop.wait("v2 to fail", SOON, |now| now.status().failed.len() == 1).await?;
    reverted(&shop).await?;
    let receipt = nothing_lost(&shop, customers).await?;
    let all_stable = receipt.answers.iter().all(|answer| answer.revision == stable);
    shop.check(&format!("nobody has seen it: {receipt}"), all_stable).await
}
