//! What came after the settled blocks.

use jiff::Timestamp;
use tidegate_judge::{Arm, Block, Keys, Measure, Refusal, Series, TimeRange};

use super::Tracker;
use crate::{error::QueryError, sampling_plan::Limit, scrape};

/// What came after the settled blocks, by measure.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Newest {
    /// All of it.
    all: Vec<(Measure, Vec<Block>)>,
    /// The same as a comparison sees it.
    compared: Vec<(Measure, Vec<Block>)>,
}

impl Newest {
    /// What `limit` goes by.
    pub(super) fn of(&self, limit: &Limit) -> &[Block] {
        let blocks = if limit.is_compared() { &self.compared } else { &self.all };
        blocks.iter().find(|(measure, _)| *measure == limit.measure()).map_or(&[], |(_, blocks)| blocks)
    }

    /// All of it, by measure.
    pub(super) fn all(&self) -> impl Iterator<Item = (Measure, &Block)> {
        self.all.iter().flat_map(|(measure, blocks)| blocks.iter().map(move |block| (*measure, block)))
    }
}

impl Tracker {
    /// Counts what came after the settled blocks.
    pub(super) fn look_at_newest(&mut self, now: Timestamp, series: &[Series]) -> Result<(), QueryError> {
        self.newest_blocks = match self.newest_blocks(TimeRange { start: self.settled, end: now }, series) {
            Ok(newest) => newest,
            Err(Refusal::MoreBadThanTotal) => Newest::default(),
            Err(refusal) => return Err(refusal.into()),
        };
        self.look_at_newest_pods(now, series);
        Ok(())
    }

    fn newest_blocks(&self, stretch: TimeRange, series: &[Series]) -> Result<Newest, Refusal> {
        let gains = self.counters.gains(stretch, self.settling(), series)?;
        let all = self.of_each_measure(&[(stretch, gains)], series)?;
        let is_compared = self.plan.stages.iter().flat_map(|stage| &stage.limits).any(Limit::is_compared);
        let parts = if is_compared { self.compared(stretch, series)? } else { Vec::new() };
        let compared = if parts.is_empty() { all.clone() } else { self.of_each_measure(&parts, series)? };
        Ok(Newest { all, compared })
    }

    fn of_each_measure(
        &self,
        parts: &[(TimeRange, Vec<f64>)],
        series: &[Series],
    ) -> Result<Vec<(Measure, Vec<Block>)>, Refusal> {
        let of = |measure| {
            let blocks = parts.iter().map(|(stretch, gains)| self.block(*stretch, measure, series, gains));
            Ok((measure, blocks.collect::<Result<_, Refusal>>()?))
        };
        self.plan.measures().into_iter().map(of).collect()
    }

    /// What `series` gained, as a comparison sees it, part by part; nothing where it sees what everybody does.
    ///
    /// An incident of both versions shows at the new version up to a scrape before it shows at stable. So the new version's
    /// requests count up to when all of stable was scraped. And in the first block of a stage stable may have had most of
    /// its requests before the weight changed, and the new version after it: the block is one by itself, here as it will be
    /// when it settles, and what comes after it is not held against it.
    fn compared(&self, stretch: TimeRange, series: &[Series]) -> Result<Vec<(TimeRange, Vec<f64>)>, Refusal> {
        let level = self.scrape.and_then(|scrape| scrape::level(series, scrape));
        let level = level.filter(|level| self.newest.is_some_and(|newest| newest > *level)).unwrap_or(stretch.end);
        let begun = self.first_of_stage(stretch);
        if level == stretch.end && begun.is_none() {
            return Ok(Vec::new());
        }
        let both = counted_for_both(series);
        let until = |end: Timestamp| {
            let all = self.counters.gains(TimeRange { end, ..stretch }, self.settling(), series)?;
            if end <= level {
                return Ok(all);
            }
            let cut = self.counters.gains(TimeRange { end: level, ..stretch }, self.settling(), series)?;
            let is_ahead = |series: &Series| series.arm == Arm::Canary && !both.contains(&series.instance);
            let each = series.iter().zip(all.into_iter().zip(cut));
            Ok(each.map(|(series, (all, cut))| if is_ahead(series) { cut } else { all }).collect::<Vec<_>>())
        };
        let all = until(stretch.end)?;
        let Some(split) = begun else { return Ok(vec![(stretch, all)]) };
        let first = until(split)?;
        let rest = all.into_iter().zip(&first).map(|(all, first)| all - first).collect();
        Ok(vec![(TimeRange { end: split, ..stretch }, first), (TimeRange { start: split, ..stretch }, rest)])
    }

    /// Where the first block of the present stage ends, if that is within `stretch`.
    fn first_of_stage(&self, stretch: TimeRange) -> Option<Timestamp> {
        let place = self.plan.stage_at(self.place, stretch.end);
        let since = self.plan.stages.get(place)?.since;
        let end = self.plan.end_of_block(place, since, self.plan.block(self.scrape?));
        (stretch.start < end && end < stretch.end).then_some(end)
    }
}

/// The targets that count for both versions: those are scraped for both at once.
fn counted_for_both(series: &[Series]) -> Keys {
    let of = |arm| series.iter().filter(move |series| series.arm == arm).map(|series| series.instance);
    let stable: Keys = of(Arm::Stable).collect();
    of(Arm::Canary).filter(|instance| stable.contains(instance)).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tidegate_api::Percent;
    use tidegate_judge::{Boundary, Indicator, Key, Meaning, Sample, Tolerance};

    use super::*;
    use crate::sampling_plan::{Kind, SamplingPlan, StagePlan};

    const SETTLED: i64 = 1000;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn limit(boundary: Boundary) -> Limit {
        let tolerance = Tolerance { subject: Indicator::Failed, boundary };
        Limit { check: "errors".to_owned(), kind: Kind::Relative, tolerance, first: None, is_answered: false }
    }

    fn compared() -> Limit {
        limit(Boundary { ratio: 1.5, margin: 0.005 })
    }

    /// One request a second, scraped at `phase` and each 15 s later, up to `now`.
    fn series(target: &str, arm: Arm, phase: i64, now: i64) -> Series {
        let samples = (phase..=now).step_by(15).map(|second| Sample { at: at(second), value: second as f64 });
        let [key, instance] = [target, "one process"].map(|name| Key::of("pod", name));
        let instance = if target.starts_with("gateway") { instance } else { key };
        Series { key, instance, pod: None, arm, meaning: Meaning::Requests, samples: samples.collect() }
    }

    /// The blocks after [`SETTLED`] by which `limit` goes at `now` in a stage since `since`: when each ends, and how many
    /// requests of the new version and of stable are in it.
    fn blocks(limit: &Limit, since: i64, now: i64, series: &[Series]) -> Vec<(i64, f64, f64)> {
        let plan = SamplingPlan::of_anybody(
            vec![StagePlan {
                since: at(since),
                part: None,
                weight: Percent::FULL,
                limits: vec![compared(), limit.clone()],
            }],
            Duration::from_secs(10),
        );
        let newest = scrape::newest(series, Arm::Canary);
        let scrape = Some(Duration::from_secs(15));
        let mut tracker = Tracker { scrape, newest, settled: at(SETTLED), ..Tracker::new(plan) };
        tracker.counters.settle(at(SETTLED), series);
        tracker.look_at_newest(at(now), series).unwrap();
        let blocks = tracker.newest_blocks.of(limit).iter();
        blocks.map(|block| (block.end.as_second(), block.canary.total, block.stable.total)).collect()
    }

    #[test]
    fn a_comparison_counts_the_new_version_up_to_when_all_of_stable_was_scraped_and_a_fixed_limit_all_of_it() {
        let now = 1031;
        let pods = [
            series("new", Arm::Canary, 985, now),
            series("a", Arm::Stable, 987, now),
            series("b", Arm::Stable, 998, now),
        ];
        // The new version was scraped at 1000, 1015 and 1030; stable at 1017 and at 1028.
        assert_eq!(blocks(&compared(), 900, now, &pods), [(1031, 15.0, 60.0)]);
        assert_eq!(blocks(&limit(Boundary::fixed(0.01)), 900, now, &pods), [(1031, 30.0, 60.0)]);
        let now = 1033;
        let pods = [&pods[..1], &[series("a", Arm::Stable, 987, now), series("b", Arm::Stable, 998, now)]].concat();
        assert_eq!(blocks(&compared(), 900, now, &pods), [(1033, 15.0, 75.0)], "the other one is still to come");
    }

    #[test]
    fn nothing_is_waited_for_where_stable_has_no_pods_or_where_a_gateway_counts_for_both() {
        let now = 1031;
        let alone = [series("new", Arm::Canary, 985, now)];
        assert_eq!(blocks(&compared(), 900, now, &alone), [(1031, 30.0, 0.0)]);
        let gateway = [series("gateway new", Arm::Canary, 985, now), series("gateway stable", Arm::Stable, 987, now)];
        assert_eq!(blocks(&compared(), 900, now, &gateway), [(1031, 30.0, 30.0)]);
    }

    #[test]
    fn the_first_block_of_a_stage_stands_by_itself_in_a_comparison() {
        let now = 1046;
        let pods = [series("new", Arm::Canary, 985, now), series("a", Arm::Stable, 985, now)];
        // A block is one scrape long with scrapes so far apart.
        assert_eq!(blocks(&compared(), 1000, now, &pods), [(1015, 15.0, 15.0), (1046, 30.0, 30.0)]);
        assert_eq!(blocks(&compared(), 900, now, &pods), [(1046, 45.0, 45.0)]);
        assert_eq!(blocks(&limit(Boundary::fixed(0.01)), 1000, now, &pods), [(1046, 45.0, 45.0)]);
    }
}
