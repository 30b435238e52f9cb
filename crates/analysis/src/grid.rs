//! The instants at which a stage's numbers are read: whole intervals after its weight came into force.
//!
//! The stage's clock stands in the status, so another process reads at the same instants; and the clocks of many
//! rollouts are spread by themselves, so they do not ask all at once.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// How many instants are asked for at once, at most.
const MOST: i64 = 600;

/// After so many steps only every sixth of them is an instant, and after so many more every sixtieth.
const TAPER: [(i64, i64); 2] = [(3600, 60), (360, 6)];

/// Instants a whole number of seconds apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Grid {
    /// The first instant, in seconds.
    origin: i64,
    /// How far apart they are, in seconds; at least 1.
    step: i64,
    tapers: bool,
}

impl Grid {
    /// From `origin`, at least `step` apart.
    pub(super) fn new(origin: Timestamp, step: Duration) -> Self {
        let seconds = i64::try_from(step.as_secs()).unwrap_or(i64::MAX / 4);
        let step = seconds.saturating_add(i64::from(step.subsec_nanos() > 0)).max(1);
        Self { origin: origin.as_second(), step, tapers: false }
    }

    /// The same, but with wider steps the longer it lasts: days of them can be read again.
    pub(super) fn tapering(origin: Timestamp, step: Duration) -> Self {
        Self { tapers: true, ..Self::new(origin, step) }
    }

    /// The first instant.
    pub(super) fn origin(self) -> Timestamp {
        at(self.origin)
    }

    /// How far apart instants are at first.
    pub(super) fn step(self) -> i64 {
        self.step
    }

    /// The last instant that is not after `limit`.
    pub(super) fn last(self, limit: Timestamp) -> Timestamp {
        let steps = (limit.as_second() - self.origin).max(0) / self.step;
        let stride = self.taper(steps - 1);
        at(self.origin + steps / stride * stride * self.step)
    }

    /// The first instant after `before`.
    pub(super) fn next(self, before: Timestamp) -> Timestamp {
        if before.as_second() < self.origin {
            return self.origin();
        }
        let steps = (before.as_second() - self.origin) / self.step;
        let stride = self.taper(steps);
        at(self.origin + (steps / stride + 1) * stride * self.step)
    }

    /// How many steps it is from one instant to the next after so many `steps`.
    fn taper(self, steps: i64) -> i64 {
        let wider = TAPER.iter().find(|(after, _)| self.tapers && steps >= *after);
        wider.map_or(1, |(_, stride)| *stride)
    }

    /// The distance between instants of which at most `most` lie between `start` and `end`.
    pub(super) fn stride(self, start: Timestamp, end: Timestamp, most: i64) -> i64 {
        let instants = (end.as_second() - start.as_second()) / self.step;
        self.step * ((instants + most - 1) / most.max(1)).max(1)
    }

    /// Numbers of instants to ask for at once, each for when an answer with the one before was too large.
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
    }

    #[test]
    fn a_long_way_is_taken_in_longer_strides() {
        let grid = Grid::new(at(0), Duration::from_secs(10));
        assert_eq!(grid.stride(at(0), at(6000), MOST), 10);
        assert_eq!(grid.stride(at(0), at(48 * 3600), MOST), 290);
        assert_eq!(grid.stride(at(0), at(10), MOST), 10);
    }

    #[test]
    fn a_tapering_grid_has_fewer_than_fifteen_hundred_instants_in_three_days() {
        let grid = Grid::tapering(at(7), Duration::from_secs(10));
        let mut instants = vec![grid.origin()];
        while instants[instants.len() - 1] < at(72 * 3600) {
            instants.push(grid.next(instants[instants.len() - 1]));
        }
        let apart = |place: usize| instants[place + 1].as_second() - instants[place].as_second();
        assert_eq!([0, 359, 360, 899, 900].map(apart), [10, 10, 60, 60, 600]);
        assert!(instants.len() < 1500, "{}", instants.len());
    }

    #[test]
    fn the_last_instant_is_one_that_going_on_from_the_origin_comes_to() {
        let grid = Grid::tapering(at(0), Duration::from_secs(1));
        let (mut last, mut limit) = (grid.origin(), 0);
        while limit < 5000 {
            assert_eq!(grid.last(at(limit)), last, "{limit}");
            limit += 1;
            if grid.next(last) == at(limit) {
                last = at(limit);
            }
        }
    }
}
