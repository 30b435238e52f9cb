//! `tidegate approve`: says yes to a gate, under the name by which the cluster knows whoever runs it.

use std::process::ExitCode;

use anyhow::{Context, Error, bail};
use clap::Args;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tidegate_api::{
    Rollout, Yes,
    metadata::{annotation::APPROVE_ANNOTATION, field_manager::COMMAND_MANAGER},
};
use tidegate_operator::controller::CallError;

use super::{
    print,
    target::{Reached, Target, ended},
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
        let yes = Yes::find(&rollout, gate, revision).map_err(Error::msg)?;
        let (gate, name, target) = (yes.gate, Yes::name(&who), yes.target());
        if !withdraw && !yes.is_for(&who) {
            bail!("gate {gate} is not for {name} to approve: see its users and groups in the Rollout");
        }
        if !withdraw && yes.is_given(&rollout, &who) {
            return Ok(format!("{name} has approved {target} already, and counts once"));
        }
        let text = yes.annotation(&rollout, &who, withdraw, jiff::Timestamp::now());
        if put(reached, &rollout, &text).await? {
            let done = if withdraw { "withdrawn" } else { "given" };
            return Ok(format!("the approval of {target} by {name} is {done}"));
        }
    }
    bail!("somebody else keeps writing Rollout {name_of_rollout}: try again")
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
