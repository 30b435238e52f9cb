//! Whether something that was written broke the requests of both versions, by the counters that the checks read anyway.

use std::time::Duration;

use jiff::Timestamp;
use tidegate_judge::{Before, Flow, Series, may_be_both, outage, stretch};

use super::grid::{earlier, span};

/// For so long after a write, or four scrapes, what then happened to the requests of both versions is told.
const TOLD: Duration = Duration::from_mins(1);

/// For so long after a write, or four scrapes, what happens to both versions may come from it, however well they were at
/// first: a gateway may need a few seconds to follow.
const RIGHT_AFTER: Duration = Duration::from_secs(10);

/// When Tidegate wrote the routes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Write {
    /// The first of the last few writes: what was before it is what none of them can have broken.
    pub(super) first: Timestamp,
    /// The last of them.
    pub(super) last: Timestamp,
}

impl Write {
    /// The writes that can have broken what is seen `now`, where the routes were `written` at these times.
    fn recent(written: &[Timestamp], now: Timestamp, scrape: Duration) -> Option<Self> {
        let recent = TOLD.max(4 * scrape);
        let last = written.iter().copied().filter(|written| *written <= now).max()?;
        let first = written.iter().copied().filter(|written| span(*written, last) <= recent).min()?;
        (span(last, now) <= recent).then_some(Self { first, last })
    }
}

/// What happened to the requests since the routes were last written.
#[derive(Debug, Default)]
pub(super) struct OutageWatch {
    /// What the requests were like before a write at that time.
    before: Option<(Timestamp, Before)>,
    found: Option<String>,
    may_be_both: bool,
    /// Since when a version that fails is not blamed for it.
    waiting: Option<Timestamp>,
    /// How far apart scrapes are, as far as that is known.
    scrape: Duration,
}

impl OutageWatch {
    /// Whether nobody knows yet what was before `write`.
    pub(super) fn lacks(&self, write: Write) -> bool {
        self.before.is_none_or(|(written, _)| written != write.first)
    }

    /// The writes that can have broken what is seen `now`, where the routes were `written` at these times.
    pub(super) fn recent(&self, written: &[Timestamp], now: Timestamp) -> Option<Write> {
        Write::recent(written, now, self.scrape)
    }

    /// Takes in what was `before` a write, with scrapes so far apart.
    pub(super) fn learn(&mut self, write: Write, (before, scrape): (Before, Duration)) {
        (self.before, self.waiting, self.scrape) = (Some((write.first, before)), None, scrape);
    }

    /// Takes in the samples up to `now`.
    pub(super) fn look(&mut self, write: Option<Write>, now: Timestamp, series: &[Series]) {
        let scrape = self.scrape;
        (self.found, self.may_be_both) = (None, false);
        let Some((write, (_, before))) = write.zip(self.before.as_ref()).filter(|(write, _)| !self.lacks(*write))
        else {
            return;
        };
        let told = |start| outage(before, &Flow::since(series, (start, now), scrape)?);
        let latest = earlier(now, stretch(scrape)).max(write.last);
        let is_right_after = span(write.last, now) <= RIGHT_AFTER.max(4 * scrape);
        self.found = told(write.last).or_else(|| if is_right_after { told(latest) } else { None });
        self.may_be_both = is_right_after && may_be_both(before, series, (earlier(now, stretch(scrape)), now));
    }

    /// That requests stopped, or fail for both versions: a sentence.
    pub(super) fn found(&self) -> Option<&str> {
        self.found.as_deref()
    }

    /// Whether a version that fails is to be looked at once more before it is blamed: both may, since a moment. Until all
    /// targets have been scraped twice, and no longer.
    pub(super) fn waits(&mut self, now: Timestamp) -> bool {
        let since = *self.waiting.get_or_insert(now);
        self.may_be_both && self.found.is_none() && span(since, now) <= stretch(self.scrape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn writes_that_follow_each_other_have_one_time_before_them() {
        let recent = |written: &[i64], now| {
            let written: Vec<_> = written.iter().copied().map(at).collect();
            Write::recent(&written, at(now), Duration::from_secs(5))
        };
        assert_eq!(recent(&[], 100), None);
        assert_eq!(recent(&[100], 160), Some(Write { first: at(100), last: at(100) }));
        assert_eq!(recent(&[100], 161), None);
        assert_eq!(recent(&[30, 50, 100], 101), Some(Write { first: at(50), last: at(100) }));
    }
}
