//! What a Rollout keeps of a long past.

use serde_json::{Value, json};
use tidegate_api::Phase;
use tidegate_testkit::{Result, shop::Shop, world::World};

use crate::{
    behaviour::behaviours,
    scenes::{A_WHILE, LATER, adopted},
};

behaviours![twelve_failures_in_a_row_leave_a_short_status_and_the_last_ten_stay_failed];

/// What a status may weigh: far below what etcd takes, and what `kubectl describe` makes readable.
const SMALL: usize = 16 << 10;

async fn twelve_failures_in_a_row_leave_a_short_status_and_the_last_ten_stay_failed(world: &World) -> Result<()> {
    let shop = adopted(world.shop("unlucky").replicas(2).load(0.0), hasty()).await?;
    for version in 2..=13 {
        fail(&shop, &format!("v{version}")).await?;
    }
    let now = shop.now();
    let (history, failed) = (now.status().history.len(), now.status().failed.len());
    shop.check(&format!("it keeps ten of each, not {history} and {failed}"), history <= 10 && failed == 10).await?;
    let size = serde_json::to_vec(&now.status())?.len();
    shop.check(&format!("its {size} bytes are few"), size < SMALL).await?;
    shop.release("v4", &[("rig/never-ready", "true")]).await?;
    shop.stays("the oldest that it remembers is not tried again", A_WHILE, |now| {
        now.pods_of("v4") == 0 && now.phase() == Phase::Reverted
    })
    .await?;
    fail(&shop, "v2").await?;
    shop.check("one that it has forgotten is judged anew, and fails anew", shop.now().status().failed.len() == 10).await
}

/// A version whose pods never come up: on a busy machine it may fail before it has any.
async fn fail(shop: &Shop, version: &str) -> Result<()> {
    shop.release(version, &[("rig/never-ready", "true")]).await?;
    let last = format!("(checkout:{version}) failed");
    shop.wait(&format!("{version} to be given up"), LATER, |now| {
        now.is(Phase::Reverted)
            && now.status().history.first().is_some_and(|event| event.message.contains(&last))
            && now.pods_of(version) == 0
            && now.ready_count("v1") == 2
    })
    .await?;
    Ok(())
}

fn hasty() -> Value {
    json!({
        "stages": [{"name": "full", "weight": "100%", "bake": "1s"}],
        "drain": "0s",
        "progressDeadline": "1s",
    })
}
