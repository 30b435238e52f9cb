//! `tidegate approve`: says yes to a gate, under the name by which the cluster knows whoever runs it.

use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use k8s_openapi::api::authentication::v1::UserInfo;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tidegate_api::{
    Approval, Approved, GateStatus, Rollout,
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

    /// The version; the one that a gate waits for, or that is on its way, where it is left out. One that waits for something
    /// else, such as the schedule, has to be named: the message of the Rollout says which it is
    #[arg(long, value_name = "REVISION")]
    revision: Option<String>,

    /// Take your approval back; once the gate has passed, that is too late
    #[arg(long)]
    withdraw: bool,
}

/// Writes it, and says what was written. The code is 0 when it is, and 2 when it is not.
pub fn main(options: &Options) -> ExitCode {
    ended(written(options))
}

async fn written(options: &Options) -> anyhow::Result<()> {
    let Options { target, gate, revision, withdraw } = options;
    let asked = (gate.as_deref(), revision.as_deref());
    let said = written_to(&target.reach().await?, &target.name, asked, *withdraw).await?;
    print(&format!("Rollout {}: {said}\n", target.name))
}

/// Gives or withdraws the approval of a gate and a revision, those that wait where they are left out; says what was written.
///
/// # Errors
/// Nothing waits for it, it is not theirs to give, or the Rollout cannot be read or written.
pub async fn written_to(
    reached: &Reached,
    name_of_rollout: &str,
    (gate, revision): (Option<&str>, Option<&str>),
    withdraw: bool,
) -> anyhow::Result<String> {
    let who = reached.who().await?;
    for _ in 0..TRIES {
        let rollout = reached.read(name_of_rollout).await?;
        let (revision, gate, approval) = asked(&rollout, gate, revision)?;
        let groups = matching(approval, &who);
        if !withdraw && !approval.takes(&name(&who), &groups) {
            bail!("gate {gate} is not for {} to approve: see its users and groups in the Rollout", name(&who));
        }
        let target = format!("{revision}/{gate}");
        if !withdraw && has_approved(&rollout, &revision, gate, &name(&who)) {
            return Ok(format!("{} has approved {target} already, and counts once", name(&who)));
        }
        let text = annotation(&rollout, &target, &who, &groups, withdraw);
        if put(reached, &rollout, &text).await? {
            let done = if withdraw { "withdrawn" } else { "given" };
            return Ok(format!("the approval of {target} by {} is {done}", name(&who)));
        }
    }
    bail!("somebody else keeps writing Rollout {name_of_rollout}: try again")
}

/// The version that waits, and the gate that is meant.
fn asked<'a>(
    rollout: &'a Rollout,
    gate: Option<&str>,
    revision: Option<&str>,
) -> anyhow::Result<(String, &'a str, &'a Approval)> {
    let status = rollout.status.clone().unwrap_or_default();
    let is_meant =
        |gate: &&GateStatus| gate.state.is_open() && revision.is_none_or(|revision| gate.revision == revision);
    let open = status.gates.iter().rfind(is_meant);
    let waits = || {
        let (phase, message) = (status.phase, &status.message);
        format!(
            "no gate waits for an approval: name it with --gate, and the version with --revision ({phase:?}: {message})"
        )
    };
    let name = gate.map(str::to_owned).or(open.map(|gate| gate.name.clone())).with_context(waits)?;
    let canary = status.canary.as_ref().map(|canary| canary.revision.clone());
    let revision = revision.map(str::to_owned).or(open.map(|gate| gate.revision.clone())).or(canary);
    let revision = revision.with_context(waits)?;
    let gate = rollout.spec.all_gates().find(|gate| gate.name == name);
    let gate = gate.with_context(|| format!("the Rollout has no gate called {name}"))?;
    let approval = gate.approval.as_ref().with_context(|| format!("gate {name} does not wait for people"))?;
    if let Some(known) = status.gate(&revision, &name).filter(|known| !known.state.is_open()) {
        bail!("gate {name} has been answered: {}", known.message);
    }
    Ok((revision, &gate.name, approval))
}

/// Whether their approval counts already, and is still there.
fn has_approved(rollout: &Rollout, revision: &str, gate: &str, who: &str) -> bool {
    let status = rollout.status.as_ref();
    let known = status.and_then(|status| status.gate(revision, gate));
    let counts = known.is_some_and(|known| known.approvals.iter().any(|known| known.by == who));
    let mut written = Approved::all(rollout.metadata.annotations.as_ref());
    counts
        && written
            .any(|entry| (entry.revision.as_str(), entry.gate.as_str(), entry.by.as_str()) == (revision, gate, who))
}

/// Of their groups, one that the gate asks for: it takes no more.
fn matching(approval: &Approval, who: &UserInfo) -> Vec<String> {
    let mut groups = who.groups.iter().flatten();
    groups.find(|group| approval.groups.contains(group)).cloned().into_iter().collect()
}

/// The annotation with their entry, or without it. What names another version than this one and the one on its way is over, and
/// goes.
fn annotation(rollout: &Rollout, target: &str, who: &UserInfo, groups: &[String], withdraw: bool) -> String {
    let (revision, _) = target.split_once('/').unwrap_or_default();
    let is_theirs = |entry: &Approved| format!("{}/{}", entry.revision, entry.gate) == target && entry.by == name(who);
    let known = Approved::all(rollout.metadata.annotations.as_ref());
    let canary = rollout.status.as_ref().and_then(|status| status.canary.as_ref()).map(|canary| &canary.revision);
    let is_alive = |entry: &Approved| entry.revision == revision || Some(&entry.revision) == canary;
    let kept = known.filter(|entry| is_alive(entry) && !is_theirs(entry)).map(|entry| entry.text);
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
