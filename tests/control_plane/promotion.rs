//! A good version on its way to all of the traffic.

use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use serde_json::json;
use tidegate_api::{Phase, condition::reason};
use tidegate_testkit::{Result, audit, control_plane::Identity, pod_server::Faults, world::World};

use crate::{
    behaviour::behaviours,
    scenes::{A_WHILE, LATER, SOON, adopted, promoted, quick, underway, unjudged},
};

behaviours![
    a_good_version_goes_through_all_stages_and_becomes_the_stable_one,
    the_pods_that_passed_are_the_pods_that_go_on_serving,
    the_route_ends_as_the_user_wrote_it,
    other_backends_of_the_route_keep_their_share,
    without_analysis_a_version_is_promoted_on_readiness_and_time,
    no_weight_is_given_before_the_new_pods_are_ready,
    a_slow_gateway_starts_the_stages_clock_late,
    a_stage_lasts_at_least_its_bake,
    without_a_route_the_split_is_by_the_number_of_pods,
    a_promotion_is_told_by_events_with_numbers,
    at_rest_nothing_is_written,
];

async fn a_good_version_goes_through_all_stages_and_becomes_the_stable_one(world: &World) -> Result<()> {
    let shop = adopted(world.shop("promotion"), quick()).await?;
    shop.release("v2", &[]).await?;
    promoted(&shop, "v2").await?;
    let weights = shop.canary_weights();
    let risen: Vec<_> = weights.iter().copied().filter(|weight| *weight != Some(0)).collect();
    let stages = [None, Some(25), Some(50), Some(100), None];
    shop.check(&format!("the weights rose stage by stage: {weights:?}"), risen == stages).await?;
    shop.check("the Deployment is left at 0", shop.now().deployment_replicas() == Some(0)).await?;
    shop.lost_nothing().await
}

async fn the_pods_that_passed_are_the_pods_that_go_on_serving(world: &World) -> Result<()> {
    let shop = adopted(world.shop("same-pods").load(0.0), unjudged()).await?;
    shop.release("v2", &[]).await?;
    promoted(&shop, "v2").await?;
    shop.check("each version started four pods and no more", shop.pods_created() == 8).await
}

async fn the_route_ends_as_the_user_wrote_it(world: &World) -> Result<()> {
    let shop = world.shop("route").load(0.0).open().await?;
    shop.patch_route(
        "kubectl",
        json!({
            "metadata": {"labels": {"team": "shop"}},
            "spec": {
                "hostnames": ["shop.example"],
                "rules": [
                    {
                        "matches": [{"path": {"type": "PathPrefix", "value": "/pay"}}],
                        "filters": [{
                            "type": "RequestHeaderModifier",
                            "requestHeaderModifier": {"set": [{"name": "x-shop", "value": "checkout"}]},
                        }],
                        "backendRefs": [{"name": "checkout", "port": 80}],
                    },
                    {"backendRefs": [{"name": "checkout", "port": 80, "weight": 3}]},
                ],
            },
        }),
    )
    .await?;
    let before = shop.routes().get("checkout").await?;
    shop.apply_rollout(unjudged()).await?;
    shop.wait("the Deployment to be adopted", SOON, |now| now.is(Phase::Stable)).await?;
    shop.release("v2", &[]).await?;
    shop.wait("the route to be split", SOON, |now| now.share().is_some()).await?;
    let during = shop.routes().get("checkout").await?;
    let rule = |route: &serde_json::Value| (route["matches"].clone(), route["filters"].clone());
    let kept = rule(&during.data["spec"]["rules"][0]) == rule(&before.data["spec"]["rules"][0]);
    shop.check("matches and filters stay while it is split", kept).await?;
    promoted(&shop, "v2").await?;
    let after = shop.routes().get("checkout").await?;
    shop.check("the spec is what the user wrote", after.data["spec"] == before.data["spec"]).await?;
    let metadata =
        |route: &kube::api::DynamicObject| (route.metadata.labels.clone(), route.metadata.annotations.clone());
    shop.check("so are labels and annotations", metadata(&after) == metadata(&before)).await
}

async fn other_backends_of_the_route_keep_their_share(world: &World) -> Result<()> {
    let shop = adopted(world.shop("others").load(0.0).other_backend("legacy", 3), unjudged()).await?;
    shop.release("v2", &[]).await?;
    let now = shop.wait("half of the traffic to be in force", LATER, |now| now.share_in_force() == Some(50)).await?;
    let of = |service: &str| now.in_force.get(service).copied().unwrap_or_default();
    let ours = of("checkout-stable") + of("checkout-canary");
    shop.check("the other backend still has three times our weight", of("legacy") == 3 * ours).await?;
    promoted(&shop, "v2").await?;
    let weights = shop.now().weights();
    shop.check("and the weights that the user wrote", weights["legacy"] == 3 && weights["checkout"] == 1).await
}

async fn without_analysis_a_version_is_promoted_on_readiness_and_time(world: &World) -> Result<()> {
    let shop = adopted(world.shop("unjudged").load(0.0), unjudged()).await?;
    shop.release("v2", &[("rig/no-metrics", "true")]).await?;
    promoted(&shop, "v2").await
}

async fn no_weight_is_given_before_the_new_pods_are_ready(world: &World) -> Result<()> {
    let shop = adopted(world.shop("unready"), unjudged()).await?;
    shop.release("v2", &[("rig/ready-after", "4s")]).await?;
    shop.wait("the new pods to be there", SOON, |now| now.pods_of("v2") > 0).await?;
    shop.wait("weight for the canary", SOON, |now| {
        assert!(now.share().unwrap_or(0) == 0 || now.ready_count("v2") > 0, "weight without a ready pod");
        now.share_in_force().is_some_and(|share| share > 0)
    })
    .await?;
    shop.lost_nothing().await
}

async fn a_slow_gateway_starts_the_stages_clock_late(world: &World) -> Result<()> {
    let shop = adopted(world.shop("slow-gateway").load(0.0), unjudged()).await?;
    shop.patch_route("gateway", json!({"metadata": {"annotations": {"rig/accept-after": "3s"}}})).await?;
    shop.release("v2", &[]).await?;
    let written = shop.wait("the weight to be written", SOON, |now| now.share() == Some(25)).await?;
    shop.check("its clock has not started", written.status().stage.is_some_and(|stage| stage.since.is_none())).await?;
    let at = Timestamp::now();
    let now = shop
        .wait("the clock to start", SOON, |now| now.status().stage.is_some_and(|stage| stage.since.is_some()))
        .await?;
    let since = now.status().stage.and_then(|stage| stage.since).context("no clock")?;
    shop.check("the gateway followed first", now.share_in_force() == Some(25)).await?;
    shop.check("it started when the gateway had accepted", since.duration_since(at).as_millis() >= 2500).await
}

async fn a_stage_lasts_at_least_its_bake(world: &World) -> Result<()> {
    let mut plan = unjudged();
    plan["stages"][0]["bake"] = json!("6s");
    let shop = adopted(world.shop("bake").load(0.0), plan).await?;
    underway(&shop).await?;
    let stage = shop.now().status().stage.context("no stage")?;
    let (since, until) = (stage.since.context("no clock")?, stage.until.context("no end")?);
    shop.check("the status says until when", until.duration_since(since).as_millis().abs_diff(6000) < 1100).await?;
    let now = shop.wait("the next stage", SOON, |now| now.stage() == "half").await?;
    let entered = now.status().stage.context("no stage")?.entered_at;
    shop.check("it began after the bake", entered.duration_since(since) >= Duration::from_secs(6).try_into()?).await
}

async fn without_a_route_the_split_is_by_the_number_of_pods(world: &World) -> Result<()> {
    let shop = adopted(world.shop("no-route").without_route(), quick()).await?;
    shop.release("v2", &[]).await?;
    let now = shop
        .wait("the second stage to have its weight", LATER, |now| {
            now.stage() == "half" && now.status().stage.is_some_and(|stage| stage.since.is_some())
        })
        .await?;
    let share = now.status().stage.context("no stage")?.weight_in_force.percent();
    shop.check(&format!("the status says what was reached: {share} %"), (40.0..=60.0).contains(&share)).await?;
    promoted(&shop, "v2").await?;
    shop.lost_nothing().await
}

async fn a_promotion_is_told_by_events_with_numbers(world: &World) -> Result<()> {
    let shop = adopted(world.shop("events"), quick()).await?;
    shop.release("v2", &[]).await?;
    promoted(&shop, "v2").await?;
    let events = shop.events().await?;
    let told = |reason: &str| events.iter().filter(|event| event.reason == reason).count();
    for reason in [reason::ADOPTED, reason::STARTED, reason::STAGE_ENTERED, reason::PROMOTED] {
        shop.check(&format!("an event says {reason}"), told(reason) > 0).await?;
    }
    let ours = events.iter().filter(|event| event.regarding == "Rollout/checkout");
    let numbered = ours.filter(|event| event.note.contains('%')).count();
    shop.check("the notes carry the numbers", numbered >= 3).await
}

async fn at_rest_nothing_is_written(world: &World) -> Result<()> {
    let shop = adopted(world.shop("rest"), quick()).await?;
    shop.release("v2", &[]).await?;
    promoted(&shop, "v2").await?;
    shop.set_faults("v2", Faults { error_rate: 0.5, ..Faults::default() });
    let settled = Timestamp::now();
    shop.stays("v2 serves", A_WHILE, |now| now.is(Phase::Stable)).await?;
    // The first second belongs to what was still under way when the last condition came true.
    let since = settled + jiff::SignedDuration::from_secs(1);
    let writes = world.audit.writes(Identity::Operator, &shop.namespace, since)?;
    shop.check(&format!("nothing was written: {:?}", audit::count(&writes)), writes.is_empty()).await
}
