//! `tidegate plan`: how long will the stages take at today's traffic, and how soon would they catch a bad release?

mod forecast;
mod text;

use std::process::ExitCode;

use anyhow::ensure;
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use tidegate_api::{Causes, Span};

use self::forecast::Forecast;
use super::{
    print,
    rollout_file::{Source, wait},
};

/// The arguments of `tidegate plan`.
#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    source: Source,

    /// How much of the past stands for today's traffic
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = some_time)]
    over: Span,

    /// How the answer looks
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Output,
}

/// How an answer looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A table, for people.
    Text,
    /// JSON, for programs.
    Json,
}

/// Prints the forecast. The code is 0 if every check finds its numbers, 1 if one does not, and 2 where a file or
/// Prometheus cannot be used.
pub fn main(options: &Options) -> anyhow::Result<ExitCode> {
    match forecast(options) {
        Ok(forecast) => {
            print(&match options.output {
                Output::Text => text::printed(&forecast),
                Output::Json => format!("{}\n", serde_json::to_string_pretty(&forecast)?),
            })?;
            Ok(if forecast.is_complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Err(error) => {
            eprintln!("tidegate: {}", Causes(&*error));
            Ok(ExitCode::from(2))
        }
    }
}

fn forecast(options: &Options) -> anyhow::Result<Forecast> {
    let subject = options.source.subject()?;
    let over = options.over.duration();
    let surveyed = wait(subject.past.survey(subject.asked(), over, Timestamp::now()))?;
    Ok(Forecast::new(&subject.name, &subject.rollout, options.over, &surveyed))
}

fn some_time(text: &str) -> anyhow::Result<Span> {
    let span: Span = text.parse()?;
    let (least, most) = (Span::seconds(60), Span::seconds(31 * 24 * 3600));
    ensure!((least..=most).contains(&span), "between {least} and {most} are possible");
    Ok(span)
}
