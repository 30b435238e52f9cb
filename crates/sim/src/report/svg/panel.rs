//! One diagram: an axis, curves, a limit.

use std::fmt::Write;

use jiff::Timestamp;

use super::{
    LEFT, RIGHT,
    axis::{Span, percent, round_up, seconds},
    escaped,
};

/// Values over time; where there is none, the curve is broken.
pub(super) struct Curve {
    pub(super) class: &'static str,
    pub(super) name: &'static str,
    pub(super) points: Vec<(Timestamp, Option<f64>)>,
}

/// One diagram.
pub(super) struct Panel {
    title: String,
    pub(super) height: f64,
    curves: Vec<Curve>,
    limit: Option<f64>,
    top: f64,
    filled: bool,
    label: fn(f64) -> String,
}

impl Panel {
    /// A weight that changes in steps, in percent.
    pub(super) fn steps(title: &str, weight: &[(Timestamp, f64)], span: Span) -> Self {
        let mut points = Vec::new();
        let mut last = 0.0;
        for (at, percent) in weight {
            let next = percent / 100.0;
            if span.holds(*at) {
                points.extend([(*at, Some(last)), (*at, Some(next))]);
            }
            last = next;
        }
        let first = points.first().map_or(last, |(_, value)| value.unwrap_or_default());
        points.insert(0, (Timestamp::MIN, Some(first)));
        points.push((Timestamp::MAX, Some(last)));
        let curves = vec![Curve { class: "canary", name: "", points }];
        Self { title: title.to_owned(), height: 110.0, curves, limit: None, top: 1.0, filled: true, label: percent }
    }

    /// Lines, from 0 to a little above the highest value or the limit.
    pub(super) fn lines(title: String, curves: Vec<Curve>, limit: Option<f64>, span: Span) -> Self {
        let shown = curves.iter().flat_map(|curve| &curve.points).filter(|(at, _)| span.holds(*at));
        let highest = shown.filter_map(|(_, value)| *value).fold(limit.unwrap_or(0.0) * 1.25, f64::max);
        Self { title, height: 100.0, curves, limit, top: round_up(highest * 1.05), filled: false, label: percent }
    }

    pub(super) fn in_percent(self) -> Self {
        Self { label: percent, ..self }
    }

    pub(super) fn in_seconds(self) -> Self {
        Self { label: seconds, ..self }
    }

    pub(super) fn draw(&self, svg: &mut String, span: Span, top: f64) {
        let y = |value: f64| top + self.height * (1.0 - (value / self.top).clamp(0.0, 1.0));
        self.draw_frame(svg, top, y);
        for curve in &self.curves {
            let path = curve.path(span, y);
            if self.filled && !path.is_empty() {
                let base = top + self.height;
                let _ = write!(svg, "<path class=\"area\" d=\"{path}L{RIGHT} {base}L{LEFT} {base}Z\"/>");
            }
            if !path.is_empty() {
                let _ = write!(svg, "<path class=\"curve {}\" d=\"{path}\"/>", curve.class);
            }
        }
    }

    fn draw_frame(&self, svg: &mut String, top: f64, y: impl Fn(f64) -> f64) {
        let _ = write!(
            svg,
            "<text class=\"name halo\" x=\"{LEFT}\" y=\"{:.1}\">{}</text>",
            top - 10.0,
            escaped(&self.title)
        );
        for part in [0.0, 0.5, 1.0] {
            let (value, line) = (self.top * part, y(self.top * part));
            let _ = write!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{line:.1}\" x2=\"{RIGHT}\" y2=\"{line:.1}\"/>\
                 <text class=\"faint end\" x=\"{}\" y=\"{:.1}\">{}</text>",
                LEFT - 8.0,
                line + 4.0,
                (self.label)(value)
            );
        }
        if let Some(limit) = self.limit {
            let line = y(limit);
            let _ =
                write!(svg, "<line class=\"limit\" x1=\"{LEFT}\" y1=\"{line:.1}\" x2=\"{RIGHT}\" y2=\"{line:.1}\"/>");
        }
        let limit = self.limit.map(|limit| ("limit", format!("limit {}", (self.label)(limit))));
        let keys = self.curves.iter().filter(|curve| !curve.name.is_empty());
        let keys = keys.map(|curve| (curve.class, curve.name.to_owned())).chain(limit);
        let mut x = RIGHT;
        for (class, name) in keys.collect::<Vec<_>>().into_iter().rev() {
            let _ = write!(
                svg,
                "<text class=\"faint end halo\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>",
                top - 10.0,
                escaped(&name)
            );
            x -= name.chars().count() as f64 * 6.6 + 8.0;
            let _ = write!(
                svg,
                "<line class=\"curve {class}\" x1=\"{:.1}\" y1=\"{1:.1}\" x2=\"{x:.1}\" y2=\"{1:.1}\"/>",
                x - 18.0,
                top - 14.0
            );
            x -= 34.0;
        }
    }
}

impl Curve {
    fn path(&self, span: Span, y: impl Fn(f64) -> f64) -> String {
        let mut path = String::new();
        let mut down = false;
        for (at, value) in &self.points {
            let shown = span.holds(*at) || *at == Timestamp::MIN || *at == Timestamp::MAX;
            let Some(value) = value.filter(|value| shown && value.is_finite()) else {
                down = false;
                continue;
            };
            let _ = write!(path, "{}{:.1} {:.1}", if down { 'L' } else { 'M' }, span.x(*at), y(value));
            down = true;
        }
        path
    }
}
