//! What Traefik does not know, and its class says so: asked of it all the same, it would answer every request of the rule
//! with an error.

use serde_json::json;
use tidegate::api::condition::{kind, reason};

use crate::{
    behaviour::behaviours,
    nothing_lost::nothing_lost,
    rig::{Result, customers::Customers, world::World},
    scenes::{SOON, adopted, promoted, unjudged},
};

behaviours![a_copy_that_the_gateway_does_not_know_is_refused_before_anything_is_written];

const REQUESTS_PER_SECOND: f64 = 50.0;

async fn a_copy_that_the_gateway_does_not_know_is_refused_before_anything_is_written(world: &World) -> Result<()> {
    let mut plan = unjudged();
    plan["drain"] = json!("6s");
    let shop = adopted(world.shop("unknown").load(0.0), plan).await?;
    let customers = Customers::enter(&shop, REQUESTS_PER_SECOND)?;
    let shadow = json!([{"name": "shadow", "weight": "0%", "mirror": "10%", "bake": "1s"}, unjudged()["stages"][2]]);
    shop.patch_rollout(json!({"stages": shadow})).await?;
    shop.release("v2", &[]).await?;
    let now = shop.wait("the stage to be refused", SOON, |now| now.holds(kind::STALLED).is_some()).await?;
    let message = now.status().message;
    let told = now.holds(kind::STALLED).as_deref() == Some(reason::ROUTE_UNUSABLE);
    shop.check(&message, told && message.contains("does not support HTTPRouteRequestMirror")).await?;
    shop.patch_rollout(json!({"stages": unjudged()["stages"]})).await?;
    promoted(&shop, "v2").await?;
    nothing_lost(&shop, customers).await.map(drop)
}
