//! `tidegate plan`: how long will the stages take at today's traffic, and how soon would they catch a bad release?

mod discover;
mod forecast;
mod text;

use std::process::ExitCode;

use anyhow::ensure;
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use tidegate_analysis::Discovered;
use tidegate_api::{Causes, Span};

use self::{discover::Discovery, forecast::Forecast};
use super::{
    print,
    rollout_file::{Application, Source, wait},
};

/// The label with the name of the pod where metrics are pushed by OTLP.
const PUSHED: &str = "k8s_pod_name";

/// The arguments of `tidegate plan`.
#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    source: Source,

    /// How much of the past stands for today's traffic
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = some_time)]
    over: Span,

    /// Say what the pods expose and which checks they can have; the file may have a Deployment alone
    #[arg(long, conflicts_with = "over")]
    discover: bool,

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
    let said = if options.discover { said_of_metrics(options) } else { said_of_stages(options) };
    match said {
        Ok((text, is_complete)) => {
            print(&text)?;
            Ok(if is_complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Err(error) => {
            eprintln!("tidegate: {}", Causes(&*error));
            Ok(ExitCode::from(2))
        }
    }
}

/// The forecast, and whether every check finds its numbers.
fn said_of_stages(options: &Options) -> anyhow::Result<(String, bool)> {
    let forecast = forecast(options)?;
    let text = match options.output {
        Output::Text => text::printed(&forecast),
        Output::Json => format!("{}\n", serde_json::to_string_pretty(&forecast)?),
    };
    Ok((text, forecast.is_complete()))
}

/// What the pods expose, and whether a preset fits.
fn said_of_metrics(options: &Options) -> anyhow::Result<(String, bool)> {
    let discovery = discovery(options)?;
    let text = match options.output {
        Output::Text => discovery.printed(),
        Output::Json => format!("{}\n", serde_json::to_string_pretty(&discovery)?),
    };
    Ok((text, discovery.fits()))
}

/// What the pods expose: with their names in a label `pod`, or else in the one that they have where metrics are pushed.
fn discovery(options: &Options) -> anyhow::Result<Discovery> {
    let Application { workload, namespace, past } = options.source.application()?;
    let mut found = (None, Discovered::default());
    for label in [None, Some(PUSHED)] {
        found = (label, wait(past.discover((&namespace, &workload), label, Timestamp::now()))??);
        if !found.1.metrics.is_empty() {
            break;
        }
    }
    let (label, discovered) = found;
    Ok(Discovery::new(workload, namespace, label, &discovered))
}

fn forecast(options: &Options) -> anyhow::Result<Forecast> {
    let mut subject = options.source.subject()?;
    subject.settle()?;
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
