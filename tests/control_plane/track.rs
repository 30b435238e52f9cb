//! Configuration as part of a version. The pods here read nothing: what is looked at is what theirs would.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tidegate_api::{
    Phase,
    condition::{kind, reason},
    metadata::field_manager::CONFIGURATION_MANAGER,
};
use tidegate_testkit::{
    Result, cluster, control_plane::Identity, shop::Shop, snapshot::Snapshot, wait::until, world::World,
};

use crate::{
    behaviour::behaviours,
    scenes::{A_WHILE, LATER, SOON, lingering, unjudged},
};

behaviours![
    another_content_goes_through_the_stages_while_stable_keeps_its_own_and_the_old_copy_goes_in_the_end,
    a_content_that_is_aborted_stays_off_and_stable_never_had_it,
    a_content_that_is_taken_back_in_mid_flight_leaves_no_trace,
    a_secret_that_the_operator_may_not_read_is_told_and_nothing_moves,
    a_config_map_that_is_missing_is_told_and_nothing_moves,
    keys_that_rotate_make_no_version,
    the_deployment_gets_its_pods_back_with_their_copies,
];

/// What the Rollout of each shop tracks.
fn tracking(mut plan: Value, ignore: &[&str]) -> Value {
    plan["track"] = json!([{"configMap": "settings", "ignore": ignore}]);
    plan["revisionHistoryLimit"] = json!(0);
    plan
}

/// Lets the operator read and copy objects of that kind in the shop's namespace, as the chart does by `track`.
async fn grant(shop: &Shop, plural: &str) -> Result<()> {
    let group = "rbac.authorization.k8s.io";
    let metadata = json!({"name": format!("tidegate-{plural}"), "namespace": shop.namespace});
    let verbs = ["get", "list", "watch", "create", "patch"];
    let role = json!({
        "apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": metadata,
        "rules": [{"apiGroups": [""], "resources": [plural], "verbs": verbs}],
    });
    let binding = json!({
        "apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": metadata,
        "roleRef": {"apiGroup": group, "kind": "Role", "name": metadata["name"]},
        "subjects": [{"apiGroup": group, "kind": "User", "name": Identity::Operator.user()}],
    });
    cluster::create(&shop.client, role).await?;
    cluster::create(&shop.client, binding).await
}

fn config_maps(shop: &Shop) -> Api<ConfigMap> {
    Api::namespaced(shop.client.clone(), &shop.namespace)
}

/// `kubectl apply` of the ConfigMap that the pods read.
async fn configure(shop: &Shop, data: Value) -> Result<()> {
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": shop.namespace}, "data": data,
    });
    if config_maps(shop).get_opt("settings").await?.is_some() {
        config_maps(shop).replace("settings", &PostParams::default(), &serde_json::from_value(object)?).await?;
        return Ok(());
    }
    cluster::create(&shop.client, object).await
}

/// A shop whose pods read the ConfigMap `settings`, and an operator that may read it; there is no Rollout yet.
async fn opened(world: &World, name: &str) -> Result<Shop> {
    let shop = world.shop(name).open().await?;
    grant(&shop, "configmaps").await?;
    configure(&shop, json!({"mode": "old", "banner": "spring"})).await?;
    let volume = json!({"name": "settings", "configMap": {"name": "settings"}});
    shop.patch_deployment("kubectl", json!({"spec": {"template": {"spec": {"volumes": [volume]}}}})).await?;
    Ok(shop)
}

/// The same, when the pods that serve read a copy.
async fn adopted(world: &World, name: &str, plan: Value) -> Result<Shop> {
    let shop = opened(world, name).await?;
    shop.apply_rollout(tracking(unjudged(), &["banner"])).await?;
    let reads_a_copy = |now: &Snapshot| {
        let stable = now.status().stable.map(|stable| stable.replica_set).unwrap_or_default();
        now.is(Phase::Stable) && copy_of(now, &stable).is_some()
    };
    shop.wait("the first release of the copies to be over", LATER, reads_a_copy).await?;
    shop.apply_rollout(plan).await?;
    Ok(shop)
}

/// The name of the copy that the pods of a ReplicaSet read.
fn copy_of(now: &Snapshot, replica_set: &str) -> Option<String> {
    let set = now.replica_sets.iter().find(|set| set.name_any() == replica_set)?;
    let volumes = set.spec.as_ref()?.template.as_ref()?.spec.as_ref()?.volumes.as_ref()?;
    let sources = volumes.iter().flat_map(|volume| volume.projected.iter().flat_map(|it| it.sources.iter().flatten()));
    let named = sources.filter_map(|source| Some(source.config_map.as_ref()?.name.clone()));
    let whole = volumes.iter().filter_map(|volume| Some(volume.config_map.as_ref()?.name.clone()));
    named.chain(whole).find(|name| name.starts_with("settings-"))
}

/// What the pods of the stable version and of the one on its way read in their copies.
async fn read(shop: &Shop) -> Result<[Option<String>; 2]> {
    let status = shop.now().status();
    let mut modes = [None, None];
    for (place, revision) in [status.stable, status.canary].into_iter().enumerate() {
        let Some(copy) = revision.and_then(|revision| copy_of(&shop.now(), &revision.replica_set)) else { continue };
        let data: BTreeMap<_, _> = config_maps(shop).get(&copy).await?.data.unwrap_or_default();
        modes[place] = data.get("mode").cloned();
    }
    Ok(modes)
}

async fn copies(shop: &Shop) -> Result<Vec<ConfigMap>> {
    Ok(config_maps(shop).list(&ListParams::default().labels("tidegate.dev/copy-of=settings")).await?.items)
}

async fn reads(shop: &Shop, expected: [Option<&str>; 2]) -> Result<()> {
    let modes = read(shop).await?;
    shop.check(&format!("{modes:?} is read"), modes == expected.map(|mode| mode.map(str::to_owned))).await
}

/// Waits until another content is in its first stage.
async fn underway(shop: &Shop) -> Result<String> {
    let is_in_force = |now: &Snapshot| now.status().stage.is_some_and(|stage| stage.since.is_some());
    let now = shop.wait("the first stage to have its weight", LATER, is_in_force).await?;
    Ok(now.status().canary.map(|canary| canary.revision).unwrap_or_default())
}

async fn another_content_goes_through_the_stages_while_stable_keeps_its_own_and_the_old_copy_goes_in_the_end(
    world: &World,
) -> Result<()> {
    let shop = adopted(world, "track-promoted", tracking(unjudged(), &["banner"])).await?;
    reads(&shop, [Some("old"), None]).await?;
    configure(&shop, json!({"mode": "new", "banner": "spring"})).await?;
    underway(&shop).await?;
    reads(&shop, [Some("old"), Some("new")]).await?;
    for copy in copies(&shop).await? {
        let owners: Vec<_> = copy.owner_references().iter().map(|owner| owner.kind.clone()).collect();
        let by: Vec<_> = copy.managed_fields().iter().filter_map(|entry| entry.manager.as_deref()).collect();
        let keys: Vec<_> = copy.data.iter().flatten().map(|(key, _)| key.as_str()).collect();
        let is_so = copy.immutable == Some(true) && owners == ["ReplicaSet"] && keys == ["mode"];
        shop.check(&format!("{keys:?} of {owners:?} by {by:?}"), is_so && by.contains(&CONFIGURATION_MANAGER)).await?;
    }
    let is_over = |now: &Snapshot| now.is(Phase::Stable) && now.status().canary.is_none();
    shop.wait("the new content to be promoted", LATER, is_over).await?;
    reads(&shop, [Some("new"), None]).await?;
    until("the old copy to be gone", LATER, || async { (copies(&shop).await.ok()?.len() == 1).then_some(()) }).await?;
    shop.lost_nothing().await
}

async fn a_content_that_is_aborted_stays_off_and_stable_never_had_it(world: &World) -> Result<()> {
    let shop = adopted(world, "track-aborted", tracking(lingering(), &["banner"])).await?;
    let pods = shop.now().uids("v1");
    configure(&shop, json!({"mode": "new", "banner": "spring"})).await?;
    let revision = underway(&shop).await?;
    let annotations = json!({"metadata": {"annotations": {"tidegate.dev/abort": revision}}});
    shop.rollouts().patch("checkout", &PatchParams::default(), &Patch::Merge(annotations)).await?;
    shop.wait("all of it to go back", LATER, |now| now.is(Phase::Reverted) && now.share().is_none()).await?;
    reads(&shop, [Some("old"), None]).await?;
    let kept = shop.now().uids("v1").iter().filter(|uid| pods.contains(uid)).count();
    shop.check("stable keeps its pods", kept == pods.len()).await?;
    configure(&shop, json!({"mode": "old", "banner": "spring"})).await?;
    shop.wait("the stable content to be asked for again", SOON, |now| now.is(Phase::Stable)).await?;
    shop.lost_nothing().await
}

async fn a_content_that_is_taken_back_in_mid_flight_leaves_no_trace(world: &World) -> Result<()> {
    let shop = adopted(world, "track-back", tracking(lingering(), &["banner"])).await?;
    configure(&shop, json!({"mode": "new", "banner": "spring"})).await?;
    underway(&shop).await?;
    configure(&shop, json!({"mode": "old", "banner": "summer"})).await?;
    shop.wait("stable to serve alone", LATER, |now| now.is(Phase::Stable) && now.share().is_none()).await?;
    reads(&shop, [Some("old"), None]).await?;
    until("the other copy to be gone", LATER, || async { (copies(&shop).await.ok()?.len() == 1).then_some(()) })
        .await?;
    shop.lost_nothing().await
}

async fn a_secret_that_the_operator_may_not_read_is_told_and_nothing_moves(world: &World) -> Result<()> {
    let shop = world.shop("track-secret").open().await?;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token", "namespace": shop.namespace},
        "data": {"token": "b2xk"},
    });
    cluster::create(&shop.client, secret).await?;
    let variable = json!({"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "token", "key": "token"}}});
    let mut plan = unjudged();
    plan["track"] = json!([{"secret": "token"}]);
    shop.apply_rollout(plan).await?;
    let told = "the operator may not list secrets in namespace";
    let now = shop.wait("the missing right to be told", SOON, |now| now.status().message.contains(told)).await?;
    let why = now.holds(kind::STALLED);
    shop.check(&format!("it is {why:?}"), why.as_deref() == Some(reason::CONFIGURATION_UNUSABLE)).await?;
    shop.check("the Deployment is left alone", now.is(Phase::Pending)).await?;
    grant(&shop, "secrets").await?;
    shop.wait("the Deployment to be adopted", LATER, |now| now.is(Phase::Stable)).await?;
    let container = json!([{"name": "checkout", "image": "shop/checkout:v1", "env": [variable]}]);
    shop.patch_deployment("kubectl", json!({"spec": {"template": {"spec": {"containers": container}}}})).await?;
    let is_over =
        |now: &Snapshot| now.is(Phase::Stable) && now.status().history.iter().any(|it| it.reason == "Promoted");
    shop.wait("a version to be promoted that reads a copy", LATER, is_over).await?;
    let secrets: Api<Secret> = Api::namespaced(shop.client.clone(), &shop.namespace);
    let copies = secrets.list(&ListParams::default().labels("tidegate.dev/copy-of=token")).await?.items;
    let is_whole =
        copies.iter().all(|copy| copy.immutable == Some(true) && copy.data.as_ref().is_some_and(|it| it.len() == 1));
    shop.check("there is one copy", copies.len() == 1 && is_whole).await
}

async fn a_config_map_that_is_missing_is_told_and_nothing_moves(world: &World) -> Result<()> {
    let shop = adopted(world, "track-missing", tracking(lingering(), &["banner"])).await?;
    config_maps(&shop).delete("settings", &DeleteParams::default()).await?;
    let not_found = |now: &Snapshot| now.holds(kind::STALLED).as_deref() == Some(reason::CONFIGURATION_NOT_FOUND);
    shop.wait("that it is missing to be told", SOON, not_found).await?;
    shop.release("v2", &[]).await?;
    shop.stays("nothing moves", A_WHILE, |now| now.pods_of("v2") == 0 && now.ready_count("v1") == 4).await?;
    configure(&shop, json!({"mode": "old", "banner": "spring"})).await?;
    shop.wait("v2 to start", LATER, |now| now.canary() == "v2").await?;
    shop.lost_nothing().await
}

async fn keys_that_rotate_make_no_version(world: &World) -> Result<()> {
    let shop = adopted(world, "track-ignored", tracking(lingering(), &["banner"])).await?;
    let before = shop.now().status();
    configure(&shop, json!({"mode": "old", "banner": "summer"})).await?;
    let stays = |now: &Snapshot| now.status().stable == before.stable && now.status().canary.is_none();
    shop.stays("no version comes", A_WHILE, stays).await
}

async fn the_deployment_gets_its_pods_back_with_their_copies(world: &World) -> Result<()> {
    let shop = adopted(world, "track-handed", tracking(lingering(), &["banner"])).await?;
    let pods = shop.now().uids("v1");
    shop.delete_rollout().await?;
    shop.wait("the Rollout to be gone", LATER, |now| now.rollout("checkout").is_none()).await?;
    shop.stays("no pod is restarted", A_WHILE, |now| now.uids("v1") == pods).await?;
    let owners: Vec<_> =
        copies(&shop).await?.iter().flat_map(|copy| copy.owner_references().to_vec()).map(|owner| owner.kind).collect();
    shop.check(&format!("it belongs to {owners:?}"), owners == ["ReplicaSet", "Deployment"]).await?;
    shop.lost_nothing().await
}
