//! What a current Kubernetes says to our CRDs: every example is accepted, every broken rule is refused with its
//! sentence.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, ResourceExt,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, PostParams},
};
use serde_json::{Value, json};
use tidegate_analysis::presets;
use tidegate_api::{GatewayRouteKind, Preset, RolloutSpec, Route, RouteRef, definitions};
use tidegate_planner::traffic::{GATEWAY_API, Names, Quirks, Revisions, Router, Split, router};
use tidegate_testkit::{Result, cluster, wait::until, world::World};

use crate::{behaviour::behaviours, scenes::SOON};

behaviours![
    a_current_kubernetes_keeps_every_rule_of_the_crd,
    a_current_kubernetes_accepts_every_example,
    a_current_kubernetes_accepts_every_preset_as_a_template,
    a_current_kubernetes_refuses_every_broken_rule_with_its_sentence,
    a_current_gateway_api_keeps_what_a_rollout_writes_into_its_routes,
];

/// Objects of one kind, untyped: what is broken has to reach it as it is written.
async fn objects(world: &World, kind: &str) -> Result<Api<DynamicObject>> {
    let client = world.control_plane.client.clone();
    let definition = definitions().into_iter().find(|definition| definition.spec.names.kind == kind);
    let definition = definition.with_context(|| format!("there is no kind {kind}"))?;
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("tidegate.dev", "v1alpha1", kind));
    let objects = if definition.spec.scope == "Cluster" {
        Api::all_with(client, &resource)
    } else {
        Api::namespaced_with(client, "default", &resource)
    };
    until(&format!("{kind}s to be served"), SOON, || async { objects.list(&ListParams::default()).await.ok() }).await?;
    Ok(objects)
}

async fn a_current_kubernetes_keeps_every_rule_of_the_crd(world: &World) -> Result<()> {
    let crds = Api::<CustomResourceDefinition>::all(world.control_plane.client.clone());
    let rules = |crd: &CustomResourceDefinition| -> Result<usize> {
        Ok(serde_json::to_string(crd)?.matches("\"x-kubernetes-validations\"").count())
    };
    for definition in definitions() {
        objects(world, &definition.spec.names.kind).await?;
        let (ours, kept) = (rules(&definition)?, rules(&crds.get(&definition.name_any()).await?)?);
        ensure!(ours > 0 && ours == kept, "{}: of {ours} fields with rules {kept} were kept", definition.name_any());
    }
    Ok(())
}

async fn a_current_kubernetes_accepts_every_example(world: &World) -> Result<()> {
    let rollouts = objects(world, "Rollout").await?;
    let mut accepted = 0;
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let folders = fs::read_dir(&examples)?.chain(fs::read_dir(examples.join("runbooks"))?);
    let folders: Vec<_> = folders.filter_map(|entry| Some(entry.ok()?.path())).collect();
    for file in folders.iter().map(|folder| manifests(&folder.to_string_lossy())).collect::<Result<Vec<_>>>()?.concat()
    {
        for object in cluster::read(&file)?.into_iter().filter(|object| object["kind"] == "Rollout") {
            let mut object: DynamicObject = serde_json::from_value(object)?;
            object.metadata.name = Some(format!("example-{accepted}"));
            object.metadata.namespace = None;
            rollouts.create(&PostParams::default(), &object).await.with_context(|| file.display().to_string())?;
            accepted += 1;
        }
    }
    ensure!(accepted > 0, "there are no examples");
    Ok(())
}

async fn a_current_kubernetes_accepts_every_preset_as_a_template(world: &World) -> Result<()> {
    let templates = objects(world, "ClusterCheckTemplate").await?;
    for preset in Preset::ALL {
        let object: DynamicObject = serde_saphyr::from_str(presets::manifest(preset).context("it has one")?)?;
        templates.create(&PostParams::default(), &object).await.with_context(|| format!("{preset:?}"))?;
    }
    Ok(())
}

/// Each file begins with `# refused: ` and a rule's sentence, or `# refused by schema: ` and what the API server says.
async fn a_current_kubernetes_refuses_every_broken_rule_with_its_sentence(world: &World) -> Result<()> {
    let files = manifests("tests/packaging/invalid")?;
    ensure!(!files.is_empty(), "there is nothing invalid");
    for file in files {
        let text = fs::read_to_string(&file)?;
        let first = text.lines().next().unwrap_or_default();
        let sentence = first.split_once(": ").map(|(_, sentence)| sentence);
        let sentence = sentence.with_context(|| format!("{} does not say why it is refused", file.display()))?;
        for object in cluster::read(&file)? {
            let kind = object["kind"].as_str().unwrap_or_default().to_owned();
            let mut object: DynamicObject = serde_json::from_value(object)?;
            object.metadata.namespace = None;
            let answer = objects(world, &kind).await?.create(&PostParams::default(), &object).await;
            let refusal = answer.err().with_context(|| format!("{} was accepted", object.name_any()))?.to_string();
            ensure!(refusal.contains(sentence), "{}: {refusal}", object.name_any());
        }
    }
    Ok(())
}

/// By the rules of its CRDs; what they fill in is no other route.
async fn a_current_gateway_api_keeps_what_a_rollout_writes_into_its_routes(world: &World) -> Result<()> {
    let client = world.control_plane.client.clone();
    let spec: RolloutSpec = serde_json::from_value(json!({
        "workload": {"kind": "Deployment", "name": "checkout"},
        "service": "checkout",
        "traffic": {"gatewayAPI": {"routes": [{"name": "checkout"}]}, "sessionPersistence": "Cookie"},
        "stages": [
            {"name": "insiders", "weight": "0.5%", "mirror": "0.1%", "match": [
                {"headers": [{"name": "X-Beta", "value": "yes"}], "cookie": {"name": "group", "regex": "staff|beta"}},
                {"queryParams": [{"name": "version", "value": "next"}]},
            ]},
            {"name": "quarter", "weight": "25%"},
        ],
    }))?;
    for (kind, word) in [(GatewayRouteKind::HTTPRoute, "HTTPRoute"), (GatewayRouteKind::GRPCRoute, "GRPCRoute")] {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(GATEWAY_API, "v1", word));
        let routes: Api<DynamicObject> = Api::namespaced_with(client.clone(), "default", &resource);
        let mut route: DynamicObject = serde_json::from_value(json!({
            "apiVersion": format!("{GATEWAY_API}/v1"), "kind": word, "metadata": {"name": "checkout", "annotations": {"rig/never-accept": "true"}},
            "spec": {"parentRefs": [{"name": "public"}], "rules": [{"backendRefs": [{"name": "checkout", "port": 80}]}]},
        }))?;
        route = routes.create(&PostParams::default(), &route).await?;
        let of_user = route.data["spec"].clone();
        for split in Split::of_stages(&spec) {
            // Calls have neither queries nor cookies that anybody keeps.
            let grpc = Split { matches: split.matches.get(..1).unwrap_or_default(), sessions: None, ..split };
            let split = if kind == GatewayRouteKind::GRPCRoute { grpc } else { split };
            let written = with_router(kind, |router| Ok(router.split(&serde_json::to_value(&route)?, split)?))?;
            route = routes.replace("checkout", &PostParams::default(), &serde_json::from_value(written)?).await?;
            let kept = with_router(kind, |router| Ok(router.is_split(&serde_json::to_value(&route)?, split)))?;
            ensure!(kept, "{word} was stored as another: {:#}", route.data);
        }
        let restored = with_router(kind, |router| Ok(router.unsplit(&serde_json::to_value(&route)?)))?;
        route = routes.replace("checkout", &PostParams::default(), &serde_json::from_value(restored)?).await?;
        ensure!(route.data["spec"] == of_user, "{word} does not come back as it was: {:#}", route.data);
    }
    Ok(())
}

/// What the router of a route called `checkout` says.
fn with_router<T>(kind: GatewayRouteKind, say: impl FnOnce(&dyn Router<Object = Value>) -> Result<T>) -> Result<T> {
    let route =
        Route::Gateway(RouteRef { kind: Some(kind), name: "checkout".to_owned(), namespace: None, rules: None });
    let names = Names::of("checkout");
    say(router(&route, "default", &names, Revisions { stable: "5d8f7", canary: "77c4b" }, None, Quirks::default())
        .as_ref())
}

/// The YAML files of a folder of the repository.
fn manifests(folder: &str) -> Result<Vec<PathBuf>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    Ok(files)
}
