//! When it is worth to look again.

use std::time::Duration;

use jiff::Timestamp;

use super::{FIRST_WINDOW, Tracker};
use crate::grid::{later, span};

/// How long after a scrape its samples can be asked for, as a rule.
const INGESTION: Duration = Duration::from_millis(100);

/// How long to wait for a scrape that should have been there.
const IMPATIENCE: Duration = Duration::from_secs(1);

/// Nothing is asked twice within this time.
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);

impl Tracker {
    /// When there will be something new to read: just after the next scrape, as far as that is known. A scrape that
    /// is a little late is asked for again soon, one that does not come in its own time.
    pub(crate) fn next(&self, now: Timestamp) -> Timestamp {
        let soonest = later(now, SHORTEST_PAUSE);
        let latest = later(now, self.plan.interval.max(SHORTEST_PAUSE));
        let Some((scrape, newest)) = self.scrape.zip(self.newest) else {
            let is_new = span(self.plan.origin(), now) < FIRST_WINDOW;
            return if is_new { later(now, IMPATIENCE).min(latest) } else { latest };
        };
        let due = later(later(newest, scrape), INGESTION);
        let pause = if span(due, now) < scrape { (scrape / 2).min(IMPATIENCE) } else { scrape };
        let expected = if due > now { due } else { later(now, pause) };
        expected.clamp(soonest, latest)
    }
}

#[cfg(test)]
mod tests {
    use tidegate_api::Percent;

    use super::*;
    use crate::sampling_plan::{SamplingPlan, StagePlan};

    fn at(millisecond: i64) -> Timestamp {
        Timestamp::from_millisecond(1_000_000 + millisecond).unwrap()
    }

    /// How many milliseconds after `now` the next look is, with scrapes each second of which the last was at 0.
    fn pause(now: i64, interval: Duration) -> i128 {
        let plan = SamplingPlan::of_anybody(
            vec![StagePlan { since: at(-60_000), part: None, weight: Percent::FULL, limits: Vec::new() }],
            interval,
        );
        let tracker = Tracker { scrape: Some(Duration::from_secs(1)), newest: Some(at(0)), ..Tracker::new(plan) };
        tracker.next(at(now)).duration_since(at(now)).as_millis()
    }

    #[test]
    fn the_next_look_is_just_behind_the_next_scrape() {
        let interval = Duration::from_secs(10);
        assert_eq!(pause(100, interval), 1000);
        assert_eq!(pause(400, interval), 700);
        assert_eq!(pause(900, interval), 500, "not at once again, but in time to be behind the one after it");
        assert_eq!(pause(1300, interval), 500, "it is late");
        assert_eq!(pause(5000, interval), 1000, "it does not come");
    }
}
