//! `tidegate approve`: says yes to a gate, under the name by which the cluster knows whoever runs it.

use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use k8s_openapi::api::authentication::v1::UserInfo;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tidegate_api::{
    Approval, Approved, Rollout,
    metadata::{annotation::APPROVE_ANNOTATION, field_manager::COMMAND_MANAGER},
};
use tidegate_operator::controller::CallError;

use super::{
    print,
    target::{Reached, Target, ended, name},
};

/// So many times it is written anew when somebody else writes at the same time.
const TRIES: usize = 5;

/// The arguments of `tidegate approve`.
#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    target: Target,

    /// The gate; the one that waits, where it is left out
    #[arg(long, value_name = "NAME")]
    gate: Option<String>,

    /// Take your approval back; once the gate has passed, that is too late
    #[arg(long)]
    withdraw: bool,
}

/// Writes it, and says what was written. The code is 0 when it is, and 2 when it is not.
pub fn main(options: &Options) -> ExitCode {
    ended(written(options))
}

async fn written(options: &Options) -> anyhow::Result<()> {
    let reached = options.target.reach().await?;
    let who = reached.who().await?;
    for _ in 0..TRIES {
        let rollout = reached.read(&options.target.name).await?;
        let (revision, gate, approval) = asked(&rollout, options.gate.as_deref())?;
        let groups = matching(approval, &who);
        if !options.withdraw && !approval.takes(&name(&who), &groups) {
            bail!("gate {gate} is not for {} to approve: see its users and groups in the Rollout", name(&who));
        }
        let target = format!("{revision}/{gate}");
        let text = annotation(&rollout, &target, &who, &groups, options.withdraw);
        if put(&reached, &rollout, &text).await? {
            let done = if options.withdraw { "withdrawn" } else { "given" };
            let name = name(&who);
            return print(&format!("Rollout {}: the approval of {target} by {name} is {done}\n", options.target.name));
        }
    }
    bail!("somebody else keeps writing Rollout {}: try again", options.target.name)
}

/// The version that waits, and the gate that is meant.
fn asked<'a>(rollout: &'a Rollout, named: Option<&str>) -> anyhow::Result<(String, &'a str, &'a Approval)> {
    let status = rollout.status.clone().unwrap_or_default();
    let open = status.gates.iter().rfind(|gate| gate.state.is_open());
    let waits = || format!("no gate waits for an approval ({:?}: {})", status.phase, status.message);
    let name = named.map(str::to_owned).or(open.map(|gate| gate.name.clone())).with_context(waits)?;
    let canary = status.canary.as_ref().map(|canary| canary.revision.clone());
    let revision = open.map(|gate| gate.revision.clone()).or(canary).with_context(waits)?;
    let gate = rollout.spec.all_gates().find(|gate| gate.name == name);
    let gate = gate.with_context(|| format!("the Rollout has no gate called {name}"))?;
    let approval = gate.approval.as_ref().with_context(|| format!("gate {name} does not wait for people"))?;
    if let Some(known) = status.gate(&revision, &name).filter(|known| !known.state.is_open()) {
        bail!("gate {name} has been answered: {}", known.message);
    }
    Ok((revision, &gate.name, approval))
}

/// Of their groups, one that the gate asks for: it takes no more.
fn matching(approval: &Approval, who: &UserInfo) -> Vec<String> {
    let mut groups = who.groups.iter().flatten();
    groups.find(|group| approval.groups.contains(group)).cloned().into_iter().collect()
}

/// The annotation with their entry, or without it. What names another version is over, and goes.
fn annotation(rollout: &Rollout, target: &str, who: &UserInfo, groups: &[String], withdraw: bool) -> String {
    let (revision, _) = target.split_once('/').unwrap_or_default();
    let is_theirs = |entry: &Approved| format!("{}/{}", entry.revision, entry.gate) == target && entry.by == name(who);
    let known = Approved::all(rollout.metadata.annotations.as_ref());
    let kept = known.filter(|entry| entry.revision == revision && !is_theirs(entry)).map(|entry| entry.text);
    let of = if groups.is_empty() { String::new() } else { format!(" of {}", groups.join(",")) };
    let own = format!("{target} by {}{of} at {:.3}", name(who), jiff::Timestamp::now());
    kept.chain((!withdraw).then_some(own)).collect::<Vec<_>>().join("; ")
}

/// Whether it is written; not where somebody else wrote since it was read.
async fn put(reached: &Reached, rollout: &Rollout, text: &str) -> anyhow::Result<bool> {
    let name = rollout.metadata.name.as_deref().unwrap_or_default();
    let patch = json!({"metadata": {
        "resourceVersion": rollout.metadata.resource_version,
        "annotations": {APPROVE_ANNOTATION: if text.is_empty() { None } else { Some(text) }},
    }});
    let params = PatchParams { field_manager: Some(COMMAND_MANAGER.to_owned()), ..PatchParams::default() };
    match reached.rollouts.patch(name, &params, &Patch::Merge(patch)).await.map_err(CallError::from) {
        Ok(_) => Ok(true),
        Err(error) if error.code() == Some(409) => Ok(false),
        Err(error) => Err(error).with_context(|| format!("Rollout {}/{name} cannot be written", reached.namespace)),
    }
}
