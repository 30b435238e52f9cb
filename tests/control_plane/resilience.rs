//! The operator may die at any moment, and there may be two of it.

use std::time::Duration;

use anyhow::ensure;
use serde_json::{Value, json};
use tidegate_api::Phase;
use tidegate_testkit::{Result, cluster, control_plane::Identity, snapshot::Snapshot, wait::until, world::World};

use crate::{
    adoption::handed_back,
    behaviour::behaviours,
    scenes::{LATER, SOON, adopted, lingering, promoted, quick, reverted, underway},
};

behaviours![
    an_operator_killed_while_adopting_goes_on_where_it_was,
    an_operator_killed_while_pods_come_up_goes_on_where_it_was,
    an_operator_killed_while_a_stage_bakes_goes_on_where_it_was,
    an_operator_killed_while_promoting_goes_on_where_it_was,
    an_operator_killed_while_reverting_goes_on_where_it_was,
    an_operator_killed_while_handing_back_goes_on_where_it_was,
    of_two_operators_one_acts_and_the_other_takes_over_when_it_is_killed,
    an_operator_that_is_told_to_end_hands_over_at_once,
    an_operator_that_may_not_write_the_status_says_so_in_its_log,
];

/// A lease that nobody renews runs out in this time.
const TAKEOVER: Duration = Duration::from_mins(1);

async fn an_operator_killed_while_adopting_goes_on_where_it_was(world: &World) -> Result<()> {
    let mut shop = world.shop("killed-adopting").open().await?;
    let before = shop.now().uids("v1");
    shop.apply_rollout(quick()).await?;
    shop.wait("the adoption to begin", SOON, |now| now.status().adoption.is_some()).await?;
    shop.operator()?.restart()?;
    shop.wait("the Deployment to be adopted", TAKEOVER, |now| now.is(Phase::Stable)).await?;
    shop.check("the pods are the same", shop.now().uids("v1") == before && shop.pods_created() == 4).await?;
    shop.lost_nothing().await
}

/// Kills the operator as soon as `moment` comes while v2 is being released, and sees v2 promoted all the same.
async fn killed_and_promoted(
    world: &World,
    name: &str,
    what: &str,
    moment: impl Fn(&Snapshot) -> bool + Send + Sync,
) -> Result<()> {
    let mut shop = adopted(world.shop(name), quick()).await?;
    shop.release("v2", &[]).await?;
    shop.wait(what, LATER, moment).await?;
    shop.operator()?.restart()?;
    promoted(&shop, "v2").await?;
    shop.check("each version started four pods and no more", shop.pods_created() == 8).await?;
    shop.lost_nothing().await
}

async fn an_operator_killed_while_pods_come_up_goes_on_where_it_was(world: &World) -> Result<()> {
    killed_and_promoted(world, "killed-start", "pods of v2 to be started", |now| now.pods_of("v2") > 0).await
}

async fn an_operator_killed_while_a_stage_bakes_goes_on_where_it_was(world: &World) -> Result<()> {
    killed_and_promoted(world, "killed-baking", "the second stage", |now| now.stage() == "half").await
}

async fn an_operator_killed_while_promoting_goes_on_where_it_was(world: &World) -> Result<()> {
    killed_and_promoted(world, "killed-promoting", "v2 to be promoted", |now| now.phase() == Phase::Promoting).await
}

async fn an_operator_killed_while_reverting_goes_on_where_it_was(world: &World) -> Result<()> {
    let mut shop = adopted(world.shop("killed-reverting"), quick()).await?;
    shop.release("v2", &[("rig/error-rate", "0.5")]).await?;
    shop.wait("v2 to be reverted", LATER, |now| now.phase() == Phase::Reverting).await?;
    shop.operator()?.restart()?;
    reverted(&shop).await?;
    shop.lost_nothing().await
}

async fn an_operator_killed_while_handing_back_goes_on_where_it_was(world: &World) -> Result<()> {
    let mut shop = adopted(world.shop("killed-handing"), quick()).await?;
    let before = shop.now().uids("v1");
    shop.delete_rollout().await?;
    shop.wait("the hand-back to begin", SOON, |now| now.phase() == Phase::HandingBack || now.rollouts.is_empty())
        .await?;
    shop.operator()?.restart()?;
    let now = handed_back(&shop).await?;
    shop.check("the pods are the same", now.uids("v1") == before && shop.pods_created() == 4).await?;
    shop.lost_nothing().await
}

async fn of_two_operators_one_acts_and_the_other_takes_over_when_it_is_killed(world: &World) -> Result<()> {
    let mut shop = adopted(world.shop("two"), lingering()).await?;
    let second = shop.start_operator()?;
    shop.operators[second].ready(&world.data_plane.http).await?;
    underway(&shop).await?;
    shop.check("two operators start no pod twice", shop.pods_created() == 5).await?;
    shop.operators[0].kill();
    shop.patch_rollout(serde_json::json!({"stages": quick()["stages"]})).await?;
    shop.wait("the second to go on", TAKEOVER, |now| now.stage() != "canary").await?;
    promoted(&shop, "v2").await?;
    shop.lost_nothing().await
}

async fn an_operator_that_is_told_to_end_hands_over_at_once(world: &World) -> Result<()> {
    let mut shop = adopted(world.shop("handover"), quick()).await?;
    let second = shop.start_operator()?;
    shop.operators[second].ready(&world.data_plane.http).await?;
    shop.operators[0].terminate().await?;
    shop.release("v2", &[]).await?;
    shop.wait("the second to act before the lease runs out", Duration::from_secs(8), |now| now.canary() == "v2")
        .await?;
    promoted(&shop, "v2").await?;
    shop.lost_nothing().await
}

/// What may be read, and the lease: no verb that writes anything of a Rollout.
fn onlooker() -> [Value; 2] {
    let name = Identity::Onlooker.user().replace(':', "-");
    let metadata = json!({"name": name});
    [
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": metadata, "rules": [
            {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]},
            {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create", "update", "patch"]},
        ]}),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": Identity::Onlooker.user()}],
        }),
    ]
}

async fn an_operator_that_may_not_write_the_status_says_so_in_its_log(world: &World) -> Result<()> {
    let mut shop = world.shop("onlooker").without_operator().open().await?;
    for object in onlooker() {
        cluster::create(&shop.client, object).await?;
    }
    shop.start_operator_as(Identity::Onlooker)?;
    shop.apply_rollout(quick()).await?;
    let told = format!("commit the status of Rollout {}/checkout", shop.namespace);
    let log = || shop.operators[0].log();
    let says_it =
        || async { log().lines().find(|line| line.contains("WARN") && line.contains(&told)).map(str::to_owned) };
    let line = until("the log to say what was refused", LATER, says_it).await?;
    ensure!(line.contains("cannot update"), "it does not say why: {line}");
    Ok(())
}
