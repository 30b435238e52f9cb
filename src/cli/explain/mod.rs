//! `tidegate explain`: why a Rollout stands where it does, what happens next and when, and what a person can do about it.

mod cause;
mod next;
#[cfg(test)]
mod tests;
mod ways;

use std::process::ExitCode;

use jiff::Timestamp;
use tidegate_api::Rollout;

use super::{
    called,
    columns::aligned,
    target::{self, Target},
};

/// Prints it. The code is 0, and 2 where it cannot be read.
pub fn main(target: &Target) -> ExitCode {
    target::told(target, |rollout, now| told(rollout, called::name(), now))
}

/// The three answers, one below the other; `tool` is what people type to run this.
fn told(rollout: &Rollout, tool: &str, now: Timestamp) -> String {
    let parts = parts(rollout, tool, now).into_iter();
    parts.map(|(head, lines)| format!("{head}\n  {}\n", lines.join("\n  "))).collect::<Vec<_>>().join("\n")
}

/// The three questions with the lines of their answers; those that have none are left out.
pub fn parts(rollout: &Rollout, tool: &str, now: Timestamp) -> Vec<(&'static str, Vec<String>)> {
    let ways: Vec<_> = ways::open(rollout).into_iter().map(|way| vec![way.command(rollout, tool), way.does]).collect();
    let parts = [
        ("why", cause::told(rollout, now)),
        ("what happens next", next::told(rollout, now)),
        ("what you can do", aligned(&ways).lines().map(str::to_owned).collect()),
    ];
    parts.into_iter().filter(|(_, lines)| !lines.is_empty()).collect()
}
