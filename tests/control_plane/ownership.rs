//! Whose the pods are, whatever somebody does to the object that says so.

use std::collections::BTreeSet;

use k8s_openapi::{api::apps::v1::Deployment, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;
use tidegate_api::{
    Described, FINALIZER, Phase, ROLLOUT_LABEL, ROLLOUT_UID_LABEL,
    condition::{kind, reason},
    metadata::{GROUPS, MANAGER_PREFIX, field_manager},
};
use tidegate_testkit::{Result, pod_server::Faults, shop::Shop, snapshot::Snapshot, wait::until, world::World};

use crate::{
    adoption::handed_back,
    behaviour::behaviours,
    scenes::{LATER, SOON, adopted, lingering, promoted, quick, underway},
};

behaviours![
    a_rollout_that_is_replaced_gets_its_finalizer_back_and_hands_its_pods_back,
    pods_that_a_rollout_left_behind_are_taken_over_by_the_next_one_and_the_new_version_is_judged,
    what_a_rollout_under_way_left_behind_is_turned_back_by_the_next_one,
    a_selector_that_moves_with_the_version_starts_nothing_and_the_route_keeps_its_pods,
    a_deployment_with_a_name_of_47_letters_is_promoted_and_reverted,
    a_deployment_with_a_name_of_63_letters_is_promoted_and_reverted,
    every_name_that_is_written_onto_an_object_is_in_the_reference,
];

/// The keys, finalizers and field managers of an object that are Tidegate's.
fn own_names(metadata: &ObjectMeta) -> impl Iterator<Item = &str> {
    let keys = [&metadata.labels, &metadata.annotations].into_iter().flatten().flat_map(|all| all.keys());
    let managers = metadata.managed_fields.iter().flatten().filter_map(|entry| entry.manager.as_ref());
    let all = keys.chain(metadata.finalizers.iter().flatten()).chain(managers).map(String::as_str);
    all.filter(|name| name.starts_with(MANAGER_PREFIX))
}

async fn every_name_that_is_written_onto_an_object_is_in_the_reference(world: &World) -> Result<()> {
    let shop = adopted(world.shop("names"), lingering()).await?;
    underway(&shop).await?;
    let now = shop.now();
    let untyped = now.rollouts.iter().chain(&now.routes).map(|object| &object.metadata);
    let sets = now.replica_sets.iter().map(|object| &object.metadata);
    let services = now.services.iter().map(|object| &object.metadata);
    let pods = now.pods.iter().map(|object| &object.metadata);
    let all = untyped.chain(sets).chain(services).chain(pods).chain(now.deployment().map(|object| &object.metadata));
    let found: BTreeSet<_> = all.flat_map(own_names).collect();
    let known: BTreeSet<_> = GROUPS.iter().flat_map(|group| group.names).map(|Described { name, .. }| *name).collect();
    shop.check(&format!("nobody explains one of {found:?}"), found.is_subset(&known)).await?;
    let needed = [FINALIZER, ROLLOUT_LABEL, ROLLOUT_UID_LABEL].into_iter();
    // Nobody has given a command, no gate has run a Job, and no configuration is tracked.
    let others = [field_manager::COMMAND_MANAGER, field_manager::GATE_MANAGER, field_manager::CONFIGURATION_MANAGER];
    let managers = field_manager::ALL.iter().map(|manager| manager.name).filter(|name| !others.contains(name));
    let missing: Vec<_> = needed.chain(managers).filter(|name| !found.contains(name)).collect();
    shop.check(&format!("nothing has {missing:?}"), missing.is_empty()).await
}

/// Takes off what `kubectl replace` takes off.
async fn replaced(shop: &Shop) -> Result<()> {
    let patch = Patch::Merge(json!({"metadata": {"finalizers": null}, "spec": {"replicas": null}}));
    shop.rollouts().patch("checkout", &PatchParams::default(), &patch).await?;
    Ok(())
}

/// The Rollout goes while no operator looks, and hands nothing back.
async fn lost(shop: &mut Shop) -> Result<()> {
    shop.operator()?.kill();
    replaced(shop).await?;
    shop.delete_rollout().await?;
    shop.wait("the Rollout to be gone, and nobody to control its ReplicaSets", LATER, |now| {
        let of_a_rollout =
            |owner: &k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference| owner.kind == "Rollout";
        now.rollouts.is_empty() && !now.replica_sets.iter().any(|set| set.owner_references().iter().any(of_a_rollout))
    })
    .await?;
    Ok(())
}

async fn a_rollout_that_is_replaced_gets_its_finalizer_back_and_hands_its_pods_back(world: &World) -> Result<()> {
    let shop = adopted(world.shop("replaced"), quick()).await?;
    let before = shop.now().uids("v1");
    replaced(&shop).await?;
    // As the API server has it: what a watch shows may be from before.
    until("the finalizer and the count to be put back", SOON, || async {
        let rollout = shop.rollouts().get("checkout").await.ok()?;
        let has_both = rollout.finalizers().iter().any(|it| it == FINALIZER) && rollout.data["spec"]["replicas"] == 4;
        has_both.then_some(())
    })
    .await?;
    shop.delete_rollout().await?;
    let now = handed_back(&shop).await?;
    shop.check("the pods are the same", now.uids("v1") == before).await?;
    shop.lost_nothing().await
}

async fn pods_that_a_rollout_left_behind_are_taken_over_by_the_next_one_and_the_new_version_is_judged(
    world: &World,
) -> Result<()> {
    let mut shop = adopted(world.shop("left-behind"), quick()).await?;
    let before = shop.now().uids("v1");
    lost(&mut shop).await?;
    shop.check("the pods go on serving", shop.now().uids("v1") == before).await?;
    // Git is applied again: a new version, and a Rollout for it.
    shop.release("v2", &[]).await?;
    shop.apply_rollout(quick()).await?;
    shop.operator()?.restart()?;
    let now = shop.wait("v1 to be the stable version again", SOON, |now| now.stable() == "v1").await?;
    shop.check("its pods are the same", now.uids("v1") == before).await?;
    shop.wait("v2 to be in its first stage", LATER, |now| now.canary() == "v2" && now.share_in_force() == Some(25))
        .await?;
    promoted(&shop, "v2").await?;
    shop.delete_rollout().await?;
    shop.wait("the Deployment to have its pods back", LATER, |now| {
        now.rollouts.is_empty() && now.ready_count("v2") == 4 && now.deployment_replicas() == Some(4)
    })
    .await?;
    shop.lost_nothing().await
}

async fn what_a_rollout_under_way_left_behind_is_turned_back_by_the_next_one(world: &World) -> Result<()> {
    let mut shop = adopted(world.shop("left-in-flight"), lingering()).await?;
    let before = shop.now().uids("v1");
    underway(&shop).await?;
    lost(&mut shop).await?;
    shop.apply_rollout(lingering()).await?;
    shop.operator()?.restart()?;
    shop.wait("v1 to be the stable version again", SOON, |now| now.stable() == "v1").await?;
    let now = underway_again(&shop).await?;
    shop.check("the pods of v1 are the same", now.uids("v1") == before).await?;
    shop.lost_nothing().await
}

async fn underway_again(shop: &Shop) -> Result<Snapshot> {
    shop.wait("v2 to be turned back, and to begin anew", LATER, |now| {
        let turned_back = now.status().history.iter().any(|step| step.reason == reason::STARTED);
        turned_back && now.is(Phase::Progressing) && now.canary() == "v2"
    })
    .await
}

async fn a_selector_that_moves_with_the_version_starts_nothing_and_the_route_keeps_its_pods(
    world: &World,
) -> Result<()> {
    let shop = world.shop("moving-selector").open().await?;
    let deployments = Api::<Deployment>::namespaced(shop.client.clone(), &shop.namespace);
    label(&deployments, "v1").await?;
    shop.wait("the pods to have the label", LATER, |now| now.ready_count("v1") == 4 && now.pods.len() == 4).await?;
    shop.patch_service(json!({"spec": {"selector": {"version": "v1"}}})).await?;
    shop.apply_rollout(quick()).await?;
    shop.wait("the Deployment to be adopted", SOON, |now| now.is(Phase::Stable)).await?;
    label(&deployments, "v2").await?;
    shop.patch_service(json!({"spec": {"selector": {"version": "v2"}}})).await?;
    let now = shop
        .wait("the route to lead to the pods that serve, by way of their own Service", SOON, |now| {
            now.holds(kind::STALLED).is_some_and(|why| why == reason::SERVICE_UNUSABLE)
                && now.share_in_force() == Some(0)
        })
        .await?;
    let message = now.status().message;
    shop.check(&format!("the advice is safe: {message}"), message.contains("leave version out of its selector"))
        .await?;
    shop.check("nothing was started", shop.pods_created() == 8).await?;
    shop.patch_service(json!({"spec": {"selector": {"version": null}}})).await?;
    until("the version to be promoted", LATER, || async {
        let now = shop.now();
        (now.is(Phase::Stable) && now.holds(kind::READY).is_some() && now.share().is_none()).then_some(())
    })
    .await?;
    Ok(())
}

async fn label(deployments: &Api<Deployment>, version: &str) -> Result<()> {
    let patch = json!({"spec": {"template": {"metadata": {"labels": {"version": version}}}}});
    deployments.patch("checkout", &PatchParams::default(), &Patch::Merge(patch)).await?;
    Ok(())
}

/// The shortest of which the names of the pods lose something.
async fn a_deployment_with_a_name_of_47_letters_is_promoted_and_reverted(world: &World) -> Result<()> {
    long_name(world, 47).await
}

async fn a_deployment_with_a_name_of_63_letters_is_promoted_and_reverted(world: &World) -> Result<()> {
    long_name(world, 63).await
}

async fn long_name(world: &World, letters: usize) -> Result<()> {
    let name: String =
        "orders-platform-payments-settlement-reconciliation-of-every-cent".chars().take(letters).collect();
    let shop = adopted(world.shop(&format!("name-of-{letters}")).workload(&name), quick()).await?;
    let before = shop.now().uids("v1");
    shop.check("the pods of v1 are told by their cut names", before.len() == 4 && shop.pods_created() == 4).await?;
    shop.release("v2", &[]).await?;
    promoted(&shop, "v2").await?;
    let weights: Vec<_> = shop.canary_weights().into_iter().filter(|weight| *weight != Some(0)).collect();
    let planned = [None, Some(25), Some(50), Some(100), None];
    shop.check(&format!("it went through all its stages: {weights:?}"), weights == planned).await?;
    shop.set_faults("v3", Faults { error_rate: 0.5, ..Faults::default() });
    shop.release("v3", &[]).await?;
    shop.wait("v3 to be reverted, judged by its own pods", LATER, |now| {
        now.is(Phase::Reverted) && now.stable() == "v2" && now.ready_count("v2") == 4 && now.pods_of("v3") == 0
    })
    .await?;
    shop.delete_rollout().await?;
    shop.wait("the Deployment to have its pods back", LATER, |now| {
        now.rollouts.is_empty() && now.ready_count("v2") == 4 && now.deployment_replicas() == Some(4)
    })
    .await?;
    shop.lost_nothing().await
}
