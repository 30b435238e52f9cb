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
use tidegate_api::{ParameterValues, PresetStatus, RolloutSpec, Stage, StageBegun, StageCheck};
use tidegate_endpoints::{Endpoints, EndpointsError};
use tidegate_judge::Series;
use tokio::time::Instant;

use super::{
    absent,
    analyzer::AnalysisRequest,
    auto::Settled,
    discovery::{Discovered, Subject, discover},
    error::QueryError,
    parameters::Parameters,
    prometheus::{Prometheus, Tally},
    reading::{Asked, Stretch},
    recipe::Templates,
    sampling_plan::SamplingPlan,
    scrape,
    template::Scope,
    tracker::LONGEST_WINDOW,
    wanted::SHORTEST_RATE,
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

    /// What the pods of `workload` expose at `now`, whichever version they are of, with their names in `pod_label` where that is
    /// not `pod`.
    ///
    /// # Errors
    /// [`QueryError`]: Prometheus does not say what there is.
    pub async fn discover(
        &self,
        (namespace, workload): (&str, &str),
        pod_label: Option<&str>,
        now: Timestamp,
    ) -> Result<Discovered, QueryError> {
        let version = workload::any(workload);
        let scope = Scope {
            namespace,
            rollout: workload,
            service: workload,
            backends: None,
            revision: &version,
            window: SHORTEST_RATE,
            parameters: Parameters::NONE,
        };
        let given = pod_label.map(|label| ParameterValues([("podLabel".to_owned(), label.to_owned())].into()));
        let subject = Subject { scope, version: &version, parameters: given.as_ref() };
        discover(&self.prometheus, subject, now, self.deadline()).await
    }

    /// The spec of `subject` with the presets that `preset: auto` stands for at `now`, and which those are.
    ///
    /// # Errors
    /// [`QueryError`]: none fits.
    pub async fn settle(
        &self,
        BacktestRequest { namespace, name, spec, templates }: BacktestRequest<'_>,
        now: Timestamp,
    ) -> Result<(RolloutSpec, Vec<PresetStatus>), QueryError> {
        let stages = spec.stages();
        let (stable, canary) = (workload::any(&spec.workload.name), workload::nobody());
        let Some(stage) = stages.last() else { return Ok((spec.clone(), Vec::new())) };
        // The checks of all stages are asked as if it were one.
        let checks = spec.all_checks().cloned().map(|check| StageCheck::Own(Box::new(check)));
        let stage = Stage { checks: Some(checks.collect()), ..stage.clone() };
        let begun = [StageBegun { stage: stage.name.clone(), since: now, part: None, ..StageBegun::default() }];
        let request = AnalysisRequest {
            uid: "",
            namespace,
            name,
            spec,
            templates,
            stage: &stage,
            since: None,
            stable: &stable,
            canary: &canary,
            begun: &begun,
            replaced: None,
            written: &[],
            presets: &[],
            now,
        };
        match Settled::found(&self.prometheus, &request, self.deadline()).await {
            Some(settled) => settled.into_spec(),
            None => Ok((spec.clone(), Vec::new())),
        }
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
