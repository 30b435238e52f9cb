//! What the checks of a Rollout find of the version that serves.

use std::time::Duration;

use jiff::Timestamp;
use tidegate_api::{Check, Stage, StageBegun};
use tidegate_judge::{Arm, Counts, Measure, Series, Tolerance};

use super::{
    BacktestRequest, Past,
    recording::Instants,
    workload::{any, nobody},
};
use crate::{
    analyzer::AnalysisRequest,
    error::QueryError,
    grid::{earlier, span},
    history,
    sampling_plan::{SamplingPlan, measure},
    tracker::HISTORY,
    wanted::{Wanted, all_wanted, asked_checks},
};

/// At so many instants the traffic of a longer time is read.
const INSTANTS: u32 = 288;

/// What a check finds of the version that serves.
#[derive(Debug)]
pub struct Surveyed {
    /// The check.
    pub check: String,
    /// The stage that it is of, if it is one of a stage's own.
    pub stage: Option<String>,
    /// What it finds for each of its limits, or why it finds nothing; empty for a check that counts no requests.
    pub found: Result<Vec<Found>, QueryError>,
}

/// What a check finds for one of its limits.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    measure: Measure,
    /// All that was counted.
    pub counts: Counts,
    /// In how much time.
    pub time: Duration,
    /// How many requests go bad together, learned as the operator would learn it now.
    pub overdispersion: f64,
}

impl Surveyed {
    /// Whether it is what `check` found, as it is asked in `stage`.
    #[must_use]
    pub fn is_of(&self, check: &Check, stage: &Stage) -> bool {
        self.check == check.name && self.stage.as_ref().is_none_or(|own| *own == stage.name)
    }

    /// What it finds for the limit `tolerance`.
    #[must_use]
    pub fn of(&self, tolerance: &Tolerance) -> Option<&Found> {
        let wanted = measure(tolerance);
        self.found.as_ref().ok()?.iter().find(|found| found.measure == wanted)
    }
}

impl Found {
    /// How many requests there are in an hour.
    #[must_use]
    pub fn per_hour(&self) -> f64 {
        let hours = self.time.as_secs_f64() / 3600.0;
        if hours > 0.0 { self.counts.total / hours } else { 0.0 }
    }
}

impl Past {
    /// What each check of a Rollout found of all pods of its workload in the time `over` before `now`.
    pub async fn survey(
        &self,
        BacktestRequest { namespace, name, spec, templates }: BacktestRequest<'_>,
        over: Duration,
        now: Timestamp,
    ) -> Vec<Surveyed> {
        let stages = spec.stages();
        let Some((analysis, last)) = spec.analysis.as_ref().zip(stages.last()) else { return Vec::new() };
        let begun: Vec<_> = stages
            .iter()
            .map(|stage| StageBegun { stage: stage.name.clone(), since: now, part: None, ..StageBegun::default() })
            .collect();
        let (stable, canary) = (any(&spec.workload.name), nobody());
        let request = |stage, begun| AnalysisRequest {
            uid: "",
            namespace,
            name,
            spec,
            templates,
            stage,
            since: None,
            stable: &stable,
            canary: &canary,
            begun,
            replaced: None,
            written: &[],
            presets: &[],
            now,
        };
        let mut surveyed = Vec::new();
        for (place, stage) in stages.iter().enumerate() {
            let (is_last, begun) = (stage.name == last.name, begun.get(..=place).unwrap_or_default());
            let request = request(stage, begun);
            for ((check, is_own), wanted) in asked_checks(analysis, &request).zip(all_wanted(analysis, &request)) {
                // The Rollout's checks are the same in all stages.
                if !is_own && !is_last {
                    continue;
                }
                let found = match wanted {
                    Ok(Wanted::Counters(plan)) => self.find(&plan, over, now).await,
                    Ok(Wanted::Value(_)) => Ok(Vec::new()),
                    Err(fault) => Err(fault),
                };
                let stage = is_own.then(|| stage.name.clone());
                surveyed.push(Surveyed { check: check.name.clone(), stage, found });
            }
        }
        surveyed
    }

    async fn find(&self, plan: &SamplingPlan, over: Duration, now: Timestamp) -> Result<Vec<Found>, QueryError> {
        let block = plan.block(self.scrape(plan, &[now]).await?);
        let measures = plan.measures();
        let step = (over / INSTANTS).max(block).as_secs().max(1);
        let (all, time) = self.count(plan, &measures, (earlier(now, over), now, step)).await?;
        let start = earlier(now, block * HISTORY);
        let (recent, _) = self.count(plan, &measures, (start, now, block.as_secs().max(1))).await?;
        let found = measures.into_iter().zip(all.into_iter().zip(recent)).map(|(measure, (all, recent))| Found {
            measure,
            counts: all.counts,
            time,
            overdispersion: recent.with_overdispersion(plan.overdispersion).overdispersion,
        });
        Ok(found.collect())
    }

    /// What there was from start to end, read every so many seconds, and over how much of that time.
    async fn count(
        &self,
        plan: &SamplingPlan,
        measures: &[Measure],
        (start, end, step): (Timestamp, Timestamp, u64),
    ) -> Result<(Vec<tidegate_judge::Baseline>, Duration), QueryError> {
        let step = i64::try_from(step).unwrap_or(i64::MAX / 4);
        let instants = Instants { start: start.as_second(), end: end.as_second(), step };
        let (mut series, left_out) = self.series(&plan.source, measures, instants).await?;
        // A selector that does not tell versions apart is taken for the new one's.
        for series in &mut series {
            series.arm = Arm::Stable;
        }
        for measure in measures {
            measure.is_counted(Arm::Stable, &series)?;
        }
        let has_any = series.iter().flat_map(|series| &series.samples).any(|sample| sample.value > 0.0);
        if let Some(why) = left_out.of(Arm::Stable).or(left_out.of(Arm::Canary)).filter(|_| !has_any) {
            return Err(why);
        }
        let first = |series: &Series| series.samples.first().map(|sample| sample.at);
        let last = |series: &Series| series.samples.last().map(|sample| sample.at);
        let seen = series.iter().filter_map(first).min().zip(series.iter().filter_map(last).max());
        let time = seen.map_or(Duration::ZERO, |(first, last)| span(first, last));
        Ok((
            history::learn(
                &series,
                (instants.start, instants.end, step),
                measures,
                plan.source.warm_up_of_processes(),
            )?,
            time,
        ))
    }
}
