//! However a Rollout is deleted, the pods that serve go on serving.

use kube::api::DeleteParams;

use crate::{
    adoption::handed_back,
    behaviour::behaviours,
    rig::{Result, world::World},
    scenes::{adopted, quick},
};

behaviours![deleting_the_rollout_in_the_foreground_loses_no_request];

/// Argo CD prunes in the foreground: the garbage collector deletes what the Rollout owns before the Rollout itself.
async fn deleting_the_rollout_in_the_foreground_loses_no_request(world: &World) -> Result<()> {
    let shop = adopted(world.shop("foreground"), quick()).await?;
    tokio::time::sleep(std::time::Duration::from_secs(40)).await;
    shop.rollouts().delete("checkout", &DeleteParams::foreground()).await?;
    handed_back(&shop).await?;
    shop.lost_nothing().await
}
