//! The requests of each pod, while the new version looks worse than it may be: where its bad ones come from.

use std::borrow::Cow;

use jiff::Timestamp;
use tidegate_judge::{Block, ByPod, Evidence, Measure, Series, Suspicion, TimeRange};

use super::Tracker;
use crate::sampling_plan::Limit;

impl Tracker {
    /// The requests of each pod since the version looks worse by `limit` than it may be, with the newest samples.
    pub(crate) fn by_pod(&self, limit: &Limit) -> ByPod {
        let newest = self.newest_by_pod.iter().find(|(measure, _)| *measure == limit.measure());
        let newest = newest.map(|(_, pods)| pods.clone()).unwrap_or_default();
        self.suspicion(limit).with(newest)
    }

    /// What settled of that.
    pub(super) fn suspicion(&self, limit: &Limit) -> Suspicion {
        self.place_of(limit).and_then(|place| self.suspicions.get(place)).cloned().unwrap_or_default()
    }

    /// Takes in a stretch that the evidence has taken in.
    pub(super) fn follow_pods(&mut self, stretch: TimeRange, measures: &[Measure], series: &[Series]) {
        self.suspicions.resize_with(self.evidence.len(), Suspicion::default);
        let since: Vec<Option<Timestamp>> = self.evidence.iter().map(Evidence::suspected_since).collect();
        let counted = since
            .iter()
            .zip(measures)
            .map(|(since, measure)| since.map(|_| self.count_by_pod(stretch, *measure, series)).unwrap_or_default());
        let counted: Vec<_> = counted.collect();
        for ((suspicion, since), counted) in self.suspicions.iter_mut().zip(since).zip(counted) {
            suspicion.follow(since, stretch.start, counted);
        }
    }

    /// The newest samples, where they or what settled before look worse than they may be: of a version that is well nobody
    /// asks.
    pub(super) fn look_at_newest_pods(&mut self, now: Timestamp, series: &[Series]) {
        let stretch = TimeRange { start: self.settled, end: now };
        let bad = self.newest_blocks.all().filter(|(measure, block)| self.looks_worse(*measure, block));
        self.newest_by_pod = bad.map(|(measure, _)| (measure, self.count_by_pod(stretch, measure, series))).collect();
    }

    fn looks_worse(&self, measure: Measure, block: &Block) -> bool {
        let limits = self.plan.stages.last().map_or(&[][..], |stage| &stage.limits);
        let stable = if block.stable.total > 0.0 { block.stable.bad / block.stable.total } else { 0.0 };
        limits.iter().filter(|limit| limit.measure() == measure).any(|limit| {
            let is_suspected = || self.place_of(limit).and_then(|place| self.suspicions.get(place));
            let is_beyond = block.canary.bad > limit.tolerance.boundary.limit(stable) * block.canary.total;
            is_beyond || is_suspected().is_some_and(|suspicion| !suspicion.is_empty())
        })
    }

    fn count_by_pod(&self, stretch: TimeRange, measure: Measure, series: &[Series]) -> ByPod {
        let Ok(gains) = self.counters.gains(stretch, self.settling(), series) else { return ByPod::default() };
        ByPod::of(stretch, measure, series, &self.counted(stretch, measure, series, &gains))
    }

    /// What of `gains` counts once: nothing of series that others are once more.
    pub(super) fn once<'a>(&self, series: &[Series], gains: &'a [f64]) -> Cow<'a, [f64]> {
        if self.doubles.is_empty() {
            return Cow::Borrowed(gains);
        }
        let each = series.iter().zip(gains);
        each.map(|(series, gain)| if self.doubles.has(series.key) { 0.0 } else { *gain }).collect()
    }

    /// What of `gains` counts: nothing of processes that warm up, of the pod that was replaced, or of what is there twice.
    pub(super) fn counted<'a>(
        &self,
        stretch: TimeRange,
        measure: Measure,
        series: &[Series],
        gains: &'a [f64],
    ) -> Cow<'a, [f64]> {
        let (warm_up, known) = (self.plan.source.warm_up_of_processes(), (&self.counters, self.settling()));
        let mut counted = warm_up.counted(measure, known, stretch, series, gains);
        if !self.doubles.is_empty() {
            counted = Cow::Owned(self.once(series, &counted).into_owned());
        }
        if self.plan.without.is_some() {
            let replaced = series.iter().map(|series| series.pod == self.plan.without);
            counted
                .to_mut()
                .iter_mut()
                .zip(replaced)
                .filter(|(_, replaced)| *replaced)
                .for_each(|(gain, _)| *gain = 0.0);
        }
        counted
    }
}
