//! Two Rollouts for one object: the first keeps it, the second says so and waits. Two routes to one Service: the
//! Rollout says which it does not know of.

use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use tidegate_api::{
    Phase, RolloutStatus,
    condition::{kind, reason},
};
use tidegate_testkit::{Result, cluster, shop::Shop, snapshot::Snapshot, world::World};

use crate::{
    behaviour::behaviours,
    scenes::{A_WHILE, SOON, adopted, promoted, unjudged},
};

behaviours![
    of_two_rollouts_on_one_service_the_second_is_refused_until_the_first_is_gone,
    of_two_rollouts_on_one_route_the_second_is_refused_until_the_first_is_gone,
    a_route_that_passes_the_weights_by_is_told_and_holds_nothing,
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

async fn a_route_that_passes_the_weights_by_is_told_and_holds_nothing(world: &World) -> Result<()> {
    let shop = adopted(world.shop("two-routes").replicas(2), unjudged()).await?;
    let route = |service: &str| {
        json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
            "metadata": {"name": "admin", "namespace": shop.namespace},
            "spec": {"parentRefs": [{"name": "public"}], "rules": [{"backendRefs": [{"name": service, "port": 80}]}]},
        })
    };
    cluster::create(&shop.client, route("checkout")).await?;
    let now = shop.wait("the route to be told", SOON, |now| now.holds(kind::WARNING).is_some()).await?;
    let warning = now.condition(kind::WARNING).map(|warning| warning.message).unwrap_or_default();
    let is_named = warning.starts_with("HTTPRoute admin points at Service checkout and is not named in");
    shop.check(&format!("the sentence names both: {warning}"), is_named).await?;
    shop.check("it is ready all the same", now.holds(kind::READY).is_some()).await?;
    let version = |now: &Snapshot| now.rollout("checkout").and_then(|rollout| rollout.metadata.resource_version);
    let told = version(&now);
    shop.stays("nothing more is written", A_WHILE, |now| version(now) == told).await?;
    shop.release("v2", &[]).await?;
    promoted(&shop, "v2").await?;
    let events = shop.events().await?;
    let told = events.iter().filter(|event| event.reason == reason::ROUTE_NOT_NAMED).count();
    shop.check(&format!("an event tells of it, once: {told}"), told == 1).await?;
    let elsewhere = Patch::Merge(json!({"spec": route("basket")["spec"]}));
    shop.routes().patch("admin", &PatchParams::default(), &elsewhere).await?;
    shop.wait("it to be taken back", SOON, |now| now.condition(kind::WARNING).is_none()).await?;
    shop.lost_nothing().await
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

/// Another Deployment beside that of the shop.
pub fn basket(namespace: &str) -> Value {
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
