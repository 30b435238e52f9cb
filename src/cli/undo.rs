//! `tidegate undo`: has the Deployment ask for a version again that was stable before.

use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, ListParams, PostParams},
};
use serde_json::Value;
use tidegate_api::{POD_TEMPLATE_HASH, Phase, ROLLOUT_UID_LABEL, Rollout, metadata::field_manager::COMMAND_MANAGER};
use tidegate_operator::controller::CallError;

use super::{
    print,
    target::{Reached, Target, ended},
};

/// The arguments of `tidegate undo`.
#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    target: Target,

    /// The version, by its revision; the one that was stable before, where it is left out
    #[arg(long, value_name = "REVISION")]
    to: Option<String>,
}

/// Writes it, and says what was written. The code is 0 when it is, and 2 when it is not.
pub fn main(options: &Options) -> ExitCode {
    ended(written(options))
}

async fn written(Options { target, to }: &Options) -> anyhow::Result<()> {
    let reached = target.reach().await?;
    let rollout = reached.read(&target.name).await?;
    let revision = match to {
        Some(revision) => revision.clone(),
        None => before(&rollout)?,
    };
    let template = template(&reached, &rollout, &revision).await?;
    let workload = &rollout.spec.workload.name;
    let deployments: Api<DynamicObject> =
        Api::namespaced_with(reached.client.clone(), &reached.namespace, &ApiResource::erase::<Deployment>(&()));
    let path = format!("Deployment {}/{workload}", reached.namespace);
    let deployment = deployments.get(workload).await.map_err(CallError::from);
    let mut deployment = deployment.with_context(|| format!("{path} cannot be read"))?;
    let asked = deployment.data.pointer_mut("/spec/template").with_context(|| format!("{path} has no template"))?;
    if *asked == template {
        bail!("{path} asks for version {revision} already");
    }
    *asked = template;
    let params = PostParams { field_manager: Some(COMMAND_MANAGER.to_owned()), ..PostParams::default() };
    let replaced = deployments.replace(workload, &params, &deployment).await.map_err(CallError::from);
    replaced.with_context(|| format!("{path} cannot be written"))?;
    print(&format!("Rollout {}: Deployment {workload} asks for version {revision} again\n", target.name))
}

/// The version that was stable before the one that is, or the stable one where another failed.
fn before(rollout: &Rollout) -> anyhow::Result<String> {
    let status = rollout.status.clone().unwrap_or_default();
    match status.phase {
        Phase::Reverted => status.stable.map(|stable| stable.revision).context("no version is known to serve"),
        Phase::Stable => {
            let former = status.former.first().map(|former| former.revision.clone());
            former.context(
                "no version is known that was stable before, as spec.rollbackWindow would have it: name one with --to",
            )
        }
        phase => bail!("a rollout is under way ({phase:?}: {}): abort it instead", status.message),
    }
}

/// The pod template of a version, as its ReplicaSet keeps it.
async fn template(reached: &Reached, rollout: &Rollout, revision: &str) -> anyhow::Result<Value> {
    let uid = rollout.metadata.uid.as_deref().unwrap_or_default();
    let own = ListParams::default().labels(&format!("{ROLLOUT_UID_LABEL}={uid}"));
    let sets: Api<DynamicObject> =
        Api::namespaced_with(reached.client.clone(), &reached.namespace, &ApiResource::erase::<ReplicaSet>(&()));
    let sets = sets.list(&own).await.map_err(CallError::from).context("the ReplicaSets cannot be read")?.items;
    let hash = format!("/spec/template/metadata/labels/{POD_TEMPLATE_HASH}");
    let has_it = |set: &&DynamicObject| set.data.pointer(&hash).and_then(Value::as_str) == Some(revision);
    let known = || {
        let names = sets.iter().filter_map(|set| set.data.pointer(&hash)?.as_str()).collect::<Vec<_>>();
        format!("no ReplicaSet keeps version {revision}; there are {}", names.join(", "))
    };
    let set = sets.iter().find(has_it).with_context(known)?;
    let mut template = set.data.pointer("/spec/template").cloned().with_context(known)?;
    if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.remove(POD_TEMPLATE_HASH);
    }
    Ok(template)
}
