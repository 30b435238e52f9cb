//! What was decided, as numbered marks.

use std::fmt::Write;

use jiff::Timestamp;
use tidegate_api::condition::reason;

use super::axis::Span;

/// So many marks can still be told apart.
pub(super) const MOST: usize = 16;

/// So many letters of a sentence are drawn.
pub(super) const LONGEST: usize = 104;

/// Something that was decided, or happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// When.
    pub at: Timestamp,
    /// What, in one word.
    pub what: String,
    /// What and why, in one sentence.
    pub message: String,
    /// How it is meant.
    pub tone: Tone,
}

/// How something is meant, which gives it its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Nothing of the rollout's own.
    Faint,
    /// It goes on.
    Neutral,
    /// The new version serves.
    Good,
    /// The new version failed.
    Bad,
    /// It waits, or was held up.
    Stuck,
}

impl Tone {
    /// Of a transition, by its reason.
    #[must_use]
    pub fn of(what: &str) -> Self {
        match what {
            reason::PROMOTED | reason::CAME_BACK => Self::Good,
            reason::REVERTED
            | reason::CANARY_LOST
            | reason::CHECK_FAILED
            | reason::PROGRESS_DEADLINE_EXCEEDED
            | reason::WATCH_FAILED => Self::Bad,
            reason::STARTED | reason::STAGE_ENTERED | reason::STAGE_PASSED | "NumbersBack" => Self::Neutral,
            _ => Self::Stuck,
        }
    }

    const fn color(self) -> &'static str {
        match self {
            Self::Faint => "--faint",
            Self::Neutral => "--stable",
            Self::Good => "--good",
            Self::Bad => "--bad",
            Self::Stuck => "--stuck",
        }
    }
}

/// Draws the lines through all panels, and the numbers above them.
pub(super) fn draw(svg: &mut String, marks: &[Mark], span: Span, (top, bottom): (f64, f64)) {
    let mut free = 0.0;
    for (index, mark) in marks.iter().take(MOST).enumerate() {
        let x = span.x(mark.at);
        let _ = write!(
            svg,
            "<line class=\"mark\" stroke=\"var({})\" x1=\"{x:.1}\" y1=\"{:.1}\" x2=\"{x:.1}\" y2=\"{bottom:.1}\"/>",
            mark.tone.color(),
            top - 22.0
        );
        let at = x.max(free);
        free = at + 18.0;
        circle(svg, (mark, index + 1), (at, top - 30.0));
    }
}

/// The number of a mark in its circle.
pub(super) fn circle(svg: &mut String, (mark, number): (&Mark, usize), (x, y): (f64, f64)) {
    let _ = write!(
        svg,
        "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"8\" fill=\"var({})\"/>\
         <text class=\"number\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>",
        mark.tone.color(),
        y + 3.8,
        number
    );
}
