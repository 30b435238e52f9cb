//! A rollout as a picture: weight and checks over time, with what was decided marked.
//!
//! It is one SVG without scripts, fonts or links, and follows the reader's light or dark colours, so that it can be
//! shown wherever an image can.

mod axis;
mod course;
mod mark;
mod measure;
mod panel;
mod text;

use std::fmt::Write;

use jiff::Timestamp;

use self::{
    axis::{Span, ticks},
    text::{cut, escaped},
};
pub use self::{
    course::{Course, is_end},
    mark::{Mark, Tone},
    measure::number,
    panel::{Curve, Panel, Unit, Version},
    text::{after, length},
};

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

/// What is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// What it shows, in a few words.
    pub title: String,
    /// What else is to be known, in a line.
    pub about: String,
    /// When it begins.
    pub start: Timestamp,
    /// When it ends.
    pub end: Timestamp,
    /// The diagrams, from the top.
    pub panels: Vec<Panel>,
    /// What was decided, in the order of time; as many as can be told apart are drawn.
    pub marks: Vec<Mark>,
}

impl Picture {
    /// As SVG.
    #[must_use]
    pub fn svg(&self) -> String {
        let span = Span::new(self.start, self.end);
        let bottom = TOP + self.panels.iter().map(|panel| panel.height + GAP).sum::<f64>();
        let height = bottom + 20.0 + self.marks.len().min(mark::MOST) as f64 * 22.0;
        let mut svg = String::new();
        let _ = write!(
            svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
             role=\"img\"><title>{}</title><style>{COLORS}</style>\
             <rect x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\" fill=\"var(--bg)\" stroke=\"var(--line)\"/>",
            escaped(&self.title),
            WIDTH - 1.0,
            height - 1.0,
        );
        let _ = write!(
            svg,
            "<text class=\"title\" x=\"24\" y=\"38\">{}</text><text class=\"faint\" x=\"24\" y=\"60\">{}</text>",
            escaped(&cut(&self.title, 90)),
            escaped(&self.about)
        );
        mark::draw(&mut svg, &self.marks, span, (TOP, bottom - GAP));
        let mut y = TOP;
        for panel in &self.panels {
            panel.draw(&mut svg, span, y);
            y += panel.height + GAP;
        }
        time_axis(&mut svg, span, bottom - GAP);
        self.legend(&mut svg, bottom + 16.0);
        svg.push_str("</svg>\n");
        svg
    }

    fn legend(&self, svg: &mut String, top: f64) {
        for (index, mark) in self.marks.iter().take(mark::MOST).enumerate() {
            let y = top + index as f64 * 22.0;
            mark::circle(svg, (mark, index + 1), (36.0, y - 4.0));
            let message = cut(&mark.message, mark::LONGEST);
            let _ = write!(
                svg,
                "<text class=\"faint end\" x=\"116\" y=\"{y:.1}\">{}</text><text class=\"name\" x=\"128\" y=\"{y:.1}\">{}</text>\
                 <text x=\"258\" y=\"{y:.1}\">{}</text>",
                after(self.start, mark.at),
                escaped(&cut(&mark.what, 20)),
                escaped(&message)
            );
        }
    }
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
