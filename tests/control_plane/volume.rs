//! An application with 10,800 series of one histogram, and histograms that are native.

use std::env;

use anyhow::{Context, ensure};
use futures::future::try_join;
use serde_json::json;
use tidegate_api::Phase;
use tidegate_testkit::{Result, prometheus::Store, world::World};

use crate::{
    behaviour::behaviours,
    scenes::{LATER, adopted, p95, promoted, reverted, with_checks},
};

behaviours![
    an_application_with_ten_thousand_series_is_promoted_and_reverted,
    by_native_histograms_a_slow_version_is_reverted_and_a_fast_one_promoted,
];

async fn an_application_with_ten_thousand_series_is_promoted_and_reverted(world: &World) -> Result<()> {
    let shop = adopted(world.shop("routes").replicas(10), with_checks(&[p95("500ms")])).await?;
    shop.release("v2", &[("rig/routes", "30")]).await?;
    promoted(&shop, "v2").await?;
    let buckets =
        format!("count(http_request_duration_seconds_bucket{{namespace=\"{}\",handler!=\"\"}})", shop.namespace);
    let counted = world.prometheus.query(&buckets).await?;
    let series = counted.first().and_then(|answer| answer["value"][1].as_str()).context("no series")?;
    shop.check(&format!("{series} series"), series == "10800").await?;
    shop.release("v3", &[("rig/routes", "30"), ("rig/latency", "600ms")]).await?;
    let now = shop.wait("v3 to be reverted", LATER, |now| now.is(Phase::Reverted) && now.pods_of("v3") == 0).await?;
    shop.check("v2 serves alone", now.stable() == "v2" && now.share().is_none()).await?;
    shop.lost_nothing().await
}

async fn by_native_histograms_a_slow_version_is_reverted_and_a_fast_one_promoted(world: &World) -> Result<()> {
    let Some(program) = env::var_os("PROMETHEUS_3") else {
        ensure!(env::var("CI").as_deref() != Ok("true"), "PROMETHEUS_3 names no program on CI");
        println!("skipped: 1 (PROMETHEUS_3 names no program)");
        return Ok(());
    };
    let store = world.store(Store::NativePrometheus(program.into())).await?;
    let plan = &with_checks(&[json!({"name": "p95", "latency": {"preset": "auto", "quantile": 0.95, "max": "500ms"}})]);
    let release = async |name: &str, latency: &str| {
        let shop = adopted(world.shop(name).prometheus(&store.url), plan.clone()).await?;
        shop.release("v2", &[("rig/latency", latency)]).await?;
        anyhow::Ok(shop)
    };
    let slow = async { reverted(&release("native-slow", "600ms").await?).await };
    let fast = async { promoted(&release("native-fast", "1ms").await?, "v2").await };
    try_join(slow, fast).await?;
    let classic = store.query("http_request_duration_seconds_bucket").await?;
    ensure!(classic.is_empty(), "{} classic buckets are there as well", classic.len());
    Ok(())
}
