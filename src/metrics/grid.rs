//! The instants at which a stage's numbers are read: whole intervals after its weight came into force.
//!
//! The stage's clock stands in the status, so another process reads at the same instants; and the clocks of many
//! rollouts are spread by themselves, so they do not ask all at once.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// How many instants are asked for at once, at most.
const MOST: i64 = 600;

/// Instants a whole number of seconds apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Grid {
    /// The first instant, in seconds.
    origin: i64,
    /// How far apart they are, in seconds; at least 1.
    step: i64,
}

impl Grid {
    /// From `origin`, at least `step` apart.
    pub(super) fn new(origin: Timestamp, step: Duration) -> Self {
        let seconds = i64::try_from(step.as_secs()).unwrap_or(i64::MAX / 4);
        let step = seconds.saturating_add(i64::from(step.subsec_nanos() > 0)).max(1);
        Self { origin: origin.as_second(), step }
    }

    /// The first instant.
    pub(super) fn origin(self) -> Timestamp {
        at(self.origin)
    }

    /// The last instant that is not after `limit`.
    pub(super) fn last(self, limit: Timestamp) -> Timestamp {
        at(self.origin + (limit.as_second() - self.origin).max(0) / self.step * self.step)
    }

    /// The first instant after `before`.
    pub(super) fn next(self, before: Timestamp) -> Timestamp {
        at(self.last(before).as_second() + if before.as_second() < self.origin { 0 } else { self.step })
    }

    /// The instants after `start`, up to and including `end`.
    pub(super) fn between(self, start: Timestamp, end: Timestamp) -> impl Iterator<Item = Timestamp> {
        let (first, step) = (self.next(start).as_second(), self.step);
        let count = (end.as_second() - first).div_euclid(step) + 1;
        (0..count.max(0)).map(move |index| at(first + index * step))
    }

    /// The distance between instants of which at most `most` lie between `start` and `end`.
    pub(super) fn stride(self, start: Timestamp, end: Timestamp, most: i64) -> i64 {
        let instants = (end.as_second() - start.as_second()) / self.step;
        self.step * ((instants + most - 1) / most.max(1)).max(1)
    }

    /// Numbers of instants to try, each for when an answer with the one before was too large.
    pub(super) fn attempts() -> impl Iterator<Item = i64> {
        [MOST, MOST / 4, MOST / 16, MOST / 60].into_iter()
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or(Timestamp::MAX)
}

/// `at` moved by `by`, or the end of time.
pub(super) fn later(at: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| at.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}

/// `at` moved back by `by`, or the beginning of time.
pub(super) fn earlier(at: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| at.checked_sub(by).ok()).unwrap_or(Timestamp::MIN)
}

/// How long `end` is after `start`; nothing if it is before.
pub(super) fn span(start: Timestamp, end: Timestamp) -> Duration {
    Duration::try_from(end.duration_since(start)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_whole_steps_after_the_origin() {
        let grid = Grid::new(at(103), Duration::from_millis(9500));
        assert_eq!([99, 103, 112, 113, 130].map(|limit| grid.last(at(limit)).as_second()), [103, 103, 103, 113, 123]);
        assert_eq!([99, 103, 112, 113].map(|before| grid.next(at(before)).as_second()), [103, 113, 113, 123]);
        let between: Vec<_> = grid.between(at(103), at(125)).map(Timestamp::as_second).collect();
        assert_eq!(between, [113, 123]);
    }

    #[test]
    fn a_long_way_is_taken_in_longer_strides() {
        let grid = Grid::new(at(0), Duration::from_secs(10));
        assert_eq!(grid.stride(at(0), at(6000), MOST), 10);
        assert_eq!(grid.stride(at(0), at(48 * 3600), MOST), 290);
        assert_eq!(grid.stride(at(0), at(10), MOST), 10);
    }
}
