//! What Traefik does not know, and its class says so: asked of it all the same, it would answer every request of the rule
//! with an error.

use serde_json::json;
use tidegate_testkit::{Result, customers::Customers, world::World};

use crate::{
    behaviour::behaviours,
    nothing_lost::nothing_lost,
    scenes::{adopted, unjudged, without_copies},
};

behaviours![a_copy_that_the_gateway_does_not_know_is_refused_before_anything_is_written];

const REQUESTS_PER_SECOND: f64 = 50.0;

async fn a_copy_that_the_gateway_does_not_know_is_refused_before_anything_is_written(world: &World) -> Result<()> {
    let mut plan = unjudged();
    plan["drain"] = json!("6s");
    let shop = adopted(world.shop("unknown").load(0.0), plan).await?;
    let customers = Customers::enter(&shop, REQUESTS_PER_SECOND)?;
    without_copies(&shop).await?;
    nothing_lost(&shop, customers).await.map(drop)
}
