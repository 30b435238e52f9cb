//! Where an instant stands, and which instants are named.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    LEFT, RIGHT,
    text::{after, length},
};

/// The time that a picture shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    start: Timestamp,
    /// In seconds.
    first: f64,
    last: f64,
}

impl Span {
    /// From a little before `start` to `end`.
    pub(super) fn new(start: Timestamp, end: Timestamp) -> Self {
        let last = end.duration_since(start).as_secs_f64().max(1.0);
        Self { start, first: -last * 0.02, last }
    }

    pub(super) fn x(self, at: Timestamp) -> f64 {
        let offset = at.duration_since(self.start).as_secs_f64().clamp(self.first, self.last);
        LEFT + (offset - self.first) / (self.last - self.first) * (RIGHT - LEFT)
    }

    /// Whether an instant is shown.
    pub(super) fn holds(self, at: Timestamp) -> bool {
        let offset = at.duration_since(self.start).as_secs_f64();
        (self.first..=self.last).contains(&offset)
    }
}

/// Between four and ten instants with a round distance, and what they are called.
pub(super) fn ticks(span: Span) -> Vec<(Timestamp, String)> {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    const STEPS: [u64; 21] = [
        1,
        2,
        5,
        10,
        30,
        MINUTE,
        2 * MINUTE,
        5 * MINUTE,
        10 * MINUTE,
        15 * MINUTE,
        30 * MINUTE,
        HOUR,
        2 * HOUR,
        3 * HOUR,
        6 * HOUR,
        12 * HOUR,
        DAY,
        2 * DAY,
        7 * DAY,
        14 * DAY,
        30 * DAY,
    ];
    let step = STEPS.into_iter().find(|step| span.last / (*step as f64) < 10.0).unwrap_or(90 * DAY);
    let mut ticks = Vec::new();
    let mut offset = 0;
    while offset as f64 <= span.last {
        let instant = span.start.saturating_add(Duration::from_secs(offset)).unwrap_or(Timestamp::MAX);
        let label = if offset == 0 { "0".to_owned() } else { after(span.start, instant) };
        ticks.push((instant, label));
        offset += step;
    }
    ticks
}

/// A round number not below `value`, whose half is round as well.
pub(super) fn round_up(value: f64) -> f64 {
    if !value.is_finite() || value <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    let mut round = [1.0, 1.2, 1.6, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0].into_iter().map(|factor| factor * power);
    round.find(|round| *round >= value * 0.999).unwrap_or(value)
}

/// Seconds as a label: `250ms`, `1.5s`.
pub(super) fn seconds(value: f64) -> String {
    if value < 1.0 {
        format!("{}ms", (value * 1e6).round() / 1e3)
    } else if value < 60.0 {
        format!("{}s", (value * 1e3).round() / 1e3)
    } else {
        length(Duration::from_secs_f64(value.min(1e6)))
    }
}

/// A part of one as a label in percent.
pub(super) fn percent(value: f64) -> String {
    format!("{}%", (value * 1e6).round() / 1e4)
}

/// A number as a label, in at most four digits: `0.85`, `1200`.
pub(super) fn plain(value: f64) -> String {
    format!("{}", (value * 1e3).round() / 1e3)
}
