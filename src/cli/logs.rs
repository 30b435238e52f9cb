//! What the process says of itself, on stderr.

use std::io::{self, IsTerminal};

use anyhow::Context;
use clap::ValueEnum;
use tracing_subscriber::{EnvFilter, util::SubscriberInitExt};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object on each line.
    Json,
}

/// Logs from now on what `filter` lets through.
pub fn install(format: Format, filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter)
        .with_context(|| format!("--log {filter:?} is not a filter such as `info` or `tidegate=debug,kube=warn`"))?;
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match format {
        Format::Text => logs.with_ansi(io::stderr().is_terminal()).finish().try_init()?,
        Format::Json => logs.json().flatten_event(true).finish().try_init()?,
    }
    Ok(())
}
