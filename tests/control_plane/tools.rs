//! What people and pipelines do with the tools that they have.

use serde_json::json;
use tidegate_api::condition::reason;
use tidegate_testkit::{Result, snapshot::Snapshot, world::World};

use crate::{
    behaviour::behaviours,
    scenes::{LATER, SOON, adopted, promoted, quick},
};

behaviours![
    kubectl_waits_for_a_rollout_lists_it_and_scales_it,
    a_count_that_is_pushed_with_a_new_version_lets_no_pod_past_the_stages
];

async fn kubectl_waits_for_a_rollout_lists_it_and_scales_it(world: &World) -> Result<()> {
    let shop = adopted(world.shop("kubectl"), quick()).await?;
    shop.release("v2", &[]).await?;
    promoted(&shop, "v2").await?;
    world.kubectl(&shop, &["wait", "--for=condition=Ready", "rollout/checkout", "--timeout=20s"]).await?;
    let listed = world.kubectl(&shop, &["get", "rollouts.tidegate.dev"]).await?;
    shop.check(&format!("the list says where it stands:\n{listed}"), listed.contains("Stable")).await?;
    world.kubectl(&shop, &["scale", "rollout/checkout", "--replicas=6"]).await?;
    shop.wait("six pods of the version that serves", SOON, |now| {
        now.ready_count("v2") == 6 && now.pods.len() == 6 && now.status().replicas == 6
    })
    .await?;
    shop.lost_nothing().await
}

/// The Deployment starts pods of the new version by itself, in the same breath in which it is told of it.
async fn a_count_that_is_pushed_with_a_new_version_lets_no_pod_past_the_stages(world: &World) -> Result<()> {
    let shop = adopted(world.shop("gitops"), quick()).await?;
    let revision = |now: &Snapshot, version: &str| now.revision(version).unwrap_or_default();
    let v1 = revision(&shop.now(), "v1");
    let container = json!({
        "name": "app", "image": "shop/checkout:v2", "ports": [{"name": "http", "containerPort": 8080}],
    });
    let template = json!({
        "metadata": {"annotations": {"rig/ready-after": "3s"}}, "spec": {"containers": [container]},
    });
    shop.patch_deployment("argocd", json!({"spec": {"replicas": 4, "template": template}})).await?;
    shop.wait("the new version to be in its first stage", LATER, |now| {
        now.canary() == "v2" && now.share_in_force() == Some(25)
    })
    .await?;
    promoted(&shop, "v2").await?;
    let weights = shop.canary_weights();
    let stages = [25, 50, 100].map(Some);
    let passed: Vec<_> = weights.iter().filter(|share| stages.contains(share)).copied().collect();
    shop.check(&format!("it went through all its stages: {weights:?}"), passed == stages).await?;
    let answered = shop.load.as_ref().map(|load| load.tally().revisions).unwrap_or_default();
    let v2 = revision(&shop.now(), "v2");
    let admitted = answered.keys().all(|answered| *answered == v1 || *answered == v2);
    shop.check(&format!("only {v1} and {v2} answered: {answered:?}"), admitted && answered.len() == 2).await?;
    let events = shop.events().await?;
    let told = events.iter().find(|event| event.reason == reason::FOREIGN_PODS).map(|event| event.note.clone());
    let told = told.unwrap_or_default();
    shop.check(&format!("an event names the writer and the remedy: {told}"), {
        told.contains("argocd") && told.contains("leave out spec.replicas")
    })
    .await?;
    shop.lost_nothing().await
}
