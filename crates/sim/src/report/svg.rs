//! A report as a picture: weight and metrics over time, with what was decided marked.

use tidegate_picture::{Curve, Mark, Panel, Picture, Tone, Unit, Version, after};

use super::{
    By, Curves, Reading, Report,
    text::{date, thousands},
};
use crate::scenario::Outcome;

/// The picture of a report's last release, as SVG.
#[must_use]
pub fn svg(report: &Report) -> String {
    let rollout = report.releases.last().map(|release| release.rollout.as_str());
    let rollout = rollout.or_else(|| report.curves.keys().next().map(String::as_str)).unwrap_or_default();
    let nothing = Curves::default();
    let panels = panels(report.curves.get(rollout).unwrap_or(&nothing));
    let (start, end, marks) = (report.start, report.end, marks(report, rollout));
    Picture { title: title(report), about: about(report), start, end, panels, marks }.svg()
}

fn title(report: &Report) -> String {
    let Some(release) = report.releases.last() else { return "No release".to_owned() };
    let took = release.ended.map(|ended| after(release.started, ended).trim_start_matches('+').to_owned());
    match (release.outcome, took) {
        (outcome, Some(took)) => format!("{}: {} after {took}", release.image, word(outcome)),
        (outcome, None) => format!("{}: {}", release.image, word(outcome)),
    }
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Promoted => "promoted",
        Outcome::Reverted => "reverted",
        Outcome::SteppedBack => "stepped back",
        Outcome::Held => "held",
        Outcome::Unfinished => "unfinished",
    }
}

fn about(report: &Report) -> String {
    let requests = &report.requests;
    let [served, failed, exposed] = [requests.served, requests.failed, requests.exposed].map(thousands);
    let from = date(report.start);
    format!("from {from} · {served} requests served, {failed} failed, {exposed} answered by a version under test")
}

fn panels(curves: &Curves) -> Vec<Panel> {
    let of = |value: fn(&Reading) -> Option<f64>| {
        let stable = curves.points.iter().map(|point| (point.at, value(&point.stable))).collect();
        let new = curves.points.iter().map(|point| (point.at, value(&point.canary))).collect();
        vec![Curve { version: Version::Stable, points: stable }, Curve { version: Version::New, points: new }]
    };
    let quantile = (curves.quantile * 1e10).round() / 1e8;
    let (errors, latency) = (of(|reading| reading.error_rate), of(|reading| reading.latency));
    vec![
        Panel::weight("Weight of the new version", &curves.weight),
        Panel::lines("Error rate".to_owned(), errors, curves.error_limit, Unit::Share),
        Panel::lines(format!("p{quantile} latency"), latency, curves.latency_limit, Unit::Time),
    ]
}

/// Everything about the Rollout since the scenario started, but not that a stage was passed where the next one tells it by being
/// entered.
fn marks(report: &Report, rollout: &str) -> Vec<Mark> {
    let shown = report.timeline.iter().filter(|entry| {
        let own = entry.rollout.is_empty() || entry.rollout == rollout;
        own && entry.at >= report.start && !matches!(entry.what.as_str(), "StagePassed" | "AtRest" | "AtRestReverted")
    });
    let mark = |entry: &super::Entry| Mark {
        at: entry.at,
        what: entry.what.clone(),
        message: entry.message.clone(),
        tone: if entry.by == By::Scenario { Tone::Faint } else { Tone::of(&entry.what) },
    };
    shown.map(mark).collect()
}
