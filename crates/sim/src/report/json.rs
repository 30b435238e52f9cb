//! A report as JSON. Fields are added to it, never changed in meaning; `docs/simulate.md` lists them.

use serde_json::{Map, Value, json};

use tidegate_picture::after;

use super::{Entry, Report, Requests};
use crate::traffic::Cause;

/// The report as one JSON object.
#[must_use]
pub fn json(report: &Report) -> Value {
    let outcome = report.releases.last().map(|release| release.outcome);
    let timeline: Vec<Value> = report.timeline.iter().map(|entry| line(report, entry)).collect();
    let standing: Map<String, Value> = report
        .standing
        .iter()
        .map(|(name, (phase, message))| (name.clone(), json!({"phase": phase, "message": message})))
        .collect();
    json!({
        "outcome": outcome,
        "seed": report.seed,
        "start": report.start,
        "end": report.end,
        "notes": report.notes,
        "releases": report.releases,
        "timeline": timeline,
        "writes": {
            "total": report.writes.total(),
            "statuses": report.writes.statuses,
            "objects": report.writes.objects,
            "events": report.writes.events,
            "refused": report.writes.refused,
            "byKind": report.writes.by_kind,
        },
        "requests": requests(&report.requests),
        "serving": report.serving,
        "rollouts": standing,
        "expect": {"holds": report.failures.is_empty(), "failures": report.failures},
    })
}

fn requests(requests: &Requests) -> Value {
    let Requests { served, failed, causes, exposed } = requests;
    let cause = |(cause, count): (&Cause, &u64)| {
        let mut told = json!({"cause": cause.word(), "count": count, "message": cause.to_string()});
        if let Cause::Answered(version) = cause {
            told["version"] = version.as_str().into();
        }
        told
    };
    let causes: Vec<_> = causes.iter().map(cause).collect();
    json!({"served": served, "failed": failed, "causes": causes, "exposed": exposed})
}

fn line(report: &Report, entry: &Entry) -> Value {
    let mut line = serde_json::to_value(entry).unwrap_or_default();
    if let Some(fields) = line.as_object_mut() {
        fields.insert("after".to_owned(), after(report.start, entry.at).into());
    }
    line
}
