//! Routes of an ingress controller's own kinds, which it reads by itself.

use serde_json::{Value, json};
use tidegate_testkit::{
    Result,
    customers::Customers,
    envoy::authority,
    pod_server::{Crowd, Faults},
    shop::Shop,
    world::World,
};

use crate::{
    behaviour::behaviours,
    nothing_lost::{lasting, nothing_lost, released},
    scenes::{adopted, promoted, reverted},
};

behaviours![
    a_promotion_by_an_ingress_route_loses_no_request,
    a_revert_by_an_ingress_route_loses_no_request,
    a_promotion_by_a_service_that_routes_share_loses_no_request,
];

const REQUESTS_PER_SECOND: f64 = 100.0;

/// A shop whose customers come in by an IngressRoute to these services.
async fn opened(world: &World, name: &str, (kind, lasts): (&str, Option<usize>), others: &[Value]) -> Result<Shop> {
    let shop = world.shop(name).load(0.0);
    let service = if kind == "IngressRoute" { lone() } else { json!({"name": "checkout", "kind": kind}) };
    let route = json!({
        "apiVersion": "traefik.io/v1alpha1", "kind": "IngressRoute",
        "metadata": {"name": "checkout", "namespace": "shop"},
        "spec": {"routes": [{
            "kind": "Rule", "match": format!("Host(`{}`)", authority(&shop.namespace)), "services": [service],
        }]},
    });
    let mut plan = lasting(lasts);
    plan["traffic"] = json!({"routes": [{"kind": kind, "name": "checkout"}]});
    adopted(shop.routed_by([&[route], others].concat()), plan).await
}

/// The Service, by a protocol that calls of gRPC can take, too.
fn lone() -> Value {
    json!({"name": "checkout", "port": 80, "scheme": "h2c"})
}

async fn a_promotion_by_an_ingress_route_loses_no_request(world: &World) -> Result<()> {
    let shop = opened(world, "ingress-route", ("IngressRoute", None), &[]).await?;
    let customers = Customers::enter(&shop, REQUESTS_PER_SECOND)?;
    shop.release("v2", &[]).await?;
    promoted(&shop, "v2").await?;
    nothing_lost(&shop, customers).await.map(drop)
}

async fn a_revert_by_an_ingress_route_loses_no_request(world: &World) -> Result<()> {
    let shop = opened(world, "ingress-revert", ("IngressRoute", Some(1)), &[]).await?;
    let customers = Customers::enter(&shop, REQUESTS_PER_SECOND)?;
    released(&shop, "v2", 1).await?;
    shop.set_faults(
        "v2",
        Faults { crowd: Some(Crowd { per_second: 50.0, error_rate: 0.5, seed: 1 }), ..Faults::default() },
    );
    reverted(&shop).await?;
    nothing_lost(&shop, customers).await.map(drop)
}

async fn a_promotion_by_a_service_that_routes_share_loses_no_request(world: &World) -> Result<()> {
    let shared = json!({
        "apiVersion": "traefik.io/v1alpha1", "kind": "TraefikService",
        "metadata": {"name": "checkout", "namespace": "shop"},
        "spec": {"weighted": {"services": [lone()]}},
    });
    let shop = opened(world, "traefik-service", ("TraefikService", None), &[shared]).await?;
    let customers = Customers::enter(&shop, REQUESTS_PER_SECOND)?;
    shop.release("v2", &[]).await?;
    promoted(&shop, "v2").await?;
    nothing_lost(&shop, customers).await.map(drop)
}
