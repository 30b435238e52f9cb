//! The evidence for each limit, from stage to stage.

use jiff::Timestamp;
use tidegate_judge::{Baseline, Evidence, Measure, Suspicion};

use super::Tracker;
use crate::{grid::later, sampling_plan::Limit};

impl Tracker {
    /// The evidence for a limit of the present stage, with the newest samples. What settled so far may belong to the
    /// stage before: it speaks against the version, and not for it, unless it has been answered. Then the newest samples wait
    /// until they settle, since most of them may be from before that.
    pub(crate) fn evidence(&self, limit: &Limit) -> Evidence {
        let fresh = || self.nothing_seen(limit, self.plan.stages.len().saturating_sub(1));
        let mut to_come = self.plan.stages.iter().skip(self.place + 1);
        let goes_on = || to_come.clone().all(|stage| stage.part.is_some());
        let mut evidence = match self.known(limit) {
            Some(known) if goes_on() => known.clone(),
            Some(known) if to_come.any(|stage| stage.answers(limit)) => return known.entering_judged_anew(&fresh()),
            Some(known) => known.entering(&fresh()),
            None => fresh(),
        };
        if !self.is_excused(limit, self.settled) {
            evidence.set_provisional(self.newest_blocks.of(limit).iter().copied());
        }
        evidence
    }

    /// Goes on to the stage that settled blocks have come to.
    pub(super) fn enter_stages(&mut self) {
        let reached = self.plan.stage_at(self.place, self.settled);
        for next in self.place + 1..=reached {
            let fresh = self.fresh(next).into_iter().zip(self.limits(next));
            let goes_on = self.plan.stages.get(next).is_some_and(|stage| stage.part.is_some());
            let entered = fresh.map(|(fresh, limit)| match self.known(limit) {
                Some(known) if goes_on => known.clone(),
                Some(known) if limit.is_answered => known.entering_judged_anew(&fresh),
                Some(known) => known.entering(&fresh),
                None => fresh,
            });
            let entered = entered.collect();
            let suspicion =
                |limit: &Limit| if limit.is_answered { Suspicion::default() } else { self.suspicion(limit) };
            let suspicions = self.limits(next).iter().map(suspicion).collect();
            (self.evidence, self.suspicions) = (entered, suspicions);
            self.place = next;
        }
    }

    /// Whether what was counted from `start` on may be from before the step back that answered it: a scrape tells of all
    /// requests since the one before it.
    pub(super) fn is_excused(&self, limit: &Limit, start: Timestamp) -> bool {
        let since = self.plan.stages.get(self.place).filter(|stage| stage.answers(limit)).map(|stage| stage.since);
        since.zip(self.scrape).is_some_and(|(since, scrape)| start < later(since, scrape))
    }

    pub(super) fn fresh(&self, place: usize) -> Vec<Evidence> {
        self.limits(place).iter().map(|limit| self.nothing_seen(limit, place)).collect()
    }

    /// The evidence for a limit of the stage at `place` before its first block.
    fn nothing_seen(&self, limit: &Limit, place: usize) -> Evidence {
        let weight = self.plan.stages.get(place).map_or(1.0, |stage| stage.weight.percent() / 100.0);
        Evidence::new(limit.tolerance.boundary, &self.baseline(limit.measure()))
            .at_weight(weight)
            .with_first(limit.first)
    }

    /// What settled for the same limit of the same check.
    fn known(&self, limit: &Limit) -> Option<&Evidence> {
        self.place_of(limit).and_then(|place| self.evidence.get(place))
    }

    /// Where that is among the limits of the stage that settled blocks have come to.
    pub(super) fn place_of(&self, limit: &Limit) -> Option<usize> {
        let same = |known: &Limit| known.check == limit.check && known.kind == limit.kind;
        self.limits(self.place).iter().position(same)
    }

    pub(super) fn limits(&self, place: usize) -> &[Limit] {
        self.plan.stages.get(place).map_or(&[], |stage| &stage.limits)
    }

    pub(super) fn baseline(&self, measure: Measure) -> Baseline {
        let known = self.baselines.iter().find(|(known, _)| *known == measure).map(|(_, baseline)| baseline.clone());
        known.unwrap_or_else(|| Baseline::of(&[]).with_overdispersion(self.plan.overdispersion))
    }
}
