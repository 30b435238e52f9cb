//! A backtest for programs.

use serde_json::{Value, json};
use tidegate_analysis::{Change, Outcome, Released, Versions};

use super::{Backtest, culprit, lasted};

/// The backtest as JSON.
pub fn printed(backtest: &Backtest<'_>) -> String {
    let (canary, stable) = match backtest.versions {
        Versions::Workload => (None, None),
        Versions::Real { canary, stable } => (Some(canary), Some(stable)),
    };
    let count = |outcome| backtest.ended(outcome).count();
    let report = json!({
        "rollout": backtest.rollout,
        "workload": backtest.workload,
        "canary": canary,
        "stable": stable,
        "from": backtest.from,
        "to": backtest.to,
        "every": backtest.every,
        "failed": count(Outcome::Failed),
        "passed": count(Outcome::Passed),
        "inconclusive": count(Outcome::Inconclusive),
        "unfinished": count(Outcome::Unfinished),
        "failedPart": backtest.failed_part(),
        "medianTimeToPass": backtest.median_to_pass(),
        "releases": backtest.releases.iter().map(release).collect::<Vec<_>>(),
    });
    format!("{report:#}\n")
}

fn release(released: &Released) -> Value {
    json!({
        "at": released.at,
        "outcome": format!("{:?}", released.outcome),
        "lasted": lasted(released),
        "failedBy": culprit(released).map(|change| &change.check.name),
        "changes": released.changes.iter().map(change).collect::<Vec<_>>(),
        "checks": released.checks,
    })
}

fn change(change: &Change) -> Value {
    json!({"at": change.at, "stage": change.stage, "check": change.check})
}
