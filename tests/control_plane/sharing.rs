//! Two Rollouts for one object: the first keeps it, the second says so and waits.

use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, api::DeleteParams};
use serde_json::{Value, json};
use tidegate::api::{
    Phase, RolloutStatus,
    condition::{kind, reason},
};

use crate::{
    behaviour::behaviours,
    rig::{Result, cluster, shop::Shop, snapshot::Snapshot, world::World},
    scenes::{A_WHILE, SOON, unjudged},
};

behaviours![
    of_two_rollouts_on_one_service_the_second_is_refused_until_the_first_is_gone,
    of_two_rollouts_on_one_route_the_second_is_refused_until_the_first_is_gone,
];

async fn of_two_rollouts_on_one_service_the_second_is_refused_until_the_first_is_gone(world: &World) -> Result<()> {
    let shop = world.shop("one-service").replicas(2).load(0.0).without_route().open().await?;
    shop.patch_service(json!({"spec": {"selector": {"app": null, "team": "shop"}}})).await?;
    neighbours(&shop, json!({"service": "checkout"}), "Service checkout").await?;
    // Its pods are behind the Service still.
    let deployments = Api::<Deployment>::namespaced(shop.client.clone(), &shop.namespace);
    deployments.delete("checkout", &DeleteParams::default()).await?;
    heals(&shop).await
}

async fn of_two_rollouts_on_one_route_the_second_is_refused_until_the_first_is_gone(world: &World) -> Result<()> {
    let shop = world.shop("one-route").replicas(2).load(0.0).other_backend("basket", 1).open().await?;
    neighbours(&shop, json!({"service": "basket"}), "HTTPRoute checkout").await?;
    heals(&shop).await
}

/// Has the Rollout `checkout` adopt its Deployment, then applies a Rollout `basket` of its own Deployment, which is
/// refused for `object`; then the first is deleted.
async fn neighbours(shop: &Shop, own: Value, object: &str) -> Result<()> {
    shop.apply_rollout(unjudged()).await?;
    shop.wait("the first to adopt", SOON, |now| now.is(Phase::Stable)).await?;
    cluster::create(&shop.client, basket(&shop.namespace)).await?;
    shop.wait("the second Deployment's pods", SOON, |now| now.ready_count("b1") == 2).await?;
    let mut plan = unjudged();
    plan["workload"] = json!({"kind": "Deployment", "name": "basket"});
    plan["service"] = own["service"].clone();
    shop.apply_rollout_as("basket", plan).await?;
    let now = shop
        .wait("the second to be refused", SOON, |now| {
            let stalled = second(now).conditions.into_iter().find(|condition| condition.type_ == kind::STALLED);
            stalled.is_some_and(|stalled| stalled.status == "True" && stalled.reason == reason::CONFLICT)
        })
        .await?;
    let message = second(&now).message;
    let named = message.contains("Rollout checkout") && message.contains(object);
    shop.check(&format!("the sentence names the first and {object}: {message}"), named).await?;
    shop.stays("the second touches nothing, and the first is undisturbed", A_WHILE, |now| {
        second(now).phase == Phase::Pending && now.is(Phase::Stable) && now.ready_count("b1") == 2
    })
    .await?;
    shop.delete_rollout().await
}

async fn heals(shop: &Shop) -> Result<()> {
    let now = shop
        .wait("the second to take its place", SOON, |now| {
            let ready = second(now)
                .conditions
                .into_iter()
                .any(|condition| condition.type_ == kind::READY && condition.status == "True");
            now.rollouts.len() == 1 && second(now).phase == Phase::Stable && ready
        })
        .await?;
    let message = second(&now).message;
    shop.check(&format!("it serves: {message}"), message.contains("serves with 2 pods")).await?;
    shop.check("without restarting a pod", shop.pods_created() == 4).await
}

fn second(now: &Snapshot) -> RolloutStatus {
    now.rollout("basket").and_then(|rollout| rollout.status).unwrap_or_default()
}

fn basket(namespace: &str) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "basket", "namespace": namespace},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "basket"}},
            "template": {
                "metadata": {"labels": {"app": "basket", "team": "shop"}},
                "spec": {"containers": [{
                    "name": "app", "image": "shop/basket:b1", "ports": [{"name": "http", "containerPort": 8080}],
                }]},
            },
        },
    })
}
