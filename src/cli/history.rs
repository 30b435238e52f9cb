//! `tidegate history`: what a Rollout did, and what people asked of it.

use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use tidegate_api::{ReleaseCount, RolloutStatus};
use tidegate_picture::Course;

use super::{
    columns::aligned,
    moments::since,
    print,
    target::{self, Target},
};

/// The arguments of `tidegate history`.
#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    target: Target,

    /// How it is printed
    #[arg(long, short = 'o', value_name = "FORM", default_value = "table")]
    output: Form,
}

/// How a history is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A line for each step
    Table,
    /// The newest release as a picture: weight and checks over time
    Svg,
}

/// Prints it, the oldest first. The code is 0, and 2 where it cannot be read.
pub fn main(options: &Options) -> ExitCode {
    let target = &options.target;
    match options.output {
        Form::Table => target::told(target, |rollout, _| told(&rollout.status.clone().unwrap_or_default())),
        Form::Svg => target::ended(async {
            let (rollout, now) = target.reach().await?.read_now(&target.name).await?;
            let course = Course::of(&rollout).with_context(|| format!("{} has released nothing yet", target.name))?;
            print(&course.picture(now).svg())
        }),
    }
}

/// One line for each step, with how long it lasted until the next one; then one for each version that may be wanted back, then
/// how it stands and how releases ended.
fn told(status: &RolloutStatus) -> String {
    let row = |at: Timestamp, lasted: String, revision: &str, what: &str, why: &str| {
        vec![format!("{at:.0}"), lasted, revision.to_owned(), what.to_owned(), why.to_owned()]
    };
    let steps = || status.history.iter().rev();
    let ends = steps().skip(1).map(|next| Some(next.at)).chain([None]);
    let steps = steps().zip(ends).map(|(step, end)| {
        let lasted = end.map(|end| since(step.at, end).to_string()).unwrap_or_default();
        row(step.at, lasted, &step.revision, &step.reason, &step.message)
    });
    let former = status.former.iter().rev().map(|former| {
        row(
            former.until,
            String::new(),
            &former.revision,
            "WasStable",
            &format!("until then ({})", former.images.join(", ")),
        )
    });
    let now = if status.message.is_empty() { String::new() } else { format!("now: {}\n", status.message) };
    let releases = status.releases.as_ref().map(counted).unwrap_or_default();
    format!("{}{now}{releases}", aligned(&steps.chain(former).collect::<Vec<_>>()))
}

/// How many releases succeeded: a line.
fn counted(releases: &ReleaseCount) -> String {
    let Some(success) = releases.success() else { return String::new() };
    let (promoted, all) = (releases.promoted, releases.promoted + releases.failed);
    format!("releases: {promoted} of {all} succeeded ({:.0}%) since {:.0}\n", 100.0 * success, releases.since)
}

#[cfg(test)]
mod tests {
    use tidegate_api::{FormerRevision, Transition};

    use super::*;

    #[test]
    fn steps_come_oldest_first_with_how_long_they_lasted_then_versions_that_were_stable_then_how_it_stands() {
        let at = |minute: i64| Timestamp::from_second(1_772_442_000 + 60 * minute).unwrap();
        let step = |minute, reason: &str| Transition {
            at: at(minute),
            reason: reason.to_owned(),
            message: format!("the {reason}"),
            revision: "7f9c".to_owned(),
            ..Transition::default()
        };
        let former = FormerRevision {
            revision: "6b54".to_owned(),
            replica_set: String::new(),
            images: vec!["a:v1".to_owned()],
            until: at(2),
        };
        let status = RolloutStatus {
            history: vec![step(1, "Promoted"), step(0, "StageEntered")],
            former: vec![former],
            message: "version 7f9c serves".to_owned(),
            releases: Some(ReleaseCount { since: at(0), promoted: 19, failed: 1 }),
            ..RolloutStatus::default()
        };
        let expected = "2026-03-02T09:00:00Z  1m  7f9c  StageEntered  the StageEntered\n\
                        2026-03-02T09:01:00Z      7f9c  Promoted      the Promoted\n\
                        2026-03-02T09:02:00Z      6b54  WasStable     until then (a:v1)\n\
                        now: version 7f9c serves\n\
                        releases: 19 of 20 succeeded (95%) since 2026-03-02T09:00:00Z\n";
        assert_eq!(told(&status), expected);
    }
}
