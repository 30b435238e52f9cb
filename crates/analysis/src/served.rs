//! How the requests of the present stage were divided between the versions, by the counters that the checks read anyway.

use std::time::Duration;

use jiff::Timestamp;
use tidegate_judge::{Arm, Block, Divided, Division, Flow, Series, Served};

use super::{error::Counting, grid::later, sampling_plan::SamplingPlan, scrape};

/// At least so long after a weight came into force, requests may still be divided by the one before: a gateway may follow
/// what it has accepted a little later.
const LATE: Duration = Duration::from_secs(5);

/// The requests of the stage that settled blocks have come to.
#[derive(Debug, Default)]
pub(super) struct ServedWatch {
    place: usize,
    division: Option<Division>,
    /// So many requests were all stable's, lately, and the gateway has no counter of the new version yet.
    starved: Option<f64>,
}

impl ServedWatch {
    /// Takes in all requests of a stretch that was settled in the stage at `place`, by counters that are scraped so far apart.
    ///
    /// A counter shows what was up to its last scrape, which may be from before the weight: the first two scrapes do not
    /// count. Nor does a block of which only one version is known, or one in which other weights were in force.
    pub(super) fn take(
        &mut self,
        plan: &SamplingPlan,
        (place, scrape): (usize, Option<Duration>),
        block: Option<&Block>,
        series: &[Series],
    ) {
        self.starved = None;
        let mut since = plan.stages.iter().take(place + 1).skip(self.place + 1);
        if since.any(|stage| stage.part.is_none()) {
            self.division = None;
        }
        self.place = self.place.max(place);
        let stage = plan.stages.get(place).filter(|stage| !stage.is_disturbed());
        let Some(((stage, scrape), block)) = stage.zip(scrape).zip(block) else { return };
        let is_settled = block.start >= later(stage.since, LATE.max(2 * scrape));
        if is_settled && [Arm::Canary, Arm::Stable].into_iter().all(|arm| is_counted(arm, series)) {
            let new = || Division::new(plan.block(scrape), scrape);
            self.division.get_or_insert_with(new).take(block);
        }
    }

    /// Takes in what there is up to `now` where nothing of the new version is. A gateway makes a counter for a backend with
    /// its first request: where it counts stable's, the new version was given none. Pods that are not scraped say nothing.
    pub(super) fn see_none(&mut self, plan: &SamplingPlan, now: Timestamp, series: &[Series]) {
        let stage = plan.stages.last().filter(|stage| !stage.is_disturbed());
        let stage = stage.filter(|_| plan.source.counting == Counting::Gateway && self.division.is_none());
        let since = stage.zip(scrape::interval(series));
        let since = since.map(|(stage, scrape)| later(stage.since, LATE.max(2 * scrape)));
        self.starved = since.map(|since| Flow::between(series, since, now).requests());
    }

    /// How requests were divided in the last of the plan's stages; nothing while too little is known of it.
    pub(super) fn divided(&self, plan: &SamplingPlan) -> Option<Divided> {
        let is_by_gateway = plan.source.counting == Counting::Gateway;
        if let Some(requests) = self.starved {
            return Some(Divided { served: Served::none_of(requests), is_by_gateway });
        }
        let served = self.division.as_ref()?.served().filter(|_| self.place + 1 == plan.stages.len())?;
        Some(Divided { served, is_by_gateway })
    }
}

/// Whether there is a counter of all requests of a version.
fn is_counted(arm: Arm, series: &[Series]) -> bool {
    series.iter().any(|series| series.arm == arm && series.meaning.counts_all())
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use tidegate_api::{Percent, StagePart};
    use tidegate_judge::{Counts, Key, Meaning, Sample, WarmUp};

    use super::*;
    use crate::{exclusion::Exclusion, sampling_plan::StagePlan, source::Source};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    /// Parts of stages that began at these seconds, counted by a gateway.
    fn plan(stages: &[(i64, Option<StagePart>)]) -> SamplingPlan {
        let stage = |(since, part): &(i64, _)| StagePlan {
            since: at(*since),
            part: *part,
            weight: Percent::FULL,
            limits: Vec::new(),
        };
        SamplingPlan {
            endpoint: "default".to_owned(),
            source: Source {
                selectors: Vec::new(),
                counting: Counting::Gateway,
                exclusion: Exclusion::default(),
                warm_up: WarmUp::default(),
                about: String::new(),
            },
            stages: stages.iter().map(stage).collect(),
            is_own: false,
            interval: Duration::from_secs(10),
            overdispersion: None,
            without: None,
        }
    }

    fn counters(arms: &[Arm]) -> Vec<Series> {
        let of = |arm: &Arm| Series {
            key: Key::default(),
            instance: Key::default(),
            pod: None,
            arm: *arm,
            meaning: Meaning::Requests,
            samples: Vec::new(),
        };
        arms.iter().map(of).collect()
    }

    const BOTH: [Arm; 2] = [Arm::Canary, Arm::Stable];

    /// Takes in blocks of ten seconds from `start` on, in which this many of 100 requests were the new version's.
    fn take(
        watch: &mut ServedWatch,
        plan: &SamplingPlan,
        place: usize,
        (start, blocks): (i64, i64),
        canary: f64,
        arms: &[Arm],
    ) {
        for block in 0..blocks {
            let start = at(start + 10 * block);
            let end = start + SignedDuration::from_secs(10);
            let [canary, stable] = [canary, 100.0 - canary].map(|total| Counts::exact(0.0, total));
            let block = Block { start, end, canary, stable };
            watch.take(plan, (place, Some(Duration::from_secs(5))), Some(&block), &counters(arms));
        }
    }

    fn requests_and_share(watch: &ServedWatch, plan: &SamplingPlan) -> Option<(f64, f64)> {
        watch.divided(plan).map(|divided| (divided.served.requests, divided.served.share))
    }

    #[test]
    fn what_may_be_from_before_the_weight_does_not_count() {
        let (plan, mut watch) = (plan(&[(0, None)]), ServedWatch::default());
        take(&mut watch, &plan, 0, (0, 1), 90.0, &BOTH);
        assert_eq!(requests_and_share(&watch, &plan), None);
        take(&mut watch, &plan, 0, (10, 3), 5.0, &BOTH);
        assert_eq!(requests_and_share(&watch, &plan), Some((300.0, 0.05)));
        assert!(watch.divided(&plan).unwrap().is_by_gateway);
    }

    #[test]
    fn each_stage_has_its_own_share_and_none_before_its_own_blocks_settled() {
        let (before, mut watch) = (plan(&[(0, None)]), ServedWatch::default());
        take(&mut watch, &before, 0, (10, 5), 5.0, &BOTH);
        let after = plan(&[(0, None), (60, None)]);
        assert_eq!(requests_and_share(&watch, &after), None);
        take(&mut watch, &after, 1, (60, 4), 25.0, &BOTH);
        assert_eq!(requests_and_share(&watch, &after), Some((300.0, 0.25)));
    }

    #[test]
    fn a_stage_goes_on_where_it_was_disturbed_and_without_what_came_meanwhile() {
        let (disturbed, resumed) = (Some(StagePart::Disturbed), Some(StagePart::Resumed));
        let (plan, mut watch) = (plan(&[(0, None), (60, disturbed), (120, resumed)]), ServedWatch::default());
        take(&mut watch, &plan, 0, (0, 6), 5.0, &BOTH);
        take(&mut watch, &plan, 1, (60, 6), 80.0, &BOTH);
        take(&mut watch, &plan, 2, (120, 1), 80.0, &BOTH);
        take(&mut watch, &plan, 2, (130, 5), 5.0, &BOTH);
        assert_eq!(requests_and_share(&watch, &plan), Some((1000.0, 0.05)));
    }

    #[test]
    fn a_version_that_a_gateway_gives_nothing_has_no_counter_and_is_known_all_the_same() {
        let (of_gateway, mut watch) = (plan(&[(0, None)]), ServedWatch::default());
        let mut stable = counters(&[Arm::Stable]);
        stable[0].samples = (0..=20).map(|step| Sample { at: at(5 * step), value: 100.0 * step as f64 }).collect();
        watch.see_none(&of_gateway, at(100), &stable);
        // Without the first two scrapes.
        assert_eq!(requests_and_share(&watch, &of_gateway), Some((1700.0, 0.0)));
        take(&mut watch, &of_gateway, 0, (100, 3), 1.0, &BOTH);
        assert_eq!(requests_and_share(&watch, &of_gateway), Some((300.0, 0.01)));

        let (mut of_pods, mut watch) = (plan(&[(0, None)]), ServedWatch::default());
        of_pods.source.counting = Counting::Pods;
        watch.see_none(&of_pods, at(100), &stable);
        assert_eq!(requests_and_share(&watch, &of_pods), None);
    }

    #[test]
    fn where_one_version_is_not_counted_nothing_is_known() {
        for arms in [&[Arm::Canary][..], &[Arm::Stable], &[]] {
            let (plan, mut watch) = (plan(&[(0, None)]), ServedWatch::default());
            take(&mut watch, &plan, 0, (10, 20), 50.0, arms);
            assert_eq!(requests_and_share(&watch, &plan), None);
        }
    }
}
