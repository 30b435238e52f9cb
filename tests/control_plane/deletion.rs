//! However a Rollout is deleted, the pods that serve go on serving, and what nobody wants any more goes.

use std::time::Duration;

use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    core::v1::ConfigMap,
};
use kube::{
    Api, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
};
use serde_json::json;
use tidegate_api::{AdoptionStep, Rollout};
use tidegate_testkit::{Result, shop::Shop, wait::until, world::World};

use crate::{
    adoption::{handed_back, image},
    behaviour::behaviours,
    scenes::{SOON, adopted, lingering, quick, underway},
};

behaviours![
    deleting_the_rollout_in_the_foreground_loses_no_request,
    deleting_the_rollout_in_the_foreground_in_mid_flight_hands_back_the_stable_version,
    a_rollout_that_is_deleted_with_its_deployment_leaves_nothing_behind,
    a_rollout_that_is_deleted_after_its_deployment_leaves_nothing_behind,
    a_deployment_that_is_deleted_while_it_is_handed_back_leaves_nothing_behind,
    a_replica_set_that_nobody_owns_any_more_goes_when_there_is_no_deployment_to_take_it_back,
    a_rollout_and_its_deployment_that_are_deleted_in_the_foreground_leave_nothing_behind,
];

/// The garbage collector asks every 30 seconds which kinds there are.
const COLLECTOR: Duration = Duration::from_mins(1);

/// Waits until the garbage collector knows Rollouts: one that is deleted in the foreground goes with what it owns.
async fn rollouts_are_collected(world: &World) -> Result<()> {
    let client = world.control_plane.client.clone();
    let probe = || async {
        let resource = ApiResource::erase::<Rollout>(&());
        let rollouts = Api::<DynamicObject>::namespaced_with(client.clone(), "default", &resource);
        let spec = json!({"workload": {"kind": "Deployment", "name": "none"}, "service": "none"});
        let rollout = DynamicObject::new("probe", &resource).data(json!({"spec": spec}));
        let rollout = rollouts.create(&PostParams::default(), &rollout).await?;
        let maps = Api::<ConfigMap>::namespaced(client.clone(), "default");
        let owner = json!({
            "apiVersion": resource.api_version, "kind": resource.kind, "name": "probe", "uid": rollout.metadata.uid,
        });
        let map = serde_json::from_value(json!({"metadata": {"name": "probe", "ownerReferences": [owner]}}))?;
        maps.create(&PostParams::default(), &map).await?;
        rollouts.delete("probe", &DeleteParams::foreground()).await?;
        until("the garbage collector to know Rollouts", COLLECTOR, || async {
            let gone = rollouts.get_opt("probe").await.ok()?.is_none() && maps.get_opt("probe").await.ok()?.is_none();
            gone.then_some(())
        })
        .await
    };
    world.collects_rollouts.get_or_try_init(probe).await.map(drop)
}

/// Argo CD prunes in the foreground: the garbage collector deletes what the Rollout owns before the Rollout itself.
async fn deleting_the_rollout_in_the_foreground_loses_no_request(world: &World) -> Result<()> {
    rollouts_are_collected(world).await?;
    let shop = adopted(world.shop("foreground"), quick()).await?;
    let before = shop.now().uids("v1");
    shop.rollouts().delete("checkout", &DeleteParams::foreground()).await?;
    let now = handed_back(&shop).await?;
    shop.check("the pods are the same", now.uids("v1") == before).await?;
    shop.lost_nothing().await
}

async fn deleting_the_rollout_in_the_foreground_in_mid_flight_hands_back_the_stable_version(
    world: &World,
) -> Result<()> {
    rollouts_are_collected(world).await?;
    let shop = adopted(world.shop("foreground-abort"), lingering()).await?;
    let stable = shop.now().uids("v1");
    underway(&shop).await?;
    shop.rollouts().delete("checkout", &DeleteParams::foreground()).await?;
    let now = handed_back(&shop).await?;
    shop.check("the stable pods are the same", now.uids("v1") == stable).await?;
    let asked = image(&now);
    shop.check(
        &format!("the Deployment asks for v1, not {asked:?}"),
        asked.is_some_and(|image| image.ends_with(":v1")),
    )
    .await?;
    shop.lost_nothing().await
}

async fn a_rollout_that_is_deleted_with_its_deployment_leaves_nothing_behind(world: &World) -> Result<()> {
    rollouts_are_collected(world).await?;
    let shop = adopted(world.shop("both").load(0.0), lingering()).await?;
    underway(&shop).await?;
    shop.delete_rollout().await?;
    delete_deployment(&shop, &DeleteParams::background()).await?;
    nothing_is_left(&shop).await
}

async fn a_rollout_that_is_deleted_after_its_deployment_leaves_nothing_behind(world: &World) -> Result<()> {
    rollouts_are_collected(world).await?;
    let shop = adopted(world.shop("both-reversed").load(0.0), lingering()).await?;
    underway(&shop).await?;
    delete_deployment(&shop, &DeleteParams::background()).await?;
    shop.delete_rollout().await?;
    nothing_is_left(&shop).await
}

async fn a_deployment_that_is_deleted_while_it_is_handed_back_leaves_nothing_behind(world: &World) -> Result<()> {
    rollouts_are_collected(world).await?;
    let shop = adopted(world.shop("both-at-last").load(0.0), quick()).await?;
    shop.delete_rollout().await?;
    shop.wait("the ReplicaSet to be let go", SOON, |now| {
        let step = now.status().adoption.map(|adoption| adoption.step);
        step == Some(AdoptionStep::Releasing) || now.rollouts.is_empty()
    })
    .await?;
    delete_deployment(&shop, &DeleteParams::background()).await?;
    nothing_is_left(&shop).await
}

/// The moment between the Rollout's letting go and the Deployment's taking back, made to last.
async fn a_replica_set_that_nobody_owns_any_more_goes_when_there_is_no_deployment_to_take_it_back(
    world: &World,
) -> Result<()> {
    let mut shop = adopted(world.shop("ownerless").load(0.0), quick()).await?;
    shop.operator()?.kill();
    let sets = Api::<ReplicaSet>::namespaced(shop.client.clone(), &shop.namespace);
    // The Deployment would take its own empty one back sooner or later, or too late.
    let of_the_rollout = |set: &ReplicaSet| set.owner_references().iter().any(|owner| owner.kind == "Rollout");
    for set in shop.now().replica_sets.iter().filter(|set| of_the_rollout(set)) {
        let nobody = Patch::Merge(json!({"metadata": {"ownerReferences": null}}));
        sets.patch(&set.name_any(), &PatchParams::default(), &nobody).await?;
    }
    shop.delete_rollout().await?;
    delete_deployment(&shop, &DeleteParams::background()).await?;
    shop.operator()?.restart()?;
    nothing_is_left(&shop).await
}

async fn a_rollout_and_its_deployment_that_are_deleted_in_the_foreground_leave_nothing_behind(
    world: &World,
) -> Result<()> {
    rollouts_are_collected(world).await?;
    let shop = adopted(world.shop("both-foreground").load(0.0), lingering()).await?;
    underway(&shop).await?;
    shop.rollouts().delete("checkout", &DeleteParams::foreground()).await?;
    delete_deployment(&shop, &DeleteParams::foreground()).await?;
    nothing_is_left(&shop).await
}

async fn delete_deployment(shop: &Shop, how: &DeleteParams) -> Result<()> {
    Api::<Deployment>::namespaced(shop.client.clone(), &shop.namespace).delete("checkout", how).await?;
    Ok(())
}

async fn nothing_is_left(shop: &Shop) -> Result<()> {
    shop.wait("the Rollout, its ReplicaSets, their pods and its Services to be gone", SOON, |now| {
        now.rollouts.is_empty() && now.replica_sets.is_empty() && now.pods.is_empty() && now.services.len() == 1
    })
    .await?;
    shop.check("the route is the user's again", shop.now().share().is_none()).await
}
