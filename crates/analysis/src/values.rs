//! The values of one query since a stage began.

use std::{collections::BTreeMap, time::Duration};

use futures::future::{join, try_join};
use jiff::Timestamp;
use tidegate_api::{Reduce, Verdict};
use tidegate_judge::{Reading, Run, ValueLimits, judge_values};

use super::{
    answer::Row,
    error::QueryError,
    grid::{Grid, earlier},
    numbers::{NumberSource, NumberSources},
    prometheus::one_of,
};

/// How many instants that were missed are asked for at once, unless the answer is too large: an hour of seconds.
const MOST: i64 = 3600;

/// What a query check asks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ValuePlan {
    pub(super) check: String,
    pub(super) endpoint: String,
    /// Who is asked in its place, where that is no Prometheus.
    pub(super) provider: Option<String>,
    /// The query for the canary.
    pub(super) promql: String,
    /// The same for stable, where it is compared.
    pub(super) stable: Option<String>,
    pub(super) reduce: Option<Reduce>,
    pub(super) limits: ValueLimits,
    pub(super) since: Timestamp,
    pub(super) interval: Duration,
    /// How far apart looks are at most, where the stage says so.
    pub(super) rarest: Duration,
}

/// What a query yielded, once in each interval: looks in a row have to mean the same however often somebody looks.
#[derive(Debug)]
pub(super) struct Values {
    pub(super) plan: ValuePlan,
    run: Run,
    /// The run that failed the check since the look before, though it has ended since.
    failed: Option<Run>,
    asked: Option<Timestamp>,
    pub(super) fault: Option<QueryError>,
}

impl Values {
    pub(super) fn new(plan: ValuePlan) -> Self {
        Self { plan, run: Run::default(), failed: None, asked: None, fault: None }
    }

    /// What the check is judged by.
    pub(super) fn run(&self) -> &Run {
        self.failed.as_ref().unwrap_or(&self.run)
    }

    fn grid(&self) -> Grid {
        Grid::new(self.plan.since, self.plan.interval)
    }

    /// When the query is asked again.
    pub(super) fn next(&self, now: Timestamp) -> Timestamp {
        self.grid().next(now)
    }

    /// Asks what is new up to `now`, and what was missed before.
    pub(super) async fn observe(&mut self, sources: NumberSources<'_>, now: Timestamp) -> Result<(), QueryError> {
        let Some(at) = self.due(now) else { return self.fault.clone().map_or(Ok(()), Err) };
        self.failed = None;
        self.run.look_anew();
        let provider = self.plan.provider.clone();
        let source = sources.of(provider.as_deref())?;
        self.catch_up(source, at).await?;
        let answer = self.ask(source, at).await;
        self.take(at, answer)
    }

    /// The instant for which the query is to be asked at `now`, if that was not done.
    pub(super) fn due(&self, now: Timestamp) -> Option<Timestamp> {
        let at = self.grid().last(now);
        (at != self.grid().origin() && self.asked != Some(at)).then_some(at)
    }

    /// Takes what the query yielded at `at`.
    pub(super) fn take(&mut self, at: Timestamp, answer: Result<Reading, QueryError>) -> Result<(), QueryError> {
        self.asked = Some(at);
        match &answer {
            Ok(seen) => self.see(at, *seen),
            Err(fault) if fault.is_no_number() => self.run.observe_none(),
            Err(_) => {}
        }
        self.fault = answer.as_ref().err().cloned();
        answer.map(|_| ())
    }

    async fn ask(&self, source: NumberSource<'_>, at: Timestamp) -> Result<Reading, QueryError> {
        let ValuePlan { promql, stable, reduce, since, .. } = &self.plan;
        let number = |promql, at| source.number(promql, *reduce, at);
        let Some(stable) = stable else { return Ok(Reading { value: number(promql, at).await?, stable: None }) };
        let (value, beside) = join(number(promql, at), number(stable, at)).await;
        let stable = match beside {
            // All traffic has left it: what it was like when the stage began.
            Err(QueryError::Empty { .. } | QueryError::NotFinite) => number(stable, *since).await,
            beside => beside,
        };
        Ok(Reading { value: value?, stable: Some(stable.map_err(|fault| QueryError::OfStable(Box::new(fault)))?) })
    }

    fn see(&mut self, at: Timestamp, seen: Reading) {
        self.run.observe(&self.plan.limits, at, seen);
        if self.failed.is_none() && judge_values(&self.plan.limits, &self.run).verdict == Verdict::Fail {
            self.failed = Some(self.run);
        }
    }

    /// Asks for the instants before `at` that were not asked for and that may still matter.
    async fn catch_up(&mut self, source: NumberSource<'_>, at: Timestamp) -> Result<(), QueryError> {
        let grid = self.grid();
        let ValuePlan { interval, limits, rarest, .. } = &self.plan;
        let matters = limits.lasting.max(interval.saturating_mul(limits.tolerated)).max(*rarest);
        let horizon = earlier(at, matters.saturating_add(*interval));
        let start = grid.next(self.asked.unwrap_or(grid.origin()).max(horizon));
        let end = earlier(at, Duration::from_secs(1));
        if start > end {
            return Ok(());
        }
        for most in std::iter::once(MOST).chain(Grid::attempts()) {
            let stride = grid.stride(start, end, most);
            match self.missed(source, (start, stride, end)).await {
                Err(QueryError::TooLarge { .. }) => {}
                Err(fault) => return Err(fault),
                Ok(None) => break,
                Ok(Some(missed)) => {
                    let seconds = (start.as_second()..=end.as_second()).step_by(usize::try_from(stride).unwrap_or(1));
                    for at in seconds.filter_map(|second| Timestamp::from_second(second).ok()) {
                        match missed.get(&at) {
                            Some(seen) => self.see(at, *seen),
                            None => self.run.observe_none(),
                        }
                    }
                    break;
                }
            }
        }
        Ok(())
    }

    /// What the query yielded at each instant from `start` to `end`, so many seconds apart; nothing where nobody knows. Instants
    /// at which it yielded no number are left out.
    async fn missed(
        &self,
        source: NumberSource<'_>,
        (start, stride, end): (Timestamp, i64, Timestamp),
    ) -> Result<Option<BTreeMap<Timestamp, Reading>>, QueryError> {
        let ValuePlan { promql, stable, reduce, since, .. } = &self.plan;
        let (start, end) = (start.as_second(), end.as_second());
        let each = async |promql| {
            let Some(rows) = source.grid(promql, start, end, stride).await? else { return Ok(None) };
            if rows.iter().any(|row| !row.histograms.is_empty()) {
                return Err(QueryError::NativeHistogram);
            }
            Ok(Some(by_instant(&rows, *reduce)))
        };
        let Some(stable) = stable else {
            let values = each(promql).await?;
            let readings = |(at, value)| (at, Reading { value, stable: None });
            return Ok(values.map(|values| values.into_iter().map(readings).collect()));
        };
        let (values, beside) = try_join(each(promql), each(stable)).await?;
        let Some((values, beside)) = values.zip(beside) else { return Ok(None) };
        // As where it is asked in time: all traffic may have left stable.
        let is_gone = values.keys().any(|at| !beside.contains_key(at));
        let first = if is_gone { source.number(stable, *reduce, *since).await.ok() } else { None };
        let readings = values.into_iter().filter_map(|(at, value)| {
            let stable = beside.get(&at).copied().or(first)?;
            Some((at, Reading { value, stable: Some(stable) }))
        });
        Ok(Some(readings.collect()))
    }
}

/// The one number of all `rows` at each instant.
fn by_instant(rows: &[Row], reduce: Option<Reduce>) -> BTreeMap<Timestamp, f64> {
    let mut all: BTreeMap<Timestamp, Vec<f64>> = BTreeMap::new();
    for sample in rows.iter().flat_map(|row| &row.samples) {
        all.entry(sample.at).or_default().push(sample.value);
    }
    all.into_iter().filter_map(|(at, values)| Some((at, one_of(&values, reduce).ok()?))).collect()
}
