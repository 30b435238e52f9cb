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
    let reached = options.target.reach().await?;
    let who = reached.who().await?;
    for _ in 0..TRIES {
        let rollout = reached.read(&options.target.name).await?;
        let yes = Yes::find(&rollout, options.gate.as_deref(), options.revision.as_deref()).map_err(Error::msg)?;
        let (gate, name, target) = (yes.gate, Yes::name(&who), yes.target());
        if !options.withdraw && !yes.is_for(&who) {
            bail!("gate {gate} is not for {name} to approve: see its users and groups in the Rollout");
        }
        if !options.withdraw && yes.is_given(&rollout, &who) {
            return print(&format!(
                "Rollout {}: {name} has approved {target} already, and counts once\n",
                options.target.name
            ));
        }
        let text = yes.annotation(&rollout, &who, options.withdraw, jiff::Timestamp::now());
        if put(&reached, &rollout, &text).await? {
            let done = if options.withdraw { "withdrawn" } else { "given" };
            return print(&format!("Rollout {}: the approval of {target} by {name} is {done}\n", options.target.name));
        }
    }
    bail!("somebody else keeps writing Rollout {}: try again", options.target.name)
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
