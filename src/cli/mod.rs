//! The command line.

mod approve;
mod backtest;
mod called;
mod cluster_clock;
mod cluster_schedule;
mod columns;
mod command;
mod connect;
pub mod crd;
mod dashboard;
mod demo;
mod explain;
mod get;
mod history;
mod hours;
mod lint;
mod logs;
mod moments;
mod notify;
mod plain;
mod plan;
mod rollout_file;
mod run;
mod shutdown;
mod simulate;
mod stage_clock;
mod standing;
mod status;
mod target;
mod undo;
mod wait;
mod watch;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use tidegate_api::Command as Asked;

use self::command::Verb;

pub use crd::{CrdError, yaml as crd};

/// Progressive delivery for Kubernetes: moves traffic to a new version with evidence, and back by itself without it.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, arg_required_else_help = true)]
struct Tidegate {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the operator.
    Run(Box<run::Options>),
    /// Shows the main job on a cluster of its own: one good release, and one bad one that is turned back.
    Demo(demo::Options),
    /// Shows all Rollouts in a browser on this machine, with the rights of the kubeconfig.
    Dashboard(dashboard::Options),
    /// Looks for mistakes in manifests, without a cluster.
    Lint(lint::Options),
    /// Says what a Rollout would do: weeks of it in moments, without a cluster.
    Simulate(simulate::Options),
    /// Says how long each stage will take at today's traffic, and how soon it would catch a bad release.
    Plan(plan::Options),
    /// Runs a Rollout's checks over the past: would they have caught it, would they have cried wolf?
    Backtest(backtest::Options),
    /// Waits, for pipelines, until the version that a Deployment asks for serves, or has failed.
    Wait(wait::Options),
    /// Takes all traffic back to the stable version, and does not try the new one again.
    Abort(target::Target),
    /// Leaves the stage that a rollout is in, without waiting for its bake, for evidence or for the schedule.
    Promote(command::Promotion),
    /// Says yes to a gate that waits for people.
    Approve(approve::Options),
    /// Tries a version again that failed.
    Retry(target::Target),
    /// Replaces the pods of the stable version by others of the same version, a few at a time.
    Restart(target::Target),
    /// Has the Deployment ask for the version again that was stable before.
    Undo(undo::Options),
    /// Lists Rollouts, or shows one: a table, JSON or YAML.
    Get(get::Options),
    /// Shows a Rollout live in the terminal, with keys for what people do about it; a line for each change in a pipe.
    Watch(watch::Options),
    /// Says on one screen where a Rollout stands, with every number: the code says whether somebody has to act.
    Status(target::Target),
    /// Says why a Rollout stands where it does, what happens next and when, and what you can do about it.
    Explain(target::Target),
    /// Says what a Rollout did, and why.
    History(history::Options),
    /// Sets `spec.paused`: nothing goes on by itself, and a failure still goes back.
    Pause(target::Target),
    /// Clears `spec.paused`.
    Resume(target::Target),
    /// Shows what receivers of notifications would be sent, and how they do.
    Notify(notify::Options),
    /// Prints the CRD of Rollout, for `kubectl apply -f -`.
    Crd,
    /// Prints what a shell needs to complete this command line.
    Completion {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Writes the manual: a page for each command.
    Man {
        /// The folder that the pages are written to
        folder: PathBuf,
    },
    /// Prints the version.
    Version,
}

/// Does what the command line of this process says, and answers with the code that the process ends with.
///
/// # Errors
/// What went wrong, to be shown to the person who ran it; a command line that cannot be understood ends the process.
pub fn main() -> anyhow::Result<ExitCode> {
    let matches = Tidegate::command().bin_name(called::name()).get_matches();
    let asked = Tidegate::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match asked.command {
        Command::Run(options) => run::main(&options)?,
        Command::Demo(options) => return demo::main(&options),
        Command::Dashboard(options) => return Ok(dashboard::main(&options)),
        Command::Lint(options) => return lint::main(&options),
        Command::Simulate(options) => return simulate::main(&options),
        Command::Plan(options) => return plan::main(&options),
        Command::Backtest(options) => return backtest::main(&options),
        Command::Wait(options) => return Ok(wait::main(&options)),
        Command::Abort(options) => return Ok(command::main(&Verb::Ask(Asked::Abort), &options)),
        Command::Promote(options) => return Ok(command::promote(&options)),
        Command::Approve(options) => return Ok(approve::main(&options)),
        Command::Retry(options) => return Ok(command::main(&Verb::Ask(Asked::Retry), &options)),
        Command::Restart(options) => return Ok(command::main(&Verb::Ask(Asked::Restart), &options)),
        Command::Undo(options) => return Ok(undo::main(&options)),
        Command::Get(options) => return Ok(get::main(&options)),
        Command::Watch(options) => return Ok(watch::main(&options)),
        Command::Status(options) => return Ok(status::main(&options)),
        Command::Explain(options) => return Ok(explain::main(&options)),
        Command::History(options) => return Ok(history::main(&options)),
        Command::Pause(options) => return Ok(command::main(&Verb::Pause(true), &options)),
        Command::Resume(options) => return Ok(command::main(&Verb::Pause(false), &options)),
        Command::Notify(options) => return Ok(notify::main(&options)),
        Command::Crd => print(&crd()?)?,
        Command::Completion { shell } => print(&completion(shell)?)?,
        Command::Man { folder } => man(&folder)?,
        Command::Version => print(concat!("tidegate ", env!("CARGO_PKG_VERSION"), "\n"))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn completion(shell: clap_complete::Shell) -> anyhow::Result<String> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Tidegate::command(), "tidegate", &mut script);
    Ok(String::from_utf8(script)?)
}

fn man(folder: &Path) -> anyhow::Result<()> {
    clap_mangen::generate_to(Tidegate::command(), folder)
        .with_context(|| format!("the manual cannot be written to {}", folder.display()))
}

fn print(text: &str) -> anyhow::Result<()> {
    Ok(io::stdout().write_all(text.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Tidegate::command().debug_assert();
    }

    #[test]
    fn every_flag_of_run_can_be_set_by_the_environment_too() {
        let command = Tidegate::command();
        let run = command.find_subcommand("run").unwrap();
        for flag in run.get_arguments().filter(|flag| flag.get_id() != "help") {
            let name = format!("TIDEGATE_{}", flag.get_id().as_str().to_uppercase());
            assert_eq!(flag.get_env().and_then(|env| env.to_str()), Some(name.as_str()));
        }
    }
}
