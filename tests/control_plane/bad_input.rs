//! Rollouts that cannot be followed: one clear sentence, no effects, and they heal by themselves.

use k8s_openapi::{api::core::v1::Service, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{Api, Resource, api::PostParams};
use serde_json::{Value, json};
use tidegate_api::{
    Phase,
    condition::{kind, reason},
};
use tidegate_testkit::{Result, cluster, shop::Shop, world::World};

use crate::{
    behaviour::behaviours,
    scenes::{A_WHILE, SOON, quick, with_checks},
};

behaviours![
    a_missing_deployment_is_named_and_heals,
    a_mistyped_deployment_is_named_and_the_rollout_can_be_made_anew,
    a_missing_service_is_named_and_heals,
    a_missing_route_is_named_and_heals,
    a_missing_prometheus_endpoint_is_named,
    a_provider_that_nobody_configured_is_named,
    a_service_without_a_selector_is_refused,
    a_service_that_selects_other_pods_is_refused,
    a_route_that_does_not_mention_the_service_is_refused_and_heals,
    a_route_that_another_controller_keeps_is_refused_and_heals,
    of_two_rollouts_on_one_deployment_the_second_is_refused,
];

/// Applies `spec`, and waits until it is refused for `reason` with a sentence that contains `named`; nothing else
/// may have happened.
pub async fn refused(shop: &Shop, spec: Value, reason: &str, named: &str) -> Result<()> {
    shop.apply_rollout(spec).await?;
    let now = shop
        .wait(&format!("it to be refused as {reason}"), SOON, |now| {
            now.holds(kind::STALLED).is_some_and(|why| why == reason)
        })
        .await?;
    let message = now.status().message;
    shop.check(&format!("the sentence names {named}: {message}"), message.contains(named)).await?;
    shop.check("it is not ready", now.holds(kind::READY).is_none()).await?;
    shop.stays("nothing is touched", A_WHILE, |now| {
        now.deployment().is_none_or(|deployment| {
            deployment.spec.as_ref().is_some_and(|spec| spec.replicas == Some(2) && spec.paused != Some(true))
        }) && now.share().is_none()
            && now.pods.len() == 2
    })
    .await
}

pub async fn heals(shop: &Shop) -> Result<()> {
    shop.wait("it to heal by itself", SOON, |now| now.is(Phase::Stable)).await?;
    Ok(())
}

pub async fn open(world: &World, name: &str) -> Result<Shop> {
    world.shop(name).replicas(2).load(0.0).open().await
}

fn with(field: &str, value: Value) -> Value {
    let mut spec = quick();
    spec[field] = value;
    spec
}

async fn a_missing_deployment_is_named_and_heals(world: &World) -> Result<()> {
    let shop = open(world, "no-deployment").await?;
    let mut again = shop.deployments().get("checkout").await?;
    shop.orphan_the_pods().await?;
    refused(&shop, quick(), reason::WORKLOAD_NOT_FOUND, "Deployment checkout").await?;
    again.metadata = ObjectMeta { name: again.metadata.name, ..ObjectMeta::default() };
    shop.deployments().create(&PostParams::default(), &again).await?;
    heals(&shop).await?;
    shop.check("without restarting a pod", shop.pods_created() == 2).await
}

async fn a_mistyped_deployment_is_named_and_the_rollout_can_be_made_anew(world: &World) -> Result<()> {
    let shop = open(world, "mistyped").await?;
    let spec = with("workload", json!({"kind": "Deployment", "name": "chekcout"}));
    refused(&shop, spec, reason::WORKLOAD_NOT_FOUND, "Deployment chekcout").await?;
    // The workload of a Rollout cannot be changed.
    shop.delete_rollout().await?;
    shop.wait("the Rollout to be gone", SOON, |now| now.rollouts.is_empty()).await?;
    shop.apply_rollout(quick()).await?;
    heals(&shop).await
}

async fn a_missing_service_is_named_and_heals(world: &World) -> Result<()> {
    let shop = open(world, "no-service").await?;
    shop.patch_route(
        "test",
        json!({"spec": {"rules": [{"backendRefs": [
            {"name": "checkout", "port": 80}, {"name": "front", "port": 80},
        ]}]}}),
    )
    .await?;
    refused(&shop, with("service", json!("front")), reason::SERVICE_NOT_FOUND, "Service front").await?;
    let service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "front", "namespace": shop.namespace},
        "spec": {"selector": {"app": "checkout"}, "ports": [{"port": 80}]},
    });
    cluster::create(&shop.client, service).await?;
    heals(&shop).await
}

async fn a_missing_route_is_named_and_heals(world: &World) -> Result<()> {
    let shop = open(world, "no-such-route").await?;
    let spec = with("traffic", json!({"gatewayAPI": {"routes": [{"name": "front"}]}}));
    refused(&shop, spec, reason::ROUTE_NOT_FOUND, "HTTPRoute front").await?;
    let route = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {"name": "front", "namespace": shop.namespace},
        "spec": {"parentRefs": [{"name": "public"}], "rules": [{"backendRefs": [{"name": "checkout", "port": 80}]}]},
    });
    cluster::create(&shop.client, route).await?;
    heals(&shop).await
}

async fn a_missing_prometheus_endpoint_is_named(world: &World) -> Result<()> {
    let shop = open(world, "no-endpoint").await?;
    let mut spec = quick();
    spec["analysis"]["prometheus"] = json!("elsewhere");
    refused(&shop, spec, reason::ENDPOINT_NOT_FOUND, "elsewhere").await?;
    shop.apply_rollout(quick()).await?;
    heals(&shop).await
}

async fn a_provider_that_nobody_configured_is_named(world: &World) -> Result<()> {
    let shop = world.shop("no-provider").replicas(2).load(0.0).open().await?;
    let query = json!({"provider": "datadog", "expr": "sum:errors{version:{{revision}}}", "max": 1});
    let plan = with_checks(&[json!({"name": "errors", "query": query})]);
    refused(&shop, plan, reason::CHECK_UNUSABLE, "check errors: no endpoint called \"datadog\"").await
}

async fn a_service_without_a_selector_is_refused(world: &World) -> Result<()> {
    service_refused(world, "no-selector", json!({"ports": [{"port": 80}]})).await
}

async fn a_service_that_selects_other_pods_is_refused(world: &World) -> Result<()> {
    service_refused(world, "other-pods", json!({"selector": {"app": "basket"}, "ports": [{"port": 80}]})).await
}

async fn service_refused(world: &World, name: &str, service: Value) -> Result<()> {
    let shop = open(world, name).await?;
    let service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "front", "namespace": shop.namespace}, "spec": service,
    });
    cluster::create(&shop.client, service).await?;
    refused(&shop, with("service", json!("front")), reason::SERVICE_UNUSABLE, "Service front").await
}

async fn a_route_that_does_not_mention_the_service_is_refused_and_heals(world: &World) -> Result<()> {
    let shop = open(world, "elsewhere").await?;
    let to = |service: &str| json!({"spec": {"rules": [{"backendRefs": [{"name": service, "port": 80}]}]}});
    shop.patch_route("test", to("basket")).await?;
    refused(&shop, quick(), reason::ROUTE_UNUSABLE, "checkout").await?;
    shop.patch_route("test", to("checkout")).await?;
    heals(&shop).await
}

async fn a_route_that_another_controller_keeps_is_refused_and_heals(world: &World) -> Result<()> {
    let shop = open(world, "kept").await?;
    let services: Api<Service> = Api::namespaced(shop.client.clone(), &shop.namespace);
    let controller = services.get("checkout").await?.controller_owner_ref(&());
    shop.patch_route("test", json!({"metadata": {"ownerReferences": [controller]}})).await?;
    refused(&shop, quick(), reason::ROUTE_UNUSABLE, "controlled by Service checkout").await?;
    shop.patch_route("test", json!({"metadata": {"ownerReferences": null}})).await?;
    heals(&shop).await
}

async fn of_two_rollouts_on_one_deployment_the_second_is_refused(world: &World) -> Result<()> {
    let shop = open(world, "rivals").await?;
    shop.apply_rollout(quick()).await?;
    heals(&shop).await?;
    shop.apply_rollout_as("rival", quick()).await?;
    let conflict = |now: &tidegate_testkit::snapshot::Snapshot| {
        let status = now.rollout("rival").and_then(|rollout| rollout.status).unwrap_or_default();
        let stalled = status.conditions.iter().any(|condition| {
            condition.type_ == kind::STALLED && condition.status == "True" && condition.reason == reason::CONFLICT
        });
        stalled && status.message.contains("checkout")
    };
    shop.wait("the second to be refused with the first one's name", SOON, conflict).await?;
    shop.stays("the first is undisturbed", A_WHILE, |now| now.is(Phase::Stable)).await?;
    shop.delete_rollout().await?;
    shop.wait("the second to take its place", SOON, |now| {
        let status = now.rollout("rival").and_then(|rollout| rollout.status).unwrap_or_default();
        status.phase == Phase::Stable
    })
    .await?;
    shop.check("without restarting a pod", shop.pods_created() == 2).await
}
