//! One operator for a whole cluster, and a cluster that is not complete yet.

use serde_json::json;
use tidegate::api::{
    Phase,
    condition::{kind, reason},
};

use crate::{
    behaviour::behaviours,
    rig::{Result, world::World},
    scenes::{LATER, SOON, promoted, unjudged},
};

behaviours![one_operator_serves_all_namespaces_and_picks_up_the_gateway_api_when_it_is_installed];

async fn one_operator_serves_all_namespaces_and_picks_up_the_gateway_api_when_it_is_installed(
    world: &World,
) -> Result<()> {
    let bare = world.another_without_gateway_api().await?;
    let routed = bare.shop("routed").without_route().load(0.0).cluster_wide().open().await?;
    let plain = bare.shop("plain").without_route().load(0.0).without_operator().open().await?;
    let mut with_route = unjudged();
    with_route["traffic"] = json!({"gatewayAPI": {"routes": [{"name": "checkout"}]}});
    routed.apply_rollout(with_route).await?;
    plain.apply_rollout(unjudged()).await?;

    routed
        .wait("it to say that the Gateway API is not installed", SOON, |now| {
            now.holds(kind::STALLED).is_some_and(|why| why == reason::ROUTE_KIND_MISSING)
        })
        .await?;
    plain.wait("the other Rollout to be adopted", SOON, |now| now.is(Phase::Stable)).await?;
    plain.release("v2", &[]).await?;
    promoted(&plain, "v2").await?;

    bare.install_gateway_api().await?;
    routed.create_route().await?;
    routed.wait("it to heal by itself", LATER, |now| now.is(Phase::Stable)).await?;
    routed.release("v2", &[]).await?;
    promoted(&routed, "v2").await
}
