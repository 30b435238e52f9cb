//! A report as a picture: weight and metrics over time, with what was decided marked.
//!
//! It is one SVG without scripts, fonts or links, and follows the reader's light or dark colours, so that it can be
//! shown wherever an image can.

mod axis;
mod marks;
mod panel;

use std::fmt::Write;

use self::{
    axis::{Span, ticks},
    marks::Mark,
    panel::{Curve, Panel},
};
use super::{
    Curves, Report,
    text::{after, cut, date, thousands},
};
use crate::scenario::Outcome;

const WIDTH: f64 = 960.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 936.0;
const TOP: f64 = 112.0;
const GAP: f64 = 40.0;

const COLORS: &str = "
svg{--bg:#fff;--ink:#1f2328;--faint:#59636e;--line:#d1d9e0;--stable:#0969da;--canary:#c4500a;--good:#1a7f37;--bad:#cf222e;--stuck:#9a6700}
@media(prefers-color-scheme:dark){svg{--bg:#0d1117;--ink:#f0f6fc;--faint:#9198a1;--line:#3d444d;--stable:#4493f8;--canary:#f0883e;--good:#3fb950;--bad:#f85149;--stuck:#d29922}}
text{font-family:system-ui,-apple-system,'Segoe UI','Noto Sans','DejaVu Sans',sans-serif;font-size:12px;fill:var(--ink)}
.halo{paint-order:stroke;stroke:var(--bg);stroke-width:5px;stroke-linejoin:round}.title{font-size:18px;font-weight:600}.name{font-weight:600}.faint{fill:var(--faint)}.end{text-anchor:end}.middle{text-anchor:middle}
.grid{stroke:var(--line);stroke-width:1}.curve{fill:none;stroke-width:1.75;stroke-linejoin:round}
.stable{stroke:var(--stable)}.canary{stroke:var(--canary)}.limit{stroke:var(--bad);stroke-width:1.25;stroke-dasharray:5 4}
.area{fill:var(--canary);fill-opacity:.16;stroke:none}.mark{stroke-width:1;stroke-dasharray:2 3}
.number{fill:var(--bg);font-size:10.5px;font-weight:700;text-anchor:middle}
";

/// The picture of a report's last release.
#[must_use]
pub fn svg(report: &Report) -> String {
    let rollout = report.releases.last().map(|release| release.rollout.as_str());
    let rollout = rollout.or_else(|| report.curves.keys().next().map(String::as_str)).unwrap_or_default();
    let nothing = Curves::default();
    let curves = report.curves.get(rollout).unwrap_or(&nothing);
    let span = Span::new(report.start, report.end);
    let panels = panels(curves, span);
    let marks = marks::of(report, rollout);
    let bottom = TOP + panels.iter().map(|panel| panel.height + GAP).sum::<f64>();
    let height = bottom + 20.0 + marks.len() as f64 * 22.0;

    let mut svg = String::new();
    let _ = write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\"><title>{}</title><style>{COLORS}</style>\
         <rect x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\" fill=\"var(--bg)\" stroke=\"var(--line)\"/>",
        escaped(&title(report)),
        WIDTH - 1.0,
        height - 1.0,
    );
    head(&mut svg, report);
    marks::draw(&mut svg, &marks, span, (TOP, bottom - GAP));
    let mut y = TOP;
    for panel in &panels {
        panel.draw(&mut svg, span, y);
        y += panel.height + GAP;
    }
    time_axis(&mut svg, span, bottom - GAP);
    legend(&mut svg, report, &marks, bottom + 16.0);
    svg.push_str("</svg>\n");
    svg
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

fn head(svg: &mut String, report: &Report) {
    let requests = &report.requests;
    let [served, failed, exposed] = [requests.served, requests.failed, requests.exposed].map(thousands);
    let what = format!(
        "from {} · {served} requests served, {failed} failed, {exposed} answered by a version under test",
        date(report.start)
    );
    let _ = write!(
        svg,
        "<text class=\"title\" x=\"24\" y=\"38\">{}</text><text class=\"faint\" x=\"24\" y=\"60\">{}</text>",
        escaped(&cut(&title(report), 90)),
        escaped(&what)
    );
}

fn panels(curves: &Curves, span: Span) -> Vec<Panel> {
    let of = |value: fn(&super::Reading) -> Option<f64>| {
        let stable = curves.points.iter().map(|point| (point.at, value(&point.stable))).collect();
        let canary = curves.points.iter().map(|point| (point.at, value(&point.canary))).collect();
        vec![
            Curve { class: "stable", name: "stable version", points: stable },
            Curve { class: "canary", name: "new version", points: canary },
        ]
    };
    let weight = Panel::steps("Weight of the new version", &curves.weight, span);
    let quantile = (curves.quantile * 1e10).round() / 1e8;
    let latency =
        Panel::lines(format!("p{quantile} latency"), of(|reading| reading.latency), curves.latency_limit, span);
    let errors = Panel::lines("Error rate".to_owned(), of(|reading| reading.error_rate), curves.error_limit, span);
    vec![weight, errors.in_percent(), latency.in_seconds()]
}

fn time_axis(svg: &mut String, span: Span, y: f64) {
    for (instant, label) in ticks(span) {
        let x = span.x(instant);
        let anchor = if x > RIGHT - 20.0 { "end" } else { "middle" };
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{x:.1}\" y1=\"{y:.1}\" x2=\"{x:.1}\" y2=\"{:.1}\"/>\
             <text class=\"faint {anchor}\" x=\"{x:.1}\" y=\"{:.1}\">{label}</text>",
            y + 5.0,
            y + 20.0
        );
    }
}

fn legend(svg: &mut String, report: &Report, marks: &[Mark<'_>], top: f64) {
    for (index, mark) in marks.iter().enumerate() {
        let y = top + index as f64 * 22.0;
        marks::circle(svg, mark, (36.0, y - 4.0));
        let message = cut(&mark.entry.message, 104);
        let _ = write!(
            svg,
            "<text class=\"faint end\" x=\"116\" y=\"{y:.1}\">{}</text><text class=\"name\" x=\"128\" y=\"{y:.1}\">{}</text>\
             <text x=\"258\" y=\"{y:.1}\">{}</text>",
            after(report.start, mark.entry.at),
            escaped(&cut(&mark.entry.what, 20)),
            escaped(&message)
        );
    }
}

/// `text` as it stands in XML. Characters that XML does not have are left out.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => escaped.push(c),
        }
    }
    escaped
}
