//! What people ask of a rollout: by the plugin of the real kubectl, and by an annotation.

use std::{collections::BTreeSet, env, fs};

use anyhow::Context;
use serde_json::json;
use tidegate_api::{Phase, condition::reason};
use tidegate_testkit::{
    Result,
    assets::named,
    control_plane::Identity,
    pod_server::Faults,
    shop::Shop,
    snapshot::{Snapshot, runs},
    wait::until,
    world::World,
};
use tokio::process::Command;

use crate::{
    behaviour::behaviours,
    scenes::{A_WHILE, LATER, SOON, adopted, lingering, promoted, quick, reverted, underway},
};

behaviours![
    abort_by_the_plugin_of_kubectl_takes_the_traffic_back_and_says_who_asked,
    promote_and_pause_by_the_plugin_lead_a_version_through_its_stages,
    a_version_that_failed_is_tried_again,
    an_annotation_for_another_version_does_nothing_and_says_so,
    approve_by_the_plugin_gives_a_gate_its_answer_and_takes_it_back,
    approve_by_the_plugin_names_a_version_that_waits_for_the_schedule,
    restart_by_the_plugin_replaces_every_pod_and_loses_no_request,
    a_restart_leaves_a_rollout_that_is_under_way_alone,
    a_new_version_ends_a_restart_and_wins,
    a_restart_whose_pods_are_never_ready_stops_and_the_old_ones_stay,
    an_abort_stops_a_restart_and_the_pods_that_are_left_stay,
    undo_brings_the_version_before_back_at_once_and_history_tells_of_it,
    status_shows_the_numbers_and_its_code_says_whether_somebody_has_to_act,
    explain_offers_commands_that_are_done_as_it_prints_them,
];

async fn abort_by_the_plugin_of_kubectl_takes_the_traffic_back_and_says_who_asked(world: &World) -> Result<()> {
    let shop = adopted(world.shop("abort"), lingering()).await?;
    underway(&shop).await?;
    let version = shop.now().revision("v2").unwrap_or_default();
    let told = plugin(world, &shop, "abort").await?;
    let expected = (Some(0), format!("Rollout checkout: abort of {version} is asked for\n"));
    shop.check(&format!("it says what was asked: {told:?}"), told == expected).await?;
    reverted(&shop).await?;
    let commands = shop.now().status().commands;
    let by = commands.first().and_then(|command| command.by.clone());
    shop.check(&format!("by a name that the API server knows: {by:?}"), by.is_some()).await?;
    told_of(&shop, reason::ABORTED).await?;
    let again = plugin(world, &shop, "abort").await?;
    shop.check(&format!("there is nothing left to abort: {again:?}"), again.0 == Some(2)).await?;
    shop.lost_nothing().await
}

async fn promote_and_pause_by_the_plugin_lead_a_version_through_its_stages(world: &World) -> Result<()> {
    let mut plan = lingering();
    plan["stages"][1]["bake"] = json!("10m");
    let shop = adopted(world.shop("promote"), plan).await?;
    underway(&shop).await?;
    plugin(world, &shop, "promote").await?;
    shop.wait("the second stage", SOON, |now| now.stage() == "half" && now.share_in_force() == Some(50)).await?;
    plugin(world, &shop, "pause").await?;
    shop.wait("the pause to be seen", SOON, |now| now.status().message.starts_with("paused at stage half")).await?;
    plugin(world, &shop, "promote").await?;
    let is_ignored = |message: &str| message.ends_with("spec.paused is set: set it to false first");
    shop.wait("the command to be ignored", SOON, |now| {
        now.status().commands.first().is_some_and(|command| !command.done && is_ignored(&command.message))
    })
    .await?;
    plugin(world, &shop, "resume").await?;
    plugin_with(world, &shop, &["promote", "checkout", "--full"]).await?;
    promoted(&shop, "v2").await?;
    shop.lost_nothing().await
}

async fn a_version_that_failed_is_tried_again(world: &World) -> Result<()> {
    let shop = adopted(world.shop("retry"), quick()).await?;
    shop.release("v2", &[("rig/error-rate", "0.5")]).await?;
    reverted(&shop).await?;
    plugin(world, &shop, "retry").await?;
    shop.wait("it to start again", LATER, |now| {
        now.status().history.iter().filter(|step| step.reason == reason::STARTED).count() == 2
    })
    .await?;
    reverted(&shop).await?;
    shop.lost_nothing().await
}

async fn an_annotation_for_another_version_does_nothing_and_says_so(world: &World) -> Result<()> {
    let shop = adopted(world.shop("late-command"), lingering()).await?;
    underway(&shop).await?;
    world.kubectl(&shop, &["annotate", "rollouts.tidegate.dev/checkout", "tidegate.dev/abort=another by jane"]).await?;
    shop.wait("the answer", SOON, |now| now.status().commands.len() == 1).await?;
    told_of(&shop, reason::COMMAND_IGNORED).await?;
    shop.stays("the rollout goes on", A_WHILE, |now| now.phase() == Phase::Progressing && now.share() == Some(25)).await
}

async fn approve_by_the_plugin_gives_a_gate_its_answer_and_takes_it_back(world: &World) -> Result<()> {
    let mut plan = quick();
    plan["stages"][0]["after"] = json!([{"name": "sign-off", "approval": {"count": 2}}]);
    let shop = adopted(world.shop("approve"), plan).await?;
    let early = plugin(world, &shop, "approve").await?;
    let is_told = early.0 == Some(2) && early.1.contains("no gate waits for an approval");
    shop.check(&format!("there is nothing to approve: {early:?}"), is_told).await?;
    shop.release("v2", &[]).await?;
    let now = shop.wait("the gate to be asked", LATER, |now| !now.status().gates.is_empty()).await?;
    let version = now.revision("v2").unwrap_or_default();
    let given = plugin(world, &shop, "approve").await?;
    let is_told = given.0 == Some(0) && given.1.contains(&format!("the approval of {version}/sign-off by "));
    shop.check(&format!("it says for what: {given:?}"), is_told).await?;
    let people = |now: &Snapshot| now.status().gates.first().map_or(0, |gate| gate.approvals.len());
    shop.wait("it to be counted", SOON, |now| people(now) == 1).await?;
    plugin_with(world, &shop, &["approve", "checkout", "--withdraw"]).await?;
    shop.wait("it to be taken back", SOON, |now| people(now) == 0).await?;
    plugin(world, &shop, "approve").await?;
    shop.wait("it to be counted again", SOON, |now| people(now) == 1).await?;
    let again = plugin(world, &shop, "approve").await?;
    let is_told = again.0 == Some(0) && again.1.contains(&format!("has approved {version}/sign-off already"));
    shop.check(&format!("it counts once: {again:?}"), is_told).await?;
    let text = shop.now().rollout("checkout").and_then(|rollout| rollout.metadata.annotations).unwrap_or_default();
    let text = text.get("tidegate.dev/approve").cloned().unwrap_or_default();
    let both = format!("tidegate.dev/approve={text}; {version}/sign-off by jane");
    world.kubectl(&shop, &["annotate", "--overwrite", "rollouts.tidegate.dev/checkout", &both]).await?;
    promoted(&shop, "v2").await?;
    shop.lost_nothing().await
}

async fn approve_by_the_plugin_names_a_version_that_waits_for_the_schedule(world: &World) -> Result<()> {
    let mut plan = quick();
    plan["gates"] = json!({"start": [{"name": "sign-off", "approval": {}}]});
    plan["schedule"] = json!({"timeZone": "UTC", "freeze": ["2000-01-01/2100-12-31"]});
    let shop = adopted(world.shop("approve-early"), plan).await?;
    shop.release("v2", &[]).await?;
    let waits = |now: &Snapshot| now.status().message.contains(" waits for the schedule: ");
    let message = shop.wait("the freeze to be told", SOON, waits).await?.status().message;
    let version = message.split(' ').nth(1).unwrap_or_default();
    let given =
        plugin_with(world, &shop, &["approve", "checkout", "--gate", "sign-off", "--revision", version]).await?;
    let is_told = given.0 == Some(0) && given.1.contains(&format!("the approval of {version}/sign-off by "));
    shop.check(&format!("it says for what: {given:?}"), is_told).await?;
    shop.patch_rollout(json!({"schedule": null})).await?;
    promoted(&shop, "v2").await?;
    shop.lost_nothing().await
}

async fn undo_brings_the_version_before_back_at_once_and_history_tells_of_it(world: &World) -> Result<()> {
    let mut plan = quick();
    plan["rollbackWindow"] = json!({"for": "1h"});
    let shop = adopted(world.shop("undo"), plan).await?;
    let early = plugin(world, &shop, "undo").await?;
    shop.check(&format!("there is nothing to go back to: {early:?}"), early.0 == Some(2)).await?;
    shop.release("v2", &[]).await?;
    promoted(&shop, "v2").await?;
    let mut stages = lingering()["stages"].clone();
    stages[2]["bake"] = json!("10m");
    shop.patch_rollout(json!({"stages": stages})).await?;
    let version = shop.now().status().former.first().map(|former| former.revision.clone()).unwrap_or_default();
    let undone = plugin(world, &shop, "undo").await?;
    let expected = format!("Rollout checkout: Deployment checkout asks for version {version} again\n");
    shop.check(&format!("it says what was done: {undone:?}"), undone == (Some(0), expected)).await?;
    promoted(&shop, "v1").await?;
    told_of(&shop, reason::ROLLED_BACK).await?;
    let (code, history) = plugin(world, &shop, "history").await?;
    let steps = ["WasStable", "Promoted", "RolledBack"].map(|step| history.contains(step));
    shop.check(&format!("history tells of it: {history}"), code == Some(0) && steps == [true; 3]).await?;
    shop.lost_nothing().await
}

async fn status_shows_the_numbers_and_its_code_says_whether_somebody_has_to_act(world: &World) -> Result<()> {
    let mut plan = lingering();
    plan["schedule"] = json!({"timeZone": "Europe/Berlin", "advance": ["00:00-24:00"]});
    let shop = adopted(world.shop("status"), plan).await?;
    shop.release("v2", &[]).await?;
    shop.wait("the check to have a number", LATER, |now| {
        now.status().checks.iter().any(|check| check.sample.is_some())
    })
    .await?;
    let (code, screen) = plugin(world, &shop, "status").await?;
    let parts =
        ["checkout: Progressing", "canary, 1 of 3: 25% of the traffic, 25% in force", "errors  ", "5%", "are open now"];
    let is_told = code == Some(0) && parts.iter().all(|part| screen.contains(part));
    shop.check(&format!("it goes on, by its numbers: {code:?} {screen}"), is_told).await?;
    shop.release("v3", &[("rig/error-rate", "0.5")]).await?;
    shop.wait("v3 to fail", LATER, |now| now.is(Phase::Reverted)).await?;
    let (code, screen) = plugin(world, &shop, "status").await?;
    let is_told = code == Some(1) && screen.contains("\nfailed") && screen.contains("allowed 5%");
    shop.check(&format!("it failed, and why: {code:?} {screen}"), is_told).await?;
    let missing = plugin_with(world, &shop, &["status", "nobody"]).await?;
    shop.check(&format!("it cannot be read: {missing:?}"), missing.0 == Some(2)).await
}

async fn explain_offers_commands_that_are_done_as_it_prints_them(world: &World) -> Result<()> {
    let shop = adopted(world.shop("explain"), lingering()).await?;
    underway(&shop).await?;
    let version = shop.now().revision("v2").unwrap_or_default();
    let abort = offered(world, &shop, "abort").await?;
    let aborted = kubectl_tidegate(world, &abort).await?;
    shop.check(&format!("it is done as it is printed: {abort:?} {aborted:?}"), aborted.0 == Some(0)).await?;
    reverted(&shop).await?;
    let (_, text) = plugin(world, &shop, "explain").await?;
    let is_told = text.contains(&format!("version {version} failed at "))
        && text.contains(&format!("tries version {version} again"));
    shop.check(&format!("it says what failed, and how to go on: {text}"), is_told).await?;
    let retried = kubectl_tidegate(world, &offered(world, &shop, "retry").await?).await?;
    shop.check(&format!("that is done as it is printed, too: {retried:?}"), retried.0 == Some(0)).await?;
    shop.wait("it to be on its way again", SOON, |now| now.canary() == "v2").await?;
    Ok(())
}

/// The arguments of a verb, as `explain` prints them.
async fn offered(world: &World, shop: &Shop, verb: &str) -> Result<Vec<String>> {
    let (_, text) = plugin(world, shop, "explain").await?;
    let prefix = format!("  kubectl tidegate {verb} ");
    let line = text.lines().find(|line| line.starts_with(&prefix));
    let line = line.with_context(|| format!("explain does not offer {verb}: {text}"))?;
    let command = line.trim_start().split("  ").next().unwrap_or_default();
    Ok(command.split(' ').skip(2).map(str::to_owned).collect())
}

/// The names of the pods of `image`.
fn names(now: &Snapshot, image: &str) -> BTreeSet<String> {
    let living = now.pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none() && runs(pod, image));
    living.filter_map(|pod| pod.metadata.name.clone()).collect()
}

async fn restart_by_the_plugin_replaces_every_pod_and_loses_no_request(world: &World) -> Result<()> {
    let shop = adopted(world.shop("restart"), quick()).await?;
    let (before, revision) = (names(&shop.now(), "v1"), shop.now().revision("v1").unwrap_or_default());
    let told = plugin(world, &shop, "restart").await?;
    let expected = (Some(0), format!("Rollout checkout: restart of {revision} is asked for\n"));
    shop.check(&format!("it says what was asked: {told:?}"), told == expected).await?;
    let all_new = |now: &Snapshot| now.ready_count("v1") == 4 && names(now, "v1").is_disjoint(&before);
    shop.wait("all pods to be others", LATER, |now| all_new(now) && now.status().restart.is_none()).await?;
    told_of(&shop, reason::RESTARTED).await?;
    shop.wait("no more pods than that", SOON, |now| names(now, "v1").len() == 4).await?;
    let after = names(&shop.now(), "v1");
    shop.stays("it is done once", A_WHILE, |now| names(now, "v1") == after).await?;
    shop.check("it is the same version", shop.now().revision("v1").as_ref() == Some(&revision)).await?;
    shop.lost_nothing().await
}

async fn a_restart_leaves_a_rollout_that_is_under_way_alone(world: &World) -> Result<()> {
    let shop = adopted(world.shop("restart-late"), lingering()).await?;
    underway(&shop).await?;
    let told = plugin(world, &shop, "restart").await?;
    shop.check(&format!("the plugin says so: {told:?}"), told.0 == Some(2) && told.1.contains("is under way")).await?;
    let revision = shop.now().revision("v1").unwrap_or_default();
    let asked = format!("tidegate.dev/restart={revision} by jane");
    world.kubectl(&shop, &["annotate", "rollouts.tidegate.dev/checkout", &asked]).await?;
    let now = shop.wait("the answer", SOON, |now| now.status().commands.len() == 1).await?;
    let message = now.status().commands.first().map(|command| command.message.clone()).unwrap_or_default();
    shop.check(&message, message.ends_with("ask again when it is over")).await?;
    shop.stays("the rollout goes on", A_WHILE, |now| now.phase() == Phase::Progressing && now.share() == Some(25)).await
}

/// A restart whose first new pod is not ready, and the pods from before.
async fn stuck(world: &World, shop: &Shop) -> Result<BTreeSet<String>> {
    let before = names(&shop.now(), "v1");
    shop.set_faults("v1", Faults { never_ready: true, ..Faults::default() });
    plugin(world, shop, "restart").await?;
    shop.wait("one more pod", SOON, |now| names(now, "v1").len() == 5).await?;
    Ok(before)
}

async fn a_new_version_ends_a_restart_and_wins(world: &World) -> Result<()> {
    let shop = adopted(world.shop("restart-superseded"), quick()).await?;
    stuck(world, &shop).await?;
    shop.release("v2", &[]).await?;
    told_of(&shop, reason::RESTART_STOPPED).await?;
    promoted(&shop, "v2").await?;
    shop.lost_nothing().await
}

async fn a_restart_whose_pods_are_never_ready_stops_and_the_old_ones_stay(world: &World) -> Result<()> {
    let mut plan = quick();
    plan["progressDeadline"] = json!("8s");
    let shop = adopted(world.shop("restart-stuck"), plan).await?;
    let before = stuck(world, &shop).await?;
    told_of(&shop, reason::RESTART_STOPPED).await?;
    shop.wait("the old ones alone", SOON, |now| names(now, "v1") == before).await?;
    let message = shop.now().status().commands.first().map(|command| command.message.clone()).unwrap_or_default();
    shop.check(&message, message.contains("no pod was replaced within 8s")).await?;
    shop.lost_nothing().await
}

async fn an_abort_stops_a_restart_and_the_pods_that_are_left_stay(world: &World) -> Result<()> {
    let shop = adopted(world.shop("restart-abort"), quick()).await?;
    let before = stuck(world, &shop).await?;
    plugin(world, &shop, "abort").await?;
    shop.wait("the old ones alone", SOON, |now| names(now, "v1") == before && now.status().restart.is_none()).await?;
    shop.lost_nothing().await
}

/// Waits for an event of that reason.
async fn told_of(shop: &Shop, reason: &str) -> Result<()> {
    until(&format!("an event of {reason}"), SOON, || async {
        shop.events().await.ok()?.into_iter().find(|event| event.reason == reason)
    })
    .await
    .map(drop)
}

/// `kubectl tidegate VERB checkout`, by the administrator: how it ended, and what it printed.
async fn plugin(world: &World, shop: &Shop, verb: &str) -> Result<(Option<i32>, String)> {
    plugin_with(world, shop, &[verb, "checkout"]).await
}

async fn plugin_with(world: &World, shop: &Shop, arguments: &[&str]) -> Result<(Option<i32>, String)> {
    let arguments = [arguments, &["--namespace", &shop.namespace]].concat();
    kubectl_tidegate(world, &arguments.into_iter().map(str::to_owned).collect::<Vec<_>>()).await
}

async fn kubectl_tidegate(world: &World, arguments: &[String]) -> Result<(Option<i32>, String)> {
    let folder = tempfile::tempdir()?;
    fs::hard_link(env!("CARGO_BIN_EXE_tidegate"), folder.path().join("kubectl-tidegate"))
        .or_else(|_| fs::copy(env!("CARGO_BIN_EXE_tidegate"), folder.path().join("kubectl-tidegate")).map(drop))?;
    let path = format!("{}:{}", folder.path().display(), env::var("PATH").unwrap_or_default());
    let output = Command::new(named("kubectl", "KUBECTL")?)
        .arg("tidegate")
        .args(arguments)
        .env("PATH", path)
        .env("KUBECONFIG", world.control_plane.kubeconfig(Identity::Admin))
        .kill_on_drop(true)
        .output()
        .await?;
    let told = [output.stdout, output.stderr].concat();
    Ok((output.status.code(), String::from_utf8_lossy(&told).into_owned()))
}
