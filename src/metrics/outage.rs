//! Whether something that was written broke the requests of both versions, by the counters that the checks read anyway.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    grid::{earlier, span},
    scrape,
};
use crate::judge::{Arm, Flow, Series, outage, stable_fails};

/// For so long, or four scrapes, whatever happens to the requests of both versions may come from what was written.
const JUST_WRITTEN: Duration = Duration::from_mins(1);

/// A shorter look at what was before is not taken in place of a longer one.
const LONG_ENOUGH: Duration = Duration::from_secs(30);

/// What happened to the requests since the routes were last written.
#[derive(Debug, Default)]
pub(super) struct OutageWatch {
    /// The requests before that.
    before: Flow,
    found: Option<String>,
    suspected: bool,
}

impl OutageWatch {
    /// Takes in the samples up to `now`, where the routes were `written` at that time, if it was Tidegate who did.
    pub(super) fn look(&mut self, written: Option<Timestamp>, scrape: Duration, now: Timestamp, series: &[Series]) {
        (self.found, self.suspected) = (None, false);
        let Some(written) = written else { return };
        let before = Flow::between(series, Timestamp::MIN, written.min(now));
        if before.time() >= self.before.time().min(LONG_ENOUGH) && !before.time().is_zero() {
            self.before = before;
        }
        let since = span(written, now);
        if since > JUST_WRITTEN.max(4 * scrape) {
            return;
        }
        self.found = outage(&self.before, &Flow::between(series, written, now));
        // The last scrape alone is enough to wait for the next one.
        let of_stable: Vec<_> = series.iter().filter(|series| series.arm == Arm::Stable).cloned().collect();
        let newest = scrape::newest(&of_stable, Arm::Stable).unwrap_or(now);
        let latest = Flow::between(&of_stable, earlier(newest, scrape * 3 / 2), now);
        self.suspected = since <= 4 * scrape && stable_fails(&self.before, &latest);
    }

    /// That requests stopped, or fail for both versions: a sentence.
    pub(super) fn found(&self) -> Option<&str> {
        self.found.as_deref()
    }

    /// That the next scrape will tell whether they do: the stable version fails as well, since a moment.
    pub(super) fn is_suspected(&self) -> bool {
        self.suspected && self.found.is_none()
    }
}
