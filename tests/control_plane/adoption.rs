//! Taking over a Deployment's pods and giving them back, without restarting one.

use anyhow::Context;
use k8s_openapi::api::{apps::v1::Deployment, autoscaling::v1::HorizontalPodAutoscaler, core::v1::Namespace};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, PostParams},
};
use serde_json::json;
use tidegate_api::{
    Phase,
    condition::{kind, reason},
};
use tidegate_testkit::{Result, shop::Shop, snapshot::Snapshot, world::World};

use crate::{
    behaviour::behaviours,
    scenes::{A_WHILE, LATER, SOON, adopted, lingering, promoted, quick, underway},
};

behaviours![
    adoption_restarts_no_pod,
    adoption_records_the_deployments_count,
    adoption_waits_until_the_deployment_is_complete,
    adoption_of_a_deployment_with_a_history_starts_none_of_its_old_pods,
    adoption_waits_while_an_autoscaler_targets_the_deployment,
    adoption_waits_while_somebody_has_paused_the_deployment,
    adoption_waits_until_pods_have_been_ready_for_as_long_as_the_deployment_asks,
    deleting_the_rollout_hands_the_pods_back_without_a_restart,
    deleting_the_rollout_in_mid_flight_hands_back_the_stable_version,
    a_rollout_whose_deployment_is_gone_can_be_deleted,
    a_terminating_namespace_is_not_held_up,
    a_deployment_that_was_handed_back_can_be_adopted_again,
];

async fn adoption_restarts_no_pod(world: &World) -> Result<()> {
    let shop = world.shop("adoption").open().await?;
    let before = shop.now().uids("v1");
    shop.apply_rollout(quick()).await?;
    let now = shop.wait("the Deployment to be adopted", SOON, |now| now.is(Phase::Stable)).await?;
    shop.check("the pods are the same", now.uids("v1") == before).await?;
    shop.check("no pod was created", shop.pods_created() == 4).await?;
    shop.check("the Rollout owns the pods' ReplicaSet", owners_of_filled(&now) == ["Rollout"]).await?;
    shop.wait("the Deployment to be at 0 and at rest", SOON, |now| now.deployment().is_some_and(at_rest)).await?;
    shop.check("the Rollout is ready", now.holds(kind::READY).is_some() && now.holds(kind::STALLED).is_none()).await?;
    shop.lost_nothing().await
}

async fn adoption_records_the_deployments_count(world: &World) -> Result<()> {
    let shop = adopted(world.shop("counts").replicas(3).load(0.0), quick()).await?;
    let now = shop
        .wait("spec.replicas to be written", SOON, |now| {
            now.rollout("checkout").is_some_and(|rollout| rollout.spec.replicas == Some(3))
        })
        .await?;
    shop.check("the scale subresource counts the pods", now.status().replicas == 3).await?;
    shop.check("it selects them", now.status().selector.contains("app=checkout")).await
}

async fn adoption_waits_until_the_deployment_is_complete(world: &World) -> Result<()> {
    let shop = world.shop("incomplete").open().await?;
    shop.release("v2", &[("rig/ready-after", "3s")]).await?;
    shop.wait("v2 to be on its way", SOON, |now| now.pods_of("v2") > 0).await?;
    shop.apply_rollout(quick()).await?;
    shop.wait("it to wait with a reason", SOON, |now| {
        now.phase() == Phase::Pending && now.status().message.contains("Deployment checkout")
    })
    .await?;
    shop.wait("v2 to be adopted", SOON, |now| now.is(Phase::Stable) && now.stable() == "v2").await?;
    let created = shop.pods_created();
    shop.check(&format!("no pod was created for it, of {created}"), created == 8).await?;
    shop.lost_nothing().await
}

/// A paused Deployment gives its count to the latest ReplicaSet that it still owns: an old one, when the current one
/// has gone.
async fn adoption_of_a_deployment_with_a_history_starts_none_of_its_old_pods(world: &World) -> Result<()> {
    let shop = world.shop("history").open().await?;
    shop.release("v2", &[]).await?;
    shop.wait("v2 to have replaced v1", SOON, |now| now.ready_count("v2") == 4 && now.pods.len() == 4).await?;
    if let Some(load) = &shop.load {
        load.restart_tally();
    }
    shop.apply_rollout(quick()).await?;
    shop.wait("v2 to be adopted", SOON, |now| now.is(Phase::Stable) && now.stable() == "v2").await?;
    let created = shop.pods_created();
    shop.check(&format!("no pod was created, of {created}"), created == 8).await?;
    let answered = shop.load.as_ref().map(|load| load.tally().revisions.len());
    shop.check("only v2 answered", answered == Some(1)).await
}

async fn adoption_waits_while_an_autoscaler_targets_the_deployment(world: &World) -> Result<()> {
    let shop = world.shop("autoscaled").load(0.0).open().await?;
    let autoscalers = Api::<HorizontalPodAutoscaler>::namespaced(shop.client.clone(), &shop.namespace);
    let autoscaler = serde_json::from_value(json!({
        "metadata": {"name": "busy"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"},
            "minReplicas": 2, "maxReplicas": 8,
        },
    }))?;
    autoscalers.create(&PostParams::default(), &autoscaler).await?;
    shop.apply_rollout(quick()).await?;
    let now = shop
        .wait("a condition about the autoscaler", SOON, |now| {
            now.holds(kind::STALLED).is_some_and(|why| why == reason::AUTOSCALER_ON_WORKLOAD)
        })
        .await?;
    shop.check("the message names it and the remedy", {
        let message = now.status().message;
        message.contains("busy") && message.contains("Rollout")
    })
    .await?;
    shop.stays("the Deployment is untouched", A_WHILE, |now| now.deployment_replicas() == Some(4)).await?;
    autoscalers.delete("busy", &DeleteParams::default()).await?;
    shop.wait("it to heal by itself", SOON, |now| now.is(Phase::Stable)).await?;
    Ok(())
}

async fn adoption_waits_while_somebody_has_paused_the_deployment(world: &World) -> Result<()> {
    let shop = world.shop("paused-before").load(0.0).open().await?;
    shop.patch_deployment("test", json!({"spec": {"paused": true}})).await?;
    shop.apply_rollout(quick()).await?;
    let now = shop
        .wait("it to wait with a reason", SOON, |now| {
            now.phase() == Phase::Pending && now.status().message.contains("paused")
        })
        .await?;
    let message = now.status().message;
    let remedy = message.contains("Deployment checkout") && message.contains("spec.paused");
    shop.check(&format!("the message says what to do: {message}"), remedy).await?;
    shop.stays("the Deployment is untouched", A_WHILE, |now| {
        let spec = now.deployment().and_then(|deployment| deployment.spec.clone()).unwrap_or_default();
        spec.paused == Some(true) && spec.replicas == Some(4) && owners_of_filled(now) == ["Deployment"]
    })
    .await?;
    shop.patch_deployment("test", json!({"spec": {"paused": false}})).await?;
    shop.wait("it to heal by itself", SOON, |now| now.is(Phase::Stable)).await?;
    shop.check("without restarting a pod", shop.pods_created() == 4).await
}

async fn adoption_waits_until_pods_have_been_ready_for_as_long_as_the_deployment_asks(world: &World) -> Result<()> {
    let shop = world.shop("min-ready").open().await?;
    shop.patch_deployment("test", json!({"spec": {"minReadySeconds": 4}})).await?;
    shop.release("v2", &[]).await?;
    shop.apply_rollout(quick()).await?;
    shop.wait("all pods of v2 to be ready", LATER, |now| now.ready_count("v2") == 4).await?;
    shop.check("they are not adopted yet", shop.now().phase() == Phase::Pending).await?;
    shop.wait("v2 to be adopted", SOON, |now| now.is(Phase::Stable) && now.stable() == "v2").await?;
    shop.release("v3", &[]).await?;
    promoted(&shop, "v3").await?;
    shop.delete_rollout().await?;
    handed_back_at(&shop, "v3").await?;
    shop.lost_nothing().await
}

async fn deleting_the_rollout_hands_the_pods_back_without_a_restart(world: &World) -> Result<()> {
    let shop = adopted(world.shop("hand-back"), quick()).await?;
    let before = shop.now().uids("v1");
    shop.delete_rollout().await?;
    let now = handed_back(&shop).await?;
    shop.check("the pods are the same", now.uids("v1") == before).await?;
    shop.check("no pod was created", shop.pods_created() == 4).await?;
    shop.lost_nothing().await
}

async fn deleting_the_rollout_in_mid_flight_hands_back_the_stable_version(world: &World) -> Result<()> {
    let shop = adopted(world.shop("abort"), lingering()).await?;
    let stable: Vec<_> = shop.now().uids("v1");
    underway(&shop).await?;
    shop.delete_rollout().await?;
    let now = handed_back(&shop).await?;
    shop.check("the stable pods are the same", now.uids("v1") == stable).await?;
    shop.check("the Deployment asks for the stable version", image(&now).is_some_and(|image| image.ends_with(":v1")))
        .await?;
    shop.check("the route is the user's", now.share().is_none()).await?;
    shop.lost_nothing().await
}

async fn a_rollout_whose_deployment_is_gone_can_be_deleted(world: &World) -> Result<()> {
    let shop = adopted(world.shop("orphan").load(0.0), quick()).await?;
    let deployments = Api::<Deployment>::namespaced(shop.client.clone(), &shop.namespace);
    deployments.delete("checkout", &DeleteParams::default()).await?;
    shop.wait("the Deployment to be missed", SOON, |now| {
        now.holds(kind::STALLED).is_some_and(|why| why == reason::WORKLOAD_NOT_FOUND)
    })
    .await?;
    shop.delete_rollout().await?;
    shop.wait("the Rollout to be gone", SOON, |now| now.rollouts.is_empty()).await?;
    Ok(())
}

async fn a_terminating_namespace_is_not_held_up(world: &World) -> Result<()> {
    let shop = adopted(world.shop("terminating").load(0.0), quick()).await?;
    let namespaces = Api::<Namespace>::all(shop.client.clone());
    namespaces.delete(&shop.namespace, &DeleteParams::default()).await?;
    shop.wait("the Rollout to be gone", SOON, |now| now.rollouts.is_empty()).await?;
    Ok(())
}

async fn a_deployment_that_was_handed_back_can_be_adopted_again(world: &World) -> Result<()> {
    let shop = adopted(world.shop("again").load(0.0), quick()).await?;
    let before = shop.now().uids("v1");
    shop.delete_rollout().await?;
    handed_back(&shop).await?;
    shop.apply_rollout(quick()).await?;
    let now = shop.wait("the Deployment to be adopted again", SOON, |now| now.is(Phase::Stable)).await?;
    shop.check("the pods are the same all along", now.uids("v1") == before && shop.pods_created() == 4).await
}

/// Waits until the Rollout is gone and the Deployment has four pods of v1 and a ReplicaSet of its own.
pub async fn handed_back(shop: &Shop) -> Result<Snapshot> {
    handed_back_at(shop, "v1").await
}

/// The same with another version.
pub async fn handed_back_at(shop: &Shop, version: &str) -> Result<Snapshot> {
    shop.wait("the Deployment to have its pods back", LATER, |now| {
        now.rollouts.is_empty()
            && now.pods.len() == 4
            && now.ready_count(version) == 4
            && owners_of_filled(now) == ["Deployment"]
            && now.deployment().is_some_and(|deployment| {
                let spec = deployment.spec.as_ref();
                let ready = deployment.status.as_ref().and_then(|status| status.ready_replicas);
                ready == Some(4) && spec.is_some_and(|spec| spec.replicas == Some(4) && spec.paused != Some(true))
            })
    })
    .await
    .context("hand-back")
}

/// The kinds that control the ReplicaSets with pods.
fn owners_of_filled(now: &Snapshot) -> Vec<String> {
    let filled = now
        .replica_sets
        .iter()
        .filter(|set| set.spec.as_ref().and_then(|spec| spec.replicas).is_some_and(|replicas| replicas > 0));
    let owners = filled.flat_map(|set| set.owner_references().iter());
    owners.filter(|owner| owner.controller == Some(true)).map(|owner| owner.kind.clone()).collect()
}

/// Empty, unpaused, and seen by its controller: what a GitOps tool calls healthy.
fn at_rest(deployment: &Deployment) -> bool {
    let observed = deployment.status.as_ref().and_then(|status| status.observed_generation);
    let spec = deployment.spec.as_ref();
    observed == deployment.metadata.generation
        && spec.is_some_and(|spec| spec.replicas == Some(0) && spec.paused != Some(true))
}

/// The image that the Deployment asks for.
pub fn image(now: &Snapshot) -> Option<String> {
    now.deployment()?.spec.as_ref()?.template.spec.as_ref()?.containers.first()?.image.clone()
}
