//! Asks Prometheus what the checks of a rollout want to know, and says what the answers mean.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::future::{join, join_all};
use jiff::Timestamp;
use tidegate_api::{CheckStatus, PresetStatus, RevisionStatus, RolloutSpec, Stage, StageBegun, Verdict};
use tidegate_endpoints::{Endpoints, EndpointsError};
use tidegate_judge::{Divided, Spread};
use tidegate_providers::Provider;
use tokio::time::Instant;

use super::{
    auto::Settled,
    cadence::{LastLook, enough_at},
    error::QueryError,
    grid::later,
    numbers::{NumberSources, Providers},
    prometheus::{Prometheus, Tally},
    recipe::Templates,
    sampling_plan::SamplingPlan,
    statuses::without_numbers,
    tracker::Tracker,
    transport::Transport,
    validation::UnusableCheck,
    values::{self, Values},
    wanted::{SHORTEST_RATE, Wanted, all_wanted, asked_checks, interval},
};

/// When it is looked again whether stable fails as well as a version that does.
const SOON: Duration = Duration::from_secs(1);

/// How often it is looked whether routes that were written broke something, while nothing is judged.
const WATCH: Duration = Duration::from_secs(5);

/// What is looked at.
#[derive(Debug, Clone, Copy)]
pub struct AnalysisRequest<'a> {
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
    /// When the clock of that stage started, from which its cadence counts; nothing while its weight is not in force.
    pub since: Option<Timestamp>,
    /// The version that it is compared with.
    pub stable: &'a RevisionStatus,
    /// The version on its way.
    pub canary: &'a RevisionStatus,
    /// The stages so far, with when the weight of each came into force; the present one last.
    pub begun: &'a [StageBegun],
    /// A pod of it that was replaced, whose requests say nothing of it any more.
    pub replaced: Option<&'a str>,
    /// When the routes were written for it, as far as that is known: what happens to the requests of both versions right
    /// after that speaks against the write.
    pub written: &'a [Timestamp],
    /// What `preset: auto` stands for, as far as that is known.
    pub presets: &'a [PresetStatus],
    /// The present.
    pub now: Timestamp,
}

/// What was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct AnalysisResult {
    /// What each check says, in the order of the spec.
    pub checks: Vec<CheckStatus>,
    /// When the next look is worth it.
    pub next: Timestamp,
    /// That requests stopped, or fail for both versions, since the routes were written: a sentence.
    pub outage: Option<String>,
    /// How the requests of the present stage were divided between the versions; nothing while that is not known.
    pub divided: Option<Divided>,
    /// By which pods the bad requests of each check were answered that fails the version and counts requests.
    pub spreads: Vec<Spread>,
    /// What `preset: auto` stands for by now.
    pub presets: Vec<PresetStatus>,
}

impl AnalysisResult {
    /// Nothing but `checks`.
    fn only(checks: Vec<CheckStatus>, next: Timestamp) -> Self {
        Self { checks, next, outage: None, divided: None, spreads: Vec::new(), presets: Vec::new() }
    }
}

/// Asks Prometheus, keeps the evidence of each rollout, and judges it.
///
/// Evidence is only a memory of what Prometheus holds: a new process reads it again from the stage's beginning.
#[derive(Debug)]
pub struct Analyzer {
    endpoints: HashMap<String, Prometheus>,
    providers: Providers,
    memories: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Memory>>>>,
}

/// Tells nobody.
fn untold() -> Tally {
    Arc::new(|_: &str, _| {})
}

/// What is remembered of one rollout.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) trackers: Vec<Tracker>,
    pub(super) values: Vec<Values>,
    last: Option<LastLook>,
}

impl Analyzer {
    /// An analyzer that asks `endpoints` and nobody else.
    ///
    /// # Errors
    /// [`EndpointsError`] if a file that an endpoint names cannot be used.
    pub fn new(endpoints: &Endpoints) -> Result<Self, EndpointsError> {
        Self::counting(endpoints, &untold(), untold())
    }

    /// The same, with a `tally` of the queries to each Prometheus, and one of those to other services.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn counting(endpoints: &Endpoints, tally: &Tally, of_providers: Tally) -> Result<Self, EndpointsError> {
        let (mut clients, mut providers) = (HashMap::new(), HashMap::new());
        for endpoint in endpoints.iter() {
            let unusable = |(field, why)| endpoints.unusable(endpoint, field, why);
            if let Some(provider) = Provider::new(endpoint).map_err(unusable)? {
                providers.insert(endpoint.name.clone(), provider);
            } else {
                clients.insert(endpoint.name.clone(), Prometheus::new(endpoint, endpoints, tally.clone())?);
            }
        }
        let providers = Providers::new(providers, of_providers);
        Ok(Self { endpoints: clients, providers, memories: Mutex::default() })
    }

    /// An analyzer that asks one endpoint, called `name`, over `transport`; a look takes no longer than `timeout`.
    #[must_use]
    pub fn over(name: &str, transport: impl Transport + 'static, timeout: Duration) -> Self {
        let prometheus = Prometheus::over(name, Arc::new(transport), timeout, untold());
        let endpoints = HashMap::from([(name.to_owned(), prometheus)]);
        let providers = Providers::new(HashMap::new(), untold());
        Self { endpoints, providers, memories: Mutex::default() }
    }

    /// Whether a Prometheus of that name is configured; `None` is the one called `default`.
    #[must_use]
    pub fn knows(&self, endpoint: Option<&str>) -> bool {
        self.endpoints.contains_key(Endpoints::name_of(endpoint))
    }

    /// The first check of `spec` whose provider is not configured.
    #[must_use]
    pub fn without_provider(&self, spec: &RolloutSpec) -> Option<UnusableCheck> {
        spec.all_checks().find_map(|check| {
            let name = check.provider().filter(|name| !self.providers.knows(name))?;
            let fault = QueryError::ProviderNotFound { name: name.to_owned() };
            Some(UnusableCheck { check: check.name.clone(), fault })
        })
    }

    /// Forgets the evidence of a Rollout that is at rest or gone.
    pub fn forget(&self, uid: &str) {
        self.memories.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }

    /// The endpoint of that name.
    pub(super) fn prometheus(&self, endpoint: Option<&str>) -> Result<&Prometheus, QueryError> {
        let name = Endpoints::name_of(endpoint);
        self.endpoints.get(name).ok_or_else(|| QueryError::EndpointNotFound { name: name.to_owned() })
    }

    /// Reads what is new and judges all checks, as often as the stage's cadence says; in between, what they said stands. Takes no longer than the endpoint's timeout; looks at different
    /// rollouts do not wait for each other.
    pub async fn analyze(&self, request: &AnalysisRequest<'_>) -> AnalysisResult {
        let Some(analysis) = &request.spec.analysis else {
            return AnalysisResult::only(Vec::new(), later(request.now, Duration::from_hours(1)));
        };
        let interval = interval(analysis);
        let prometheus = match self.prometheus(analysis.prometheus.as_deref()) {
            Ok(prometheus) => Some(prometheus),
            Err(_) if asked_checks(analysis, request).all(|(check, _)| check.provider().is_some()) => None,
            Err(fault) => {
                let checks = asked_checks(analysis, request).map(|(check, _)| without_numbers(check, &fault)).collect();
                return AnalysisResult::only(checks, later(request.now, interval));
            }
        };
        let prometheus = prometheus.map(|prometheus| (prometheus, Instant::now() + prometheus.timeout()));
        let settled = match prometheus {
            Some((prometheus, deadline)) => Settled::found(prometheus, request, deadline).await,
            None => None,
        };
        let filled_in = settled.as_ref().map(|settled| settled.request(request));
        let mut said = self.judge(prometheus, filled_in.as_ref().unwrap_or(request)).await;
        if let Some(settled) = settled {
            settled.explain(&mut said.checks);
            said.presets = settled.presets;
        }
        said
    }

    /// The same, once it is known what every check reads.
    async fn judge(&self, prometheus: Option<(&Prometheus, Instant)>, request: &AnalysisRequest<'_>) -> AnalysisResult {
        let Some(analysis) = &request.spec.analysis else {
            return AnalysisResult::only(Vec::new(), later(request.now, Duration::from_hours(1)));
        };
        let interval = interval(analysis);
        let wanted = all_wanted(analysis, request);
        let memory = self.memory(request.uid);
        let sources = NumberSources { prometheus, providers: &self.providers };
        let mut memory = memory.lock().await;
        let asks_the_same = memory.prepare(&wanted);
        let stands = memory.last.as_ref().filter(|_| asks_the_same).and_then(|last| last.stands(request));
        if let Some(mut said) = stands {
            if let Some((prometheus, deadline)) = prometheus {
                memory.look_after_routes(prometheus, (request, interval), deadline, &mut said).await;
            }
            return said;
        }
        let faults = memory.observe(sources, (request.written, request.now)).await;
        let mut checks = memory.statuses(analysis, request, &wanted, &faults);
        let mut next = memory.next(request.now).unwrap_or_else(|| later(request.now, interval));
        let enough = enough_at(request, &checks).map(|enough| enough.max(next));
        let mut soon = if faults.has_any() { Some(next) } else { enough };
        if checks.iter().any(|check| check.verdict == Verdict::Fail) && memory.waits(request.now) {
            checks.iter_mut().for_each(wait_for_the_next_scrape);
            next = next.min(later(request.now, SOON));
            soon = Some(next);
        }
        let spreads = memory.spreads(&checks, request, &wanted);
        let (outage, divided) = (memory.outage(), memory.divided());
        let mut said = AnalysisResult { outage, divided, spreads, ..AnalysisResult::only(checks, next) };
        memory.last = LastLook::new(request, soon, &said);
        if let Some(last) = memory.last.as_ref().and_then(|last| last.next(request)) {
            said.next = last;
        }
        said
    }

    /// Reads only whether requests stopped, or fail, since the routes were written: while the new version has none that
    /// could be judged.
    pub async fn watch(&self, request: &AnalysisRequest<'_>) -> AnalysisResult {
        let mut analyzed = AnalysisResult::only(Vec::new(), later(request.now, Duration::from_hours(1)));
        let Some(analysis) = &request.spec.analysis else { return analyzed };
        let name = Endpoints::name_of(analysis.prometheus.as_deref());
        let Some(prometheus) = self.endpoints.get(name) else { return analyzed };
        let memory = self.memory(request.uid);
        let deadline = Instant::now() + prometheus.timeout();
        let mut memory = memory.lock().await;
        let settled = Settled::known(request);
        let filled_in = settled.as_ref().map(|settled| settled.request(request));
        let request = filled_in.as_ref().unwrap_or(request);
        memory.prepare(&all_wanted(request.spec.analysis.as_ref().unwrap_or(analysis), request));
        memory.look_after_routes(prometheus, (request, interval(analysis)), deadline, &mut analyzed).await;
        analyzed
    }

    fn memory(&self, uid: &str) -> Arc<tokio::sync::Mutex<Memory>> {
        let mut memories = self.memories.lock().unwrap_or_else(PoisonError::into_inner);
        memories.entry(uid.to_owned()).or_default().clone()
    }
}

/// Why there are no numbers, in the order of trackers and values.
pub(super) struct Faults {
    pub(super) trackers: Vec<Option<QueryError>>,
    pub(super) values: Vec<Option<QueryError>>,
}

impl Faults {
    /// Whether anything was asked in vain: that is no look, and is made up for.
    fn has_any(&self) -> bool {
        self.trackers.iter().chain(&self.values).any(Option::is_some)
    }
}

impl Memory {
    /// Keeps what still is wanted, forgets the rest, and starts what is new. Checks with the same source share it. Whether
    /// nothing was new or forgotten.
    pub(super) fn prepare(&mut self, wanted: &[Result<Wanted, QueryError>]) -> bool {
        let mut plans: Vec<SamplingPlan> = Vec::new();
        let mut queries: Vec<&values::ValuePlan> = Vec::new();
        for wanted in wanted.iter().flatten() {
            match wanted {
                Wanted::Value(plan) => queries.push(plan),
                Wanted::Counters(plan) => match plans.iter_mut().find(|known| known.shares_with(plan)) {
                    Some(known) => {
                        for (known, stage) in known.stages.iter_mut().zip(&plan.stages) {
                            known.limits.extend_from_slice(&stage.limits);
                        }
                    }
                    None => plans.push(plan.clone()),
                },
            }
        }
        let mut is_same = plans.len() == self.trackers.len() && queries.len() == self.values.len();
        self.trackers.retain_mut(|tracker| {
            let Some(place) = plans.iter().position(|plan| tracker.plan.continues_as(plan)) else { return false };
            let plan = plans.swap_remove(place);
            if tracker.plan != plan {
                is_same = false;
                let known = std::mem::replace(&mut tracker.plan, plan);
                // With what was compiled of it.
                if known.source == tracker.plan.source {
                    tracker.plan.source = known.source;
                }
            }
            true
        });
        is_same &= plans.is_empty();
        self.trackers.extend(plans.into_iter().map(Tracker::new));
        self.values.retain(|values| queries.contains(&&values.plan));
        queries.retain(|plan| !self.values.iter().any(|values| values.plan == **plan));
        is_same &= queries.is_empty();
        self.values.extend(queries.into_iter().cloned().map(Values::new));
        is_same
    }

    async fn observe(&mut self, sources: NumberSources<'_>, (written, now): (&[Timestamp], Timestamp)) -> Faults {
        // Who counts requests, counts them in a Prometheus.
        let counted = self.trackers.iter_mut().filter_map(|tracker| Some((tracker, sources.prometheus?)));
        let trackers =
            counted.map(|(tracker, (prometheus, deadline))| tracker.observe(prometheus, written, now, deadline));
        let values = self.values.iter_mut().map(|values| values.observe(sources, now));
        let (trackers, values) = join(join_all(trackers), join_all(values)).await;
        let faults = |results: Vec<Result<(), QueryError>>| results.into_iter().map(Result::err).collect();
        Faults { trackers: faults(trackers), values: faults(values) }
    }

    /// Whether anything was written that may have broken something.
    async fn watch(
        &mut self,
        prometheus: &Prometheus,
        (written, now): (&[Timestamp], Timestamp),
        deadline: Instant,
    ) -> bool {
        let window = SHORTEST_RATE.duration();
        let trackers = self.trackers.iter_mut().filter_map(|tracker| {
            tracker.outage().recent(written, now)?;
            Some(tracker.watch(prometheus, written, (window, now), deadline))
        });
        !join_all(trackers).await.is_empty()
    }

    /// Says whether what was written broke something, where that may be, and looks again soon.
    async fn look_after_routes(
        &mut self,
        prometheus: &Prometheus,
        (request, interval): (&AnalysisRequest<'_>, Duration),
        deadline: Instant,
        said: &mut AnalysisResult,
    ) {
        if self.watch(prometheus, (request.written, request.now), deadline).await {
            said.outage = self.outage();
            said.next = said.next.min(later(request.now, WATCH.min(interval)));
        }
    }

    fn outage(&mut self) -> Option<String> {
        self.trackers.iter_mut().find_map(|tracker| tracker.outage().found().map(str::to_owned))
    }

    /// How the requests were divided: by a gateway's counters where there are some, which miss none of them.
    fn divided(&self) -> Option<Divided> {
        let divided = self.trackers.iter().filter_map(|tracker| tracker.served.divided(&tracker.plan));
        let mut all: Vec<_> = divided.collect();
        all.sort_by_key(|divided| !divided.is_by_gateway);
        all.first().copied()
    }

    /// Whether a version that fails is to be looked at once more, since both may. All are told that it fails.
    fn waits(&mut self, now: Timestamp) -> bool {
        self.trackers.iter_mut().map(|tracker| tracker.outage().waits(now)).filter(|waits| *waits).count() > 0
    }

    fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let trackers = self.trackers.iter().map(|tracker| tracker.next(now));
        trackers.chain(self.values.iter().map(|values| values.next(now))).min()
    }
}

/// Both versions fail since a moment: whether it is the new one or what was written for it, the next scrape tells.
fn wait_for_the_next_scrape(check: &mut CheckStatus) {
    if check.verdict == Verdict::Fail {
        check.verdict = Verdict::NeedMoreData;
        check
            .message
            .push_str("; the stable version fails as well since the routes were written: the next scrape tells");
    }
}
