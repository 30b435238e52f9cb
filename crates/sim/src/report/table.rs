//! A report as a table for terminals.

use std::fmt::Write;

use tidegate_api::Phase;
use tidegate_picture::after;

use super::{
    Distribution, Entry, Report,
    text::{clock, date, thousands, wrapped},
};
use crate::scenario::Outcome;

/// How a table is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// How many characters fit into a line.
    pub width: usize,
    /// Whether what matters is coloured.
    pub color: bool,
}

const HEAD: [&str; 5] = ["TIME (UTC)", "AFTER", "WEIGHT", "WHAT", "WHY"];

/// Colours of a terminal, as SGR numbers.
mod color {
    pub const GOOD: &str = "32";
    pub const BAD: &str = "31";
    pub const STUCK: &str = "33";
    pub const FAINT: &str = "2";
    pub const HEAD: &str = "1";
}

/// The report as a table, with what became of each release below it.
#[must_use]
pub fn table(report: &Report, style: Style) -> String {
    let mut text = String::new();
    for note in &report.notes {
        line(&mut text, &style.painted(color::FAINT, &format!("note: {note}")));
    }
    let rows: Vec<[String; 5]> = report.timeline.iter().map(|entry| cells(report, entry)).collect();
    let width = |column: usize| {
        let longest = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        longest.unwrap_or_default().max(HEAD.get(column).map_or(0, |head| head.len()))
    };
    let [time, gone, weight, what] = [width(0), width(1), width(2), width(3)];
    let rest = style.width.saturating_sub(time + gone + weight + what + 8).max(30);
    let head = format!("{:time$}  {:>gone$}  {:>weight$}  {:what$}  {}", HEAD[0], HEAD[1], HEAD[2], HEAD[3], HEAD[4]);
    line(&mut text, &style.painted(color::HEAD, &head));
    for ([at, since, share, word, why], entry) in rows.iter().zip(&report.timeline) {
        let mut sentences = wrapped(why, rest).into_iter();
        let word = style.painted(color_of(entry), &format!("{word:what$}"));
        let first = sentences.next().unwrap_or_default();
        line(&mut text, &format!("{at:time$}  {since:>gone$}  {share:>weight$}  {word}  {first}"));
        let indent = time + gone + weight + what + 8;
        for sentence in sentences {
            line(&mut text, &format!("{:indent$}{sentence}", ""));
        }
    }
    line(&mut text, "");
    summary(&mut text, report, style);
    text
}

fn cells(report: &Report, entry: &Entry) -> [String; 5] {
    let weight = entry.weight.map_or_else(String::new, |weight| format!("{}%", round(weight.percent())));
    [clock(entry.at), after(report.start, entry.at), weight, entry.what.clone(), entry.message.clone()]
}

fn round(percent: f64) -> f64 {
    (percent * 10.0).round() / 10.0
}

fn color_of(entry: &Entry) -> &'static str {
    match entry.what.as_str() {
        "Promoted" | "CameBack" | "StagePassed" | "NumbersBack" => color::GOOD,
        "Reverted" | "CanaryLost" | "CheckFailed" | "ProgressDeadlineExceeded" => color::BAD,
        "Inconclusive" | "Contention" | "NumbersLost" | "Superseded" | "BackToStable" | "Pending" | "StableUnwell"
        | "CheckWarns" | "SuspectPodReplaced" => color::STUCK,
        _ if entry.by == super::By::Scenario => color::FAINT,
        _ => "0",
    }
}

fn summary(text: &mut String, report: &Report, style: Style) {
    for release in &report.releases {
        let paint = match release.outcome {
            Outcome::Promoted => color::GOOD,
            Outcome::Reverted => color::BAD,
            _ => color::STUCK,
        };
        let took = release.ended.map(|ended| after(release.started, ended).trim_start_matches('+').to_owned());
        let took = took.map_or_else(String::new, |took| format!(" after {took}"));
        let stage = release.stage.as_ref().map_or_else(String::new, |stage| format!(" in stage {stage}"));
        let outcome = style.painted(paint, &release.outcome.to_string());
        line(text, &format!("{}: {outcome}{took}{stage}", release.image));
        if release.ended.is_none() {
            hanging(text, style, ("stands at: ", color::FAINT), &release.message);
        }
    }
    for (name, (phase, message)) in &report.standing {
        let silent = report.releases.iter().all(|release| release.rollout != *name);
        if silent && *phase == Phase::Pending {
            hanging(text, style, (&format!("{name}: Pending: "), color::STUCK), message);
        }
    }
    let requests = &report.requests;
    let [served, failed, exposed] = [requests.served, requests.failed, requests.exposed].map(thousands);
    line(text, &format!("requests: {served} served, {failed} failed, {exposed} answered by a version under test"));
    for (cause, count) in &requests.causes {
        hanging(text, style, ("failed: ", color::FAINT), &format!("{} {cause}", thousands(*count)));
    }
    let writes = &report.writes;
    let [statuses, objects, events] = [writes.statuses, writes.objects, writes.events].map(thousands);
    line(text, &format!("writes: {statuses} of the status, {objects} of other objects, {events} events"));
    line(text, &format!("simulated: {} to {}, seed {}", date(report.start), date(report.end), report.seed));
    for failure in &report.failures {
        hanging(text, style, ("not expected: ", color::BAD), failure);
    }
}

/// A sentence behind a painted head, whose further lines begin below its first word.
fn hanging(text: &mut String, style: Style, (head, paint): (&str, &str), sentence: &str) {
    let indent = head.chars().count();
    for (index, part) in wrapped(sentence, style.width.saturating_sub(indent).max(30)).iter().enumerate() {
        let head = if index == 0 { style.painted(paint, head) } else { " ".repeat(indent) };
        line(text, &format!("{head}{part}"));
    }
}

/// Many runs as a table.
#[must_use]
pub fn distribution_table(distribution: &Distribution, style: Style) -> String {
    let mut text = String::new();
    let runs = distribution.runs;
    line(
        &mut text,
        &style.painted(color::HEAD, &format!("{runs} runs, seeds {} to {}", distribution.first, distribution.last)),
    );
    for (outcome, count) in &distribution.outcomes {
        line(
            &mut text,
            &format!("  {outcome:<24}{count:>8}  {:>5}%", round(100.0 * *count as f64 / runs.max(1) as f64)),
        );
    }
    line(&mut text, &format!("  {:<24}{:>8}", "as expected", distribution.held));
    if distribution.false_reverts + distribution.false_promotions > 0 {
        line(&mut text, &format!("  {:<24}{:>8}", "false reverts", distribution.false_reverts));
        line(&mut text, &format!("  {:<24}{:>8}", "false promotions", distribution.false_promotions));
    }
    line(&mut text, &format!("  {:<24}{:>10} {:>10} {:>10} {:>10}", "", "min", "median", "p90", "max"));
    if let Some(times) = distribution.time_to_detect {
        let [min, median, p90, max] = times.map(|seconds| format!("{}", crate::scenario::Length::seconds(seconds)));
        line(&mut text, &format!("  {:<24}{min:>10} {median:>10} {p90:>10} {max:>10}", "time to detect"));
    }
    for (what, values) in [("requests exposed", distribution.exposed), ("requests failed", distribution.failed)] {
        if let Some([min, median, p90, max]) = values.map(|values| values.map(thousands)) {
            line(&mut text, &format!("  {what:<24}{min:>10} {median:>10} {p90:>10} {max:>10}"));
        }
    }
    for (failure, count) in &distribution.failures {
        line(&mut text, &format!("not expected in {count} of {runs}: {failure}"));
    }
    text
}

impl Style {
    fn painted(self, sgr: &str, text: &str) -> String {
        if self.color { format!("\u{1b}[{sgr}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

fn line(text: &mut String, line: &str) {
    // A String takes whatever is written.
    let _ = writeln!(text, "{}", line.trim_end());
}
