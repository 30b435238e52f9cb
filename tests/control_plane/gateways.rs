//! What gateways do not know.

use anyhow::Context;
use kube::{
    Api,
    api::{DynamicObject, Patch, PatchParams, PostParams},
    core::{ApiResource, GroupVersionKind},
};
use serde_json::{Value, json};

use crate::{
    behaviour::behaviours,
    rig::{Result, shop::Shop, world::World},
    scenes::{adopted, unjudged, without_copies},
};

behaviours![a_feature_that_the_gateway_class_does_not_list_is_refused_before_anything_is_written,];

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
