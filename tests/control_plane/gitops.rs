//! Git applied at every moment of a rollout, by each tool with the settings of docs/gitops.md: nothing is disturbed.

use std::{collections::BTreeSet, fs, future::Future, time::Duration};

use kube::{
    Api, ResourceExt,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams},
    core::TypeMeta,
};
use serde_json::{Value, json};
use tidegate_api::{Phase, condition::reason};
use tidegate_testkit::{Result, shop::Shop, snapshot::Snapshot, world::World};
use tokio::time::{Instant, sleep};

use crate::{
    behaviour::behaviours,
    scenes::{LATER, SOON, promoted, quick},
};

behaviours![
    argo_cd_that_applies_client_side_disturbs_no_rollout,
    argo_cd_that_applies_server_side_disturbs_no_rollout,
    argo_cd_disturbs_no_rollout_whose_stages_add_rules_to_the_route,
    flux_that_makes_the_route_only_where_there_is_none_disturbs_no_rollout,
    flux_that_ignores_the_rules_of_the_route_disturbs_no_rollout,
    kubectl_that_applies_server_side_is_refused_the_route_and_disturbs_no_rollout,
    what_kubectl_replaces_in_mid_flight_is_written_back_and_the_rollout_goes_on,
];

/// The object that every tool fights over, if it is not told otherwise.
const ROUTE: &str = "HTTPRoute";

async fn argo_cd_that_applies_client_side_disturbs_no_rollout(world: &World) -> Result<()> {
    let shop = &world.shop("argo").open().await?;
    undisturbed(shop, Often::OnceInEachMoment, |commit| async move {
        for object in respecting(shop, git(shop, commit.version)).await? {
            merge(shop, "argocd-controller", &object).await?;
        }
        Ok(())
    })
    .await
}

async fn argo_cd_that_applies_server_side_disturbs_no_rollout(world: &World) -> Result<()> {
    let shop = &world.shop("argo-ssa").open().await?;
    undisturbed(shop, Often::OnceInEachMoment, |commit| async move {
        for object in respecting(shop, git(shop, commit.version)).await? {
            force(shop, "argocd-controller", &object).await?;
        }
        Ok(())
    })
    .await
}

async fn argo_cd_disturbs_no_rollout_whose_stages_add_rules_to_the_route(world: &World) -> Result<()> {
    let shop = &world.shop("argo-rules").open().await?;
    undisturbed(shop, Often::OnceInEachMoment, |commit| async move {
        for mut object in respecting(shop, git(shop, commit.version)).await? {
            if object["kind"] == "Rollout" {
                object["spec"]["stages"][0]["match"] = json!([{"headers": [{"name": "X-Beta", "value": "yes"}]}]);
            }
            force(shop, "argocd-controller", &object).await?;
        }
        let begun = shop.now().stage() == "canary" && moment(&shop.now()).2;
        let rules = live(shop, &shop.manifests("v2")[0]).await?.map(|route| route.data["spec"]["rules"].clone());
        let added = rules.as_ref().and_then(Value::as_array).is_some_and(|rules| rules.len() > 1);
        shop.check(&format!("the first stage has a rule of its own: {rules:?}"), added || !begun).await
    })
    .await
}

async fn flux_that_makes_the_route_only_where_there_is_none_disturbs_no_rollout(world: &World) -> Result<()> {
    let shop = &world.shop("flux").open().await?;
    undisturbed(shop, Often::AllTheTime, |commit| async move {
        for object in git(shop, commit.version) {
            if object["kind"] != ROUTE || live(shop, &object).await?.is_none() {
                force(shop, "kustomize-controller", &object).await?;
            }
        }
        Ok(())
    })
    .await
}

async fn flux_that_ignores_the_rules_of_the_route_disturbs_no_rollout(world: &World) -> Result<()> {
    let shop = &world.shop("flux-ignore").open().await?;
    undisturbed(shop, Often::OnceInEachMoment, |commit| async move {
        for mut object in git(shop, commit.version) {
            if object["kind"] == ROUTE {
                let live = live(shop, &object).await?;
                ignore_rules(&mut object, live.as_ref());
            }
            force(shop, "kustomize-controller", &object).await?;
        }
        Ok(())
    })
    .await
}

async fn kubectl_that_applies_server_side_is_refused_the_route_and_disturbs_no_rollout(world: &World) -> Result<()> {
    let shop = &world.shop("kubectl-ssa").open().await?;
    undisturbed(shop, Often::AllTheTime, |commit| async move {
        let file = written(world, shop, &git(shop, commit.version))?;
        let mut apply = vec!["apply", "--server-side", "--filename", &file];
        if commit.is_new {
            // Who made the objects still has a share in what they say.
            apply.push("--force-conflicts");
        }
        let applied = world.kubectl(shop, &apply).await;
        // It goes on with the other objects.
        let refused = applied.err().map(|error| error.to_string()).unwrap_or_default();
        let is_fine = refused.is_empty() || names_the_rules(&refused);
        shop.check(&format!("only the route's rules are refused: {refused}"), is_fine).await
    })
    .await?;
    let file = written(world, shop, &git(shop, "v3"))?;
    let applied = world.kubectl(shop, &["apply", "--server-side", "--filename", &file]).await;
    let refused = applied.err().map(|error| error.to_string()).unwrap_or_default();
    shop.check(&format!("they are refused between rollouts, too: {refused}"), names_the_rules(&refused)).await?;
    shop.wait("the next version to start all the same", SOON, |now| now.canary() == "v3").await?;
    Ok(())
}

async fn what_kubectl_replaces_in_mid_flight_is_written_back_and_the_rollout_goes_on(world: &World) -> Result<()> {
    let shop = &world.shop("kubectl-replace").open().await?;
    for version in ["v1", "v2"] {
        let file = written(world, shop, &git(shop, version))?;
        world.kubectl(shop, &["apply", "--server-side", "--force-conflicts", "--filename", &file]).await?;
        let what = format!("{version} to be stable or in a stage that has begun");
        shop.wait(&what, SOON, |now| {
            let has_begun = now.status().stage.is_some_and(|stage| stage.since.is_some());
            now.is(Phase::Stable) && now.stable() == version || now.canary() == version && has_begun
        })
        .await?;
    }
    // Of the Rollout, which the operator writes all the time, kubectl may have read another state than there is by then.
    let file = written(world, shop, &shop.manifests("v2"))?;
    world.kubectl(shop, &["replace", "--filename", &file]).await?;
    shop.wait("the weights to be ours again, and the count", SOON, |now| {
        now.share() == Some(25) && now.deployment_replicas() == Some(0) && !now.status().contentions.is_empty()
    })
    .await?;
    promoted(shop, "v2").await?;
    let events = shop.events().await?;
    for quarrel in [reason::CONTENTION, reason::FOREIGN_PODS] {
        let named = events.iter().any(|event| event.reason == quarrel && event.note.contains("kubectl-replace"));
        shop.check(&format!("the event {quarrel} names the writer"), named).await?;
    }
    shop.lost_nothing().await
}

/// Whether a refusal speaks of what Tidegate owns of the route, and of nothing else.
pub fn names_the_rules(refusal: &str) -> bool {
    refusal.contains("Apply failed with 1 conflict")
        && refusal.contains("tidegate-traffic")
        && refusal.contains(".spec.rules")
        && !refusal.contains("apps/v1")
}

/// How often Git is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Often {
    /// As soon as it is applied, again.
    AllTheTime,
    /// As soon as anything of the rollout has changed: for a tool that reads an object before it writes it, and so
    /// writes what was there if it is changed in between.
    OnceInEachMoment,
}

/// What lies in Git.
#[derive(Debug, Clone, Copy)]
pub struct Commit {
    /// The version that it asks for.
    pub version: &'static str,
    /// Whether it has not been applied before.
    pub is_new: bool,
}

/// What makes one moment of a rollout differ from another: the phase, the stage and whether its clock runs, the share.
type Moment = (String, String, bool, Option<u64>);

fn moment(now: &Snapshot) -> Moment {
    let status = now.status();
    let runs = status.stage.as_ref().is_some_and(|stage| stage.since.is_some());
    (format!("{:?}", status.phase), now.stage(), runs, now.share())
}

/// Applies Git with v1, then with v2 until that is promoted, and finds that it went as if nobody had applied anything.
pub async fn undisturbed<F>(shop: &Shop, often: Often, apply: impl Fn(Commit) -> F) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    apply(Commit { version: "v1", is_new: true }).await?;
    shop.wait("the Deployment to be adopted", SOON, |now| now.is(Phase::Stable)).await?;
    apply(Commit { version: "v1", is_new: false }).await?;
    let mut applied = BTreeSet::new();
    let end = Instant::now() + LATER;
    apply(Commit { version: "v2", is_new: true }).await?;
    let again = Commit { version: "v2", is_new: false };
    while !(shop.now().is(Phase::Stable) && shop.now().stable() == "v2") && Instant::now() < end {
        let is_new = applied.insert(moment(&shop.now()));
        if is_new || often == Often::AllTheTime {
            apply(again).await?;
        }
        // What it looks at is a watch, which is woken up by nobody.
        sleep(Duration::from_millis(20)).await;
    }
    promoted(shop, "v2").await?;
    apply(again).await?;
    went_as_planned(shop, &applied).await
}

async fn went_as_planned(shop: &Shop, applied: &BTreeSet<Moment>) -> Result<()> {
    let stages = [25, 50, 100].map(Some);
    let everywhere = stages.iter().all(|share| applied.iter().any(|moment| moment.2 && moment.3 == *share));
    shop.check(&format!("Git was applied in every stage: {applied:?}"), everywhere).await?;
    let weights = shop.canary_weights();
    let risen: Vec<_> = weights.iter().copied().filter(|weight| *weight != Some(0)).collect();
    let planned = [None, Some(25), Some(50), Some(100), None];
    shop.check(&format!("the weights rose stage by stage: {weights:?}"), risen == planned).await?;
    let events = shop.events().await?;
    let quarrels = [reason::CONTENTION, reason::FOREIGN_PODS];
    let quarrel = events.iter().find(|event| quarrels.contains(&event.reason.as_str()));
    shop.check(&format!("nothing had to be written back: {quarrel:?}"), quarrel.is_none()).await?;
    let now = shop.now();
    shop.check("no quarrel is remembered", now.status().contentions.is_empty()).await?;
    shop.check("the Deployment is left at 0", now.deployment_replicas() == Some(0)).await?;
    shop.check("each version started four pods and no more", shop.pods_created() == 8).await?;
    shop.lost_nothing().await
}

/// What lies in Git: the shop's own objects and its Rollout.
pub fn git(shop: &Shop, version: &str) -> Vec<Value> {
    let mut objects = shop.manifests(version);
    // As long as that, so that a tool that takes a second is in each of them.
    let mut spec = quick();
    for stage in spec["stages"].as_array_mut().into_iter().flatten() {
        stage["bake"] = json!("5s");
    }
    spec["workload"] = json!({"kind": "Deployment", "name": "checkout"});
    spec["service"] = json!("checkout");
    spec["traffic"] = json!({"gatewayAPI": {"routes": [{"name": "checkout"}]}});
    objects.push(json!({
        "apiVersion": "tidegate.dev/v1alpha1", "kind": "Rollout",
        "metadata": {"name": "checkout", "namespace": shop.namespace}, "spec": spec,
    }));
    objects
}

/// What Argo CD applies with `RespectIgnoreDifferences=true`: an ignored field is taken from the object that there is.
/// In kinds that it does not know by heart that means the whole list that the field is in.
async fn respecting(shop: &Shop, mut objects: Vec<Value>) -> Result<Vec<Value>> {
    for object in &mut objects {
        let field = match object["kind"].as_str() {
            Some(ROUTE) => "rules",
            Some("Deployment") => "replicas",
            _ => continue,
        };
        if let Some(live) = live(shop, object).await? {
            object["spec"][field] = live.data["spec"][field].clone();
        }
    }
    Ok(objects)
}

/// What Flux applies of a route whose `/spec/rules` its Kustomization ignores: nothing where somebody else owns them, and
/// else what there is.
fn ignore_rules(route: &mut Value, live: Option<&DynamicObject>) {
    let Some(live) = live else { return };
    let owns = |fields: &Value| fields.pointer("/f:spec/f:rules").is_some();
    let is_shared = live.managed_fields().iter().any(|entry| {
        entry.manager.as_deref() != Some("kustomize-controller")
            && entry.fields_v1.as_ref().is_some_and(|fields| owns(&fields.0))
    });
    if let (true, Some(spec)) = (is_shared, route["spec"].as_object_mut()) {
        spec.remove("rules");
    } else {
        route["spec"]["rules"] = live.data["spec"]["rules"].clone();
    }
}

/// Client-side apply, as a patch that says all of the object. Lists of kinds that are built in are merged.
async fn merge(shop: &Shop, manager: &str, object: &Value) -> Result<()> {
    let parameters = PatchParams { field_manager: Some(manager.to_owned()), ..PatchParams::default() };
    let api = api(shop, object)?;
    if api.get_opt("checkout").await?.is_none() {
        return force(shop, manager, object).await;
    }
    match object["kind"].as_str() {
        Some("Deployment" | "Service") => api.patch("checkout", &parameters, &Patch::Strategic(object)).await?,
        _ => api.patch("checkout", &parameters, &Patch::Merge(object)).await?,
    };
    Ok(())
}

/// Server-side apply that takes every field over.
async fn force(shop: &Shop, manager: &str, object: &Value) -> Result<()> {
    let api = api(shop, object)?;
    api.patch("checkout", &PatchParams::apply(manager).force(), &Patch::Apply(object)).await?;
    Ok(())
}

async fn live(shop: &Shop, object: &Value) -> Result<Option<DynamicObject>> {
    Ok(api(shop, object)?.get_opt("checkout").await?)
}

fn api(shop: &Shop, object: &Value) -> Result<Api<DynamicObject>> {
    let types: TypeMeta = serde_json::from_value(object.clone())?;
    let resource = ApiResource::from_gvk(&GroupVersionKind::try_from(&types)?);
    Ok(Api::namespaced_with(shop.client.clone(), &shop.namespace, &resource))
}

/// Where a file with these objects lies.
fn written(world: &World, shop: &Shop, objects: &[Value]) -> Result<String> {
    let file = world.control_plane.directory().join(format!("{}.git.json", shop.namespace));
    fs::write(&file, json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string())?;
    Ok(file.display().to_string())
}
