//! One pod of a new version that is bad, alone.

use anyhow::Context;
use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::json;
use tidegate_api::{Phase, Verdict, condition::reason};
use tidegate_testkit::{
    Result,
    control_plane::Identity,
    kubelet::NODE,
    pod_server::{Crowd, Faults},
    shop::Shop,
    world::World,
};

use crate::{
    behaviour::behaviours,
    scenes::{LATER, SOON, adopted, errors, promoted, reverted, with_checks},
};

behaviours![
    a_pod_that_is_bad_alone_is_deleted_once_and_the_version_promoted,
    a_pod_that_is_bad_alone_is_named_where_it_is_not_to_be_replaced,
];

/// Three of four pods in a first stage, each with many requests; when all of them were seen to be well, one fails.
async fn released(world: &World, name: &str, suspect_pod: &str) -> Result<Shop> {
    let mut plan = with_checks(&[errors("5%")]);
    plan["analysis"]["suspectPod"] = json!(suspect_pod);
    plan["stages"] = json!([
        {"name": "most", "weight": "75%", "bake": "30s"},
        {"name": "full", "weight": "100%", "bake": "2s"},
    ]);
    let shop = adopted(world.shop(name), plan).await?;
    shop.release("v2", &[("rig/crowd", "200 0 1")]).await?;
    let now = shop
        .wait("the version to look well", SOON, |now| {
            now.ready_count("v2") == 3 && now.check("errors").is_some_and(|check| check.verdict == Verdict::Pass)
        })
        .await?;
    let pod = now.ready("v2").first().context("no pod")?.name_any();
    let crowd = Some(Crowd { per_second: 200.0, error_rate: 0.7, seed: 1 });
    shop.set_faults_of(&pod, Faults { crowd, ..Faults::default() });
    Ok(shop)
}

async fn a_pod_that_is_bad_alone_is_deleted_once_and_the_version_promoted(world: &World) -> Result<()> {
    let since = Timestamp::now();
    let shop = released(world, "suspect", "Replace").await?;
    let now = shop.wait("a pod to be replaced", SOON, |now| now.status().replaced_pod.is_some()).await?;
    let replaced = now.status().replaced_pod.context("no pod")?;
    shop.check("it is one of the new version", {
        let canary = now.status().canary.context("no canary")?.replica_set;
        replaced.name.starts_with(&canary)
    })
    .await?;
    shop.wait("another one to take its place", LATER, |now| {
        now.ready_count("v2") >= 3 && now.pods.iter().all(|pod| pod.uid().as_ref() != Some(&replaced.uid))
    })
    .await?;
    promoted(&shop, "v2").await?;
    let writes = world.audit.writes(Identity::Operator, &shop.namespace, since)?;
    let deleted: Vec<_> = writes.iter().filter(|write| write.access.resource == "pods").collect();
    shop.check(
        &format!("one pod was deleted, once: {deleted:?}"),
        deleted.len() == 1 && deleted[0].access.verb == "delete",
    )
    .await?;
    let events = shop.events().await?;
    let told: Vec<_> = events.iter().filter(|event| event.reason == reason::SUSPECT_POD_REPLACED).collect();
    shop.check(&format!("one event tells of it: {told:?}"), told.len() == 1 && told[0].note.contains(&replaced.name))
        .await
}

async fn a_pod_that_is_bad_alone_is_named_where_it_is_not_to_be_replaced(world: &World) -> Result<()> {
    let shop = released(world, "suspect-named", "None").await?;
    let now = shop.wait("the version to be reverted", LATER, |now| now.is(Phase::Reverting)).await?;
    let message = now.status().failed.first().map(|failed| failed.message.clone()).unwrap_or_default();
    let revision = now.revision("v2").context("no revision")?;
    let pod = format!(" failures at pod checkout-{revision}-");
    let named = message.contains(&pod) && message.contains(&format!(", on node {NODE}; the others: "));
    shop.check(&format!("with the pod and its node: {message}"), named).await?;
    reverted(&shop).await
}
