//! The share of the requests that a gateway really gives the new version, beside the one that was written.

use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::json;
use tidegate_api::{
    StageStatus,
    condition::{kind, reason},
};
use tidegate_testkit::{
    Result,
    customers::{Customers, Kind},
    shop::Shop,
    snapshot::Snapshot,
    wait::until,
    world::World,
};

use crate::{
    behaviour::behaviours,
    scenes::{LATER, SOON, adopted, lingering, underway},
};

behaviours![
    the_share_that_is_measured_is_the_one_that_was_written_and_that_customers_saw,
    a_gateway_that_ignores_weights_is_told_once_with_the_share_that_it_gives,
];

const REQUESTS_PER_SECOND: f64 = 100.0;

/// A share has to be off for two minutes before it is told.
const TOLD: Duration = Duration::from_secs(160);

async fn the_share_that_is_measured_is_the_one_that_was_written_and_that_customers_saw(world: &World) -> Result<()> {
    let shop = adopted(world.shop("share").load(0.0), lingering()).await?;
    underway(&shop).await?;
    // None of them came before the weight was in force.
    let customers = Customers::enter(&shop, REQUESTS_PER_SECOND)?;
    let is_narrow = |(low, high): (f64, f64)| high - low < 10.0;
    let now = shop.wait("a share that is known well", LATER, |now| range(now).is_some_and(is_narrow)).await?;
    let receipt = customers.leave().await?;
    ensure!(receipt.failures.is_empty(), "{receipt}");
    let answered = |version: &str| -> Result<f64> {
        let revision = now.revision(version).context("no revision")?;
        let kinds = [Kind::Short, Kind::Long, Kind::Http2, Kind::Unary, Kind::Stream];
        Ok(kinds.iter().map(|kind| receipt.answered(&revision, *kind)).sum::<usize>() as f64)
    };
    let seen = 100.0 * answered("v2")? / (answered("v1")? + answered("v2")?);
    let (stage, (low, high)) = (stage(&now)?, range(&now).context("no range")?);
    let told = format!("{:?} ({:?}), customers saw {seen}", stage.weight_measured, stage.weight_range);
    shop.check(&told, low <= 25.0 && 25.0 <= high && low <= seen && seen <= high).await?;
    let nothing = stage.weight_off_since.is_none() && now.holds(kind::WARNING).is_none();
    shop.check("nothing is told", nothing).await
}

async fn a_gateway_that_ignores_weights_is_told_once_with_the_share_that_it_gives(world: &World) -> Result<()> {
    let shop = adopted(world.shop("evenly").load(0.0), lingering()).await?;
    shop.patch_route("gateway", json!({"metadata": {"annotations": {"rig/ignores-weights": "true"}}})).await?;
    underway(&shop).await?;
    let customers = Customers::enter(&shop, REQUESTS_PER_SECOND)?;
    shop.wait("the share to be off", LATER, |now| stage(now).is_ok_and(|it| it.weight_off_since.is_some())).await?;
    shop.check("a moment is not told", shop.now().holds(kind::WARNING).is_none()).await?;
    let now = shop.wait("a warning", TOLD, |now| now.holds(kind::WARNING).is_some()).await?;
    let warning = now.condition(kind::WARNING).context("no warning")?;
    shop.check(
        &warning.message,
        warning.reason == reason::SHARE_OFF
            && warning.message.contains("and not 25%; likely causes: a gateway that does not heed weights"),
    )
    .await?;
    let (low, high) = range(&now).context("no range")?;
    shop.check("half of the requests were the new version's", low <= 50.0 && 50.0 <= high).await?;
    let receipt = customers.leave().await?;
    ensure!(receipt.failures.is_empty(), "{receipt}");
    told_once(&shop).await
}

async fn told_once(shop: &Shop) -> Result<()> {
    let told = until("the event", SOON, || async {
        let events = shop.events().await.ok()?;
        Some(events.iter().filter(|event| event.reason == reason::SHARE_OFF && event.kind == "Warning").count())
            .filter(|told| *told > 0)
    })
    .await?;
    shop.check(&format!("told {told} times"), told == 1).await
}

fn stage(now: &Snapshot) -> Result<StageStatus> {
    now.status().stage.context("no stage")
}

/// Where the measured share lies, in percent.
fn range(now: &Snapshot) -> Option<(f64, f64)> {
    let range = stage(now).ok()?.weight_range?;
    let (low, high) = range.split_once(" to ")?;
    let percent = |text: &str| text.trim_end_matches('%').parse::<f64>().ok();
    Some((percent(low)?, percent(high)?))
}
