//! `tidegate backtest`: would these checks have caught it, would they have cried wolf?

mod instant;
mod json;
mod text;

use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, ValueEnum};
use jiff::{SignedDuration, Timestamp};
use tidegate_analysis::{Outcome, Released, Versions};
use tidegate_api::{Causes, Span, Verdict};

use self::instant::Instant;
use super::{
    print,
    rollout_file::{LoadedRollout, Source, wait},
};

/// What the process ends with where a release would have failed.
const WOULD_HAVE_FAILED: u8 = 1;

/// What the process ends with where nothing can be said.
const NOTHING_KNOWN: u8 = 2;

/// No more releases than this are imagined.
const MOST_RELEASES: usize = 10_000;

/// The arguments of `tidegate backtest`.
#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    source: Source,

    /// When the release is imagined: 2026-03-03T14:00:00Z, 2026-03-03, now, or so long ago: -7d, -90m
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    from: Instant,

    /// Up to when it is watched
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, default_value = "now")]
    to: Instant,

    /// Imagine a release so often between the two
    #[arg(long, value_name = "TIME")]
    every: Option<Span>,

    /// Judge a release that there was: the ReplicaSet of the new version
    #[arg(long, value_name = "REPLICASET", requires = "stable")]
    canary: Option<String>,

    /// Judge a release that there was: the ReplicaSet of the stable version
    #[arg(long, value_name = "REPLICASET", requires = "canary")]
    stable: Option<String>,

    /// How the answer looks
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Output,
}

/// How the answer looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A timeline, for people.
    Text,
    /// JSON, for programs.
    Json,
}

/// What was asked, and what came of it.
struct Backtest<'a> {
    rollout: String,
    workload: String,
    versions: Versions<'a>,
    from: Timestamp,
    to: Timestamp,
    every: Option<Span>,
    releases: Vec<Released>,
}

/// Prints what came of it. The code is 0 if no release would have failed, 1 if one would have, and 2 where a file or
/// Prometheus cannot be used or has no numbers.
pub fn main(options: &Options) -> anyhow::Result<ExitCode> {
    match backtest(options, Timestamp::now()) {
        Ok(backtest) => {
            print(&match options.output {
                Output::Text => text::printed(&backtest),
                Output::Json => json::printed(&backtest),
            })?;
            Ok(backtest.code())
        }
        Err(error) => {
            eprintln!("tidegate: {}", Causes(&*error));
            Ok(NOTHING_KNOWN.into())
        }
    }
}

fn backtest(options: &Options, now: Timestamp) -> anyhow::Result<Backtest<'_>> {
    let (from, to) = (options.from.at(now), options.to.at(now));
    if to <= from {
        bail!("--to {to} is not after --from {from}");
    }
    if to > now {
        bail!("--to {to} is in the future");
    }
    let at = releases(from, to, options.every)?;
    let mut subject = options.source.subject()?;
    subject.settle()?;
    let versions = match (&options.canary, &options.stable) {
        (Some(canary), Some(stable)) => Versions::Real { canary, stable },
        _ => Versions::Workload,
    };
    let releases = wait(subject.past.replay(subject.asked(), versions, (&at, to)))??;
    let LoadedRollout { rollout, name, .. } = subject;
    let workload = rollout.spec.workload.name;
    Ok(Backtest { rollout: name, workload, versions, from, to, every: options.every, releases })
}

/// When versions are released.
fn releases(from: Timestamp, to: Timestamp, every: Option<Span>) -> anyhow::Result<Vec<Timestamp>> {
    let Some(every) = every else { return Ok(vec![from]) };
    if every < Span::seconds(1) {
        bail!("--every has to be at least 1s");
    }
    let step = SignedDuration::try_from(every.duration())?;
    let mut all = Vec::new();
    let mut at = from;
    while at < to {
        if all.len() == MOST_RELEASES {
            bail!("that are more than {MOST_RELEASES} releases; take a longer --every, or a shorter time");
        }
        all.push(at);
        let Ok(next) = at.checked_add(step) else { break };
        at = next;
    }
    Ok(all)
}

impl Backtest<'_> {
    fn ended(&self, outcome: Outcome) -> impl Iterator<Item = &Released> {
        self.releases.iter().filter(move |released| released.outcome == outcome)
    }

    fn code(&self) -> ExitCode {
        let knows = |released: &Released| released.checks.iter().any(|check| check.verdict != Verdict::NoData);
        if self.ended(Outcome::Failed).next().is_some() {
            WOULD_HAVE_FAILED.into()
        } else if self.releases.iter().any(knows) {
            ExitCode::SUCCESS
        } else {
            NOTHING_KNOWN.into()
        }
    }

    /// How long releases took that passed: half of them no longer.
    fn median_to_pass(&self) -> Option<Span> {
        let mut times: Vec<_> = self.ended(Outcome::Passed).map(lasted).collect();
        times.sort_unstable();
        times.get(times.len() / 2).copied()
    }

    /// What part of the releases that ended failed.
    fn failed_part(&self) -> Option<f64> {
        let ended = self.releases.iter().filter(|released| released.outcome != Outcome::Unfinished).count();
        // Never more than ten thousand.
        (ended > 0).then(|| self.ended(Outcome::Failed).count() as f64 / ended as f64)
    }
}

/// How long a release went on.
fn lasted(released: &Released) -> Span {
    released.until.duration_since(released.at).unsigned_abs().into()
}

/// What made a release fail.
fn culprit(released: &Released) -> Option<&tidegate_analysis::Change> {
    released.changes.iter().rfind(|change| change.check.verdict == Verdict::Fail)
}
