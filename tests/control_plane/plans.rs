//! Release plans: one stage back instead of all the way, and hours in which nothing goes on.

use serde_json::{Value, json};
use tidegate_api::{
    Phase,
    condition::{kind, reason},
};
use tidegate_testkit::{Result, cluster, pod_server::Faults, shop::Shop, snapshot::Snapshot, world::World};

use crate::{
    behaviour::behaviours,
    scenes::{A_WHILE, LATER, SOON, adopted, promoted, quick, reverted},
};

behaviours![
    a_stage_that_fails_is_left_for_the_one_before_and_the_version_comes_through,
    a_stage_that_fails_twice_turns_the_traffic_back,
    without_a_route_a_stage_that_fails_gives_pods_back,
    a_version_waits_for_its_window_and_starts_when_that_opens,
    a_stage_that_passed_waits_for_its_window_and_a_failure_waits_for_none,
    a_time_zone_that_does_not_exist_is_told,
    a_version_is_tried_out_by_a_service_of_its_own_and_then_gets_all_traffic_at_once,
    after_the_switch_a_failure_returns_all_traffic_to_the_pods_that_stayed,
    after_the_switch_only_the_pods_that_are_kept_warm_stay_until_it_has_passed,
    from_few_warm_pods_traffic_goes_back_as_fast_as_the_others_are_ready,
    a_preview_that_is_somebody_elses_service_is_refused,
    a_failure_is_seen_at_the_next_look_of_the_cadence,
    a_stage_is_left_where_its_bake_ends_however_rarely_it_is_looked_at,
    a_check_of_a_stages_own_turns_the_traffic_back_in_that_stage,
    a_check_of_a_stages_own_goes_with_the_stage,
];

/// Days that are not over soon.
const FROZEN: &str = "2000-01-01/2100-12-31";

/// [`quick`] with a second stage that bakes for as long as it takes to break it.
fn stepping_back(mut plan: Value) -> Value {
    plan["onFailure"] = json!("StepBack");
    plan["stages"][1]["bake"] = json!("1m");
    plan
}

/// `v2` is broken in the second stage, and falls back to the first.
async fn fallen_back(shop: &Shop) -> Result<()> {
    shop.release("v2", &[]).await?;
    shop.wait("the second stage", LATER, |now| now.stage() == "half" && now.share_in_force() == Some(50)).await?;
    shop.set_faults("v2", Faults { error_rate: 0.5, ..Faults::default() });
    shop.wait("the first stage to be back", SOON, |now| now.stage() == "canary").await?;
    Ok(())
}

async fn a_stage_that_fails_is_left_for_the_one_before_and_the_version_comes_through(world: &World) -> Result<()> {
    let mut plan = stepping_back(quick());
    // Errors of the moment before the fault was mended still arrive.
    plan["stages"][0]["checks"] = json!([{"name": "errors", "max": "60%"}]);
    let shop = adopted(world.shop("step-back"), plan.clone()).await?;
    fallen_back(&shop).await?;
    shop.set_faults("v2", Faults::default());
    shop.wait("its weight to be in force", SOON, |now| now.stage() == "canary" && now.share_in_force() == Some(25))
        .await?;
    let told = shop.events().await?;
    let told = told.into_iter().find(|event| event.reason == reason::STEPPED_BACK).map(|event| event.kind);
    shop.check(&format!("an event warns of it: {told:?}"), told.as_deref() == Some("Warning")).await?;
    shop.check("no version failed", shop.now().status().failed.is_empty()).await?;
    shop.wait("the second stage again", LATER, |now| now.stage() == "half").await?;
    let mut stages = plan["stages"].clone();
    stages[1]["bake"] = json!("1s");
    shop.patch_rollout(json!({"stages": stages})).await?;
    promoted(&shop, "v2").await?;
    shop.lost_nothing().await
}

async fn a_stage_that_fails_twice_turns_the_traffic_back(world: &World) -> Result<()> {
    let shop = adopted(world.shop("step-back-twice"), stepping_back(quick())).await?;
    fallen_back(&shop).await?;
    reverted(&shop).await?;
    let reasons: Vec<_> = shop.now().status().history.into_iter().map(|step| step.reason).collect();
    let both = [reason::REVERTED, reason::STEPPED_BACK].map(|word| reasons.iter().any(|known| known == word));
    shop.check(&format!("both are in the history: {reasons:?}"), both == [true, true]).await?;
    shop.check("v1 has its pods", shop.now().ready_count("v1") == 4).await?;
    shop.lost_nothing().await
}

async fn without_a_route_a_stage_that_fails_gives_pods_back(world: &World) -> Result<()> {
    let shop = adopted(world.shop("step-back-pods").without_route(), stepping_back(quick())).await?;
    shop.release("v2", &[]).await?;
    shop.wait("the second stage", LATER, |now| now.stage() == "half" && now.ready_count("v2") >= 2).await?;
    shop.set_faults("v2", Faults { error_rate: 0.5, ..Faults::default() });
    shop.wait("the first stage to be back", SOON, |now| now.stage() == "canary").await?;
    shop.set_faults("v2", Faults::default());
    shop.wait("one pod to be left", SOON, |now| now.ready_count("v2") == 1 && now.ready_count("v1") >= 3).await?;
    Ok(())
}

async fn a_version_waits_for_its_window_and_starts_when_that_opens(world: &World) -> Result<()> {
    let mut plan = quick();
    plan["schedule"] = json!({"timeZone": "America/St_Johns", "freeze": [FROZEN]});
    let shop = adopted(world.shop("window"), plan).await?;
    shop.release("v2", &[]).await?;
    let waits = |message: &str| message.starts_with("version ") && message.contains(" waits for the schedule: ");
    shop.wait("the wait to be told", SOON, |now| waits(&now.status().message)).await?;
    shop.stays("nothing starts", A_WHILE, |now| now.phase() == Phase::Stable && now.ready_count("v2") == 0).await?;
    shop.patch_rollout(json!({"schedule": {"freeze": null, "start": ["00:00-24:00"]}})).await?;
    promoted(&shop, "v2").await?;
    shop.lost_nothing().await
}

async fn a_stage_that_passed_waits_for_its_window_and_a_failure_waits_for_none(world: &World) -> Result<()> {
    let mut plan = quick();
    plan["schedule"] = json!({"timeZone": "Europe/Berlin"});
    let shop = adopted(world.shop("window-advance"), plan).await?;
    shop.release("v2", &[]).await?;
    shop.wait("the first stage", LATER, |now| now.share_in_force() == Some(25)).await?;
    shop.patch_rollout(json!({"schedule": {"freeze": [FROZEN]}})).await?;
    let waits = |message: &str| message.starts_with("stage canary may be left and waits for the schedule");
    shop.wait("the wait to be told", LATER, |now| waits(&now.status().message)).await?;
    shop.set_faults("v2", Faults { error_rate: 0.5, ..Faults::default() });
    reverted(&shop).await?;
    shop.lost_nothing().await
}

async fn a_time_zone_that_does_not_exist_is_told(world: &World) -> Result<()> {
    let shop = adopted(world.shop("zone"), quick()).await?;
    shop.patch_rollout(json!({"schedule": {"timeZone": "Europe/Atlantis"}})).await?;
    let now = shop.wait("it to be told", SOON, |now| now.holds(kind::STALLED).is_some()).await?;
    let (told, message) = (now.holds(kind::STALLED), now.status().message);
    shop.check(&format!("by {told:?}: {message}"), told.as_deref() == Some(reason::INVALID_SPEC)).await?;
    shop.check(&format!("with what to write: {message}"), message.contains("Europe/Berlin")).await
}

/// All pods of the new version are there before it gets all of the traffic at once.
fn blue_green() -> Value {
    let mut plan = quick();
    plan["stages"] = json!([
        {"name": "preview", "weight": "0%", "replicas": "100%", "bake": "5s", "preview": {"service": "checkout-preview"}},
        {"name": "switched", "weight": "100%", "bake": "5s"},
    ]);
    plan
}

async fn a_version_is_tried_out_by_a_service_of_its_own_and_then_gets_all_traffic_at_once(world: &World) -> Result<()> {
    let shop = adopted(world.shop("blue-green"), blue_green()).await?;
    shop.release("v2", &[]).await?;
    shop.wait("its stage", LATER, |now| now.stage() == "preview" && now.ready_count("v2") == 4).await?;
    let leads_to_it = |now: &Snapshot| {
        let selector = now.service("checkout-preview").and_then(|service| service.spec.as_ref()?.selector.clone());
        selector.is_some_and(|selector| selector.get("pod-template-hash") == now.revision("v2").as_ref())
    };
    shop.wait("the preview to lead to it", SOON, leads_to_it).await?;
    shop.check("no user meets it", shop.now().share_in_force().unwrap_or(0) == 0).await?;
    shop.wait("all of the traffic", LATER, |now| now.share_in_force() == Some(100)).await?;
    let weights: Vec<_> = shop.canary_weights().into_iter().flatten().filter(|weight| *weight > 0).collect();
    shop.check(&format!("at once: {weights:?}"), weights == [100]).await?;
    let now = shop.wait("the preview to go", SOON, |now| !now.has_service("checkout-preview")).await?;
    shop.check("v1 is at hand", now.ready_count("v1") == 4 || now.stable() == "v2").await?;
    promoted(&shop, "v2").await?;
    shop.lost_nothing().await
}

async fn after_the_switch_a_failure_returns_all_traffic_to_the_pods_that_stayed(world: &World) -> Result<()> {
    let mut plan = blue_green();
    plan["stages"][1]["bake"] = json!("5m");
    let shop = adopted(world.shop("blue-green-back"), plan).await?;
    shop.release("v2", &[]).await?;
    shop.wait("the switch", LATER, |now| now.share_in_force() == Some(100)).await?;
    shop.set_faults("v2", Faults { error_rate: 0.5, ..Faults::default() });
    let now = shop.wait("the way back", SOON, |now| now.share_in_force().unwrap_or(0) == 0).await?;
    shop.check("v1 never went", now.ready_count("v1") == 4).await?;
    let weights: Vec<_> = shop.canary_weights().into_iter().flatten().collect();
    shop.check(&format!("in one step: {weights:?}"), weights.iter().all(|weight| [0, 100].contains(weight))).await?;
    reverted(&shop).await?;
    shop.lost_nothing().await
}

/// [`blue_green`], with one of four pods kept warm for as long as it takes.
fn kept_warm() -> Value {
    let mut plan = blue_green();
    plan["stages"][1] = json!({"name": "switched", "weight": "100%", "bake": "5m", "stableReplicas": "20%"});
    plan
}

/// All of the traffic is `v2`'s, and one pod of `v1` is left.
async fn kept_warm_by_one(shop: &Shop) -> Result<()> {
    shop.release("v2", &[]).await?;
    let now = shop.wait("the switch", LATER, |now| now.share_in_force() == Some(100)).await?;
    shop.check("all of v1 are there until it is in force", now.ready_count("v1") == 4).await?;
    shop.wait("one pod of v1 to be left", LATER, |now| now.ready_count("v1") == 1).await?;
    Ok(())
}

async fn after_the_switch_only_the_pods_that_are_kept_warm_stay_until_it_has_passed(world: &World) -> Result<()> {
    let shop = adopted(world.shop("kept-warm"), kept_warm()).await?;
    kept_warm_by_one(&shop).await?;
    shop.stays("it stays", A_WHILE, |now| now.ready_count("v1") == 1 && now.ready_count("v2") == 4).await?;
    let mut stages = kept_warm()["stages"].clone();
    stages[1]["bake"] = json!("1s");
    shop.patch_rollout(json!({"stages": stages})).await?;
    promoted(&shop, "v2").await?;
    shop.lost_nothing().await
}

async fn from_few_warm_pods_traffic_goes_back_as_fast_as_the_others_are_ready(world: &World) -> Result<()> {
    let shop = adopted(world.shop("kept-warm-back"), kept_warm()).await?;
    kept_warm_by_one(&shop).await?;
    shop.set_faults("v2", Faults { error_rate: 0.5, ..Faults::default() });
    let now = shop.wait("the way back", SOON, |now| now.share_in_force().unwrap_or(0) == 0).await?;
    shop.check("by then all of v1 are back", now.ready_count("v1") == 4).await?;
    let weights: Vec<_> = shop.canary_weights().into_iter().flatten().collect();
    let back: Vec<_> = weights.iter().skip_while(|weight| **weight < 100).collect();
    let first = back.iter().find(|weight| ***weight < 100).map(|weight| **weight);
    shop.check(&format!("one pod had a quarter first: {weights:?}"), first == Some(75)).await?;
    reverted(&shop).await?;
    shop.lost_nothing().await
}

async fn a_preview_that_is_somebody_elses_service_is_refused(world: &World) -> Result<()> {
    let shop = adopted(world.shop("preview-taken"), quick()).await?;
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "checkout-preview", "namespace": shop.namespace},
        "spec": {"selector": {"app": "other"}, "ports": [{"port": 80}]},
    });
    cluster::create(&shop.client, service).await?;
    shop.patch_rollout(json!({"stages": blue_green()["stages"]})).await?;
    let now = shop.wait("it to be told", SOON, |now| now.holds(kind::STALLED).is_some()).await?;
    let (told, message) = (now.holds(kind::STALLED), now.status().message);
    shop.check(&format!("by {told:?}: {message}"), told.as_deref() == Some(reason::SERVICE_UNUSABLE)).await?;
    shop.check(&message, message.starts_with("Service checkout-preview exists and is somebody else's")).await
}

async fn a_failure_is_seen_at_the_next_look_of_the_cadence(world: &World) -> Result<()> {
    let mut plan = quick();
    plan["stages"][0]["bake"] = json!("5m");
    plan["stages"][0]["cadence"] = json!([{"every": "15s"}, {"after": "4m", "every": "1m"}]);
    let shop = adopted(world.shop("cadence"), plan).await?;
    shop.release("v2", &[]).await?;
    shop.wait("the first stage", LATER, |now| now.share_in_force() == Some(25)).await?;
    shop.set_faults("v2", Faults { error_rate: 0.5, ..Faults::default() });
    reverted(&shop).await?;
    let history = shop.now().status().history;
    let told = |word| history.iter().find(|step| step.reason == word).map(|step| step.at);
    let both = told(reason::STAGE_ENTERED).zip(told(reason::REVERTED));
    let seconds = both.map(|(since, at)| at.duration_since(since).as_secs());
    let is_look = |seconds: i64| seconds >= 15 && seconds % 15 < 8;
    shop.check(&format!("it is seen at a look: {seconds:?}"), seconds.is_some_and(is_look)).await?;
    shop.lost_nothing().await
}

async fn a_stage_is_left_where_its_bake_ends_however_rarely_it_is_looked_at(world: &World) -> Result<()> {
    let mut plan = quick();
    for stage in plan["stages"].as_array_mut().into_iter().flatten() {
        stage["bake"] = json!("8s");
        stage["cadence"] = json!([{"every": "1h"}]);
    }
    let shop = adopted(world.shop("cadence-bake"), plan).await?;
    shop.release("v2", &[]).await?;
    promoted(&shop, "v2").await?;
    shop.lost_nothing().await
}

async fn a_check_of_a_stages_own_turns_the_traffic_back_in_that_stage(world: &World) -> Result<()> {
    let mut plan = quick();
    plan["stages"][1]["bake"] = json!("1m");
    plan["stages"][1]["checks"] = json!([{"name": "queue", "query": {"expr": "vector(7)", "max": 3}}]);
    let shop = adopted(world.shop("own-check"), plan).await?;
    shop.release("v2", &[]).await?;
    let now = shop.wait("the first stage", LATER, |now| now.check("errors").is_some()).await?;
    shop.check("it is not asked in the first stage", now.stage() == "canary" && now.check("queue").is_none()).await?;
    reverted(&shop).await?;
    let told: Vec<_> = shop.now().status().failed.into_iter().map(|failed| failed.message).collect();
    shop.check(&format!("it says why: {told:?}"), told.iter().any(|told| told.contains("queue"))).await?;
    shop.lost_nothing().await
}

async fn a_check_of_a_stages_own_goes_with_the_stage(world: &World) -> Result<()> {
    let mut plan = quick();
    plan["stages"][0]["checks"] = json!([{"name": "queue", "query": {"expr": "vector(1)", "max": 3}}]);
    plan["stages"][1]["bake"] = json!("15s");
    let shop = adopted(world.shop("own-check-goes"), plan).await?;
    shop.release("v2", &[]).await?;
    shop.wait("it to be asked", LATER, |now| now.stage() == "canary" && now.check("queue").is_some()).await?;
    let is_gone =
        |now: &Snapshot| now.stage() == "half" && now.check("errors").is_some() && now.check("queue").is_none();
    shop.wait("it to be asked no more", LATER, is_gone).await?;
    promoted(&shop, "v2").await?;
    shop.lost_nothing().await
}
