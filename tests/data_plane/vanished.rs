//! Endpoints that vanish: weight goes where there are some.

use anyhow::Context;
use serde_json::json;
use tidegate_api::condition::reason;
use tidegate_testkit::{
    Result,
    customers::Customers,
    snapshot::{share, weights},
    wait::until,
    world::World,
};

use crate::{
    behaviour::behaviours,
    nothing_lost::{lasting, released},
    scenes::{SOON, adopted, promoted},
};

behaviours![once_the_weight_of_a_canary_without_ready_pods_has_gone_back_no_request_fails_any_more,];

const REQUESTS_PER_SECOND: f64 = 100.0;

/// Until the operator has written the weight, and Envoy has taken it over, there is nowhere else for the requests to go.
async fn once_the_weight_of_a_canary_without_ready_pods_has_gone_back_no_request_fails_any_more(
    world: &World,
) -> Result<()> {
    let shop = adopted(world.shop("vanished").load(0.0), lasting(Some(1))).await?;
    let customers = Customers::enter(&shop, REQUESTS_PER_SECOND)?;
    released(&shop, "v2", 1).await?;
    shop.set_ready("v2", false).await?;
    shop.wait("the weight to go back", SOON, |now| {
        now.share_in_force() == Some(0) && now.status().history.iter().any(|step| step.reason == reason::CANARY_LOST)
    })
    .await?;
    let history = shop.history();
    let mut given = history.iter().skip_while(|in_force| share(&weights(&in_force.backends)) != Some(50));
    let back = given.find(|in_force| share(&weights(&in_force.backends)) == Some(0));
    let back = back.context("the weight never went back")?.reload.done;
    let answered = customers.so_far(|so_far| so_far.answers.len());
    until("customers to go on", SOON, || async {
        customers.so_far(|so_far| so_far.answers.len() > answered + 200).then_some(())
    })
    .await?;
    shop.set_ready("v2", true).await?;
    shop.wait("the canary to have its weight again", SOON, |now| now.share_in_force() == Some(50)).await?;
    shop.patch_rollout(json!({"stages": lasting(None)["stages"]})).await?;
    promoted(&shop, "v2").await?;
    let receipt = customers.leave().await?;
    let late = receipt.failures.iter().filter(|failure| failure.sent > back).count();
    shop.check(&format!("no request was lost after {back}: {receipt}"), late == 0).await
}
