//! By which pods the bad requests of a failing check were answered.

use tidegate_api::{CheckStatus, Verdict};
use tidegate_judge::{Arm, Indicator, Spread};
use tidegate_planner::workload::naming::is_pod_of;

use super::{
    analyzer::{AnalysisRequest, Memory},
    error::QueryError,
    sampling_plan::{Kind, Limit},
    wanted::Wanted,
};

impl Memory {
    /// The bad requests by pod, for each of `checks` that fails the version and counts requests.
    pub(super) fn spreads(
        &self,
        checks: &[CheckStatus],
        request: &AnalysisRequest<'_>,
        wanted: &[Result<Wanted, QueryError>],
    ) -> Vec<Spread> {
        let failing = checks.iter().zip(wanted).filter(|(check, _)| check.verdict == Verdict::Fail);
        failing.filter_map(|(check, wanted)| self.spread(check, request, wanted.as_ref().ok()?)).collect()
    }

    /// By the limit that has most against it.
    fn spread(&self, check: &CheckStatus, request: &AnalysisRequest<'_>, wanted: &Wanted) -> Option<Spread> {
        let Wanted::Counters(plan) = wanted else { return None };
        let (_, tracker) = self.tracker(plan)?;
        let limits = plan.stages.last()?.limits.iter().filter(|limit| limit.kind != Kind::Warn);
        let seen = limits.map(|limit| (limit, tracker.evidence(limit)));
        let (limit, evidence) = seen.max_by(|(_, one), (_, other)| one.against().total_cmp(&other.against()))?;
        let Limit { tolerance, .. } = limit;
        let pods = tracker.by_pod(limit).only(|arm, pod| {
            let revision = if arm == Arm::Canary { request.canary } else { request.stable };
            is_pod_of(&revision.replica_set, pod)
        });
        Some(Spread {
            check: check.name.clone(),
            pods,
            overdispersion: evidence.overdispersion(),
            limit: evidence.limit_of_worse(),
            what: match tolerance.subject {
                Indicator::Failed => "failures",
                Indicator::SlowerThan(..) => "slow requests",
            },
        })
    }
}
