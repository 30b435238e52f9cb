//! What a group of checks asks in the stages of a rollout.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tidegate_api::{Percent, StagePart};
use tidegate_judge::{Arm, Indicator, Measure, Refusal, Series, Tolerance, WarmUp};

use super::{grid::Grid, source::Source};

/// What a group of checks reads, and what it is held against.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SamplingPlan {
    pub(super) endpoint: String,
    pub(super) source: Source,
    /// The stages so far, the present one last. Never empty.
    pub(super) stages: Vec<StagePlan>,
    /// Whether it is of checks of the present stage's own, whose evidence neither comes from other stages nor goes to them.
    pub(super) is_own: bool,
    pub(super) interval: Duration,
    /// How many requests go bad together, where somebody knows it better than history.
    pub(super) overdispersion: Option<f64>,
    /// The pod whose requests say nothing of the new version any more: it was replaced.
    pub(super) without: Option<Arc<str>>,
}

/// What is asked in one stage.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct StagePlan {
    /// When its weight came into force.
    pub(super) since: Timestamp,
    /// That it goes on with the stage before it.
    pub(super) part: Option<StagePart>,
    /// What the new version gets of the traffic.
    pub(super) weight: Percent,
    pub(super) limits: Vec<Limit>,
}

impl StagePlan {
    /// Whether what is seen speaks against the new version alone.
    pub(super) fn is_disturbed(&self) -> bool {
        self.part == Some(StagePart::Disturbed)
    }

    /// Whether what spoke against the version by `limit` was answered by falling back to this stage.
    pub(super) fn answers(&self, limit: &Limit) -> bool {
        self.limits.iter().any(|known| known.check == limit.check && known.kind == limit.kind && known.is_answered)
    }
}

/// One limit of one check.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Limit {
    pub(super) check: String,
    pub(super) kind: Kind,
    pub(super) tolerance: Tolerance,
    /// How many requests of a stage decide by their plain share, if any do.
    pub(super) first: Option<f64>,
    /// What spoke against the version by it before the stage has been answered.
    pub(super) is_answered: bool,
}

/// Which of a check's limits it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Max,
    Relative,
    Warn,
}

impl SamplingPlan {
    /// Whether what was read for `self` can go on as `next`: the same but for stages that came since.
    pub(super) fn continues_as(&self, next: &Self) -> bool {
        let stages = next.stages.get(..self.stages.len());
        stages == Some(&self.stages) && *self == Self { stages: self.stages.clone(), ..next.clone() }
    }

    /// Whether one reading does for both.
    pub(super) fn shares_with(&self, other: &Self) -> bool {
        self.source == other.source && self.is_own == other.is_own
    }

    /// All that is counted in any stage.
    pub(super) fn measures(&self) -> Vec<Measure> {
        let mut measures = Vec::new();
        for limit in self.stages.iter().flat_map(|stage| &stage.limits) {
            let measure = limit.measure();
            if !measures.contains(&measure) {
                measures.push(measure);
            }
        }
        measures
    }

    /// When the first stage's weight came into force.
    pub(super) fn origin(&self) -> Timestamp {
        self.stages.first().map_or(Timestamp::UNIX_EPOCH, |stage| stage.since)
    }

    /// How long a block is at first: whole scrapes, as many as make an interval. Blocks that hold now one scrape of a
    /// target and now two would give each target another part of each block, and one that is unlike the others would look
    /// like errors that come in crowds. Scrapes are so many seconds apart, but for chance.
    pub(super) fn block(&self, scrape: Duration) -> Duration {
        let scrape = scrape.as_secs_f64().round().max(1.0);
        let times = (self.interval.as_secs_f64() / scrape - 0.1).ceil().clamp(1.0, 1e6);
        Duration::from_secs_f64(scrape * times)
    }

    /// When the stage at `place` is warm, where it is not known by pod.
    pub(super) fn warm_from(&self, place: usize) -> Option<Timestamp> {
        let WarmUp(lasts) = self.source.warm_up_of_stages();
        let since = self.stages.get(place).filter(|_| lasts > SignedDuration::ZERO)?.since;
        since.checked_add(lasts).ok()
    }

    /// Whether the stage at `place` is not warm yet.
    pub(super) fn is_cold(&self, place: usize, at: Timestamp) -> bool {
        self.warm_from(place).is_some_and(|warm| at < warm)
    }

    /// The place of the stage that `at` belongs to, not before `place`.
    pub(super) fn stage_at(&self, place: usize, at: Timestamp) -> usize {
        let begun = self.stages.iter().skip(place + 1).take_while(|next| next.since <= at);
        place + begun.count()
    }

    /// Where the block ends that begins at `start` in the stage at `place`: on the stage's grid, or where the next
    /// stage begins.
    pub(super) fn end_of_block(&self, place: usize, start: Timestamp, block: Duration) -> Timestamp {
        let since = self.stages.get(place).map_or(start, |stage| stage.since);
        let end = Grid::tapering(since, block).next(start);
        self.stages.get(place + 1).map_or(end, |next| end.min(next.since))
    }
}

impl Limit {
    /// What makes a request bad.
    pub(super) fn measure(&self) -> Measure {
        measure(&self.tolerance)
    }

    /// Whether the new version is held against stable.
    pub(super) fn is_compared(&self) -> bool {
        self.tolerance.boundary.ratio > 0.0
    }

    /// Why `series` cannot tell whether the limit is kept. Of stable that matters only where it is compared with: the
    /// version that gets the bucket that was missing has to pass beside one that lacks it.
    pub(super) fn refusal(&self, series: &[Series]) -> Option<Refusal> {
        let of = |arm| self.measure().is_counted(arm, series).err();
        of(Arm::Canary).or_else(|| if self.is_compared() { of(Arm::Stable) } else { None })
    }
}

/// What makes a request bad for `tolerance`.
pub(super) fn measure(tolerance: &Tolerance) -> Measure {
    match tolerance.subject {
        Indicator::Failed => Measure::Failed,
        // A latency limit is far below 2⁵³ nanoseconds, which are 104 days.
        Indicator::SlowerThan(limit, _) => Measure::SlowerThan(limit.duration().as_nanos() as f64),
    }
}

#[cfg(test)]
impl SamplingPlan {
    /// Of series that anybody may have counted, whatever they are selected by.
    pub(super) fn of_anybody(stages: Vec<StagePlan>, interval: Duration) -> Self {
        let (endpoint, about) = ("default".to_owned(), String::new());
        let (selectors, counting) = (Vec::new(), super::error::Counting::Anybody);
        let exclusion = super::exclusion::Exclusion::default();
        let source = Source { selectors, counting, exclusion, warm_up: WarmUp::default(), about };
        Self { endpoint, source, stages, is_own: false, interval, overdispersion: None, without: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_whole_scrapes_long_and_no_scrape_that_is_a_little_late_changes_that() {
        let block = |interval, scrape| {
            let plan = SamplingPlan::of_anybody(Vec::new(), Duration::from_secs(interval));
            plan.block(Duration::from_millis(scrape)).as_secs()
        };
        let intervals = [(10, 15_000), (10, 30_000), (10, 1000), (10, 4000), (60, 15_000), (1, 1000)];
        assert_eq!(intervals.map(|(interval, scrape)| block(interval, scrape)), [15, 30, 10, 12, 60, 1]);
        assert_eq!([14_985, 15_012, 10_003, 9_990].map(|scrape| block(10, scrape)), [15, 15, 10, 10]);
    }
}
