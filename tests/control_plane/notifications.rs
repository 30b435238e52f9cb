//! People are told what a Rollout does, whatever becomes of those who tell them.

use serde_json::Value;
use tidegate_api::condition::reason;
use tidegate_testkit::{Result, receivers::Receivers, wait::until, world::World};

use crate::{
    behaviour::behaviours,
    scenes::{LATER, adopted, promoted, quick, reverted},
};

behaviours![
    a_revert_pages_and_the_next_promotion_resolves_it_though_the_operator_died_between_and_a_receiver_did_not_answer
];

async fn a_revert_pages_and_the_next_promotion_resolves_it_though_the_operator_died_between_and_a_receiver_did_not_answer(
    world: &World,
) -> Result<()> {
    let receivers = Receivers::open(world.control_plane.directory(), "notified").await?;
    let mut shop = adopted(world.shop("notified").notifications(&receivers.config), quick()).await?;
    shop.release("v2", &[("rig/error-rate", "0.5")]).await?;
    reverted(&shop).await?;
    until("a page", LATER, || async { of(&receivers.pages(), "trigger").pop() }).await?;
    let nobody = receivers.notices().is_empty();
    shop.check("the board, which does not answer, was told nothing", nobody).await?;

    shop.operator()?.restart()?;
    receivers.mend_board();
    shop.release("v3", &[]).await?;
    promoted(&shop, "v3").await?;
    let resolved = until("its end", LATER, || async { of(&receivers.pages(), "resolve").pop() }).await?;
    let opened = of(&receivers.pages(), "trigger");
    shop.check(&format!("{opened:?} are one incident: {resolved}"), opened.iter().all(|key| *key == resolved)).await?;
    let wanted = [reason::STARTED, reason::STAGE_ENTERED, reason::REVERTED, reason::PROMOTED];
    let missing = || {
        let told: Vec<_> = receivers.notices().iter().map(|notice| notice["reason"].clone()).collect();
        wanted.into_iter().filter(|word| !told.iter().any(|known| known == word)).collect::<Vec<_>>()
    };
    let told = until("the board to be told all of it", LATER, || async { missing().is_empty().then_some(()) }).await;
    shop.check(&format!("the board was told of {:?}", missing()), told.is_ok()).await
}

/// The incidents of the events of one action.
fn of(pages: &[Value], action: &str) -> Vec<String> {
    let meant = pages.iter().filter(|page| page["event_action"] == action);
    meant.filter_map(|page| page["dedup_key"].as_str().map(str::to_owned)).collect()
}
