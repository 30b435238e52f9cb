//! `tidegate abort`, `promote`, `retry`, `restart`, `pause` and `resume`: asks something of a Rollout. The same binary
//! under the name `kubectl-tidegate` is a plugin of kubectl.

use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tidegate_api::{ALL_STAGES, Command, Yes, metadata::field_manager::COMMAND_MANAGER};
use tidegate_operator::controller::CallError;

use super::{
    print,
    target::{Reached, Target, ended},
};

/// The arguments of `tidegate promote`.
#[derive(Debug, Args)]
pub struct Promotion {
    #[command(flatten)]
    target: Target,

    /// Leave all stages that are to come, too
    #[arg(long)]
    full: bool,
}

/// Has the stage left that a rollout is in, or all of them.
pub fn promote(options: &Promotion) -> ExitCode {
    let verb = if options.full { Verb::PromoteAll } else { Verb::Ask(Command::Promote) };
    main(&verb, &options.target)
}

/// What is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    /// The annotation that has all stages left.
    PromoteAll,
    /// An annotation, which the operator answers.
    Ask(Command),
    /// `spec.paused`.
    Pause(bool),
}

/// Writes it, and says what was written. The code is 0 when it is, and 2 when it is not.
pub fn main(verb: &Verb, target: &Target) -> ExitCode {
    ended(written(verb, target))
}

async fn written(verb: &Verb, target: &Target) -> anyhow::Result<()> {
    let said = written_to(&target.reach().await?, &target.name, verb, None).await?;
    print(&format!("Rollout {}: {said}\n", target.name))
}

/// Writes it to a Rollout, if it is about what is `expected` (`REVISION`, and `REVISION/STAGE` for a promotion) where anything is;
/// says what was written.
///
/// # Errors
/// The Rollout cannot be read or written, or there is nothing there for that verb, or it would be about another version or stage.
pub async fn written_to(
    reached: &Reached,
    rollout: &str,
    verb: &Verb,
    expected: Option<&str>,
) -> anyhow::Result<String> {
    let about = |meant: &str| match expected {
        Some(expected) if meant != expected => bail!("nothing was done: by now it would be about {meant}"),
        _ => Ok(()),
    };
    let (patch, said) = match verb {
        Verb::Pause(paused) => (json!({"spec": {"paused": paused}}), format!("spec.paused is {paused}")),
        Verb::PromoteAll => {
            let status = reached.read(rollout).await?.status.unwrap_or_default();
            let meant = Command::Promote.meant(&status).map_err(anyhow::Error::msg)?;
            about(&meant)?;
            let meant = format!("{}/{ALL_STAGES}", meant.split('/').next().unwrap_or_default());
            (asked(reached, Command::Promote, &meant).await, format!("promote of {meant} is asked for"))
        }
        Verb::Ask(command) => {
            let status = reached.read(rollout).await?.status.unwrap_or_default();
            let meant = command.meant(&status).map_err(anyhow::Error::msg)?;
            about(&meant)?;
            (asked(reached, *command, &meant).await, format!("{} of {meant} is asked for", command.name()))
        }
    };
    let params = PatchParams { field_manager: Some(COMMAND_MANAGER.to_owned()), ..PatchParams::default() };
    // What comes back may be of a newer version than this one, and is written all the same.
    let patched = reached.untyped().patch(rollout, &params, &Patch::Merge(patch)).await.map_err(CallError::from);
    patched.with_context(|| format!("Rollout {}/{rollout} cannot be written", reached.namespace))?;
    Ok(said)
}

/// The annotation, with the instant, so that the same may be asked twice, and with the name by which the cluster knows
/// whoever asks, where it tells.
async fn asked(reached: &Reached, command: Command, target: &str) -> Value {
    let by = reached.who().await.map_or_else(|_| String::new(), |who| Yes::name(&who));
    let text = command.text(target, &by, jiff::Timestamp::now());
    json!({"metadata": {"annotations": {command.annotation(): text}}})
}
