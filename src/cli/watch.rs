//! `tidegate watch`: one Rollout as it moves, live in a terminal, or a line for each change where there is none.

mod keys;
mod lines;
mod live;
mod pods;
mod probe;
mod screen;
mod seen;
#[cfg(test)]
mod tests;
mod track;
mod trend;

use std::{io::IsTerminal, process::ExitCode};

use anyhow::Context;
use clap::Args;
use futures::{Stream, StreamExt, stream};
use kube::{
    Api, ResourceExt,
    api::DynamicObject,
    runtime::{WatchStreamExt, watcher},
};
use tidegate_api::Causes;
use tidegate_operator::controller::CallError;

use self::{probe::Trouble, seen::Seen};
use super::target::{Target, ended};

/// The arguments of `tidegate watch`.
#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    target: Target,

    /// Print a line for each change, as where the output is no terminal
    #[arg(long)]
    lines: bool,
}

/// Watches until somebody ends it, or the Rollout is gone. The code is 0, and 2 where it cannot be read.
pub fn main(options: &Options) -> ExitCode {
    ended(watched(options))
}

async fn watched(options: &Options) -> anyhow::Result<()> {
    let reached = options.target.reach().await?;
    let name = &options.target.name;
    let api = reached.untyped();
    let first = api.get(name).await.map_err(CallError::from);
    let first = first.with_context(|| format!("Rollout {}/{name} cannot be read", reached.namespace))?;
    let changes = stream::iter([Change::Seen(Box::new(Seen::of(&first)))]).chain(changes(api, name));
    let (is_terminal, is_answered) = (std::io::stdout().is_terminal(), std::io::stdin().is_terminal());
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    if options.lines || !is_terminal || !is_answered || is_dumb {
        lines::follow(name, changes).await
    } else {
        live::follow(&reached, name, changes).await
    }
}

/// What happened to the Rollout that is watched.
#[derive(Debug)]
enum Change {
    /// It is like this by now.
    Seen(Box<Seen>),
    /// It was deleted.
    Gone,
    /// The cluster does not answer, or refuses: tried again by itself.
    Unreachable(String),
}

/// Follows the Rollout of that name, for as long as it takes: by a watch, and where that tells nothing, by asking.
fn changes(api: Api<DynamicObject>, name: &str) -> impl Stream<Item = Change> + use<> {
    let trouble = Trouble::default();
    let known = trouble.clone();
    let watched = watched_changes(api.clone(), name).inspect(move |change| known.see(change));
    stream::select(watched, probe::probed(api, name.to_owned(), trouble))
}

fn watched_changes(api: Api<DynamicObject>, name: &str) -> impl Stream<Item = Change> + use<> {
    let wanted = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let name = name.to_owned();
    let mut is_listed = false;
    watcher(api, wanted).default_backoff().filter_map(move |event| {
        let change = match event {
            Ok(watcher::Event::Init) => {
                is_listed = false;
                None
            }
            Ok(watcher::Event::InitApply(object) | watcher::Event::Apply(object)) if object.name_any() == name => {
                is_listed = true;
                Some(Change::Seen(Box::new(Seen::of(&object))))
            }
            Ok(watcher::Event::Delete(object)) if object.name_any() == name => Some(Change::Gone),
            Ok(watcher::Event::InitDone) if !is_listed => Some(Change::Gone),
            Ok(_) => None,
            Err(fault) => Some(Change::Unreachable(Causes(&fault).to_string())),
        };
        std::future::ready(change)
    })
}
