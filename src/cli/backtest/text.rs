//! A backtest for people.

use std::fmt::Write;

use tidegate_analysis::{Outcome, Released, Versions};
use tidegate_api::Span;
use tidegate_judge::percent;

use super::{Backtest, culprit, lasted};
use crate::cli::columns::aligned;

/// The backtest as text.
pub fn printed(backtest: &Backtest<'_>) -> String {
    let mut text = premise(backtest);
    match backtest.releases.as_slice() {
        [only] if backtest.every.is_none() => text.push_str(&timeline(only)),
        all => text.push_str(&summary(backtest, all)),
    }
    text
}

fn premise(backtest: &Backtest<'_>) -> String {
    let Backtest { rollout, workload, versions, from, to, every, .. } = backtest;
    let often = every.map_or(String::new(), |every| format!(", every {every}"));
    let judged = match versions {
        Versions::Workload => format!(
            "judged: of the requests to all pods of {workload}, the share of each stage; comparisons are with what they were before"
        ),
        Versions::Real { canary, stable } => format!("judged: the pods of {canary}, compared with those of {stable}"),
    };
    format!("{rollout}: released at {from}{often}, watched until {to}\n{judged}\n\n")
}

fn timeline(released: &Released) -> String {
    let mut rows = vec![["AFTER", "STAGE", "CHECK", "VERDICT", "WHY"].map(str::to_owned).to_vec()];
    rows.extend(released.changes.iter().map(|change| {
        let after: Span = change.at.duration_since(released.at).unsigned_abs().into();
        let check = &change.check;
        let verdict = format!("{:?}", check.verdict);
        vec![after.to_string(), change.stage.clone(), check.name.clone(), verdict, check.message.clone()]
    }));
    let mut text = aligned(&rows);
    if released.outcome == Outcome::Unfinished {
        for check in &released.checks {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "\nat the end, {}: {:?}: {}", check.name, check.verdict, check.message);
        }
    }
    let _ = writeln!(text, "\n{}", sentence(released));
    text
}

/// How a release ended.
fn sentence(released: &Released) -> String {
    let after = lasted(released);
    let stage = released.changes.last().map_or("", |change| change.stage.as_str());
    match (released.outcome, culprit(released)) {
        (Outcome::Failed, Some(change)) => {
            format!(
                "would have failed after {after}, in stage {}: {}: {}",
                change.stage, change.check.name, change.check.message
            )
        }
        (Outcome::Failed, None) => format!("would have failed after {after}"),
        (Outcome::Passed, _) => format!("would have passed all stages after {after}"),
        (Outcome::Inconclusive, _) => {
            format!("would have met the deadline of stage {stage} without enough evidence, after {after}")
        }
        (Outcome::Unfinished, _) => {
            format!("would still have been in stage {stage} after {after}, when the time asked about was over")
        }
    }
}

fn summary(backtest: &Backtest<'_>, all: &[Released]) -> String {
    let mut text = String::new();
    let count = |outcome| backtest.ended(outcome).count();
    let mut line = |line: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{line}");
    };
    line(format!("{} releases:", all.len()));
    line(format!("  {} would have failed", count(Outcome::Failed)));
    let median = backtest.median_to_pass().map_or(String::new(), |median| format!(", half of them within {median}"));
    line(format!("  {} would have passed{median}", count(Outcome::Passed)));
    line(format!("  {} would have met a deadline without enough evidence", count(Outcome::Inconclusive)));
    line(format!("  {} were not over when the time asked about was", count(Outcome::Unfinished)));
    if let Some(part) = backtest.failed_part() {
        line(format!(
            "if nothing was wrong in that time, {} of the releases that ended were false alarms",
            percent(part)
        ));
    }
    let mut rows = vec![["RELEASED", "FAILED AFTER", "STAGE", "CHECK", "WHY"].map(str::to_owned).to_vec()];
    rows.extend(backtest.ended(Outcome::Failed).filter_map(|released| {
        let change = culprit(released)?;
        let (at, after) = (released.at.to_string(), lasted(released).to_string());
        Some(vec![at, after, change.stage.clone(), change.check.name.clone(), change.check.message.clone()])
    }));
    if rows.len() > 1 {
        text.push('\n');
        text.push_str(&aligned(&rows));
    }
    text
}
