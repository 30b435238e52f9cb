//! Whatever becomes of a rollout, its customers do not notice.

use anyhow::Context;
use serde_json::{Value, json};
use tidegate::api::Phase;

use crate::{
    behaviour::behaviours,
    crowd,
    rig::{
        Result,
        customers::{Customers, Kind, Receipt},
        shop::Shop,
        world::World,
    },
    scenes::{LATER, adopted, errors, promoted, reverted, underway, with_checks},
};

behaviours![a_promotion_loses_no_request];

const REQUESTS_PER_SECOND: f64 = 100.0;

/// Three stages, and pods that stay for as long as the longest stream.
fn plan() -> Value {
    let mut plan = with_checks(&[errors("5%")]);
    plan["drain"] = json!("6s");
    plan
}

async fn a_promotion_loses_no_request(world: &World) -> Result<()> {
    let shop = adopted(world.shop("promotion").load(0.0), plan()).await?;
    let customers = Customers::enter(&shop, REQUESTS_PER_SECOND)?;
    shop.release("v2", &[]).await?;
    promoted(&shop, "v2").await?;
    nothing_lost(&shop, customers).await.map(drop)
}

async fn nothing_lost(shop: &Shop, customers: Customers) -> Result<Receipt> {
    let receipt = customers.leave().await?;
    shop.check(&format!("no request was lost: {receipt}"), receipt.failures.is_empty()).await?;
    Ok(receipt)
}
