//! Asks Prometheus what the checks of a rollout want to know, and says what the answers mean.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::future::{join, join_all};
use jiff::Timestamp;
use tokio::time::Instant;

use super::{
    endpoints::{Endpoints, EndpointsError},
    fault::Fault,
    grid::later,
    parameters::Parameters,
    prometheus::{Prometheus, Tally},
    recipe::Templates,
    source::{Source, expression},
    template::{Backends, Scope},
    tracker::{self, Tracker},
    transport::Transport,
    values::{self, Values},
};
use crate::{
    api::{Check, CheckStatus, RevisionStatus, RolloutSpec, Span, Stage, Verdict},
    judge::{Judgement, Measure, Question, Role, Subject, Tolerance, judge, judge_values, question},
    traffic::Names,
};

/// How long one block of evidence is, unless the analysis says otherwise.
const INTERVAL: Span = Span::seconds(10);

/// A `rate()` over less than this has too few samples in most places.
const SHORTEST_RATE: Span = Span::seconds(60);

/// What is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// The Rollout's UID, under which its evidence is kept.
    pub uid: &'a str,
    /// The Rollout's namespace.
    pub namespace: &'a str,
    /// The Rollout's name.
    pub name: &'a str,
    /// The Rollout's spec.
    pub spec: &'a RolloutSpec,
    /// The templates that its checks name.
    pub templates: &'a Templates,
    /// The stage that the new version is in.
    pub stage: &'a Stage,
    /// The version that it is compared with.
    pub stable: &'a RevisionStatus,
    /// The version on its way.
    pub canary: &'a RevisionStatus,
    /// When the stage's weight came into force.
    pub since: Timestamp,
    /// The present.
    pub now: Timestamp,
}

/// What was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Looked {
    /// What each check says, in the order of the spec.
    pub checks: Vec<CheckStatus>,
    /// When the next look is worth it.
    pub next: Timestamp,
}

/// Asks Prometheus, keeps the evidence of each rollout, and judges it.
///
/// Evidence is only a memory of what Prometheus holds: a new process reads it again from the stage's beginning.
#[derive(Debug)]
pub struct Analyst {
    endpoints: HashMap<String, Prometheus>,
    memories: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Memory>>>>,
}

/// What is remembered of one rollout.
#[derive(Debug, Default)]
struct Memory {
    trackers: Vec<Tracker>,
    values: Vec<Values>,
}

/// What a check needs, once its template is filled in and its limits are known.
enum Wanted {
    Counters { plan: tracker::Plan, max: Option<Tolerance>, warn: Option<Tolerance> },
    Value(values::Plan),
}

impl Analyst {
    /// An analyst that asks `endpoints` and nobody else.
    ///
    /// # Errors
    /// [`EndpointsError`] if a file that an endpoint names cannot be used.
    pub fn new(endpoints: &Endpoints) -> Result<Self, EndpointsError> {
        Self::counting(endpoints, &(Arc::new(|_: &str, _| {}) as Tally))
    }

    /// The same, with a `tally` of the queries.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn counting(endpoints: &Endpoints, tally: &Tally) -> Result<Self, EndpointsError> {
        let client = |endpoint| Prometheus::new(endpoint, endpoints, tally.clone());
        let clients = endpoints.iter().map(|endpoint| Ok((endpoint.name.clone(), client(endpoint)?)));
        Ok(Self { endpoints: clients.collect::<Result<_, EndpointsError>>()?, memories: Mutex::default() })
    }

    /// An analyst that asks one endpoint, called `name`, over `transport`; a look takes no longer than `timeout`.
    #[must_use]
    pub fn over(name: &str, transport: impl Transport + 'static, timeout: Duration) -> Self {
        let tally = Arc::new(|_: &str, _| {}) as Tally;
        let prometheus = Prometheus::over(name, Box::new(transport), timeout, tally);
        Self { endpoints: HashMap::from([(name.to_owned(), prometheus)]), memories: Mutex::default() }
    }

    /// Whether an endpoint of that name is configured; `None` is the one called `default`.
    #[must_use]
    pub fn knows(&self, endpoint: Option<&str>) -> bool {
        self.endpoints.contains_key(Endpoints::name_of(endpoint))
    }

    /// Forgets the evidence of a Rollout that is at rest or gone.
    pub fn forget(&self, uid: &str) {
        self.memories.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }

    /// Reads what is new and judges all checks. Takes no longer than the endpoint's timeout; looks at different
    /// rollouts do not wait for each other.
    pub async fn look(&self, look: &Look<'_>) -> Looked {
        let Some(analysis) = &look.spec.analysis else {
            return Looked { checks: Vec::new(), next: later(look.now, Duration::from_hours(1)) };
        };
        let interval = analysis.interval.unwrap_or(INTERVAL).duration();
        let name = Endpoints::name_of(analysis.prometheus.as_deref());
        let Some(prometheus) = self.endpoints.get(name) else {
            let fault = Fault::EndpointNotFound { name: name.to_owned() };
            let checks = analysis.checks.iter().map(|check| without_numbers(check, &fault)).collect();
            return Looked { checks, next: later(look.now, interval) };
        };
        let wanted: Vec<_> = analysis.checks.iter().map(|check| want(check, look, name, interval)).collect();
        let memory = self.memory(look.uid);
        let deadline = Instant::now() + prometheus.timeout();
        let mut memory = memory.lock().await;
        memory.prepare(&wanted);
        let faults = memory.observe(prometheus, look.now, deadline).await;
        let checks = analysis.checks.iter().zip(&wanted).map(|(check, wanted)| match wanted {
            Ok(wanted) => memory.status(check, wanted, &faults, look.now),
            Err(fault) => without_numbers(check, fault),
        });
        let checks = checks.collect();
        Looked { checks, next: memory.next(look.now).unwrap_or_else(|| later(look.now, interval)) }
    }

    fn memory(&self, uid: &str) -> Arc<tokio::sync::Mutex<Memory>> {
        let mut memories = self.memories.lock().unwrap_or_else(PoisonError::into_inner);
        memories.entry(uid.to_owned()).or_default().clone()
    }
}

/// Why there are no numbers, in the order of trackers and values.
struct Faults {
    trackers: Vec<Option<Fault>>,
    values: Vec<Option<Fault>>,
}

impl Memory {
    /// Keeps what still is wanted, forgets the rest, and starts what is new. Checks with the same source share it.
    fn prepare(&mut self, wanted: &[Result<Wanted, Fault>]) {
        let mut plans: Vec<tracker::Plan> = Vec::new();
        let mut queries: Vec<&values::Plan> = Vec::new();
        for wanted in wanted.iter().flatten() {
            match wanted {
                Wanted::Value(plan) => queries.push(plan),
                Wanted::Counters { plan, .. } => match plans.iter_mut().find(|known| known.source == plan.source) {
                    Some(known) => {
                        let new = plan.measures.iter().filter(|measure| !known.measures.contains(measure));
                        let new: Vec<_> = new.copied().collect();
                        known.measures.extend(new);
                    }
                    None => plans.push(plan.clone()),
                },
            }
        }
        self.trackers.retain(|tracker| plans.contains(&tracker.plan));
        plans.retain(|plan| !self.trackers.iter().any(|tracker| tracker.plan == *plan));
        self.trackers.extend(plans.into_iter().map(Tracker::new));
        self.values.retain(|values| queries.contains(&&values.plan));
        queries.retain(|plan| !self.values.iter().any(|values| values.plan == **plan));
        self.values.extend(queries.into_iter().cloned().map(Values::new));
    }

    async fn observe(&mut self, prometheus: &Prometheus, now: Timestamp, deadline: Instant) -> Faults {
        let trackers = self.trackers.iter_mut().map(|tracker| tracker.observe(prometheus, now, deadline));
        let values = self.values.iter_mut().map(|values| values.observe(prometheus, now, deadline));
        let (trackers, values) = join(join_all(trackers), join_all(values)).await;
        let faults = |results: Vec<Result<(), Fault>>| results.into_iter().map(Result::err).collect();
        Faults { trackers: faults(trackers), values: faults(values) }
    }

    fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let trackers = self.trackers.iter().map(|tracker| tracker.next(now));
        trackers.chain(self.values.iter().map(|values| values.next(now))).min()
    }

    fn status(&self, check: &Check, wanted: &Wanted, faults: &Faults, now: Timestamp) -> CheckStatus {
        match wanted {
            Wanted::Counters { plan, max, warn } => {
                let place = self.trackers.iter().position(|tracker| tracker.plan.source == plan.source);
                let tracker = place.and_then(|place| self.trackers.get(place));
                let fault = place.and_then(|place| faults.trackers.get(place)).and_then(Option::as_ref);
                match (tracker, fault) {
                    (Some(_), Some(fault)) => without_numbers(check, fault),
                    (Some(tracker), None) => {
                        let judgement = judge_counters(tracker, max.as_ref(), warn.as_ref(), now);
                        judgement.into_status(&check.name, tracker.newest())
                    }
                    (None, _) => without_numbers(check, &Fault::Empty { hint: "the check reads something" }),
                }
            }
            Wanted::Value(plan) => {
                let place = self.values.iter().position(|values| values.plan == *plan);
                let fault = place.and_then(|place| faults.values.get(place)).and_then(Option::as_ref);
                match (place.and_then(|place| self.values.get(place)), fault) {
                    (Some(values), None) => {
                        judge_values(&plan.limits, &values.run).into_status(&check.name, values.run.at())
                    }
                    (_, Some(fault)) => without_numbers(check, fault),
                    (None, None) => without_numbers(check, &Fault::Empty { hint: "the check reads something" }),
                }
            }
        }
    }
}

/// What `check` needs in this stage.
fn want(check: &Check, look: &Look<'_>, endpoint: &str, interval: Duration) -> Result<Wanted, Fault> {
    let overrides = look.stage.checks.iter().flatten().find(|stage| stage.name == check.name);
    let names = Names::of(&look.spec.service);
    let is_routed = !look.spec.routes().is_empty();
    let scope = Scope {
        namespace: look.namespace,
        rollout: look.name,
        service: &look.spec.service,
        backends: is_routed.then_some(Backends { names: &names, canary: look.canary }),
        revision: look.canary,
        window: Span::from(interval).max(SHORTEST_RATE),
        parameters: Parameters::NONE,
    };
    let endpoint = endpoint.to_owned();
    // Whole seconds: what the status keeps of an instant, and what range queries start at.
    let since = Timestamp::from_second(look.since.as_second()).unwrap_or(look.since);
    match question(check, overrides)? {
        Question::Value(limits) => {
            let promql = expression(check, look.templates, &scope)?;
            Ok(Wanted::Value(values::Plan { check: check.name.clone(), endpoint, promql, limits, since, interval }))
        }
        Question::Share { max, warn } => {
            let source = Source::of(check, look.templates, &scope, look.canary, look.stable)?;
            let mut measures: Vec<_> = max.iter().chain(&warn).map(measure).collect();
            measures.dedup();
            Ok(Wanted::Counters { plan: tracker::Plan { endpoint, source, measures, since, interval }, max, warn })
        }
    }
}

fn measure(tolerance: &Tolerance) -> Measure {
    match tolerance.subject {
        Subject::Failed => Measure::Failed,
        // A latency limit is far below 2⁵³ nanoseconds, which are 104 days.
        Subject::SlowerThan(limit, _) => Measure::SlowerThan(limit.duration().as_nanos() as f64),
    }
}

fn judge_counters(tracker: &Tracker, max: Option<&Tolerance>, warn: Option<&Tolerance>, now: Timestamp) -> Judgement {
    let with = |tolerance: Option<&Tolerance>, role| {
        let tolerance = tolerance?;
        Some(judge(tolerance, role, tracker.evidence(measure(tolerance))?))
    };
    let warning = with(warn, Role::Warns);
    let warns = warning.as_ref().is_some_and(|judgement| judgement.warning);
    let Some(mut judgement) = with(max, Role::Decides).or(warning) else {
        return Judgement::no_data("NoLimit", "the check has no limit");
    };
    judgement.warning = warns;
    match tracker.doubt(now) {
        Some(doubt) if judgement.verdict != Verdict::Fail => {
            Judgement { verdict: Verdict::NoData, reason: doubt.reason(), message: doubt.to_string(), ..judgement }
        }
        _ => judgement,
    }
}

fn without_numbers(check: &Check, fault: &Fault) -> CheckStatus {
    Judgement::no_data(fault.reason(), fault.to_string()).into_status(&check.name, None)
}
