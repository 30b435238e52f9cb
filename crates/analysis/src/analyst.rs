//! Asks Prometheus what the checks of a rollout want to know, and says what the answers mean.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::future::{join, join_all};
use jiff::{SignedDuration, Timestamp};
use tidegate_api::{
    Analysis, Check, CheckStatus, Mode, Percent, RevisionStatus, RolloutSpec, Span, Stage, StageBegun, Verdict,
    verdict::reason,
};
use tidegate_judge::{
    Asked, Divided, ErrorRates, Evidence, InvalidLimit, Judgement, Question, Spread, WarmUp, judge, judge_plainly,
    judge_values, question,
};
use tidegate_planner::traffic::Names;
use tokio::time::Instant;

use super::{
    asked::{Kind, Limit, Plan, StagePlan},
    endpoints::{Endpoints, EndpointsError},
    fault::Fault,
    grid::later,
    parameters::Parameters,
    prometheus::{Prometheus, Tally},
    recipe::Templates,
    source::{Source, expression},
    template::{Backends, Scope},
    tracker::Tracker,
    transport::Transport,
    values::{self, Values},
};

/// How long one block of evidence is, unless the analysis says otherwise.
const INTERVAL: Span = Span::seconds(10);

/// A `rate()` over less than this has too few samples in most places.
const SHORTEST_RATE: Span = Span::seconds(60);

/// When it is looked again whether stable fails as well as a version that does.
const SOON: Duration = Duration::from_secs(1);

/// How often it is looked whether routes that were written broke something, while nothing is judged.
const WATCH: Duration = Duration::from_secs(5);

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
    /// The stages so far, with when the weight of each came into force; the present one last.
    pub begun: &'a [StageBegun],
    /// A pod of it that was replaced, whose requests say nothing of it any more.
    pub replaced: Option<&'a str>,
    /// When the routes were written for it, as far as that is known: what happens to the requests of both versions right
    /// after that speaks against the write.
    pub written: &'a [Timestamp],
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
    /// That requests stopped, or fail for both versions, since the routes were written: a sentence.
    pub outage: Option<String>,
    /// How the requests of the present stage were divided between the versions; nothing while that is not known.
    pub divided: Option<Divided>,
    /// By which pods the bad requests of each check were answered that fails the version and counts requests.
    pub spreads: Vec<Spread>,
}

impl Looked {
    /// Nothing but `checks`.
    fn only(checks: Vec<CheckStatus>, next: Timestamp) -> Self {
        Self { checks, next, outage: None, divided: None, spreads: Vec::new() }
    }
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
pub(super) struct Memory {
    pub(super) trackers: Vec<Tracker>,
    pub(super) values: Vec<Values>,
}

/// What a check needs, once its template is filled in and its limits are known.
pub(super) enum Wanted {
    Counters(Plan),
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
        let prometheus = Prometheus::over(name, Arc::new(transport), timeout, tally);
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
            return Looked::only(Vec::new(), later(look.now, Duration::from_hours(1)));
        };
        let interval = interval(analysis);
        let name = Endpoints::name_of(analysis.prometheus.as_deref());
        let Some(prometheus) = self.endpoints.get(name) else {
            let fault = Fault::EndpointNotFound { name: name.to_owned() };
            let checks = analysis.checks.iter().map(|check| without_numbers(check, &fault)).collect();
            return Looked::only(checks, later(look.now, interval));
        };
        let wanted = all_wanted(analysis, look);
        let memory = self.memory(look.uid);
        let deadline = Instant::now() + prometheus.timeout();
        let mut memory = memory.lock().await;
        memory.prepare(&wanted);
        let faults = memory.observe(prometheus, (look.written, look.now), deadline).await;
        let mut checks = memory.statuses(analysis, look, &wanted, &faults);
        let mut next = memory.next(look.now).unwrap_or_else(|| later(look.now, interval));
        if checks.iter().any(|check| check.verdict == Verdict::Fail) && memory.waits(look.now) {
            checks.iter_mut().for_each(wait_for_the_next_scrape);
            next = next.min(later(look.now, SOON));
        }
        let spreads = memory.spreads(&checks, look, &wanted);
        Looked { checks, next, outage: memory.outage(), divided: memory.divided(), spreads }
    }

    /// Reads only whether requests stopped, or fail, since the routes were written: while the new version has none that
    /// could be judged.
    pub async fn watch(&self, look: &Look<'_>) -> Looked {
        let mut looked = Looked::only(Vec::new(), later(look.now, Duration::from_hours(1)));
        let Some(analysis) = &look.spec.analysis else { return looked };
        let name = Endpoints::name_of(analysis.prometheus.as_deref());
        let Some(prometheus) = self.endpoints.get(name) else { return looked };
        let memory = self.memory(look.uid);
        let deadline = Instant::now() + prometheus.timeout();
        let mut memory = memory.lock().await;
        memory.prepare(&all_wanted(analysis, look));
        if memory.watch(prometheus, (look.written, look.now), deadline).await {
            looked.outage = memory.outage();
            looked.next = later(look.now, WATCH.min(interval(analysis)));
        }
        looked
    }

    fn memory(&self, uid: &str) -> Arc<tokio::sync::Mutex<Memory>> {
        let mut memories = self.memories.lock().unwrap_or_else(PoisonError::into_inner);
        memories.entry(uid.to_owned()).or_default().clone()
    }
}

/// Why there are no numbers, in the order of trackers and values.
pub(super) struct Faults {
    pub(super) trackers: Vec<Option<Fault>>,
    pub(super) values: Vec<Option<Fault>>,
}

impl Memory {
    /// Keeps what still is wanted, forgets the rest, and starts what is new. Checks with the same source share it.
    pub(super) fn prepare(&mut self, wanted: &[Result<Wanted, Fault>]) {
        let mut plans: Vec<Plan> = Vec::new();
        let mut queries: Vec<&values::Plan> = Vec::new();
        for wanted in wanted.iter().flatten() {
            match wanted {
                Wanted::Value(plan) => queries.push(plan),
                Wanted::Counters(plan) => match plans.iter_mut().find(|known| known.source == plan.source) {
                    Some(known) => {
                        for (known, stage) in known.stages.iter_mut().zip(&plan.stages) {
                            known.limits.extend_from_slice(&stage.limits);
                        }
                    }
                    None => plans.push(plan.clone()),
                },
            }
        }
        self.trackers.retain_mut(|tracker| {
            let Some(place) = plans.iter().position(|plan| tracker.plan.continues_as(plan)) else { return false };
            tracker.plan = plans.swap_remove(place);
            true
        });
        self.trackers.extend(plans.into_iter().map(Tracker::new));
        self.values.retain(|values| queries.contains(&&values.plan));
        queries.retain(|plan| !self.values.iter().any(|values| values.plan == **plan));
        self.values.extend(queries.into_iter().cloned().map(Values::new));
    }

    async fn observe(
        &mut self,
        prometheus: &Prometheus,
        (written, now): (&[Timestamp], Timestamp),
        deadline: Instant,
    ) -> Faults {
        let trackers = self.trackers.iter_mut().map(|tracker| tracker.observe(prometheus, written, now, deadline));
        let values = self.values.iter_mut().map(|values| values.observe(prometheus, now, deadline));
        let (trackers, values) = join(join_all(trackers), join_all(values)).await;
        let faults = |results: Vec<Result<(), Fault>>| results.into_iter().map(Result::err).collect();
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

    /// What each check says, in their order. Those that count requests are judged together.
    pub(super) fn statuses(
        &self,
        analysis: &Analysis,
        look: &Look<'_>,
        wanted: &[Result<Wanted, Fault>],
        faults: &Faults,
    ) -> Vec<CheckStatus> {
        let seen: Vec<_> = wanted.iter().map(|wanted| self.seen(wanted)).collect();
        let asked: Vec<_> = seen.iter().map(Seen::asked).collect();
        let is_last = look.spec.stages().last().is_none_or(|last| last.name == look.stage.name);
        let judgements = match analysis.mode.unwrap_or_default() {
            Mode::Sequential => judge(&asked, &ErrorRates::of(analysis, is_last)),
            Mode::Threshold => asked.iter().map(judge_plainly).collect(),
        };
        let on_unwell = analysis.on_stable_unwell.unwrap_or_default();
        let judgements = judgements.into_iter().zip(&asked);
        let judgements = judgements.map(|(judgement, asked)| judgement.beside_stable(asked, on_unwell));
        let all = analysis.checks.iter().zip(wanted).zip(judgements);
        let statuses = all.map(|((check, wanted), judgement)| match wanted {
            Err(fault) => without_numbers(check, fault),
            Ok(Wanted::Counters(plan)) => self.counted(check, plan, judgement, faults, look.now),
            Ok(Wanted::Value(plan)) => self.value(check, plan, faults),
        });
        statuses.collect()
    }

    /// The evidence for each limit of a check in the present stage.
    fn seen(&self, wanted: &Result<Wanted, Fault>) -> Seen {
        let Ok(Wanted::Counters(plan)) = wanted else { return Seen::default() };
        let Some((stage, (_, tracker))) = plan.stages.last().zip(self.tracker(plan)) else { return Seen::default() };
        Seen(stage.limits.iter().map(|limit| (limit.clone(), tracker.evidence(limit))).collect())
    }

    pub(super) fn tracker(&self, plan: &Plan) -> Option<(usize, &Tracker)> {
        self.trackers.iter().enumerate().find(|(_, tracker)| tracker.plan.source == plan.source)
    }

    /// A failure stands, whatever else is wrong; nothing else does without numbers that can be trusted.
    fn counted(
        &self,
        check: &Check,
        plan: &Plan,
        judgement: Judgement,
        faults: &Faults,
        now: Timestamp,
    ) -> CheckStatus {
        let Some((place, tracker)) = self.tracker(plan) else {
            return without_numbers(check, &Fault::Empty { hint: "the check reads something" });
        };
        let fault = faults.trackers.get(place).and_then(Option::as_ref);
        match (fault, tracker.doubt(&check.name, now)) {
            _ if judgement.verdict == Verdict::Fail => judgement.into_status(&check.name, tracker.newest()),
            (Some(fault), _) => without_numbers(check, fault),
            (None, Some(doubt)) => {
                let (reason, message) = (doubt.reason(), doubt.to_string());
                let doubtful = Judgement { verdict: Verdict::NoData, reason, message, ..judgement };
                doubtful.into_status(&check.name, tracker.newest())
            }
            (None, None) => cold_or(judgement, tracker).into_status(&check.name, tracker.newest()),
        }
    }

    fn value(&self, check: &Check, plan: &values::Plan, faults: &Faults) -> CheckStatus {
        let place = self.values.iter().position(|values| values.plan == *plan);
        let fault = place.and_then(|place| faults.values.get(place)).and_then(Option::as_ref);
        match (place.and_then(|place| self.values.get(place)), fault) {
            (Some(values), None) => judge_values(&plan.limits, &values.run).into_status(&check.name, values.run.at()),
            (_, Some(fault)) => without_numbers(check, fault),
            (None, None) => without_numbers(check, &Fault::Empty { hint: "the check reads something" }),
        }
    }
}

/// The evidence for each limit of one check.
#[derive(Debug, Default)]
struct Seen(Vec<(Limit, Evidence)>);

impl Seen {
    fn asked(&self) -> Asked<'_> {
        let of = |kind| {
            let found = self.0.iter().find(|(limit, _)| limit.kind == kind);
            found.map(|(limit, evidence)| (limit.tolerance, evidence))
        };
        Asked { max: of(Kind::Max), relative: of(Kind::Relative), warn: of(Kind::Warn) }
    }
}

/// How long one block of evidence is at first.
pub(super) fn interval(analysis: &Analysis) -> Duration {
    analysis.interval.unwrap_or(INTERVAL).duration()
}

/// What each check needs, in their order.
pub(super) fn all_wanted(analysis: &Analysis, look: &Look<'_>) -> Vec<Result<Wanted, Fault>> {
    let (name, interval) = (Endpoints::name_of(analysis.prometheus.as_deref()), interval(analysis));
    analysis.checks.iter().map(|check| want(check, look, name, interval)).collect()
}

/// What `check` needs, in this stage and, where it counts requests, in those before.
fn want(check: &Check, look: &Look<'_>, endpoint: &str, interval: Duration) -> Result<Wanted, Fault> {
    let names = Names::of(&look.spec.service);
    let is_routed = look.spec.is_routed();
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
    let entered = look.begun.iter().rfind(|begun| begun.part.is_none()).or(look.begun.first());
    let since = whole_second(entered.map_or(look.now, |begun| begun.since));
    if let Question::Value(limits) = asked(check, look.stage)? {
        let promql = expression(check, look.templates, &scope)?;
        let of_stable = || expression(check, look.templates, &Scope { revision: look.stable, ..scope });
        let stable = limits.relative.map(|_| of_stable()).transpose()?;
        if stable.as_ref() == Some(&promql) {
            return Err(Fault::ComparedWithItself);
        }
        let reduce = check.query.as_ref().and_then(|query| query.reduce);
        let check = check.name.clone();
        return Ok(Wanted::Value(values::Plan { check, endpoint, promql, stable, reduce, limits, since, interval }));
    }
    let warm_up = warm_up(check, look.spec.analysis.as_ref());
    let source = Source { warm_up, ..Source::of(check, look.templates, &scope, look.canary, look.stable)? };
    let written = look.spec.stages();
    let stages = look.begun.iter().map(|begun| {
        // A stage that was taken out of the spec since is judged as if it had said nothing of its own.
        let stage = written.iter().find(|stage| stage.name == begun.stage);
        let asked = stage.map_or_else(|| question(check, None), |stage| asked(check, stage))?;
        let weight = stage.map_or(Percent::FULL, |stage| stage.weight);
        Ok(StagePlan { since: whole_second(begun.since), part: begun.part, weight, limits: limits_of(check, &asked) })
    });
    let stages = stages.collect::<Result<_, Fault>>()?;
    let overdispersion = look.spec.analysis.as_ref().and_then(|analysis| analysis.statistics.as_ref()?.overdispersion);
    let without = look.replaced.map(Arc::from);
    Ok(Wanted::Counters(Plan { endpoint, source, stages, interval, overdispersion, without }))
}

/// `judgement`, or why it has nothing to go by: all pods of the new version warm up.
fn cold_or(judgement: Judgement, tracker: &Tracker) -> Judgement {
    match tracker.warms_up_until().filter(|_| judgement.reason == reason::NO_REQUESTS).map(whole_second) {
        Some(until) => {
            let message = format!("the pods of the new version warm up: their requests count from {until} on");
            Judgement { reason: reason::WARMING_UP, message, ..judgement }
        }
        None => judgement,
    }
}

/// For how long the requests of new pods do not count for `check`.
fn warm_up(check: &Check, analysis: Option<&Analysis>) -> WarmUp {
    let lasts = check.warm_up.or(analysis.and_then(|analysis| analysis.warm_up));
    WarmUp(lasts.map_or(SignedDuration::ZERO, |lasts| SignedDuration::try_from(lasts.duration()).unwrap_or_default()))
}

/// What `check` asks in `stage`.
fn asked(check: &Check, stage: &Stage) -> Result<Question, InvalidLimit> {
    question(check, stage.checks.iter().flatten().find(|changed| changed.name == check.name))
}

/// What the status keeps of an instant, and what range queries start at.
fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

fn limits_of(check: &Check, question: &Question) -> Vec<Limit> {
    let Question::Proportion { max, relative, warn } = question else { return Vec::new() };
    let limits = [(Kind::Max, max), (Kind::Relative, relative), (Kind::Warn, warn)];
    let written = limits
        .into_iter()
        .filter_map(|(kind, tolerance)| Some(Limit { check: check.name.clone(), kind, tolerance: (*tolerance)? }));
    written.collect()
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

fn without_numbers(check: &Check, fault: &Fault) -> CheckStatus {
    Judgement::no_data(fault.reason(), fault.to_string()).into_status(&check.name, None)
}
