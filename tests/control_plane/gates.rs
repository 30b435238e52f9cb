//! Gates of a plan: people, webhooks over TLS, numbers of the real Prometheus, and other Rollouts.

use std::time::Duration;

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tidegate_api::{
    GateState, Phase,
    condition::{kind, reason},
};
use tidegate_testkit::{
    Result,
    board::Board,
    cluster,
    pod_server::Faults,
    shop::Shop,
    snapshot::Snapshot,
    tls_server::Response,
    world::{ShopPlan, World},
};

use crate::{
    behaviour::behaviours,
    scenes::{A_WHILE, LATER, SOON, adopted, promoted, quick, reverted, unjudged},
    sharing::basket,
};

behaviours![
    a_stage_waits_for_an_approval_and_is_left_with_it,
    it_takes_as_many_people_as_the_gate_says_and_those_that_it_names,
    an_approval_for_another_version_does_nothing_and_says_so,
    a_webhook_is_asked_over_tls_with_a_signature_and_goes_on_when_it_says_go,
    a_webhook_that_says_stop_after_a_stage_turns_the_traffic_back,
    a_webhook_that_says_stop_keeps_a_version_from_starting,
    whatever_a_webhook_does_but_say_go_keeps_the_version_where_it_is,
    a_failure_turns_the_traffic_back_while_a_webhook_hangs,
    a_webhook_that_is_not_configured_is_told,
    a_gate_that_waits_for_too_long_holds_and_a_late_answer_counts,
    a_gate_that_waits_for_too_long_turns_the_traffic_back_where_it_says_so,
    an_approval_that_came_in_time_counts_though_nothing_may_go_on_until_after_it,
    a_stage_begins_when_a_number_is_well,
    a_version_waits_until_another_rollout_serves_what_is_asked_of_it,
    rollouts_that_wait_for_one_another_are_told,
    an_operator_that_is_killed_while_a_gate_waits_asks_the_same_question_again,
];

/// [`quick`], with these gates behind the first stage.
fn behind_canary(gates: Value) -> Value {
    let mut plan = quick();
    plan["stages"][0]["after"] = gates;
    plan
}

fn sign_off(approval: &Value) -> Value {
    json!([{"name": "sign-off", "approval": approval}])
}

fn change() -> Value {
    json!([{"name": "change", "webhook": {"endpoint": "board", "path": "/payments", "body": "risk: low"}}])
}

/// A board, and a shop whose operator knows it.
async fn with_board<'w>(world: &'w World, name: &str) -> Result<(Board, ShopPlan<'w>)> {
    let board = Board::open(world.control_plane.directory(), name).await?;
    let plan = world.shop(name).webhooks(&board.config);
    Ok((board, plan))
}

fn gate(now: &Snapshot) -> Option<(GateState, String)> {
    now.status().gates.last().map(|gate| (gate.state, gate.message.clone()))
}

/// Waits until the only gate waits, and answers with the version that waits for it.
async fn waiting(shop: &Shop) -> Result<String> {
    let waits = |now: &Snapshot| gate(now).is_some_and(|(state, _)| state == GateState::Waiting);
    let now = shop.wait("the gate to be asked", LATER, waits).await?;
    Ok(now.status().gates.last().map(|gate| gate.revision.clone()).unwrap_or_default())
}

async fn annotate(shop: &Shop, text: &str) -> Result<()> {
    let patch = json!({"metadata": {"annotations": {"tidegate.dev/approve": text}}});
    shop.rollouts().patch("checkout", &PatchParams::default(), &Patch::Merge(patch)).await?;
    Ok(())
}

async fn a_stage_waits_for_an_approval_and_is_left_with_it(world: &World) -> Result<()> {
    let shop = adopted(world.shop("gate-approval"), behind_canary(sign_off(&json!({})))).await?;
    shop.release("v2", &[]).await?;
    let version = waiting(&shop).await?;
    shop.stays("it waits", A_WHILE, |now| now.stage() == "canary" && now.share_in_force() == Some(25)).await?;
    let message = shop.now().status().message;
    let expected =
        "stage canary may be left and waits for gate sign-off: an approval by anybody who may annotate the Rollout";
    shop.check(&message, message == expected).await?;
    annotate(&shop, &format!("{version}/sign-off by jane@example.com at 2026-03-02T09:00:00Z")).await?;
    let now = shop.wait("the second stage", SOON, |now| now.stage() == "half").await?;
    let by = now.status().gates.first().and_then(|gate| gate.approvals.first().map(|approval| approval.by.clone()));
    shop.check(&format!("by {by:?}"), by.as_deref() == Some("jane@example.com")).await?;
    promoted(&shop, "v2").await?;
    let told = shop.events().await?.into_iter().filter(|event| event.reason.starts_with("Gate"));
    let told: Vec<_> = told.map(|event| event.reason).collect();
    let both = [reason::GATE_WAITS, reason::GATE_PASSED].map(|word| told.iter().any(|known| known == word));
    shop.check(&format!("events tell of it: {told:?}"), both == [true, true]).await?;
    shop.lost_nothing().await
}

async fn it_takes_as_many_people_as_the_gate_says_and_those_that_it_names(world: &World) -> Result<()> {
    let approval = json!({"count": 2, "users": ["jane"], "groups": ["release"]});
    let shop = adopted(world.shop("gate-people"), behind_canary(sign_off(&approval))).await?;
    shop.release("v2", &[]).await?;
    let version = waiting(&shop).await?;
    let jane = format!("{version}/sign-off by jane");
    annotate(&shop, &format!("{jane}; {jane} again; {version}/sign-off by joe of web")).await?;
    let ignored = |now: &Snapshot| now.status().history.iter().any(|step| step.reason == reason::COMMAND_IGNORED);
    shop.wait("joe to be told", SOON, ignored).await?;
    shop.stays("one is not enough", A_WHILE, |now| now.stage() == "canary").await?;
    annotate(&shop, &format!("{jane}; {version}/sign-off by ann of web,release")).await?;
    promoted(&shop, "v2").await
}

async fn an_approval_for_another_version_does_nothing_and_says_so(world: &World) -> Result<()> {
    let shop = adopted(world.shop("gate-late"), behind_canary(sign_off(&json!({})))).await?;
    shop.release("v2", &[]).await?;
    waiting(&shop).await?;
    annotate(&shop, "0123456789/sign-off by jane").await?;
    let said = "approval 0123456789/sign-off by jane is ignored: version 0123456789 is not on its way";
    shop.wait("it to be told", SOON, |now| now.status().history.iter().any(|step| step.message == said)).await?;
    shop.stays("it waits", A_WHILE, |now| now.stage() == "canary").await
}

async fn a_webhook_is_asked_over_tls_with_a_signature_and_goes_on_when_it_says_go(world: &World) -> Result<()> {
    let (board, plan) = with_board(world, "gate-webhook").await?;
    let shop = adopted(plan, behind_canary(change())).await?;
    shop.release("v2", &[]).await?;
    let version = waiting(&shop).await?;
    shop.wait("its answer to be told", SOON, |now| gate(now).is_some_and(|(_, said)| said == "it says to wait"))
        .await?;
    let (asked, body) = board.last()?;
    shop.check(&format!("at its path: {}", asked.path), asked.path == "/changes/payments").await?;
    shop.check("with a signature that fits", board.trusts(&asked)).await?;
    let told = [&body["rollout"], &body["gate"], &body["place"], &body["version"]["revision"], &body["data"]];
    let expected = [json!("checkout"), json!("change"), json!("after canary"), json!(version), json!("risk: low")];
    shop.check(&format!("it is told {body}"), told.into_iter().eq(&expected)).await?;
    board.says("go");
    promoted(&shop, "v2").await?;
    let times = board.times();
    shop.stays("nobody is asked any more", A_WHILE, |_| board.times() == times).await?;
    shop.lost_nothing().await
}

async fn a_webhook_that_says_stop_after_a_stage_turns_the_traffic_back(world: &World) -> Result<()> {
    let (board, plan) = with_board(world, "gate-stop").await?;
    let shop = adopted(plan, behind_canary(change())).await?;
    board.says("stop");
    shop.release("v2", &[]).await?;
    reverted(&shop).await?;
    let message = shop.now().status().message;
    shop.check(&message, message.contains("gate change says no: the board said stop")).await?;
    shop.lost_nothing().await
}

async fn a_webhook_that_says_stop_keeps_a_version_from_starting(world: &World) -> Result<()> {
    let (board, plan) = with_board(world, "gate-start").await?;
    let mut spec = quick();
    spec["gates"] = json!({"start": change()});
    let shop = adopted(plan, spec).await?;
    shop.release("v2", &[]).await?;
    waiting(&shop).await?;
    shop.stays("no pod of it is there", A_WHILE, |now| now.pods_of("v2") == 0 && now.phase() == Phase::Stable).await?;
    board.says("stop");
    reverted(&shop).await?;
    let told = shop.events().await?.into_iter().any(|event| event.reason == reason::GATE_STOPPED);
    shop.check("an event tells of it", told).await
}

async fn whatever_a_webhook_does_but_say_go_keeps_the_version_where_it_is(world: &World) -> Result<()> {
    let (board, plan) = with_board(world, "gate-odd").await?;
    let shop = adopted(plan, behind_canary(change())).await?;
    shop.release("v2", &[]).await?;
    waiting(&shop).await?;
    let page = Response {
        headers: vec![("Content-Type", "text/html".to_owned())],
        ..Response::json(200, "<p>go</p>".to_owned())
    };
    let away = Response {
        headers: vec![("Location", "https://127.0.0.1:9/".to_owned())],
        ..Response::json(302, String::new())
    };
    let huge = Response::json(200, format!(r#"{{"answer": "go", "message": "{}"}}"#, "x".repeat(1 << 20)));
    for (answer, said) in [
        (Response::json(500, r#"{"answer": "go"}"#.to_owned()), "HTTP 500"),
        (page, "web page"),
        (away, "it redirects (HTTP 302)"),
        (huge, "more than 64 KiB"),
        (Response::json(200, r#"{"answer": "yes"}"#.to_owned()), "something else than"),
    ] {
        board.say(answer);
        shop.wait(said, LATER, |now| gate(now).is_some_and(|(_, told)| told.contains(said))).await?;
        // A fault is waited out, longer each time: an answer ends that.
        board.says("wait");
        shop.wait("an answer", LATER, |now| gate(now).is_some_and(|(_, told)| told == "the board said wait")).await?;
    }
    shop.check("it is where it was", shop.now().stage() == "canary").await?;
    board.says("go");
    promoted(&shop, "v2").await
}

async fn a_failure_turns_the_traffic_back_while_a_webhook_hangs(world: &World) -> Result<()> {
    let (board, plan) = with_board(world, "gate-hangs").await?;
    let shop = adopted(plan, behind_canary(change())).await?;
    board.hang();
    shop.release("v2", &[]).await?;
    waiting(&shop).await?;
    let times = board.times();
    shop.set_faults("v2", Faults { error_rate: 0.5, ..Faults::default() });
    shop.wait("the traffic to be back", SOON, |now| now.share_in_force().unwrap_or(0) == 0).await?;
    shop.check(&format!("it had been asked {times} times"), board.times() > 0).await?;
    reverted(&shop).await
}

async fn a_webhook_that_is_not_configured_is_told(world: &World) -> Result<()> {
    let shop = adopted(world.shop("gate-unknown"), quick()).await?;
    let mut stages = quick()["stages"].clone();
    stages[0]["after"] = change();
    shop.patch_rollout(json!({"stages": stages})).await?;
    let now = shop.wait("it to be told", SOON, |now| now.holds(kind::STALLED).is_some()).await?;
    let (told, message) = (now.holds(kind::STALLED), now.status().message);
    shop.check(&format!("by {told:?}: {message}"), told.as_deref() == Some(reason::GATE_UNUSABLE)).await?;
    shop.check(&message, message.starts_with("gate change: no webhook called board is configured")).await
}

fn impatient(on_timeout: &str) -> Value {
    json!([{"name": "sign-off", "approval": {}, "timeout": "3s", "onTimeout": on_timeout}])
}

async fn a_gate_that_waits_for_too_long_holds_and_a_late_answer_counts(world: &World) -> Result<()> {
    let shop = adopted(world.shop("gate-timeout"), behind_canary(impatient("Hold"))).await?;
    shop.release("v2", &[]).await?;
    let version = waiting(&shop).await?;
    let now = shop.wait("it to be held", SOON, |now| now.phase() == Phase::Held).await?;
    let told = now.holds(kind::STALLED);
    shop.check(&format!("by {told:?}"), told.as_deref() == Some(reason::GATE_TIMED_OUT)).await?;
    annotate(&shop, &format!("{version}/sign-off by jane")).await?;
    promoted(&shop, "v2").await
}

async fn a_gate_that_waits_for_too_long_turns_the_traffic_back_where_it_says_so(world: &World) -> Result<()> {
    let shop = adopted(world.shop("gate-timeout-revert"), behind_canary(impatient("Revert"))).await?;
    shop.release("v2", &[]).await?;
    reverted(&shop).await?;
    let message = shop.now().status().message;
    shop.check(&message, message.contains("gate sign-off has waited for longer than 3s")).await
}

async fn an_approval_that_came_in_time_counts_though_nothing_may_go_on_until_after_it(world: &World) -> Result<()> {
    let mut gates = impatient("Revert");
    gates[0]["timeout"] = json!("20s");
    let shop = adopted(world.shop("gate-frozen"), behind_canary(gates)).await?;
    shop.release("v2", &[]).await?;
    let version = waiting(&shop).await?;
    shop.patch_rollout(json!({"schedule": {"timeZone": "UTC", "freeze": ["2000-01-01/2100-12-31"]}})).await?;
    let says = "stage canary may be left and waits for the schedule: ";
    shop.wait("the freeze to be told", SOON, |now| now.status().message.starts_with(says)).await?;
    annotate(&shop, &format!("{version}/sign-off by jane")).await?;
    let has_passed = |now: &Snapshot| gate(now).is_some_and(|(state, _)| state == GateState::Passed);
    shop.wait("it to be heard", SOON, has_passed).await?;
    shop.stays("it is no failure", Duration::from_secs(25), |now| now.stage() == "canary" && has_passed(now)).await?;
    shop.patch_rollout(json!({"schedule": null})).await?;
    promoted(&shop, "v2").await?;
    shop.lost_nothing().await
}

async fn a_stage_begins_when_a_number_is_well(world: &World) -> Result<()> {
    // What the pods of the shop count themselves: a limit that is not reached, until it is lowered.
    let gate_of = |min: f64| {
        let expr = "sum(http_requests_total{namespace=\"shop-gate-number\"})";
        json!([{"name": "warm", "query": {"expr": expr, "min": min}}])
    };
    let mut plan = quick();
    plan["stages"][1]["before"] = gate_of(1e12);
    let shop = adopted(world.shop("gate-number"), plan.clone()).await?;
    shop.release("v2", &[]).await?;
    waiting(&shop).await?;
    let below = |now: &Snapshot| gate(now).is_some_and(|(_, said)| said.contains(", below 1000000000000"));
    shop.wait("the number to be told", SOON, below).await?;
    plan["stages"][1]["before"] = gate_of(1.0);
    shop.patch_rollout(json!({"stages": plan["stages"]})).await?;
    promoted(&shop, "v2").await?;
    shop.lost_nothing().await
}

async fn a_version_waits_until_another_rollout_serves_what_is_asked_of_it(world: &World) -> Result<()> {
    let mut plan = quick();
    plan["gates"] =
        json!({"start": [{"name": "basket", "rollouts": [{"name": "basket", "revision": "SameImageTag"}]}]});
    let shop = adopted(world.shop("gate-other").without_route(), plan).await?;
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "basket", "namespace": shop.namespace},
        "spec": {"selector": {"app": "basket"}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
    });
    cluster::create(&shop.client, service).await?;
    cluster::create(&shop.client, basket(&shop.namespace)).await?;
    shop.wait("the pods of the other", SOON, |now| now.ready_count("b1") == 2).await?;
    let mut other = unjudged();
    (other["workload"], other["service"]) = (json!({"kind": "Deployment", "name": "basket"}), json!("basket"));
    shop.apply_rollout_as("basket", other).await?;
    shop.release("v2", &[]).await?;
    let serves = "Rollout basket serves b1 and not v2";
    shop.wait("its version to be told", LATER, |now| gate(now).is_some_and(|(_, said)| said == serves)).await?;
    shop.check("nothing of it is there", shop.now().pods_of("v2") == 0).await?;
    let containers = json!([{"name": "app", "image": "shop/basket:v2"}]);
    let patch = Patch::Strategic(json!({"spec": {"template": {"spec": {"containers": containers}}}}));
    shop.deployments().patch("basket", &PatchParams::default(), &patch).await?;
    let passed = |now: &Snapshot| now.status().history.iter().any(|step| step.reason == reason::GATE_PASSED);
    let now = shop.wait("the gate to pass", LATER, passed).await?;
    let other = now.rollout("basket").and_then(|rollout| rollout.status).unwrap_or_default();
    shop.check(&format!("the other serves: {}", other.message), other.phase == Phase::Stable).await?;
    shop.wait("the version to be stable", LATER, |now| now.is(Phase::Stable) && now.stable() == "v2").await?;
    Ok(())
}

async fn rollouts_that_wait_for_one_another_are_told(world: &World) -> Result<()> {
    let mut plan = quick();
    plan["gates"] = json!({"start": [{"name": "itself", "rollouts": [{"name": "checkout"}]}]});
    let shop = adopted(world.shop("gate-circle"), plan).await?;
    shop.release("v2", &[]).await?;
    let told =
        |now: &Snapshot| gate(now).is_some_and(|(_, said)| said.contains("checkout → checkout; take one of them out"));
    shop.wait("the circle to be told", SOON, told).await?;
    shop.patch_rollout(json!({"gates": null})).await?;
    promoted(&shop, "v2").await
}

async fn an_operator_that_is_killed_while_a_gate_waits_asks_the_same_question_again(world: &World) -> Result<()> {
    let (board, plan) = with_board(world, "gate-killed").await?;
    let mut shop = adopted(plan, behind_canary(change())).await?;
    shop.release("v2", &[]).await?;
    waiting(&shop).await?;
    shop.wait("it to be asked", SOON, |_| board.times() > 0).await?;
    let (first, _) = board.last()?;
    shop.operator()?.restart()?;
    let times = board.times();
    shop.wait("it to be asked again", Duration::from_mins(1), |_| board.times() > times).await?;
    let (again, _) = board.last()?;
    let ids = [&first, &again].map(|asked| asked.headers.get("idempotency-key").cloned());
    shop.check(&format!("the same question: {ids:?}"), ids[0].is_some() && ids[0] == ids[1]).await?;
    board.says("go");
    promoted(&shop, "v2").await
}
