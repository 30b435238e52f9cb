//! What each check says of what was read for it.

use jiff::Timestamp;
use tidegate_api::{Analysis, Check, CheckStatus, Mode, Verdict, verdict::reason};
use tidegate_judge::{Asked, ErrorRates, Evidence, Judgement, SampleBounds, judge, judge_plainly, judge_values};

use super::{
    analyzer::{AnalysisRequest, Faults, Memory},
    error::QueryError,
    sampling_plan::{Kind, Limit, SamplingPlan},
    tracker::Tracker,
    values,
    wanted::{Wanted, asked_checks, whole_second},
};

impl Memory {
    /// What each check says, in their order. Those that count requests are judged together.
    pub(super) fn statuses(
        &self,
        analysis: &Analysis,
        request: &AnalysisRequest<'_>,
        wanted: &[Result<Wanted, QueryError>],
        faults: &Faults,
    ) -> Vec<CheckStatus> {
        let seen: Vec<_> = wanted.iter().map(|wanted| self.seen(wanted)).collect();
        let asked: Vec<_> = seen.iter().map(AskedLimits::asked).collect();
        let is_last = request.spec.stages().last().is_none_or(|last| last.name == request.stage.name);
        let judgements = match analysis.mode.unwrap_or_default() {
            Mode::Sequential => judge(&asked, &ErrorRates::of(analysis, is_last).in_stage(request.spec, request.stage)),
            Mode::Threshold => asked.iter().map(judge_plainly).collect(),
        };
        let on_unwell = analysis.on_stable_unwell.unwrap_or_default();
        let bounds = asked_checks(analysis, request).map(|(check, _)| SampleBounds::of(check));
        let judgements = judgements
            .into_iter()
            .zip(&asked)
            .zip(bounds)
            .map(|((judgement, asked), bounds)| judgement.within(&bounds, asked).beside_stable(asked, on_unwell));
        let all = asked_checks(analysis, request).zip(wanted).zip(judgements);
        let statuses = all.map(|(((check, _), wanted), judgement)| match wanted {
            Err(fault) => without_numbers(check, fault),
            Ok(Wanted::Counters(plan)) => self.counted(check, plan, judgement, faults, request.now),
            Ok(Wanted::Value(plan)) => self.value(check, plan, faults),
        });
        statuses.collect()
    }

    /// The evidence for each limit of a check in the present stage.
    fn seen(&self, wanted: &Result<Wanted, QueryError>) -> AskedLimits {
        let Ok(Wanted::Counters(plan)) = wanted else { return AskedLimits::default() };
        let Some((stage, (_, tracker))) = plan.stages.last().zip(self.tracker(plan)) else {
            return AskedLimits::default();
        };
        AskedLimits(stage.limits.iter().map(|limit| (limit.clone(), tracker.evidence(limit))).collect())
    }

    pub(super) fn tracker(&self, plan: &SamplingPlan) -> Option<(usize, &Tracker)> {
        self.trackers.iter().enumerate().find(|(_, tracker)| tracker.plan.shares_with(plan))
    }

    /// A failure stands, whatever else is wrong; nothing else does without numbers that can be trusted.
    fn counted(
        &self,
        check: &Check,
        plan: &SamplingPlan,
        judgement: Judgement,
        faults: &Faults,
        now: Timestamp,
    ) -> CheckStatus {
        let Some((place, tracker)) = self.tracker(plan) else {
            return without_numbers(check, &QueryError::Empty { hint: "the check reads something" });
        };
        let fault = faults.trackers.get(place).and_then(Option::as_ref);
        let mut status = match (fault, tracker.doubt(&check.name, now)) {
            _ if judgement.verdict == Verdict::Fail => judgement.into_status(&check.name, tracker.newest()),
            (Some(fault), _) => without_numbers(check, fault),
            (None, Some(doubt)) => {
                let (reason, message) = (doubt.reason(), doubt.to_string());
                let doubtful = Judgement { verdict: Verdict::NoData, reason, message, ..judgement };
                doubtful.into_status(&check.name, tracker.newest())
            }
            (None, None) => with_cause(judgement, tracker).into_status(&check.name, tracker.newest()),
        };
        if let Some(doubled) = tracker.doubled().filter(|_| fault.is_none()) {
            status.message = format!("{}; {doubled}", status.message);
        }
        status
    }

    fn value(&self, check: &Check, plan: &values::ValuePlan, faults: &Faults) -> CheckStatus {
        let place = self.values.iter().position(|values| values.plan == *plan);
        let fault = place.and_then(|place| faults.values.get(place)).and_then(Option::as_ref);
        match (place.and_then(|place| self.values.get(place)), fault) {
            (Some(values), None) => {
                judge_values(&plan.limits, values.run()).into_status(&check.name, values.run().at())
            }
            (_, Some(fault)) => without_numbers(check, fault),
            (None, None) => without_numbers(check, &QueryError::Empty { hint: "the check reads something" }),
        }
    }
}

/// The evidence for each limit of one check.
#[derive(Debug, Default)]
struct AskedLimits(Vec<(Limit, Evidence)>);

impl AskedLimits {
    fn asked(&self) -> Asked<'_> {
        let of = |kind| {
            let found = self.0.iter().find(|(limit, _)| limit.kind == kind);
            found.map(|(limit, evidence)| (limit.tolerance, evidence))
        };
        Asked { max: of(Kind::Max), relative: of(Kind::Relative), warn: of(Kind::Warn) }
    }
}

/// `judgement`, or why it has nothing to go by: all pods of the new version warm up, or nobody asked them for anything that
/// counts.
fn with_cause(judgement: Judgement, tracker: &Tracker) -> Judgement {
    if judgement.reason != reason::NO_REQUESTS {
        return judgement;
    }
    match (tracker.warms_up_until().map(whole_second), tracker.all_excluded()) {
        (Some(until), _) => {
            let message = format!("the pods of the new version warm up: their requests count from {until} on");
            Judgement { reason: reason::WARMING_UP, message, ..judgement }
        }
        (None, Some(why)) => Judgement { reason: why.reason(), message: why.to_string(), ..judgement },
        (None, None) => judgement,
    }
}

/// That there are none, and why.
pub(super) fn without_numbers(check: &Check, fault: &QueryError) -> CheckStatus {
    Judgement::no_data(fault.reason(), fault.to_string()).into_status(&check.name, None)
}
