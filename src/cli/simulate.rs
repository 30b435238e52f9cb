//! `tidegate simulate`: what would this Rollout do?

use std::{
    io::{self, IsTerminal},
    num::NonZeroU64,
    path::PathBuf,
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use clap::{Args, ValueEnum};
use serde_json::Value;
use tidegate_api::{Causes, nearest::did_you_mean};
use tidegate_sim::{
    report::{self, Distribution, Report, Run, Style},
    scenario::{Manifests, Scenario},
    simulation::{SimulationError, simulate},
};

use super::print;

/// What the process ends with where something is not as the scenario expects.
const NOT_AS_EXPECTED: u8 = 1;

/// What the process ends with where a file cannot be used.
const BAD_INPUT: u8 = 2;

/// How wide a table is where nobody says how wide the terminal is.
const WIDTH: usize = 120;

/// The flags of `tidegate simulate`.
#[derive(Debug, Args)]
pub struct Options {
    /// Manifests, or folders of them; without any, those in the scenario's file, or else all YAML beside it
    files: Vec<PathBuf>,

    /// What happens, and what is expected
    #[arg(long, value_name = "FILE")]
    scenario: PathBuf,

    /// The variant of the scenario that is simulated; each of them, one after the other, without it
    #[arg(long, value_name = "NAME")]
    variant: Option<String>,

    /// How the answer looks
    #[arg(long, short, value_name = "FORMAT", default_value = "table")]
    output: Output,

    /// Where all chance comes from; the same seed gives the same answer
    #[arg(long, value_name = "NUMBER", default_value = "1")]
    seed: u64,

    /// Simulate so many times, each with its own seed, and tell how the answers are spread
    #[arg(long, value_name = "COUNT", default_value = "1")]
    runs: NonZeroU64,
}

/// How the answer looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A table, for people.
    Table,
    /// JSON, for programs.
    Json,
    /// A picture, for a pull request.
    Svg,
}

/// Simulates, and answers with 0 if everything is as expected, 1 if not, and 2 where a file cannot be used.
pub fn main(options: &Options) -> anyhow::Result<ExitCode> {
    match answer(options) {
        Ok((text, holds)) => {
            print(&text)?;
            Ok(if holds { ExitCode::SUCCESS } else { NOT_AS_EXPECTED.into() })
        }
        Err(error) => {
            eprintln!("tidegate: {}", Causes(&error));
            Ok(BAD_INPUT.into())
        }
    }
}

/// The answer, and whether everything is as expected.
fn answer(options: &Options) -> Result<(String, bool), SimulationError> {
    let scenario = Scenario::load(&options.scenario)?;
    let manifests = Manifests::load(&options.files, &options.scenario)?.complete()?;
    let chosen = chosen(&scenario, options)?;
    let mut answers = Vec::new();
    for (name, scenario) in &chosen {
        let (text, holds) = one(&manifests, scenario, options)?;
        answers.push((name.unwrap_or_default(), text, holds));
    }
    let holds = answers.iter().all(|(.., holds)| *holds);
    let text = match (answers.as_slice(), options.output) {
        ([(_, text, _)], _) => text.clone(),
        (_, Output::Json) => {
            let variants: Vec<_> =
                answers.iter().map(|(name, text, _)| format!("{}: {text}", Value::from(*name))).collect();
            format!("{{\"variants\": {{\n{}}}}}\n", variants.join(", "))
        }
        _ => answers.iter().map(|(name, text, _)| format!("variant {name}\n{text}")).collect::<Vec<_>>().join("\n"),
    };
    Ok((text, holds))
}

/// The variants that are asked for.
fn chosen<'a>(scenario: &'a Scenario, options: &Options) -> Result<Vec<(Option<&'a str>, Scenario)>, SimulationError> {
    let mut each = scenario.each();
    let names: Vec<_> = each.iter().filter_map(|(name, _)| *name).collect();
    let wrong = |why| Err(SimulationError::Reference { field: "variants", why });
    if let Some(wanted) = &options.variant {
        if !names.contains(&wanted.as_str()) {
            let meant = did_you_mean(wanted, names.iter().copied());
            return wrong(format!("there is no {wanted}{meant}"));
        }
        each.retain(|(name, _)| *name == Some(wanted));
    } else if options.output == Output::Svg && options.runs.get() == 1 && each.len() > 1 {
        return wrong(format!("a picture shows one of them: name it with --variant, of {}", names.join(", ")));
    }
    Ok(each)
}

fn one(manifests: &Manifests, scenario: &Scenario, options: &Options) -> Result<(String, bool), SimulationError> {
    if options.runs.get() > 1 {
        let runs = many(manifests, scenario, options)?;
        return Ok(spread(&Distribution::new(&runs), options.output));
    }
    let report = simulate(manifests, scenario, options.seed)?;
    Ok((shown(&report, options.output), report.failures.is_empty()))
}

fn shown(report: &Report, output: Output) -> String {
    match output {
        Output::Table => report::table(report, style()),
        Output::Json => format!("{:#}\n", report::json(report)),
        Output::Svg => report::svg(report),
    }
}

/// A picture shows one run, so that many are told as a table there, too.
fn spread(distribution: &Distribution, output: Output) -> (String, bool) {
    let text = match output {
        Output::Json => serde_json::to_string_pretty(distribution).unwrap_or_default() + "\n",
        Output::Table | Output::Svg => report::distribution_table(distribution, style()),
    };
    (text, distribution.held == distribution.runs)
}

fn style() -> Style {
    let color = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let width = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    Style { width: width.unwrap_or(WIDTH), color }
}

/// One run for each seed, on all cores; in the order of the seeds.
fn many(manifests: &Manifests, scenario: &Scenario, options: &Options) -> Result<Vec<Run>, SimulationError> {
    let (first, count) = (options.seed, options.runs.get());
    let next = AtomicU64::new(0);
    let done = Mutex::new(Vec::new());
    let work = || loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= count {
            return;
        }
        let report = simulate(manifests, scenario, first.wrapping_add(number));
        let run = report.map(|report| Run::new(&report, scenario));
        done.lock().unwrap_or_else(PoisonError::into_inner).push((number, run));
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, std::num::NonZero::get) {
            scope.spawn(work);
        }
    });
    let mut runs = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    runs.sort_by_key(|(number, _)| *number);
    runs.into_iter().map(|(_, run)| run).collect()
}
