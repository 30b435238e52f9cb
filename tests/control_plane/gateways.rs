//! What gateways do not know, and what breaks when routes are written.

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use kube::{
    Api,
    api::{DynamicObject, Patch, PatchParams, PostParams},
    core::{ApiResource, GroupVersionKind},
};
use serde_json::{Value, json};
use tidegate_api::{
    Phase,
    condition::{kind, reason},
};
use tidegate_testkit::{Result, pod_server::Faults, shop::Shop, wait::until, world::World};

use crate::{
    behaviour::behaviours,
    scenes::{LATER, SOON, adopted, errors, unjudged, with_checks, without_copies},
};

behaviours![
    a_feature_that_the_gateway_class_does_not_list_is_refused_before_anything_is_written,
    routes_after_which_requests_fail_for_both_versions_are_taken_back_and_no_version_is_blamed,
];

async fn a_feature_that_the_gateway_class_does_not_list_is_refused_before_anything_is_written(
    world: &World,
) -> Result<()> {
    let shop = adopted(world.shop("features"), unjudged()).await?;
    gateway_without_copies(world, &shop).await?;
    without_copies(&shop).await?;
    shop.lost_nothing().await
}

/// The Gateway that the shop's route hangs on, and its class, which lists something else.
async fn gateway_without_copies(world: &World, shop: &Shop) -> Result<()> {
    let client = world.control_plane.client.clone();
    let resource = |kind: &str, plural: &str| {
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("gateway.networking.k8s.io", "v1", kind), plural)
    };
    let class = format!("{}-class", shop.namespace);
    let object = |value: Value| serde_json::from_value::<DynamicObject>(value).context("no object");
    let classes: Api<DynamicObject> = Api::all_with(client.clone(), &resource("GatewayClass", "gatewayclasses"));
    let spec = json!({"controllerName": "rig.example/gateway"});
    let made = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass", "metadata": {"name": class}, "spec": spec,
    });
    classes.create(&PostParams::default(), &object(made)?).await?;
    let condition = json!({
        "type": "Accepted", "status": "True", "reason": "Accepted", "message": "",
        "lastTransitionTime": "2026-03-02T09:00:00Z",
    });
    let status = json!({
        "status": {"supportedFeatures": [{"name": "HTTPRouteMethodMatching"}], "conditions": [condition]},
    });
    classes.patch_status(&class, &PatchParams::default(), &Patch::Merge(status)).await?;
    let gateways: Api<DynamicObject> = Api::namespaced_with(client, &shop.namespace, &resource("Gateway", "gateways"));
    let listeners = json!([{"name": "web", "protocol": "HTTP", "port": 80}]);
    let made = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "public"},
        "spec": {"gatewayClassName": class, "listeners": listeners},
    });
    gateways.create(&PostParams::default(), &object(made)?).await?;
    Ok(())
}

async fn routes_after_which_requests_fail_for_both_versions_are_taken_back_and_no_version_is_blamed(
    world: &World,
) -> Result<()> {
    let mut plan = with_checks(&[errors("5%")]);
    plan["stages"][0]["bake"] = json!("1m");
    let shop = adopted(world.shop("broken").load(50.0), plan).await?;
    let seen = format!("sum(http_requests_total{{namespace=\"{}\"}}) > 200", shop.namespace);
    until("the requests of stable to be known", LATER, || async {
        world.prometheus.query(&seen).await.ok().filter(|known| !known.is_empty())
    })
    .await?;
    shop.release("v2", &[]).await?;
    shop.wait("the weight to be in force", LATER, |now| now.status().stage.is_some_and(|of| of.since.is_some()))
        .await?;
    for version in ["v1", "v2"] {
        shop.set_faults(version, Faults { error_rate: 1.0, ..Faults::default() });
    }
    let broken = Timestamp::now();
    let now = shop.wait("the routes to be taken back", SOON, |now| now.status().taken_back.is_some()).await?;
    let taken = now.status().taken_back.context("it was there a moment ago")?;
    shop.check(&taken.message, taken.reason == reason::ROUTE_BROKEN).await?;
    let after = taken.at.duration_since(broken);
    // Scraped each second; the rest is for a machine that is busy.
    shop.check(&format!("two scrapes show it ({after:#})"), after < SignedDuration::from_secs(8)).await?;
    shop.check("no version failed", now.status().failed.is_empty()).await?;
    let now = shop.wait("it to rest", LATER, |now| now.is(Phase::Reverted)).await?;
    shop.check("somebody is told", now.holds(kind::STALLED).as_deref() == Some(reason::ROUTE_BROKEN)).await
}
