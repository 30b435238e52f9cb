//! One diagram: an axis, curves, a limit.

use std::fmt::Write;

use jiff::Timestamp;

use super::{
    LEFT, RIGHT,
    axis::{Span, percent, plain, round_up, seconds},
    text::escaped,
};

/// Values over time; where there is none, the curve is broken.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Whose values they are.
    pub version: Version,
    /// When, and how much.
    pub points: Vec<(Timestamp, Option<f64>)>,
}

/// A version of the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// The one that worked.
    Stable,
    /// The one on its way.
    New,
}

impl Version {
    const fn class(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::New => "canary",
        }
    }

    const fn told(self) -> &'static str {
        match self {
            Self::Stable => "stable version",
            Self::New => "new version",
        }
    }
}

/// What a number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A part of one, told in percent.
    Share,
    /// Seconds.
    Time,
    /// Anything else.
    Number,
}

impl Unit {
    fn label(self, value: f64) -> String {
        match self {
            Self::Share => percent(value),
            Self::Time => seconds(value),
            Self::Number => plain(value),
        }
    }
}

/// One diagram.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    title: String,
    pub(super) height: f64,
    curves: Vec<Curve>,
    limit: Option<f64>,
    unit: Unit,
    kind: Kind,
}

/// How a diagram is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A value holds until the next one; what is below is filled. The axis ends at the whole.
    Steps,
    /// From one value straight to the next.
    Lines,
    /// The same, with the values themselves marked: there are few.
    Points,
}

impl Panel {
    /// A weight that changes in steps: from each instant on, in percent.
    #[must_use]
    pub fn weight(title: &str, weight: &[(Timestamp, f64)]) -> Self {
        let points = weight.iter().map(|(at, percent)| (*at, Some(percent / 100.0))).collect();
        let curves = vec![Curve { version: Version::New, points }];
        Self { title: title.to_owned(), height: 110.0, curves, limit: None, unit: Unit::Share, kind: Kind::Steps }
    }

    /// Lines, from 0 to a little above the highest value or the limit.
    #[must_use]
    pub fn lines(title: String, curves: Vec<Curve>, limit: Option<f64>, unit: Unit) -> Self {
        Self { title, height: 100.0, curves, limit, unit, kind: Kind::Lines }
    }

    /// The same of a few values.
    #[must_use]
    pub fn points(title: String, curves: Vec<Curve>, limit: Option<f64>, unit: Unit) -> Self {
        Self { kind: Kind::Points, ..Self::lines(title, curves, limit, unit) }
    }

    /// Where the axis ends.
    fn top(&self, span: Span) -> f64 {
        if self.kind == Kind::Steps {
            return 1.0;
        }
        let shown = self.curves.iter().flat_map(|curve| &curve.points).filter(|(at, _)| span.holds(*at));
        let highest = shown.filter_map(|(_, value)| *value).fold(self.limit.unwrap_or(0.0) * 1.25, f64::max);
        round_up(highest * 1.05)
    }

    pub(super) fn draw(&self, svg: &mut String, span: Span, top: f64) {
        let whole = self.top(span);
        let y = |value: f64| top + self.height * (1.0 - (value / whole).clamp(0.0, 1.0));
        self.draw_frame(svg, (top, whole), y);
        for curve in &self.curves {
            let class = curve.version.class();
            let path = if self.kind == Kind::Steps { curve.in_steps(span).path(span, y) } else { curve.path(span, y) };
            if self.kind == Kind::Steps && !path.is_empty() {
                let base = top + self.height;
                let _ = write!(svg, "<path class=\"area\" d=\"{path}L{RIGHT} {base}L{LEFT} {base}Z\"/>");
            }
            if !path.is_empty() {
                let _ = write!(svg, "<path class=\"curve {class}\" d=\"{path}\"/>");
            }
            if self.kind == Kind::Points {
                for (at, value) in curve.shown(span) {
                    let (x, y) = (span.x(at), y(value));
                    let _ = write!(svg, "<circle class=\"curve {class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.5\"/>");
                }
            }
        }
    }

    fn draw_frame(&self, svg: &mut String, (top, whole): (f64, f64), y: impl Fn(f64) -> f64) {
        let _ = write!(
            svg,
            "<text class=\"name halo\" x=\"{LEFT}\" y=\"{:.1}\">{}</text>",
            top - 10.0,
            escaped(&self.title)
        );
        for part in [0.0, 0.5, 1.0] {
            let (value, line) = (whole * part, y(whole * part));
            let _ = write!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{line:.1}\" x2=\"{RIGHT}\" y2=\"{line:.1}\"/>\
                 <text class=\"faint end\" x=\"{}\" y=\"{:.1}\">{}</text>",
                LEFT - 8.0,
                line + 4.0,
                self.unit.label(value)
            );
        }
        if let Some(limit) = self.limit {
            let line = y(limit);
            let _ =
                write!(svg, "<line class=\"limit\" x1=\"{LEFT}\" y1=\"{line:.1}\" x2=\"{RIGHT}\" y2=\"{line:.1}\"/>");
        }
        let limit = self.limit.map(|limit| ("limit", format!("limit {}", self.unit.label(limit))));
        let named: &[Curve] = if self.kind == Kind::Steps { &[] } else { &self.curves };
        let keys = named.iter().map(|curve| (curve.version.class(), curve.version.told().to_owned())).chain(limit);
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
    /// The same as one that holds each value until the next one.
    fn in_steps(&self, span: Span) -> Self {
        let mut points = Vec::new();
        let mut last = Some(0.0);
        for (at, next) in &self.points {
            if span.holds(*at) {
                points.extend([(*at, last), (*at, *next)]);
            }
            last = *next;
        }
        let first = points.first().map_or(last, |(_, value)| *value);
        points.insert(0, (Timestamp::MIN, first));
        points.push((Timestamp::MAX, last));
        Self { points, ..self.clone() }
    }

    /// The values within the picture.
    fn shown(&self, span: Span) -> impl Iterator<Item = (Timestamp, f64)> {
        let known = self.points.iter().filter_map(|(at, value)| Some((*at, (*value)?)));
        known.filter(move |(at, value)| span.holds(*at) && value.is_finite())
    }

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
