//! Where the pods cannot change hands: a second ReplicaSet comes up before the first one goes, and again on the way
//! back.

use k8s_openapi::api::apps::v1::ReplicaSet;
use kube::ResourceExt;
use serde_json::json;
use tidegate_api::{AdoptionMode, Phase, condition::reason};
use tidegate_testkit::{
    Result,
    admission::{Admission, REFUSAL},
    shop::Shop,
    world::World,
};

use crate::{
    adoption::{handed_back_at, image},
    behaviour::behaviours,
    scenes::{LATER, SOON, lingering, promoted, quick, underway},
};

behaviours![
    where_pods_cannot_change_hands_a_second_replica_set_serves_before_the_first_goes,
    what_was_brought_up_a_second_time_is_handed_back_in_mid_flight_without_a_trace,
];

/// A shop that was adopted although its ReplicaSet must not change hands.
async fn adopted_all_the_same(world: &World, name: &str) -> Result<(Admission, Shop)> {
    let shop = world.shop(name).open().await?;
    let admission = Admission::guard(world, &shop).await?;
    shop.apply_rollout(quick()).await?;
    let now = shop
        .wait("the Deployment to be adopted, and its own pods to be gone", LATER, |now| {
            now.is(Phase::Stable) && now.pods.len() == 4 && now.ready_count("v1") == 4
        })
        .await?;
    let mode = now.status().adoption.map(|adoption| adoption.mode);
    shop.check(&format!("by a second ReplicaSet, not {mode:?}"), mode == Some(AdoptionMode::Surge)).await?;
    Ok((admission, shop))
}

async fn where_pods_cannot_change_hands_a_second_replica_set_serves_before_the_first_goes(world: &World) -> Result<()> {
    let (_admission, shop) = adopted_all_the_same(world, "surge").await?;
    shop.check("no more pods were started than it takes", shop.pods_created() == 8).await?;
    let events = shop.events().await?;
    let told = |event: &tidegate_testkit::diagnosis::Event| {
        event.reason == reason::ADOPTION_REFUSED && event.note.contains(REFUSAL)
    };
    shop.check("an event says who refused it", events.iter().any(told)).await?;
    shop.release("v2", &[]).await?;
    promoted(&shop, "v2").await?;
    shop.delete_rollout().await?;
    handed_back_at(&shop, "v2").await?;
    shop.wait("nothing of the Rollout to be left", SOON, |_| has_no_trace(&shop)).await?;
    shop.lost_nothing().await
}

async fn what_was_brought_up_a_second_time_is_handed_back_in_mid_flight_without_a_trace(world: &World) -> Result<()> {
    let (_admission, shop) = adopted_all_the_same(world, "surge-abort").await?;
    shop.patch_rollout(json!({"stages": lingering()["stages"]})).await?;
    underway(&shop).await?;
    shop.delete_rollout().await?;
    let now = handed_back_at(&shop, "v1").await?;
    let asked = image(&now);
    shop.check(
        &format!("the Deployment asks for v1, not {asked:?}"),
        asked.is_some_and(|image| image.ends_with(":v1")),
    )
    .await?;
    shop.wait("nothing of the Rollout to be left", SOON, |_| has_no_trace(&shop)).await?;
    shop.lost_nothing().await
}

/// Every ReplicaSet is the Deployment's, and nobody else's; the revisions' Services are gone.
fn has_no_trace(shop: &Shop) -> bool {
    let now = shop.now();
    let is_deployments = |set: &ReplicaSet| {
        set.owner_references().iter().all(|owner| owner.kind == "Deployment")
            && !set.labels().keys().any(|label| label.starts_with("tidegate.dev/"))
    };
    let services: Vec<_> = now.services.iter().map(|service| service.name_any()).collect();
    now.replica_sets.iter().all(|set| is_deployments(set)) && services == ["checkout"]
}
