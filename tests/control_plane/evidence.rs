//! What is not known is never a pass.

use std::{env, path::PathBuf, time::Duration};

use anyhow::{Context, ensure};
use futures::future::{try_join, try_join_all};
use serde_json::json;
use tidegate_api::{Phase, Preset, Verdict, condition::reason};
use tidegate_testkit::{Result, prometheus::Store, world::World};

use crate::{
    behaviour::behaviours,
    scenes::{A_WHILE, LATER, SOON, adopted, errors, promoted, quick, reverted, underway, with_checks},
};

behaviours![
    a_canary_with_two_percent_errors_is_caught_and_one_that_keeps_its_limit_is_promoted_five_times_of_five,
    a_canary_without_metrics_is_not_promoted,
    while_prometheus_is_down_nothing_advances_and_nothing_reverts,
    too_few_requests_are_no_evidence,
    evidence_that_runs_out_of_time_reverts_when_asked_to,
    evidence_that_runs_out_of_time_holds_by_default,
    evidence_that_runs_out_of_time_advances_when_asked_to,
    without_any_numbers_nothing_advances_even_when_asked_to,
    a_warning_shows_and_decides_nothing,
    a_query_that_prometheus_refuses_is_no_evidence,
    preset_auto_is_told_in_the_status_and_judges_a_good_version_and_a_bad_one,
    with_prometheus_3_a_bad_version_is_reverted_and_a_good_one_promoted,
    with_victoria_metrics_a_bad_version_is_reverted_and_a_good_one_promoted,
];

/// Long enough for a stage to be left, if it were.
const PATIENCE: Duration = Duration::from_secs(8);

/// Five seeds of luck, each with a version that fails four times as often as it may, and one that keeps the limit.
async fn a_canary_with_two_percent_errors_is_caught_and_one_that_keeps_its_limit_is_promoted_five_times_of_five(
    world: &World,
) -> Result<()> {
    let release = async |name: String, crowd: String| {
        let shop = adopted(world.shop(&name).load(10.0), with_checks(&[errors("0.5%")])).await?;
        shop.release("v2", &[("rig/crowd", &crowd)]).await?;
        anyhow::Ok(shop)
    };
    let release = &release;
    let seeds = (1..=5).map(|seed| async move {
        let bad = release(format!("bad-{seed}"), format!("4000 0.02 {seed}"));
        let good = release(format!("good-{seed}"), format!("4000 0.003 {seed}"));
        let (bad, good) = try_join(bad, good).await?;
        try_join(reverted(&bad), promoted(&good, "v2")).await?;
        anyhow::Ok(())
    });
    try_join_all(seeds).await?;
    Ok(())
}

async fn a_canary_without_metrics_is_not_promoted(world: &World) -> Result<()> {
    let shop = adopted(world.shop("blind"), quick()).await?;
    shop.release("v2", &[("rig/no-metrics", "true")]).await?;
    shop.wait("the check to have no data", LATER, |now| {
        now.check("errors").is_some_and(|check| check.verdict == Verdict::NoData && !check.reason.is_empty())
    })
    .await?;
    shop.stays("it stays in its first stage", PATIENCE, |now| now.stage() == "canary" && now.share() == Some(25)).await
}

async fn preset_auto_is_told_in_the_status_and_judges_a_good_version_and_a_bad_one(world: &World) -> Result<()> {
    let mut check = errors("0.5%");
    check["errorRate"]["preset"] = json!("auto");
    let (check, told) = (&check, [("errors".to_owned(), Preset::PodHttp)]);
    let release = async |name: &str, crowd: &str| {
        let shop = adopted(world.shop(name).load(10.0), with_checks(std::slice::from_ref(check))).await?;
        shop.release("v2", &[("rig/crowd", crowd)]).await?;
        shop.wait("the status to tell the preset", LATER, |now| {
            let presets = now.status().presets.into_iter().map(|taken| (taken.check, taken.preset));
            presets.collect::<Vec<_>>() == told
        })
        .await?;
        anyhow::Ok(shop)
    };
    let (bad, good) = try_join(release("auto-bad", "4000 0.05 1"), release("auto-good", "4000 0.001 1")).await?;
    try_join(reverted(&bad), promoted(&good, "v2")).await.map(drop)
}

async fn while_prometheus_is_down_nothing_advances_and_nothing_reverts(world: &World) -> Result<()> {
    let mut prometheus = world.another_prometheus().await?;
    let shop = adopted(world.shop("prometheus-down").prometheus(&prometheus.url), quick()).await?;
    underway(&shop).await?;
    prometheus.kill();
    let now = shop
        .wait("the status to say that Prometheus is down", LATER, |now| {
            now.check("errors").is_some_and(|check| check.verdict == Verdict::NoData)
        })
        .await?;
    let (stage, weight) = (now.stage(), now.share());
    let check = now.check("errors").context("no check")?;
    shop.check(&format!("with a reason: {}", check.message), !check.message.is_empty()).await?;
    shop.stays("it stays where it was", PATIENCE, |now| now.stage() == stage && now.share() == weight).await?;
    prometheus.resume().await?;
    promoted(&shop, "v2").await
}

async fn too_few_requests_are_no_evidence(world: &World) -> Result<()> {
    let shop = adopted(world.shop("quiet").load(4.0), quick()).await?;
    underway(&shop).await?;
    shop.wait("the check to need more data", LATER, |now| {
        now.check("errors").is_some_and(|check| check.verdict == Verdict::NeedMoreData)
    })
    .await?;
    shop.stays("it stays in its first stage", PATIENCE, |now| now.stage() == "canary").await
}

/// A rollout that will not have evidence, at so many requests a second, in the three seconds that it has for it.
async fn out_of_time(
    world: &World,
    name: &str,
    load: f64,
    on_inconclusive: Option<&str>,
) -> Result<tidegate_testkit::shop::Shop> {
    let mut plan = quick();
    plan["stages"][0]["deadline"] = json!("3s");
    if let Some(action) = on_inconclusive {
        plan["onInconclusive"] = json!(action);
    }
    let shop = adopted(world.shop(name).load(load), plan).await?;
    shop.release("v2", &[]).await?;
    Ok(shop)
}

async fn evidence_that_runs_out_of_time_reverts_when_asked_to(world: &World) -> Result<()> {
    reverted(&out_of_time(world, "inconclusive-revert", 0.0, Some("Revert")).await?).await
}

async fn evidence_that_runs_out_of_time_holds_by_default(world: &World) -> Result<()> {
    let shop = out_of_time(world, "inconclusive-hold", 0.0, None).await?;
    let now = shop.wait("the rollout to be held", SOON, |now| now.is(Phase::Held)).await?;
    let why = now.holds(tidegate_api::condition::kind::STALLED);
    shop.check(&format!("as inconclusive: {why:?}"), why.as_deref() == Some(reason::INCONCLUSIVE)).await
}

async fn evidence_that_runs_out_of_time_advances_when_asked_to(world: &World) -> Result<()> {
    let shop = out_of_time(world, "inconclusive-advance", 6.0, Some("Advance")).await?;
    shop.wait("the next stage", SOON, |now| now.stage() == "half").await?;
    Ok(())
}

async fn without_any_numbers_nothing_advances_even_when_asked_to(world: &World) -> Result<()> {
    let shop = out_of_time(world, "inconclusive-blind", 0.0, Some("Advance")).await?;
    shop.wait("the rollout to be held", SOON, |now| now.is(Phase::Held)).await?;
    shop.stays("it stays in its first stage", A_WHILE, |now| now.stage() == "canary").await
}

async fn a_warning_shows_and_decides_nothing(world: &World) -> Result<()> {
    let mut check = errors("60%");
    check["errorRate"]["warn"] = json!("1%");
    let shop = adopted(world.shop("warned"), with_checks(&[check])).await?;
    shop.release("v2", &[("rig/error-rate", "0.2")]).await?;
    shop.wait("the warning to show", LATER, |now| now.check("errors").is_some_and(|check| check.warning)).await?;
    promoted(&shop, "v2").await
}

async fn a_query_that_prometheus_refuses_is_no_evidence(world: &World) -> Result<()> {
    let check = json!({"name": "broken", "query": {"expr": "sum(", "max": 1.0}});
    let shop = adopted(world.shop("broken-query"), with_checks(&[check])).await?;
    shop.release("v2", &[]).await?;
    let now = shop
        .wait("the status to say what Prometheus said", LATER, |now| {
            now.check("broken").is_some_and(|check| check.verdict == Verdict::NoData && check.message.len() > 10)
        })
        .await?;
    shop.check("it is still in its first stage", now.stage() == "canary").await?;
    shop.stays("it stays there", PATIENCE, |now| now.stage() == "canary").await
}

async fn with_prometheus_3_a_bad_version_is_reverted_and_a_good_one_promoted(world: &World) -> Result<()> {
    judged_by(world, "prometheus-3", "PROMETHEUS_3", Store::Prometheus).await
}

async fn with_victoria_metrics_a_bad_version_is_reverted_and_a_good_one_promoted(world: &World) -> Result<()> {
    judged_by(world, "victoria-metrics", "VICTORIA_METRICS", Store::VictoriaMetrics).await
}

/// The same by another store, whose program `variable` names.
async fn judged_by(world: &World, name: &str, variable: &str, store: fn(PathBuf) -> Store) -> Result<()> {
    let Some(program) = env::var_os(variable) else {
        ensure!(env::var("CI").as_deref() != Ok("true"), "{variable} names no program on CI");
        println!("skipped: 1 ({variable} names no program)");
        return Ok(());
    };
    let store = world.store(store(program.into())).await?;
    // VictoriaMetrics shows the first failure of a version up to 13 s after its scrape.
    let mut plan = quick();
    plan["stages"][0]["bake"] = json!("20s");
    let release = async |what: &str, errors: &str| {
        let shop = adopted(world.shop(&format!("{name}-{what}")).prometheus(&store.url), plan.clone()).await?;
        shop.release("v2", &[("rig/error-rate", errors)]).await?;
        anyhow::Ok(shop)
    };
    let bad = async {
        let shop = release("bad", "0.5").await?;
        reverted(&shop).await
    };
    let good = async {
        let shop = release("good", "0").await?;
        promoted(&shop, "v2").await?;
        shop.lost_nothing().await
    };
    try_join(bad, good).await?;
    Ok(())
}
