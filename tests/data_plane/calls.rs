//! A GRPCRoute carries the weights of calls; those under way go on where they began.

use anyhow::Context;
use serde_json::{Value, json};
use tidegate_testkit::{
    Result,
    customers::{Customer, Customers, Kind, Receipt},
    envoy::authority,
    pod_server::{Crowd, Faults},
    shop::Shop,
    wait::until,
    world::World,
};

use crate::{
    behaviour::behaviours,
    nothing_lost::{lasting, nothing_lost, released},
    scenes::{SOON, adopted, promoted, reverted},
};

behaviours![
    a_promotion_on_a_grpc_route_loses_no_call_and_cuts_no_stream,
    a_revert_on_a_grpc_route_loses_no_call_and_cuts_no_stream,
];

const CALLS_PER_SECOND: f64 = 100.0;

/// A shop whose customers only call, by a GRPCRoute.
async fn calling(world: &World, name: &str, mut plan: Value) -> Result<(Shop, Customers)> {
    let shop = world.shop(name).load(0.0);
    let route = json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "GRPCRoute",
        "metadata": {"name": "checkout", "namespace": "shop"},
        "spec": {"parentRefs": [{"name": "public"}], "hostnames": [authority(&shop.namespace)], "rules": [{
            "matches": [{"method": {"service": "shop.Checkout"}}],
            "backendRefs": [{"name": "checkout", "port": 80}],
        }]},
    });
    plan["traffic"] = json!({"gatewayAPI": {"routes": [{"kind": "GRPCRoute", "name": "checkout"}]}});
    let shop = adopted(shop.routed_by(vec![route]), plan).await?;
    let customers = Customers::enter_as(&shop, CALLS_PER_SECOND, vec![Customer::who_only_calls()])?;
    Ok((shop, customers))
}

/// Waits until a version has answered calls and begun streams, and says which revision it is.
async fn answering(shop: &Shop, customers: &Customers, version: &str) -> Result<String> {
    let revision = shop.now().revision(version).context("no revision")?;
    until("answers of both kinds", SOON, || async {
        let has = |kind: &Kind| customers.so_far(|so_far| so_far.answered(&revision, *kind) > 0);
        [Kind::Unary, Kind::Stream].iter().all(has).then_some(())
    })
    .await?;
    Ok(revision)
}

async fn a_promotion_on_a_grpc_route_loses_no_call_and_cuts_no_stream(world: &World) -> Result<()> {
    let (shop, customers) = calling(world, "calls-promoted", lasting(None)).await?;
    let before = answering(&shop, &customers, "v1").await?;
    shop.release("v2", &[]).await?;
    promoted(&shop, "v2").await?;
    let after = answering(&shop, &customers, "v2").await?;
    let receipt = nothing_lost(&shop, customers).await?;
    let last = |revision: &str| receipt.last_of(revision);
    shop.check("v2 is all that answers in the end", last(&after) > last(&before)).await?;
    let rising: Vec<_> = shop.canary_weights().into_iter().filter(|weight| *weight != Some(0)).collect();
    let stages = [None, Some(25), Some(50), Some(100), None];
    shop.check(&format!("the weights rose stage by stage: {rising:?}"), rising == stages).await
}

async fn a_revert_on_a_grpc_route_loses_no_call_and_cuts_no_stream(world: &World) -> Result<()> {
    let (shop, customers) = calling(world, "calls-reverted", lasting(Some(1))).await?;
    let stable = answering(&shop, &customers, "v1").await?;
    released(&shop, "v2", 1).await?;
    let canary = answering(&shop, &customers, "v2").await?;
    let crowd = Some(Crowd { per_second: 50.0, error_rate: 0.5, seed: 1 });
    shop.set_faults("v2", Faults { crowd, ..Faults::default() });
    reverted(&shop).await?;
    let receipt: Receipt = nothing_lost(&shop, customers).await?;
    shop.check("v1 is all that answers in the end", receipt.last_of(&stable) > receipt.last_of(&canary)).await
}
