//! The evidence of one group of checks: what was read, what is settled, and what to read next.

use std::time::Duration;

use futures::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::{
    answer::Row,
    fault::Fault,
    grid::{Grid, earlier, later, span},
    prometheus::Prometheus,
    scrape,
    source::Source,
};
use crate::judge::{Arm, Block, Evidence, Ledger, Meaning, Measure, Refusal, Series, Stretch};

/// How far back raw samples are read as long as nobody knows how often there is one.
const FIRST_WINDOW: Duration = Duration::from_mins(1);

/// How far back raw samples are read at most before two of a series have been seen.
const LONGEST_WINDOW: Duration = Duration::from_mins(10);

/// How long after a scrape its samples can be asked for, as a rule.
const INGESTION: Duration = Duration::from_millis(100);

/// How long to wait for a scrape that should have been there.
const IMPATIENCE: Duration = Duration::from_secs(1);

/// Nothing is asked twice within this time.
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);

/// What a group of checks reads.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    pub(super) endpoint: String,
    pub(super) source: Source,
    /// What its checks count; each has its own evidence.
    pub(super) measures: Vec<Measure>,
    /// When the stage's weight came into force.
    pub(super) since: Timestamp,
    pub(super) interval: Duration,
}

/// The evidence of one group of checks since a stage began.
#[derive(Debug)]
pub(super) struct Tracker {
    pub(super) plan: Plan,
    ledger: Ledger,
    evidence: Vec<Evidence>,
    /// Up to here no later scrape can change what was counted.
    settled: Timestamp,
    scrape: Option<Duration>,
    window: Duration,
    newest: Option<Timestamp>,
    refusal: Option<Refusal>,
}

impl Tracker {
    pub(super) fn new(plan: Plan) -> Self {
        Self {
            ledger: Ledger::default(),
            evidence: vec![Evidence::default(); plan.measures.len()],
            settled: Grid::new(plan.since, plan.interval).origin(),
            scrape: None,
            window: FIRST_WINDOW,
            newest: None,
            refusal: None,
            plan,
        }
    }

    /// The evidence for one of the plan's measures.
    pub(super) fn evidence(&self, measure: Measure) -> Option<&Evidence> {
        let place = self.plan.measures.iter().position(|candidate| *candidate == measure)?;
        self.evidence.get(place)
    }

    /// When the newest sample of the canary was scraped.
    pub(super) fn newest(&self) -> Option<Timestamp> {
        self.newest
    }

    /// Why the evidence, though it was read, must not pass anything.
    pub(super) fn doubt(&self, now: Timestamp) -> Option<Fault> {
        let patience = self.scrape.map_or(LONGEST_WINDOW, |scrape| 3 * scrape + Duration::from_secs(10));
        let age = self.newest.map(|newest| span(newest, now)).filter(|age| *age > patience);
        self.refusal.map(Fault::Refused).or(age.map(|age| Fault::Stale { age }))
    }

    /// When there will be something new to read: just after the next scrape, as far as that is known. A scrape that
    /// is a little late is asked for again soon, one that does not come in its own time.
    pub(super) fn next(&self, now: Timestamp) -> Timestamp {
        let soonest = later(now, SHORTEST_PAUSE);
        let latest = later(now, self.plan.interval.max(SHORTEST_PAUSE));
        let Some((scrape, newest)) = self.scrape.zip(self.newest) else {
            let is_new = span(self.plan.since, now) < FIRST_WINDOW;
            return if is_new { later(now, IMPATIENCE).min(latest) } else { latest };
        };
        let due = later(later(newest, scrape), INGESTION);
        let pause = if span(due, now) < scrape { (scrape / 2).min(IMPATIENCE) } else { scrape };
        let expected = if due > now { due } else { later(now, pause) };
        expected.clamp(soonest, latest)
    }

    /// Reads what is new up to `now`. Nothing is remembered of a reading that fails.
    pub(super) async fn observe(
        &mut self,
        prometheus: &Prometheus,
        now: Timestamp,
        deadline: Instant,
    ) -> Result<(), Fault> {
        let window = self.window(now);
        let selectors = self.plan.source.selectors.iter();
        let answers =
            try_join_all(selectors.map(|selector| prometheus.samples(&selector.promql, window, now, deadline)));
        let recent = match answers.await.and_then(|answers| self.plan.source.series(answers)) {
            Ok(recent) => recent,
            Err(fault) => {
                if matches!(fault, Fault::TooLarge { .. }) && self.scrape.is_none() {
                    self.window = (self.window / 4).max(Duration::from_secs(4));
                }
                return Err(fault);
            }
        };
        if !recent.iter().any(|series| series.arm == Arm::Canary && series.meaning != Meaning::Failures) {
            return Err(Fault::Empty { hint: "the pods of the new version are scraped and expose the metric" });
        }
        self.scrape = scrape::interval(&recent).or(self.scrape);
        self.newest = scrape::newest(&recent, Arm::Canary);
        self.ledger.settle(self.settled, &recent);
        let Some(scrape) = self.scrape else {
            self.window = (self.window * 2).min(LONGEST_WINDOW);
            return self.provisional(now, &recent);
        };
        let limit = earlier(self.newest.max(scrape::newest(&recent, Arm::Stable)).unwrap_or(now), 2 * scrape);
        let grid = self.grid(scrape);
        let end = grid.last(limit);
        if end > self.settled {
            if earlier(now, window) <= self.settled {
                let instants: Vec<_> = grid.between(self.settled, end).collect();
                self.settle(&instants, &recent)?;
            } else {
                self.catch_up(prometheus, grid, end, deadline).await?;
            }
        }
        self.provisional(now, &recent)
    }

    /// Reads what was missed, at the grid's instants: after a restart, and where raw samples would be too many.
    async fn catch_up(
        &mut self,
        prometheus: &Prometheus,
        grid: Grid,
        end: Timestamp,
        deadline: Instant,
    ) -> Result<(), Fault> {
        let start = self.settled;
        let mut outcome = Ok(());
        for most in Grid::attempts() {
            let stride = grid.stride(start, end, most);
            let selectors = self.plan.source.selectors.iter();
            let answers = try_join_all(selectors.map(|selector| {
                prometheus.grid(&selector.promql, start.as_second(), end.as_second(), stride, deadline)
            }));
            match answers.await {
                Ok(answers) => return self.settle_strides(answers, start, end, stride),
                Err(fault @ Fault::TooLarge { .. }) => outcome = Err(fault),
                Err(fault) => return Err(fault),
            }
        }
        outcome
    }

    fn settle_strides(
        &mut self,
        answers: Vec<Vec<Row>>,
        start: Timestamp,
        end: Timestamp,
        stride: i64,
    ) -> Result<(), Fault> {
        let series = self.plan.source.series(answers)?;
        let strides = Grid::new(start, Duration::from_secs(stride.unsigned_abs()));
        let instants: Vec<_> = strides.between(start, end).collect();
        self.settle(&instants, &series)
    }

    /// Counts from one instant to the next. A stretch whose numbers contradict each other is joined with the one
    /// after it: a slow request may fail in one that it did not begin in.
    fn settle(&mut self, instants: &[Timestamp], series: &[Series]) -> Result<(), Fault> {
        for end in instants {
            match self.blocks(Stretch { start: self.settled, end: *end }, series) {
                Ok(blocks) => {
                    for (evidence, block) in self.evidence.iter_mut().zip(blocks) {
                        evidence.settle(block);
                    }
                    self.settled = *end;
                    self.refusal = None;
                }
                Err(refusal @ Refusal::MoreBadThanTotal) => self.refusal = Some(refusal),
                Err(refusal) => return Err(refusal.into()),
            }
        }
        self.ledger.settle(self.settled, series);
        Ok(())
    }

    /// Counts what came after the settled blocks.
    fn provisional(&mut self, now: Timestamp, series: &[Series]) -> Result<(), Fault> {
        match self.blocks(Stretch { start: self.settled, end: now }, series) {
            Ok(blocks) => {
                for (evidence, block) in self.evidence.iter_mut().zip(blocks) {
                    evidence.set_provisional(Some(block));
                }
                Ok(())
            }
            Err(Refusal::MoreBadThanTotal) => {
                self.evidence.iter_mut().for_each(|evidence| evidence.set_provisional(None));
                Ok(())
            }
            Err(refusal) => Err(refusal.into()),
        }
    }

    fn blocks(&self, stretch: Stretch, series: &[Series]) -> Result<Vec<Block>, Refusal> {
        let settling = SignedDuration::try_from(2 * self.scrape.unwrap_or(FIRST_WINDOW)).unwrap_or(SignedDuration::MAX);
        let gains = self.ledger.gains(stretch, settling, series)?;
        self.plan.measures.iter().map(|measure| Block::of(stretch, *measure, series, &gains)).collect()
    }

    /// A block is at least one scrape long: a shorter one would only hold nothing.
    fn grid(&self, scrape: Duration) -> Grid {
        let interval = self.plan.interval.max(Duration::from_secs(1));
        let times = scrape.as_millis().div_ceil(interval.as_millis()).max(1);
        Grid::new(self.plan.since, interval.saturating_mul(u32::try_from(times).unwrap_or(1)))
    }

    /// How far back raw samples are read: to the last settled instant and two scrapes more, unless that is so far
    /// that the last few samples have to do.
    fn window(&self, now: Timestamp) -> Duration {
        let Some(scrape) = self.scrape else { return self.window };
        let all = span(self.settled, now) + 2 * scrape;
        if all <= FIRST_WINDOW.max(10 * scrape) { all } else { 5 * scrape }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millisecond: i64) -> Timestamp {
        Timestamp::from_millisecond(1_000_000 + millisecond).unwrap()
    }

    /// How many milliseconds after `now` the next look is, with scrapes each second of which the last was at 0.
    fn pause(now: i64, interval: Duration) -> i128 {
        let plan = Plan {
            endpoint: "default".to_owned(),
            source: Source { selectors: Vec::new() },
            measures: vec![Measure::Failed],
            since: at(-60_000),
            interval,
        };
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
