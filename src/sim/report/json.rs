//! A report as JSON. Fields are added to it, never changed in meaning; `docs/simulate.md` lists them.

use serde_json::{Value, json};

use super::{Entry, Report, text::after};

/// The report as one JSON object.
#[must_use]
pub fn json(report: &Report) -> Value {
    let outcome = report.releases.last().map(|release| release.outcome);
    let timeline: Vec<Value> = report.timeline.iter().map(|entry| line(report, entry)).collect();
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
        "requests": report.requests,
        "serving": report.serving,
        "expect": {"holds": report.failures.is_empty(), "failures": report.failures},
    })
}

fn line(report: &Report, entry: &Entry) -> Value {
    let mut line = serde_json::to_value(entry).unwrap_or_default();
    if let Some(fields) = line.as_object_mut() {
        fields.insert("after".to_owned(), after(report.start, entry.at).into());
    }
    line
}
