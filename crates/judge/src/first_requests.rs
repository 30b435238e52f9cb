//! `minRequests` and `maxRequests`: a verdict that waits for so many requests, and one that is due after so many.
//!
//! Runbooks say "on the first hundred requests". A hundred may say little, so the verdict tells how sure it is; what is
//! certain by the sequential test is never turned around.

use tidegate_api::{Check, Verdict, verdict::reason};

use super::{
    block::Counts,
    question::Tolerance,
    verdict::{Asked, Judgement},
    wording::{Sentence, count},
};

/// The requests of a stage up to the settled block in which there were enough of them: counters are read now and then, so that
/// it may be more than were asked for, and never fewer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct FirstRequests {
    asked: f64,
    counts: Option<(Counts, Counts)>,
}

impl FirstRequests {
    pub(super) fn new(asked: f64) -> Self {
        Self { asked, counts: None }
    }

    /// Takes all that has settled in the stage, of the canary and of stable.
    pub(super) fn settle(&mut self, canary: Counts, stable: Counts) {
        if self.counts.is_none() && canary.total >= self.asked {
            self.counts = Some((canary, stable));
        }
    }

    pub(super) fn counts(self) -> Option<(Counts, Counts)> {
        self.counts
    }
}

/// How many requests of a stage a verdict takes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct SampleBounds {
    /// Nothing passes before there are so many.
    pub at_least: Option<f64>,
    /// It is decided when there are so many.
    pub at_most: Option<f64>,
}

impl SampleBounds {
    /// Those of a check.
    #[must_use]
    pub fn of(check: &Check) -> Self {
        let requests = |number: Option<i64>| number.map(|number| number as f64);
        Self { at_least: requests(check.min_requests), at_most: requests(check.max_requests) }
    }
}

impl Judgement {
    /// What is said with these bounds: a failure stands.
    #[must_use]
    pub fn within(self, bounds: &SampleBounds, asked: &Asked<'_>) -> Self {
        if self.verdict == Verdict::Fail || asked.deciding().next().is_none() {
            return self;
        }
        if bounds.at_most.is_some()
            && let Some(decided) = by_the_first(asked)
        {
            return Self { warning: self.warning, ..decided };
        }
        let settled =
            asked.deciding().map(|(_, evidence)| evidence.settled_counts().0.total).fold(f64::INFINITY, f64::min);
        let missing = |bound: Option<f64>| bound.map(|bound| bound - settled).filter(|missing| *missing > 0.0);
        match (self.verdict, missing(bounds.at_least)) {
            (Verdict::Pass, Some(missing)) => self.waits_for(missing, bounds),
            (Verdict::NeedMoreData, least) => self.decided_after(least, missing(bounds.at_most)),
            _ => self,
        }
    }

    /// It would pass, and has to see more requests before.
    fn waits_for(self, missing: f64, bounds: &SampleBounds) -> Self {
        let least = count(bounds.at_least.unwrap_or_default());
        Self {
            verdict: Verdict::NeedMoreData,
            reason: reason::TOO_FEW_REQUESTS,
            message: format!("{}; it passes after {least} requests at the earliest", self.message),
            more_requests: Some(missing),
            more_time: None,
            ..self
        }
    }

    /// When it is decided at the latest, and at the earliest.
    fn decided_after(self, at_least: Option<f64>, at_most: Option<f64>) -> Self {
        let expected = self.more_requests.into_iter().chain(at_least).reduce(f64::max);
        let Some(latest) = at_most.filter(|latest| expected.is_none_or(|expected| *latest < expected)) else {
            return Self {
                more_time: self.more_time.filter(|_| expected == self.more_requests),
                more_requests: expected,
                ..self
            };
        };
        let more = count(latest.ceil());
        Self {
            message: format!("{}; decided by their share after {more} more", self.message),
            more_requests: Some(latest),
            more_time: None,
            ..self
        }
    }
}

/// Holds the share of the first requests against each limit, once there are enough: any that is broken fails, all have to be
/// kept. Nothing where a limit lies between two buckets of a histogram, and the requests between them decide, or those that no
/// histogram has.
fn by_the_first(asked: &Asked<'_>) -> Option<Judgement> {
    let judged: Option<Vec<_>> = asked
        .deciding()
        .map(|(tolerance, evidence)| {
            let counts = evidence.first_counts()?;
            Some(plainly(tolerance, counts, evidence.overdispersion()))
        })
        .collect();
    let judged = judged?;
    let failed = judged.iter().flatten().find(|judgement| judgement.verdict == Verdict::Fail).cloned();
    failed.or_else(|| judged.into_iter().collect::<Option<Vec<_>>>()?.into_iter().next())
}

fn plainly(tolerance: &Tolerance, (canary, stable): (Counts, Counts), overdispersion: f64) -> Option<Judgement> {
    let beside = if stable.total > 0.0 { stable.bad / stable.total } else { 0.0 };
    let (allowed, at_most) = (tolerance.boundary.limit(beside), canary.at_most());
    let (verdict, reason) = match () {
        () if canary.bad > allowed * canary.total => (Verdict::Fail, reason::ABOVE_LIMIT),
        () if at_most.bad <= allowed * at_most.total => (Verdict::Pass, reason::WITHIN_LIMIT),
        () => return None,
    };
    let sentence = Sentence { tolerance, canary, stable, overdispersion };
    let range = sentence.range().unwrap_or_default();
    let (bad, total) = (count(canary.bad), count(canary.total));
    let message = format!(
        "by the first requests, {bad} bad of {total}: {sentence}; the true share is {range} with 95% certainty"
    );
    Some(Judgement::new(verdict, reason, &sentence, message))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{Baseline, Block, Boundary, Evidence, Indicator, error_rates::ErrorRates, judge};

    const ONE_PERCENT: Tolerance =
        Tolerance { subject: Indicator::Failed, boundary: Boundary { ratio: 0.0, margin: 0.01 } };

    /// What is said after blocks of ten seconds, each of so many requests of which so many failed.
    fn said(bounds: SampleBounds, blocks: &[(f64, f64)]) -> Judgement {
        let mut evidence = Evidence::new(ONE_PERCENT.boundary, &Baseline::of(&[])).with_first(bounds.at_most);
        for (place, (total, bad)) in (0..).zip(blocks) {
            let at = |place: i64| Timestamp::from_second(place * 10).unwrap();
            let canary = Counts::exact(*bad, *total);
            evidence.settle(&Block { start: at(place), end: at(place + 1), canary, stable: Counts::default() });
        }
        let asked = Asked { max: Some((ONE_PERCENT, &evidence)), ..Asked::default() };
        let judged = judge(std::slice::from_ref(&asked), &ErrorRates::of(&analysis(), false)).remove(0);
        judged.within(&bounds, &asked)
    }

    fn analysis() -> tidegate_api::Analysis {
        serde_json::from_value(serde_json::json!({"checks": []})).unwrap()
    }

    fn on(requests: f64) -> SampleBounds {
        SampleBounds { at_least: Some(requests), at_most: Some(requests) }
    }

    #[test]
    fn the_first_hundred_requests_decide_by_their_plain_share_and_say_how_sure_that_is() {
        let passed = said(on(100.0), &[(40.0, 0.0), (40.0, 1.0), (40.0, 0.0)]);
        assert_eq!(passed.verdict, Verdict::Pass);
        assert_eq!(
            passed.message,
            "by the first requests, 1 bad of 120: 0.83% of 120 requests failed, allowed 1%; the true share is 0.000007% to \
             11.3% with 95% certainty"
        );
        let failed = said(on(100.0), &[(50.0, 0.0), (50.0, 2.0)]);
        assert_eq!((failed.verdict, failed.value.as_deref()), (Verdict::Fail, Some("2%")));
    }

    #[test]
    fn what_comes_after_them_changes_the_verdict_only_when_it_is_certain() {
        let first = [(100.0, 1.0)];
        let later = |count: usize, bad: f64| [first.to_vec(), vec![(100.0, bad); count]].concat();
        assert_eq!(said(on(100.0), &later(3, 2.0)).verdict, Verdict::Pass);
        assert_eq!(said(on(100.0), &later(3, 30.0)).verdict, Verdict::Fail);
    }

    #[test]
    fn before_them_nothing_passes_and_what_is_certainly_bad_fails() {
        let waits = said(on(100.0), &[(30.0, 0.0), (30.0, 0.0)]);
        assert_eq!((waits.verdict, waits.more_requests), (Verdict::NeedMoreData, Some(40.0)));
        assert!(waits.message.ends_with("decided by their share after 40 more"), "{}", waits.message);
        assert_eq!(said(on(100.0), &[(30.0, 20.0), (30.0, 20.0)]).verdict, Verdict::Fail);
    }

    #[test]
    fn a_check_that_is_certain_early_still_waits_for_its_least_number_of_requests() {
        let many = vec![(1000.0, 0.0); 10];
        let free = said(SampleBounds::default(), &many);
        assert_eq!(free.verdict, Verdict::Pass);
        let least = SampleBounds { at_least: Some(12_000.0), at_most: None };
        let waits = said(least, &many);
        assert_eq!((waits.verdict, waits.more_requests), (Verdict::NeedMoreData, Some(2000.0)));
        assert!(waits.message.ends_with("it passes after 12,000 requests at the earliest"), "{}", waits.message);
        assert_eq!(said(least, &[(1000.0, 0.0); 12]).verdict, Verdict::Pass);
    }

    #[test]
    fn requests_between_two_buckets_of_a_histogram_decide_nothing() {
        let counts = Counts { bad_at_most: 5.0, ..Counts::exact(0.0, 100.0) };
        assert_eq!(plainly(&ONE_PERCENT, (counts, Counts::default()), 1.0), None);
    }
}
