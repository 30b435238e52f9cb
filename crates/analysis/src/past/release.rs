//! A release in the past, judged as the operator would have judged it.

use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;
use tidegate_api::{Analysis, CheckStatus, OnInconclusive, RevisionStatus, Stage, StageBegun, Verdict};
use tidegate_judge::{Arm, Block, Measure, Reading, Series};

use super::{
    BacktestRequest, Past,
    draw::Draw,
    recording::{Instants, Values, between},
    workload,
};
use crate::{
    analyzer::{AnalysisRequest, Faults, Memory},
    error::QueryError,
    grid::{Grid, later, span},
    history,
    sampling_plan::SamplingPlan,
    source::Source,
    tracker::{HISTORY, Tracker},
    values,
    wanted::{Wanted, all_wanted, interval},
};

/// A check that asks something else in a later stage than in the first one.
const NOT_RECORDED: QueryError = QueryError::Empty { hint: "the check reads the same in all stages" };

/// How much longer than all of its stages have to last a release is watched at most.
const PATIENCE: Duration = Duration::from_hours(24);

/// Which pods are taken for those of the new version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versions<'a> {
    /// All of the workload, from the release on, with as many of their requests as the weight of each stage would have
    /// sent to it, drawn by chance; what all of them were like before stands for stable.
    Workload,
    /// Those of two ReplicaSets that there were.
    Real {
        /// The new version's.
        canary: &'a str,
        /// The stable version's.
        stable: &'a str,
    },
}

/// A release, and what its checks said.
#[derive(Debug, Clone, PartialEq)]
pub struct Released {
    /// When the first stage began.
    pub at: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// When it ended.
    pub until: Timestamp,
    /// Each time that a check said something else than before, or a stage began.
    pub changes: Vec<Change>,
    /// What the checks said in the end.
    pub checks: Vec<CheckStatus>,
}

/// How a release ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A check failed.
    Failed,
    /// It went through all stages.
    Passed,
    /// A stage's deadline passed without enough evidence: the release was held or reverted there.
    Inconclusive,
    /// The time that was asked about was over before.
    Unfinished,
}

/// A check that said something else than before.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// In which stage.
    pub stage: String,
    /// What the check says now.
    pub check: CheckStatus,
}

/// All that is known of the time that is asked about.
struct Recorded {
    counters: Vec<Counters>,
    values: HashMap<String, Result<Values, QueryError>>,
}

/// What checks with one source count.
struct Counters {
    source: Source,
    scrape: Duration,
    series: Result<Vec<Series>, QueryError>,
}

/// What the releases have in common.
struct Trial<'a> {
    subject: BacktestRequest<'a>,
    analysis: &'a Analysis,
    stages: Vec<Stage>,
    versions: Versions<'a>,
    canary: RevisionStatus,
    stable: RevisionStatus,
    to: Timestamp,
}

impl Past {
    /// Releases a version at each of `releases`, the earliest first, and judges it by what there was until `to`.
    ///
    /// # Errors
    /// Why nothing can be said at all; that one check finds nothing is told among its changes.
    pub async fn replay(
        &self,
        subject: BacktestRequest<'_>,
        versions: Versions<'_>,
        (releases, to): (&[Timestamp], Timestamp),
    ) -> Result<Vec<Released>, QueryError> {
        let spec = subject.spec;
        let Some((analysis, from)) = spec.analysis.as_ref().zip(releases.first()) else { return Ok(Vec::new()) };
        let (canary, stable) = match versions {
            Versions::Workload => (workload::any(&spec.workload.name), workload::nobody()),
            Versions::Real { canary, stable } => (workload::of(canary), workload::of(stable)),
        };
        let stages = spec.stages().to_vec();
        let trial = Trial { subject, analysis, stages, versions, canary, stable, to };
        let begun: Vec<_> = (0..trial.stages.len()).filter_map(|place| trial.begun(place, *from)).collect();
        let wanted: Vec<_> =
            (1..=begun.len()).flat_map(|stages| trial.wanted(begun.get(..stages).unwrap_or_default(), *from)).collect();
        let recorded = self.record(&trial, &wanted, *from).await?;
        Ok(releases.iter().map(|at| trial.release(&recorded, *at)).collect())
    }

    /// Reads all that the releases may look at, each number once.
    async fn record(
        &self,
        trial: &Trial<'_>,
        all: &[Result<Wanted, QueryError>],
        from: Timestamp,
    ) -> Result<Recorded, QueryError> {
        let mut recorded = Recorded { counters: Vec::new(), values: HashMap::new() };
        for wanted in all.iter().flatten() {
            match wanted {
                Wanted::Counters(plan) if recorded.counters.iter().any(|known| known.source == plan.source) => {}
                Wanted::Counters(plan) => {
                    let measures = measures_of(&plan.source, all);
                    recorded.counters.push(self.counters(plan, &measures, (from, trial.to)).await?);
                }
                Wanted::Value(plan) => {
                    let step = Grid::new(from, plan.interval).step();
                    let instants = Instants { start: from.as_second(), end: trial.to.as_second(), step };
                    for promql in std::iter::once(&plan.promql).chain(&plan.stable) {
                        let values = match &plan.provider {
                            // Only the present is asked about.
                            Some(name) => Err(QueryError::ProviderNotFound { name: name.clone() }),
                            None => self.values(promql, plan.reduce, instants).await,
                        };
                        recorded.values.insert(promql.clone(), values);
                    }
                }
            }
        }
        Ok(recorded)
    }

    /// All that `plan` counts until `to`, and what a release at `from` learns from.
    async fn counters(
        &self,
        plan: &SamplingPlan,
        measures: &[Measure],
        (from, to): (Timestamp, Timestamp),
    ) -> Result<Counters, QueryError> {
        let source = plan.source.clone();
        let scrape = match self.scrape(plan, &[to, from]).await {
            Ok(scrape) => scrape,
            Err(fault) if fault.is_absence() => {
                return Ok(Counters { source, scrape: plan.interval, series: Err(fault) });
            }
            Err(fault) => return Err(fault),
        };
        let step = Grid::new(from, plan.block(scrape)).step();
        let start = from.as_second().saturating_sub(step.saturating_mul(i64::from(HISTORY)));
        let (series, _) = self.series(&source, measures, Instants { start, end: to.as_second(), step }).await?;
        Ok(Counters { source, scrape, series: Ok(series) })
    }
}

/// All that is counted of `source`.
fn measures_of(source: &Source, all: &[Result<Wanted, QueryError>]) -> Vec<Measure> {
    let plans = all.iter().flatten().filter_map(|wanted| match wanted {
        Wanted::Counters(plan) if plan.source == *source => Some(plan),
        _ => None,
    });
    plans.flat_map(SamplingPlan::measures).collect()
}

impl Trial<'_> {
    fn begun(&self, place: usize, since: Timestamp) -> Option<StageBegun> {
        self.stages.get(place).map(|stage| StageBegun {
            stage: stage.name.clone(),
            since,
            part: None,
            ..StageBegun::default()
        })
    }

    /// What a look at `now` asks in the stage that began last.
    fn request<'a>(&'a self, begun: &'a [StageBegun], now: Timestamp) -> Option<AnalysisRequest<'a>> {
        let stage = begun.len().checked_sub(1).and_then(|place| self.stages.get(place))?;
        let BacktestRequest { namespace, name, spec, templates } = self.subject;
        Some(AnalysisRequest {
            uid: "",
            namespace,
            name,
            spec,
            templates,
            stage,
            since: begun.last().map(|begun| begun.since),
            stable: &self.stable,
            canary: &self.canary,
            begun,
            replaced: None,
            written: &[],
            presets: &[],
            now,
        })
    }

    fn wanted(&self, begun: &[StageBegun], now: Timestamp) -> Vec<Result<Wanted, QueryError>> {
        self.request(begun, now).map_or_else(Vec::new, |request| all_wanted(self.analysis, &request))
    }

    /// One release: looks after each interval, until it ended.
    fn release(&self, recorded: &Recorded, at: Timestamp) -> Released {
        let mut released =
            Released { at, outcome: Outcome::Unfinished, until: at, changes: Vec::new(), checks: Vec::new() };
        let (mut begun, mut memory) = (Vec::from_iter(self.begun(0, at)), Memory::default());
        let mut wanted = self.wanted(&begun, at);
        memory.prepare(&wanted);
        let bakes: Duration = self.stages.iter().map(|stage| stage.bake().duration()).sum();
        let end = self.to.min(later(at, bakes.saturating_add(PATIENCE)));
        let (mut now, mut draw) = (self.next_look(&memory, at, at), Draw::new(at.as_second()));
        while now <= end {
            released.until = now;
            let Some(request) = self.request(&begun, now) else { break };
            let faults = self.observe(&mut memory, recorded, (at, &mut draw), &request);
            released.note(request.stage, memory.statuses(self.analysis, &request, &wanted, &faults), now);
            match (self.outcome(&request, &released.checks), self.begun(begun.len(), now)) {
                (None, _) => {}
                (Some(Outcome::Passed), Some(next)) => {
                    begun.push(next);
                    wanted = self.wanted(&begun, now);
                    memory.prepare(&wanted);
                }
                (Some(outcome), _) => {
                    released.outcome = outcome;
                    break;
                }
            }
            now = self.next_look(&memory, begun.last().map_or(at, |begun| begun.since), now);
        }
        released
    }

    /// The next instant at which there may be something new: as blocks grow longer, looks become fewer, unless a query
    /// counts them.
    fn next_look(&self, memory: &Memory, since: Timestamp, now: Timestamp) -> Timestamp {
        let step = interval(self.analysis);
        let grid = if memory.values.is_empty() { Grid::tapering(since, step) } else { Grid::new(since, step) };
        grid.next(now)
    }

    /// Hands to `memory` what `look` would have read.
    fn observe(
        &self,
        memory: &mut Memory,
        recorded: &Recorded,
        (released, draw): (Timestamp, &mut Draw),
        request: &AnalysisRequest<'_>,
    ) -> Faults {
        let now = request.now;
        let share = match self.versions {
            Versions::Workload => request.stage.weight.fraction(),
            Versions::Real { .. } => 1.0,
        };
        let mut drawn = |block| draw.some(share, block);
        let trackers = memory.trackers.iter_mut().map(|tracker| {
            let found = recorded.counters.iter().find(|counters| counters.source == tracker.plan.source);
            let Some(Counters { scrape, series, .. }) = found else { return Some(NOT_RECORDED) };
            match series {
                Ok(series) => self.count(tracker, (*scrape, series), now, &mut drawn).err(),
                Err(fault) => Some(fault.clone()),
            }
        });
        let trackers = trackers.collect();
        let values = memory.values.iter_mut().map(|values| {
            let Some(at) = values.due(now) else { return values.fault.clone() };
            let seen = self.seen(&values.plan, recorded, released, at);
            values.take(at, seen).err()
        });
        Faults { trackers, values: values.collect() }
    }

    fn count(
        &self,
        tracker: &mut Tracker,
        (scrape, series): (Duration, &[Series]),
        now: Timestamp,
        drawn: &mut dyn FnMut(Block) -> Block,
    ) -> Result<(), QueryError> {
        if tracker.lacks_history() {
            let end = tracker.plan.origin();
            let step = Grid::new(end, tracker.plan.block(scrape)).step();
            let start = end.as_second().saturating_sub(step.saturating_mul(i64::from(HISTORY)));
            let mut before = between(series, Timestamp::from_second(start).unwrap_or(Timestamp::MIN), end);
            match self.versions {
                Versions::Workload => before.iter_mut().for_each(|series| series.arm = Arm::Stable),
                Versions::Real { .. } => before.retain(|series| series.arm == Arm::Stable),
            }
            tracker.teach(history::learn(
                &before,
                (start, end.as_second(), step),
                &tracker.plan.measures(),
                tracker.plan.source.warm_up_of_processes(),
            )?);
        }
        tracker.replay(scrape, now, &between(series, tracker.settled(), now), drawn)
    }

    /// What a query yielded at `at`, with what it is compared with.
    fn seen(
        &self,
        plan: &values::ValuePlan,
        recorded: &Recorded,
        released: Timestamp,
        at: Timestamp,
    ) -> Result<Reading, QueryError> {
        let value = |promql: &str, at: Timestamp| match recorded.values.get(promql) {
            Some(Ok(values)) => {
                let step = Grid::new(at, plan.interval).step();
                let recent = at.as_second().saturating_sub(step - 1)..=at.as_second();
                let found = values.range(recent).next_back().map(|(_, value)| value.clone());
                found.unwrap_or(Err(QueryError::Empty { hint: "the expression selected something at that time" }))
            }
            Some(Err(fault)) => Err(fault.clone()),
            None => Err(NOT_RECORDED),
        };
        let stable = match (&plan.stable, self.versions) {
            (None, _) => None,
            (Some(_), Versions::Workload) => Some(value(&plan.promql, released)),
            (Some(stable), Versions::Real { .. }) => Some(value(stable, at).or_else(|_| value(stable, plan.since))),
        };
        let stable = stable.transpose().map_err(|fault| QueryError::OfStable(Box::new(fault)))?;
        Ok(Reading { value: value(&plan.promql, at)?, stable })
    }

    /// Whether the stage of `look` is over, and how.
    fn outcome(&self, request: &AnalysisRequest<'_>, checks: &[CheckStatus]) -> Option<Outcome> {
        let is = |verdict| move |check: &CheckStatus| check.verdict == verdict;
        if checks.iter().any(is(Verdict::Fail)) {
            return Some(Outcome::Failed);
        }
        let lasted = request.begun.last().map_or(Duration::ZERO, |begun| span(begun.since, request.now));
        if checks.iter().all(is(Verdict::Pass)) {
            return (lasted >= request.stage.bake().duration()).then_some(Outcome::Passed);
        }
        let is_over = request.stage.deadline.is_some_and(|deadline| lasted >= deadline.duration());
        let blind = checks.iter().any(is(Verdict::NoData));
        is_over.then_some(match self.subject.spec.on_inconclusive.unwrap_or_default() {
            OnInconclusive::Advance if !blind => Outcome::Passed,
            _ => Outcome::Inconclusive,
        })
    }
}

impl Released {
    /// Keeps what the checks say, and what of it is new.
    fn note(&mut self, stage: &Stage, checks: Vec<CheckStatus>, at: Timestamp) {
        for check in &checks {
            let before = self.changes.iter().rev().find(|change| change.check.name == check.name);
            let is_new =
                before.is_none_or(|before| before.check.verdict != check.verdict || before.stage != stage.name);
            if is_new {
                self.changes.push(Change { at, stage: stage.name.clone(), check: check.clone() });
            }
        }
        self.checks = checks;
    }
}
