//! What was decided, as numbered marks.

use std::fmt::Write;

use super::axis::Span;
use crate::report::{By, Entry, Report};

/// So many marks can still be told apart.
const MOST: usize = 16;

/// One mark.
pub(super) struct Mark<'a> {
    pub(super) entry: &'a Entry,
    number: usize,
}

/// What is marked: everything about the Rollout since the scenario started, but not that a stage was passed where the
/// next one tells it by being entered.
pub(super) fn of<'a>(report: &'a Report, rollout: &str) -> Vec<Mark<'a>> {
    let shown = report.timeline.iter().filter(|entry| {
        let own = entry.rollout.is_empty() || entry.rollout == rollout;
        own && entry.at >= report.start && !matches!(entry.what.as_str(), "StagePassed" | "AtRest" | "AtRestReverted")
    });
    shown.take(MOST).enumerate().map(|(index, entry)| Mark { entry, number: index + 1 }).collect()
}

/// Draws the lines through all panels, and the numbers above them.
pub(super) fn draw(svg: &mut String, marks: &[Mark<'_>], span: Span, (top, bottom): (f64, f64)) {
    let mut free = 0.0;
    for mark in marks {
        let x = span.x(mark.entry.at);
        let _ = write!(
            svg,
            "<line class=\"mark\" stroke=\"var({})\" x1=\"{x:.1}\" y1=\"{:.1}\" x2=\"{x:.1}\" y2=\"{bottom:.1}\"/>",
            color(mark.entry),
            top - 22.0
        );
        let at = x.max(free);
        free = at + 18.0;
        circle(svg, mark, (at, top - 30.0));
    }
}

/// The number of a mark in its circle.
pub(super) fn circle(svg: &mut String, mark: &Mark<'_>, (x, y): (f64, f64)) {
    let _ = write!(
        svg,
        "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"8\" fill=\"var({})\"/>\
         <text class=\"number\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>",
        color(mark.entry),
        y + 3.8,
        mark.number
    );
}

fn color(entry: &Entry) -> &'static str {
    match (entry.by, entry.what.as_str()) {
        (By::Scenario, _) => "--faint",
        (_, "Promoted" | "CameBack") => "--good",
        (_, "Reverted" | "CanaryLost" | "CheckFailed" | "ProgressDeadlineExceeded") => "--bad",
        (_, "RolloutStarted" | "StageEntered" | "NumbersBack") => "--stable",
        _ => "--stuck",
    }
}
