//! What a current Kubernetes says to our CRD: every example is accepted, every broken rule is refused with its
//! sentence.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, CustomResourceExt, ResourceExt,
    api::{ApiResource, DynamicObject, ListParams, PostParams},
};
use tidegate::api::Rollout;

use crate::{
    behaviour::behaviours,
    rig::{Result, cluster, wait::until, world::World},
    scenes::SOON,
};

behaviours![
    a_current_kubernetes_keeps_every_rule_of_the_crd,
    a_current_kubernetes_accepts_every_example,
    a_current_kubernetes_refuses_every_broken_rule_with_its_sentence,
];

/// Rollouts of the modern CRD server, untyped: what is broken has to reach it as it is written.
async fn rollouts(world: &World) -> Result<Api<DynamicObject>> {
    let client = world.control_plane.modern().await?.clone();
    let rollouts = Api::namespaced_with(client, "default", &ApiResource::erase::<Rollout>(&()));
    until("Rollouts to be served", SOON, || async { rollouts.list(&ListParams::default()).await.ok() }).await?;
    Ok(rollouts)
}

async fn a_current_kubernetes_keeps_every_rule_of_the_crd(world: &World) -> Result<()> {
    let rollouts = rollouts(world).await?;
    let crds = Api::<CustomResourceDefinition>::all(rollouts.into_client());
    let rules = |crd: &CustomResourceDefinition| -> Result<usize> {
        Ok(serde_json::to_string(crd)?.matches("\"x-kubernetes-validations\"").count())
    };
    let (ours, kept) = (rules(&Rollout::crd())?, rules(&crds.get(Rollout::crd_name()).await?)?);
    ensure!(ours > 0 && ours == kept, "of {ours} fields with rules {kept} were kept");
    Ok(())
}

async fn a_current_kubernetes_accepts_every_example(world: &World) -> Result<()> {
    let rollouts = rollouts(world).await?;
    let mut accepted = 0;
    let folders = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples"))?;
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

/// Each file begins with `# refused: ` and a rule's sentence, or `# refused by schema: ` and what the API server says.
async fn a_current_kubernetes_refuses_every_broken_rule_with_its_sentence(world: &World) -> Result<()> {
    let rollouts = rollouts(world).await?;
    let files = manifests("tests/packaging/invalid")?;
    ensure!(!files.is_empty(), "there are no invalid Rollouts");
    for file in files {
        let text = fs::read_to_string(&file)?;
        let first = text.lines().next().unwrap_or_default();
        let sentence = first.split_once(": ").map(|(_, sentence)| sentence);
        let sentence = sentence.with_context(|| format!("{} does not say why it is refused", file.display()))?;
        for object in cluster::read(&file)? {
            let object: DynamicObject = serde_json::from_value(object)?;
            let answer = rollouts.create(&PostParams::default(), &object).await;
            let refusal = answer.err().with_context(|| format!("{} was accepted", object.name_any()))?.to_string();
            ensure!(refusal.contains(sentence), "{}: {refusal}", object.name_any());
        }
    }
    Ok(())
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
