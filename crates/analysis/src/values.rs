//! The values of one query since a stage began.

use std::time::Duration;

use futures::future::join;
use jiff::Timestamp;
use tidegate_api::Reduce;
use tidegate_judge::{Reading, Run, ValueLimits};
use tokio::time::Instant;

use super::{
    error::QueryError,
    grid::{Grid, earlier},
    prometheus::Prometheus,
};

/// What a query check asks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ValuePlan {
    pub(super) check: String,
    pub(super) endpoint: String,
    /// The query for the canary.
    pub(super) promql: String,
    /// The same for stable, where it is compared.
    pub(super) stable: Option<String>,
    pub(super) reduce: Option<Reduce>,
    pub(super) limits: ValueLimits,
    pub(super) since: Timestamp,
    pub(super) interval: Duration,
}

/// What a query yielded, once in each interval: looks in a row have to mean the same however often somebody looks.
#[derive(Debug)]
pub(super) struct Values {
    pub(super) plan: ValuePlan,
    pub(super) run: Run,
    asked: Option<Timestamp>,
    pub(super) fault: Option<QueryError>,
}

impl Values {
    pub(super) fn new(plan: ValuePlan) -> Self {
        Self { plan, run: Run::default(), asked: None, fault: None }
    }

    fn grid(&self) -> Grid {
        Grid::new(self.plan.since, self.plan.interval)
    }

    /// When the query is asked again.
    pub(super) fn next(&self, now: Timestamp) -> Timestamp {
        self.grid().next(now)
    }

    /// Asks what is new up to `now`, and what was missed before.
    pub(super) async fn observe(
        &mut self,
        prometheus: &Prometheus,
        now: Timestamp,
        deadline: Instant,
    ) -> Result<(), QueryError> {
        let Some(at) = self.due(now) else { return self.fault.clone().map_or(Ok(()), Err) };
        self.catch_up(prometheus, at, deadline).await?;
        let answer = self.ask(prometheus, at, deadline).await;
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
        if let Ok(seen) = answer {
            self.run.observe(&self.plan.limits, at, seen);
        }
        self.fault = answer.as_ref().err().cloned();
        answer.map(|_| ())
    }

    async fn ask(&self, prometheus: &Prometheus, at: Timestamp, deadline: Instant) -> Result<Reading, QueryError> {
        let ValuePlan { promql, stable, reduce, since, .. } = &self.plan;
        let number = |promql, at| prometheus.number(promql, *reduce, at, deadline);
        let Some(stable) = stable else { return Ok(Reading { value: number(promql, at).await?, stable: None }) };
        let (value, beside) = join(number(promql, at), number(stable, at)).await;
        let stable = match beside {
            // All traffic has left it: what it was like when the stage began.
            Err(QueryError::Empty { .. } | QueryError::NotFinite) => number(stable, *since).await,
            beside => beside,
        };
        Ok(Reading { value: value?, stable: Some(stable.map_err(|fault| QueryError::OfStable(Box::new(fault)))?) })
    }

    /// Asks for the instants before `at` that were not asked for and that may still matter.
    async fn catch_up(&mut self, prometheus: &Prometheus, at: Timestamp, deadline: Instant) -> Result<(), QueryError> {
        let grid = self.grid();
        let ValuePlan { interval, limits, .. } = &self.plan;
        let horizon =
            earlier(at, limits.lasting.max(interval.saturating_mul(limits.tolerated)).saturating_add(*interval));
        let start = grid.next(self.asked.unwrap_or(grid.origin()).max(horizon));
        let end = earlier(at, Duration::from_secs(1));
        // What was missed of a comparison is not asked again: a failure is found a little later for it.
        if start > end || self.plan.stable.is_some() {
            return Ok(());
        }
        let mut attempts = Grid::attempts();
        let series = loop {
            let Some(most) = attempts.next() else { return Ok(()) };
            let stride = grid.stride(start, end, most);
            let answer = prometheus.grid(&self.plan.promql, start.as_second(), end.as_second(), stride, deadline).await;
            match answer {
                Err(QueryError::TooLarge { .. }) => {}
                answer => break answer?,
            }
        };
        if let [only] = series.as_slice() {
            for sample in only.samples.iter().filter(|sample| sample.value.is_finite()) {
                self.run.observe(&self.plan.limits, sample.at, Reading { value: sample.value, stable: None });
            }
        }
        Ok(())
    }
}
