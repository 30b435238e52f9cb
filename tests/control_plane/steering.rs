//! What people and their tools do while a version is on its way.

use std::collections::BTreeSet;

use kube::api::{Patch, PatchParams};
use serde_json::json;
use tidegate_api::{Phase, condition::reason};
use tidegate_testkit::{Result, pod_server::Faults, shop::Shop, snapshot::Snapshot, wait::until, world::World};

use crate::{
    behaviour::behaviours,
    scenes::{A_WHILE, LATER, SOON, adopted, lingering, promoted, quick, reverted, underway, unjudged},
};

behaviours![
    a_paused_rollout_does_not_advance_and_goes_on_when_resumed,
    a_paused_rollout_still_reverts,
    a_paused_rollout_does_not_start,
    another_version_in_mid_flight_takes_the_place_of_the_first,
    the_stable_version_in_mid_flight_is_an_instant_return,
    scaling_up_during_a_rollout_adds_pods,
    scaling_down_during_a_rollout_waits_until_it_is_over,
    a_rollout_scales_like_a_deployment,
    a_port_that_the_service_gets_in_mid_flight_is_followed,
    weights_that_somebody_changes_are_written_back_and_the_writer_is_named,
    a_writer_who_never_stops_makes_the_rollout_hold,
    a_deployment_that_is_scaled_up_again_gets_no_traffic_and_its_writer_is_named,
];

async fn a_paused_rollout_does_not_advance_and_goes_on_when_resumed(world: &World) -> Result<()> {
    let mut plan = unjudged();
    plan["stages"][0]["bake"] = json!("4s");
    let shop = adopted(world.shop("paused").load(0.0), plan).await?;
    underway(&shop).await?;
    shop.patch_rollout(json!({"paused": true})).await?;
    shop.stays("it stays in its stage", A_WHILE + A_WHILE, |now| now.stage() == "canary").await?;
    shop.patch_rollout(json!({"paused": false})).await?;
    promoted(&shop, "v2").await
}

async fn a_paused_rollout_still_reverts(world: &World) -> Result<()> {
    let shop = adopted(world.shop("paused-revert"), lingering()).await?;
    underway(&shop).await?;
    shop.patch_rollout(json!({"paused": true})).await?;
    shop.set_faults("v2", Faults { error_rate: 0.5, ..Faults::default() });
    reverted(&shop).await
}

async fn a_paused_rollout_does_not_start(world: &World) -> Result<()> {
    let mut plan = unjudged();
    plan["paused"] = json!(true);
    let shop = adopted(world.shop("paused-start").load(0.0), plan).await?;
    shop.release("v2", &[]).await?;
    shop.stays("no pod of v2 is started", A_WHILE, |now| now.pods_of("v2") == 0).await?;
    shop.patch_rollout(json!({"paused": false})).await?;
    promoted(&shop, "v2").await
}

async fn another_version_in_mid_flight_takes_the_place_of_the_first(world: &World) -> Result<()> {
    let shop = adopted(world.shop("superseded"), lingering()).await?;
    underway(&shop).await?;
    shop.patch_rollout(json!({"stages": unjudged()["stages"]})).await?;
    shop.release("v3", &[]).await?;
    promoted(&shop, "v3").await?;
    let weights = shop.canary_weights();
    let returned = weights.windows(2).any(|pair| pair[0].is_some_and(|share| share > 0) && pair[1].unwrap_or(0) == 0);
    shop.check(&format!("traffic went back before v3 had any: {weights:?}"), returned).await?;
    let told = shop.events().await?.into_iter().any(|event| event.reason == reason::SUPERSEDED);
    shop.check("an event says so", told).await?;
    shop.lost_nothing().await
}

async fn the_stable_version_in_mid_flight_is_an_instant_return(world: &World) -> Result<()> {
    let shop = adopted(world.shop("return"), lingering()).await?;
    let stable = shop.now().uids("v1");
    underway(&shop).await?;
    shop.release("v1", &[]).await?;
    let now = shop
        .wait("v1 to serve alone", SOON, |now| {
            now.is(Phase::Stable) && now.stable() == "v1" && now.share().is_none() && now.pods.len() == 4
        })
        .await?;
    shop.check("with the pods that it always had", now.uids("v1") == stable).await?;
    shop.check("and nothing is marked as failed", now.status().failed.is_empty()).await?;
    shop.lost_nothing().await
}

async fn scaling_up_during_a_rollout_adds_pods(world: &World) -> Result<()> {
    let mut plan = lingering();
    plan["stages"][0]["weight"] = json!("50%");
    plan["stages"][1]["weight"] = json!("75%");
    let shop = adopted(world.shop("scale-up"), plan).await?;
    underway(&shop).await?;
    scale(&shop, 8).await?;
    shop.wait("both versions to have more pods", SOON, |now| now.ready_count("v1") == 8 && now.ready_count("v2") == 4)
        .await?;
    shop.lost_nothing().await
}

async fn scaling_down_during_a_rollout_waits_until_it_is_over(world: &World) -> Result<()> {
    let shop = adopted(world.shop("scale-down"), lingering()).await?;
    underway(&shop).await?;
    scale(&shop, 2).await?;
    shop.stays("v1 keeps its pods", A_WHILE, |now| now.pods_of("v1") == 4).await?;
    shop.patch_rollout(json!({"stages": unjudged()["stages"]})).await?;
    promoted(&shop, "v2").await?;
    shop.wait("the lower count to count", SOON, |now| now.pods.len() == 2 && now.ready_count("v2") == 2).await?;
    shop.lost_nothing().await
}

async fn a_rollout_scales_like_a_deployment(world: &World) -> Result<()> {
    let shop = adopted(world.shop("scale"), quick()).await?;
    scale(&shop, 6).await?;
    shop.wait("six pods", SOON, |now| now.ready_count("v1") == 6 && now.status().replicas == 6).await?;
    scale(&shop, 1).await?;
    shop.wait("one pod", SOON, |now| now.pods.len() == 1 && now.status().replicas == 1).await?;
    let scale = shop.rollouts().get_scale("checkout").await?;
    let selector = scale.status.and_then(|status| status.selector).unwrap_or_default();
    shop.check(&format!("the scale has a selector: {selector}"), selector.contains("app=checkout")).await
}

async fn a_port_that_the_service_gets_in_mid_flight_is_followed(world: &World) -> Result<()> {
    let shop = adopted(world.shop("ports"), lingering()).await?;
    underway(&shop).await?;
    shop.patch_service(json!({"spec": {"ports": [{"name": "admin", "port": 81}]}})).await?;
    let ports = |now: &Snapshot, service: &str| {
        let spec = now.service(service).and_then(|service| service.spec.clone()).unwrap_or_default();
        spec.ports.unwrap_or_default().into_iter().map(|port| port.port).collect::<BTreeSet<_>>()
    };
    shop.wait("the revisions' Services to have both ports", SOON, |now| {
        ["checkout-stable", "checkout-canary"].iter().all(|service| ports(now, service) == BTreeSet::from([80, 81]))
    })
    .await?;
    shop.lost_nothing().await
}

async fn weights_that_somebody_changes_are_written_back_and_the_writer_is_named(world: &World) -> Result<()> {
    let shop = adopted(world.shop("contended"), lingering()).await?;
    underway(&shop).await?;
    meddle(&shop).await?;
    shop.wait("the weights to be ours again", SOON, |now| now.share() == Some(25)).await?;
    let now = shop.wait("the writer to be named", SOON, |now| !now.status().contentions.is_empty()).await?;
    let manager = now.status().contentions.first().map(|contention| contention.manager.clone());
    shop.check(&format!("it is {manager:?}"), manager.as_deref() == Some("meddler")).await
}

async fn a_writer_who_never_stops_makes_the_rollout_hold(world: &World) -> Result<()> {
    let shop = adopted(world.shop("quarrel"), lingering()).await?;
    underway(&shop).await?;
    until("the rollout to hold", LATER, || async {
        if shop.now().share() == Some(25) {
            meddle(&shop).await.ok()?;
        }
        (shop.now().phase() == Phase::Held).then_some(())
    })
    .await?;
    let message = shop.now().status().message;
    shop.check(&format!("the message names the writer: {message}"), message.contains("meddler")).await
}

async fn a_deployment_that_is_scaled_up_again_gets_no_traffic_and_its_writer_is_named(world: &World) -> Result<()> {
    let shop = adopted(world.shop("foreign"), quick()).await?;
    shop.release("v2", &[("rig/error-rate", "0.5"), ("rig/ready-after", "3s")]).await?;
    reverted(&shop).await?;
    if let Some(load) = &shop.load {
        load.restart_tally();
    }
    shop.patch_deployment("argocd", json!({"spec": {"replicas": 3}})).await?;
    shop.wait("it to be scaled back and its pods gone", LATER, |now| {
        now.status().history.iter().any(|step| step.reason == reason::FOREIGN_PODS)
            && now.deployment_replicas() == Some(0)
            && now.pods.len() == 4
            && now.share().is_none()
    })
    .await?;
    let events = shop.events().await?;
    shop.check("an event names the writer", {
        events.iter().any(|event| event.reason == reason::FOREIGN_PODS && event.note.contains("argocd"))
    })
    .await?;
    let answered = shop.load.as_ref().map(|load| load.tally().revisions).unwrap_or_default();
    shop.check(&format!("only the stable version answered: {answered:?}"), answered.len() == 1).await?;
    shop.lost_nothing().await
}

async fn scale(shop: &Shop, replicas: i32) -> Result<()> {
    let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
    shop.rollouts().patch_scale("checkout", &PatchParams::default(), &patch).await?;
    Ok(())
}

/// Somebody writes other weights into the route.
async fn meddle(shop: &Shop) -> Result<()> {
    let backends = json!([
        {"name": "checkout-stable", "port": 80, "weight": 1},
        {"name": "checkout-canary", "port": 80, "weight": 1},
    ]);
    shop.patch_route("meddler", json!({"spec": {"rules": [{"backendRefs": backends}]}})).await
}
