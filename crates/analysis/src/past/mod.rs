//! What Prometheus still holds of the past: how much traffic there is, and what a release would have seen in it.

mod draw;
mod recording;
mod release;
mod survey;
mod workload;

pub use release::{Change, Outcome, Released, Versions};
pub use survey::{Found, Surveyed};

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tidegate_api::RolloutSpec;
use tidegate_endpoints::{Endpoints, EndpointsError};
use tidegate_judge::Series;
use tokio::time::Instant;

use super::{
    absent,
    error::QueryError,
    prometheus::{Prometheus, Tally},
    reading::{Asked, Stretch},
    recipe::Templates,
    sampling_plan::SamplingPlan,
    scrape,
    tracker::LONGEST_WINDOW,
};

/// Samples are this far apart as a rule, or less.
const SHORTEST_WINDOW: Duration = Duration::from_mins(1);

/// The Rollout that the past is held against.
#[derive(Debug, Clone, Copy)]
pub struct BacktestRequest<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its spec.
    pub spec: &'a RolloutSpec,
    /// The templates that its checks name.
    pub templates: &'a Templates,
}

/// One Prometheus, asked about the past.
#[derive(Debug)]
pub struct Past {
    prometheus: Prometheus,
}

impl Past {
    /// Asks that one of `endpoints` which a Rollout calls `name`; nothing if there is none of that name.
    ///
    /// # Errors
    /// [`EndpointsError`] if a file that the endpoint names cannot be used.
    pub fn new(endpoints: &Endpoints, name: Option<&str>) -> Result<Option<Self>, EndpointsError> {
        let Some(endpoint) = endpoints.get(name) else { return Ok(None) };
        let tally = Arc::new(|_: &str, _| {}) as Tally;
        Ok(Some(Self { prometheus: Prometheus::new(endpoint, endpoints, tally)? }))
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.prometheus.timeout()
    }

    /// How far apart scrapes were at the first of these instants at which there were any.
    async fn scrape(&self, plan: &SamplingPlan, at: &[Timestamp]) -> Result<Duration, QueryError> {
        for at in at {
            if let Some(scrape) = scrape::interval(&self.before(plan, *at).await?) {
                return Ok(scrape);
            }
        }
        let Some(last) = at.first() else { return Err(QueryError::Empty { hint: plan.source.counting.hint() }) };
        Err(absent::explained(&self.prometheus, &plan.source, *last, self.deadline()).await)
    }
    /// The samples before `at`, over as long a time as they fit into an answer.
    async fn before(&self, plan: &SamplingPlan, at: Timestamp) -> Result<Vec<Series>, QueryError> {
        let mut window = LONGEST_WINDOW;
        loop {
            let stretch = Stretch::Window(window, at);
            match plan.source.read(&self.prometheus, &Asked::default(), stretch, self.deadline()).await {
                Err(QueryError::TooLarge { .. }) if window > SHORTEST_WINDOW => window /= 4,
                read => return Ok(read?.series),
            }
        }
    }
}
