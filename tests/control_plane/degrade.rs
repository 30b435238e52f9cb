//! Versions that may do without something, switched off by a webhook over TLS or by a Job, and judged anew.

use serde_json::{Value, json};
use tidegate_api::{Verdict, condition::reason};
use tidegate_testkit::{
    Result, board::Board, pod_server::Faults, shop::Shop, snapshot::Snapshot, wait::until, world::World,
};

use crate::{
    behaviour::behaviours,
    scenes::{LATER, SOON, adopted, promoted, quick, reverted},
};

behaviours![
    a_version_gets_by_without_what_a_webhook_switches_off_and_is_promoted,
    what_was_switched_off_in_vain_turns_the_traffic_back,
    a_webhook_that_says_that_it_cannot_help_turns_the_traffic_back_at_once,
];

/// [`quick`], whose failures a board is asked about; its second stage lasts for as long as it takes to break it.
fn degrading() -> Value {
    let mut plan = quick();
    plan["degrade"] =
        json!({"by": {"name": "flags-off", "webhook": {"endpoint": "board", "path": "/flags/off"}}, "wait": "15s"});
    plan["stages"][1]["bake"] = json!("1m");
    plan
}

/// `v2` fails in the second stage, and the board, which says so, has been asked to help.
async fn failing(world: &World, name: &str, says: &str) -> Result<(Board, Shop)> {
    let board = Board::open(world.control_plane.directory(), name).await?;
    board.says(says);
    let shop = adopted(world.shop(name).webhooks(&board.config), degrading()).await?;
    shop.release("v2", &[]).await?;
    shop.wait("the second stage", LATER, |now| now.stage() == "half" && now.share_in_force() == Some(50)).await?;
    shop.set_faults("v2", Faults { error_rate: 0.5, ..Faults::default() });
    Ok((board, shop))
}

async fn a_version_gets_by_without_what_a_webhook_switches_off_and_is_promoted(world: &World) -> Result<()> {
    let (board, shop) = failing(world, "degrade", "wait").await?;
    let is_asked = |now: &Snapshot| {
        now.status().degraded.is_some_and(|degraded| degraded.by == "flags-off" && degraded.checks == ["errors"])
    };
    shop.wait("the failure to be answered", LATER, is_asked).await?;
    until("the board to be asked", SOON, || async { (board.times() > 0).then_some(()) }).await?;
    let (asked, question) = board.last()?;
    shop.check("it is asked by whom it trusts", board.trusts(&asked)).await?;
    let told = (question["gate"].clone(), question["place"].clone());
    shop.check(&format!("what for: {told:?}"), told == (json!("flags-off"), json!("degrade half"))).await?;
    shop.check("it keeps its traffic", shop.now().share_in_force() == Some(50)).await?;
    board.says("go");
    shop.set_faults("v2", Faults::default());
    let is_judged_anew = |now: &Snapshot| {
        now.status().degraded.is_some_and(|degraded| degraded.since.is_some())
            && now.status().checks.iter().any(|check| check.name == "errors" && check.verdict != Verdict::Fail)
    };
    shop.wait("it to be judged anew", LATER, is_judged_anew).await?;
    let mut stages = degrading()["stages"].clone();
    stages[1]["bake"] = json!("1s");
    shop.patch_rollout(json!({"stages": stages})).await?;
    promoted(&shop, "v2").await?;
    shop.check("nothing failed", shop.now().status().failed.is_empty()).await?;
    shop.lost_nothing().await
}

async fn what_was_switched_off_in_vain_turns_the_traffic_back(world: &World) -> Result<()> {
    let (board, shop) = failing(world, "degrade-vain", "go").await?;
    reverted(&shop).await?;
    shop.check("the board was asked once", board.times() == 1).await?;
    let reasons: Vec<_> = shop.now().status().history.into_iter().map(|step| step.reason).collect();
    let times = reasons.iter().filter(|known| *known == reason::DEGRADED).count();
    shop.check(&format!("it is told twice, when it began and when it was judged anew: {reasons:?}"), times == 2)
        .await?;
    shop.lost_nothing().await
}

async fn a_webhook_that_says_that_it_cannot_help_turns_the_traffic_back_at_once(world: &World) -> Result<()> {
    let (_board, shop) = failing(world, "degrade-stop", "stop").await?;
    shop.wait("the traffic to go back", SOON, |now| !now.status().failed.is_empty()).await?;
    let message = shop.now().status().failed.first().map(|failed| failed.message.clone()).unwrap_or_default();
    let is_told =
        message.starts_with("errors: ") && message.ends_with("; flags-off could not help: the board said stop");
    shop.check(&message, is_told).await?;
    reverted(&shop).await
}
