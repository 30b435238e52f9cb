//! What an API server lets pass that drops the rules of CRDs, as those before Kubernetes 1.25 do.

use kube::api::PostParams;
use serde_json::json;
use tidegate_api::condition::reason;
use tidegate_testkit::{Result, world::World};

use crate::{
    bad_input::{heals, open, refused},
    behaviour::behaviours,
    installation::undecodable,
    scenes::quick,
};

behaviours![
    a_rollout_that_cannot_be_decoded_stops_no_other,
    rules_that_an_old_api_server_does_not_know_are_kept_all_the_same,
];

async fn a_rollout_that_cannot_be_decoded_stops_no_other(world: &World) -> Result<()> {
    let shop = open(world, "undecodable").await?;
    shop.rollouts().create(&PostParams::default(), &undecodable()).await?;
    shop.apply_rollout(quick()).await?;
    heals(&shop).await?;
    shop.check("the broken one is still there", shop.now().rollouts.len() == 2).await
}

async fn rules_that_an_old_api_server_does_not_know_are_kept_all_the_same(world: &World) -> Result<()> {
    let shop = open(world, "falling").await?;
    let mut spec = quick();
    spec["stages"][1]["weight"] = json!("10%");
    refused(&shop, spec, reason::INVALID_SPEC, "the weights of the stages must rise").await?;
    shop.apply_rollout(quick()).await?;
    heals(&shop).await
}
