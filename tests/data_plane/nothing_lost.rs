//! Whatever becomes of a rollout, its customers do not notice.

use anyhow::Context;
use jiff::Timestamp;
use serde_json::{Value, json};
use tidegate_testkit::{
    Result,
    customers::{Answer, Customers, Kind, Receipt},
    pod_server::{Crowd, Faults},
    shop::Shop,
    snapshot::{Snapshot, share, weights},
    wait::until,
    world::World,
};

use crate::{
    behaviour::behaviours,
    scenes::{LATER, SOON, adopted, errors, promoted, reverted, with_checks},
};

behaviours![
    a_promotion_loses_no_request,
    a_revert_in_the_first_stage_loses_no_request,
    a_revert_in_the_second_stage_loses_no_request,
    a_revert_in_the_last_stage_loses_no_request_and_cuts_no_stream,
    a_superseded_rollout_loses_no_request,
    a_rollout_that_is_deleted_in_mid_flight_loses_no_request,
    a_switch_of_all_traffic_and_its_return_lose_no_request_of_five_hundred_a_second,
];

const REQUESTS_PER_SECOND: f64 = 100.0;

/// Three stages, of which one lasts until the behaviour is over, and pods that stay for as long as the longest stream.
pub fn lasting(stage: Option<usize>) -> Value {
    let mut plan = with_checks(&[errors("5%")]);
    plan["drain"] = json!("6s");
    if let Some(stage) = stage {
        plan["stages"][stage]["bake"] = json!("10m");
    }
    plan
}

async fn a_promotion_loses_no_request(world: &World) -> Result<()> {
    let shop = adopted(world.shop("promotion").load(0.0), lasting(None)).await?;
    let customers = Customers::enter(&shop, REQUESTS_PER_SECOND)?;
    shop.release("v2", &[]).await?;
    promoted(&shop, "v2").await?;
    nothing_lost(&shop, customers).await.map(drop)
}

async fn a_revert_in_the_first_stage_loses_no_request(world: &World) -> Result<()> {
    revert(world, "revert-first", 0, Kind::Short).await.map(drop)
}

async fn a_revert_in_the_second_stage_loses_no_request(world: &World) -> Result<()> {
    revert(world, "revert-second", 1, Kind::Short).await.map(drop)
}

/// All requests are on the canary by then: so there are long ones and streams that the revert finds under way.
async fn a_revert_in_the_last_stage_loses_no_request_and_cuts_no_stream(world: &World) -> Result<()> {
    let (shop, receipt) = revert(world, "revert-last", 2, Kind::Stream).await?;
    let history = shop.history();
    let back = history.iter().rev().find(|in_force| share(&weights(&in_force.backends)) == Some(0));
    let back = back.context("the weight never went back")?.reload.done;
    let under_way = |answer: &&Answer| answer.arrived < back && answer.over > back;
    for kind in [Kind::Long, Kind::Stream] {
        let count = receipt.answers.iter().filter(|answer| answer.kind == kind).filter(under_way).count();
        shop.check(&format!("{kind:?} requests were under way ({count})"), count > 1).await?;
    }
    Ok(())
}

async fn a_superseded_rollout_loses_no_request(world: &World) -> Result<()> {
    let shop = adopted(world.shop("superseded").load(0.0), lasting(Some(1))).await?;
    let customers = Customers::enter(&shop, REQUESTS_PER_SECOND)?;
    released(&shop, "v2", 1).await?;
    released(&shop, "v3", 1).await?;
    shop.wait("the pods of v2 to be gone", SOON, |now| now.revision("v2").is_none()).await?;
    nothing_lost(&shop, customers).await.map(drop)
}

async fn a_rollout_that_is_deleted_in_mid_flight_loses_no_request(world: &World) -> Result<()> {
    let shop = adopted(world.shop("deleted").load(0.0), lasting(Some(1))).await?;
    let customers = Customers::enter(&shop, REQUESTS_PER_SECOND)?;
    let stable = shop.now().uids("v1");
    released(&shop, "v2", 1).await?;
    shop.delete_rollout().await?;
    let now = shop
        .wait("the Deployment to have its pods back", LATER, |now| {
            now.rollouts.is_empty() && now.share().is_none() && now.revision("v2").is_none()
        })
        .await?;
    shop.check("the stable pods are the same", now.uids("v1") == stable).await?;
    nothing_lost(&shop, customers).await.map(drop)
}

/// Blue-green: everybody comes over at once, and goes back at once.
async fn a_switch_of_all_traffic_and_its_return_lose_no_request_of_five_hundred_a_second(world: &World) -> Result<()> {
    let mut plan = lasting(None);
    plan["stages"] = json!([
        {"name": "preview", "weight": "0%", "replicas": "100%", "bake": "2s", "preview": {"service": "checkout-preview"}},
        {"name": "switched", "weight": "100%", "bake": "10m"},
    ]);
    let shop = adopted(world.shop("blue-green").load(0.0), plan).await?;
    let customers = Customers::enter(&shop, 500.0)?;
    let since = released(&shop, "v2", 1).await?;
    let canary = shop.now().revision("v2").context("no revision")?;
    until("everybody to be answered by it", SOON, || async {
        let of_it = |answer: &&Answer| answer.revision == canary && answer.arrived > since;
        customers.so_far(|so_far| so_far.answers.iter().filter(of_it).count() > 1000).then_some(())
    })
    .await?;
    let crowd = Some(Crowd { per_second: 50.0, error_rate: 0.5, seed: 1 });
    shop.set_faults("v2", Faults { crowd, ..Faults::default() });
    reverted(&shop).await?;
    let seen = shop.now().status().checks.first().and_then(|check| check.at).context("no check was asked")?;
    let history = shop.history();
    let back = history.iter().rev().find(|in_force| share(&weights(&in_force.backends)) == Some(0));
    let back = back.context("the weight never went back")?.reload.done;
    let receipt = nothing_lost(&shop, customers).await?;
    // How long it took is measured by whoever reads this: a busy machine must not make it a failure.
    println!(
        "blue-green: {} requests, {} failed; from the scrape that failed to weight 0 in force: {} ms",
        receipt.answers.len() + receipt.failures.len(),
        receipt.failures.len(),
        back.as_millisecond() - seen.as_millisecond()
    );
    Ok(())
}

/// Releases v2, which goes wrong in a stage, after it has answered one request of that kind there: nobody notices but
/// Prometheus.
async fn revert(world: &World, name: &str, stage: usize, kind: Kind) -> Result<(Shop, Receipt)> {
    let shop = adopted(world.shop(name).load(0.0), lasting(Some(stage))).await?;
    let customers = Customers::enter(&shop, REQUESTS_PER_SECOND)?;
    let since = released(&shop, "v2", stage).await?;
    let canary = shop.now().revision("v2").context("no revision")?;
    until("the canary to answer", SOON, || async {
        let of_it = |answer: &Answer| answer.revision == canary && answer.kind == kind && answer.arrived > since;
        customers.so_far(|so_far| so_far.answers.iter().any(of_it)).then_some(())
    })
    .await?;
    let crowd = Some(Crowd { per_second: 50.0, error_rate: 0.5, seed: 1 });
    shop.set_faults("v2", Faults { crowd, ..Faults::default() });
    reverted(&shop).await?;
    let receipt = nothing_lost(&shop, customers).await?;
    Ok((shop, receipt))
}

/// Releases a version, and waits until a stage has its weight; since when.
pub async fn released(shop: &Shop, version: &str, stage: usize) -> Result<Timestamp> {
    shop.release(version, &[]).await?;
    let since = |now: &Snapshot| {
        let stage_of = now.status().stage.filter(|of| usize::try_from(of.index) == Ok(stage + 1));
        stage_of.filter(|_| now.canary() == version)?.since
    };
    let now = shop.wait("the stage to have its weight", LATER, |now| since(now).is_some()).await?;
    since(&now).context("it has gone on")
}

/// Has the customers leave, and fails if one of their requests was lost.
pub async fn nothing_lost(shop: &Shop, customers: Customers) -> Result<Receipt> {
    let receipt = customers.leave().await?;
    shop.check(&format!("no request was lost: {receipt}"), receipt.failures.is_empty()).await?;
    Ok(receipt)
}
