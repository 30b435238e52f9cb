//! A bad version on its way back.

use std::time::Duration;

use anyhow::Context;
use serde_json::json;
use tidegate_api::{
    Phase, Verdict,
    condition::{kind, reason},
};
use tidegate_testkit::{Result, pod_server::Faults, world::World};

use crate::{
    behaviour::behaviours,
    scenes::{
        A_WHILE, LATER, SOON, adopted, errors, lingering, p95, promoted, quick, reverted, underway, unjudged,
        with_checks,
    },
};

behaviours![
    errors_on_the_canary_turn_the_traffic_back,
    slow_answers_turn_the_traffic_back,
    a_query_beyond_its_limit_turns_the_traffic_back,
    errors_that_begin_in_the_last_stage_turn_the_traffic_back,
    a_stage_may_tighten_a_check,
    pods_that_never_become_ready_are_given_up_at_the_progress_deadline,
    a_gateway_that_never_accepts_is_named_and_no_version_is_blamed_for_it,
    on_failure_hold_freezes_the_rollout,
    a_failed_version_stays_failed,
    a_new_version_after_a_failed_one_starts_anew,
    going_back_to_the_stable_version_after_a_failure_is_instant,
];

const HALF: (&str, &str) = ("rig/error-rate", "0.5");

async fn errors_on_the_canary_turn_the_traffic_back(world: &World) -> Result<()> {
    let shop = adopted(world.shop("errors"), quick()).await?;
    let stable = shop.now().uids("v1");
    shop.release("v2", &[HALF]).await?;
    let now = shop.wait("the check to fail", SOON, |now| now.phase() == Phase::Reverting).await?;
    let check = now.check("errors").context("no check")?;
    shop.check("the status keeps the numbers", {
        check.verdict == Verdict::Fail && check.value.is_some() && check.limit.is_some() && check.sample > Some(0)
    })
    .await?;
    reverted(&shop).await?;
    let now = shop.now();
    shop.check("it went no further than the first stage", shop.canary_weights().iter().flatten().max() == Some(&25))
        .await?;
    shop.check("the stable pods never went", now.uids("v1") == stable).await?;
    shop.check("it is stalled and not ready", now.holds(kind::STALLED).is_some() && now.holds(kind::READY).is_none())
        .await?;
    let told =
        shop.events().await?.into_iter().any(|event| event.reason == reason::REVERTED && event.kind == "Warning");
    shop.check("an event warns of it", told).await?;
    shop.lost_nothing().await
}

async fn slow_answers_turn_the_traffic_back(world: &World) -> Result<()> {
    let shop = adopted(world.shop("slow"), with_checks(&[p95("250ms")])).await?;
    shop.release("v2", &[("rig/latency", "400ms")]).await?;
    reverted(&shop).await?;
    shop.lost_nothing().await
}

async fn a_query_beyond_its_limit_turns_the_traffic_back(world: &World) -> Result<()> {
    let expression = r#"count(http_request_duration_seconds_count{namespace="{{namespace}}",pod=~"{{pods}}"})"#;
    let check = json!({"name": "pods", "query": {"expr": expression, "max": 0.5}});
    let shop = adopted(world.shop("query"), with_checks(&[check])).await?;
    shop.release("v2", &[]).await?;
    reverted(&shop).await
}

async fn errors_that_begin_in_the_last_stage_turn_the_traffic_back(world: &World) -> Result<()> {
    let mut plan = quick();
    plan["stages"][2]["bake"] = json!("10m");
    let shop = adopted(world.shop("late"), plan).await?;
    shop.release("v2", &[]).await?;
    shop.wait("all of the traffic to be on v2", LATER, |now| now.share_in_force() == Some(100)).await?;
    shop.set_faults("v2", Faults { error_rate: 0.5, ..Faults::default() });
    reverted(&shop).await?;
    shop.check("v1 has its pods", shop.now().ready_count("v1") == 4).await?;
    shop.lost_nothing().await
}

async fn a_stage_may_tighten_a_check(world: &World) -> Result<()> {
    let mut plan = with_checks(&[errors("60%")]);
    plan["stages"][1]["checks"] = json!([{"name": "errors", "max": "1%"}]);
    let shop = adopted(world.shop("tighter"), plan).await?;
    shop.release("v2", &[("rig/error-rate", "0.2")]).await?;
    shop.wait("the first stage to pass", LATER, |now| now.stage() == "half").await?;
    reverted(&shop).await
}

async fn pods_that_never_become_ready_are_given_up_at_the_progress_deadline(world: &World) -> Result<()> {
    let mut plan = unjudged();
    plan["progressDeadline"] = json!("4s");
    let shop = adopted(world.shop("deadline"), plan).await?;
    shop.release("v2", &[("rig/never-ready", "true")]).await?;
    reverted(&shop).await?;
    let message = &shop.now().status().failed[0].message;
    shop.check(&format!("the status says why: {message}"), message.contains("4s")).await?;
    let weights = shop.canary_weights();
    shop.check("it never had traffic", weights.iter().flatten().all(|weight| *weight == 0)).await?;
    shop.lost_nothing().await
}

async fn a_gateway_that_never_accepts_is_named_and_no_version_is_blamed_for_it(world: &World) -> Result<()> {
    let mut plan = unjudged();
    plan["progressDeadline"] = json!("6s");
    let shop = adopted(world.shop("rejected"), plan).await?;
    shop.patch_route("gateway", json!({"metadata": {"annotations": {"rig/never-accept": "true"}}})).await?;
    shop.release("v2", &[]).await?;
    let names_it = |message: &str| message.contains("Gateway") && message.contains("HTTPRoute");
    shop.wait("the gateway to be named", SOON, |now| names_it(&now.status().message)).await?;
    let now = shop.wait("the rollout to be held", SOON, |now| now.is(Phase::Held)).await?;
    let told = now.holds(kind::STALLED);
    shop.check(&format!("it is told: {told:?}"), told.as_deref() == Some(reason::ROUTE_NOT_CONFIRMED)).await?;
    shop.check("no version failed", now.status().failed.is_empty()).await?;
    shop.patch_route("gateway", json!({"metadata": {"annotations": {"rig/never-accept": null}}})).await?;
    promoted(&shop, "v2").await?;
    shop.lost_nothing().await
}

async fn on_failure_hold_freezes_the_rollout(world: &World) -> Result<()> {
    let mut plan = quick();
    plan["onFailure"] = json!("Hold");
    let shop = adopted(world.shop("hold"), plan).await?;
    shop.release("v2", &[HALF]).await?;
    shop.wait("the rollout to be held", SOON, |now| now.is(Phase::Held)).await?;
    shop.check("somebody is told", shop.now().holds(kind::STALLED).is_some()).await?;
    shop.stays("the weight is as it was", A_WHILE, |now| now.share() == Some(25) && now.phase() == Phase::Held).await
}

async fn a_failed_version_stays_failed(world: &World) -> Result<()> {
    let mut shop = adopted(world.shop("failed"), quick()).await?;
    shop.release("v2", &[HALF]).await?;
    reverted(&shop).await?;
    let created = shop.pods_created();
    shop.operator()?.restart()?;
    shop.patch_deployment("kubectl", json!({"metadata": {"annotations": {"note": "look at me"}}})).await?;
    shop.stays("it stays reverted", Duration::from_secs(8), |now| now.phase() == Phase::Reverted).await?;
    shop.check("no pod of it is started again", shop.pods_created() == created).await
}

async fn a_new_version_after_a_failed_one_starts_anew(world: &World) -> Result<()> {
    let shop = adopted(world.shop("third"), quick()).await?;
    shop.release("v2", &[HALF]).await?;
    reverted(&shop).await?;
    shop.release("v3", &[]).await?;
    promoted(&shop, "v3").await?;
    shop.lost_nothing().await
}

async fn going_back_to_the_stable_version_after_a_failure_is_instant(world: &World) -> Result<()> {
    let shop = adopted(world.shop("back-after"), lingering()).await?;
    underway(&shop).await?;
    shop.set_faults("v2", Faults { error_rate: 0.5, ..Faults::default() });
    reverted(&shop).await?;
    let created = shop.pods_created();
    shop.release("v1", &[]).await?;
    shop.wait("v1 to be what is wanted", SOON, |now| now.is(Phase::Stable) && now.holds(kind::READY).is_some()).await?;
    shop.check("nothing was started for it", shop.pods_created() == created).await
}
