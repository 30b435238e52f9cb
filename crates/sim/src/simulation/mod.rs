//! One simulation: a user's manifests and a scenario in, a report out.
//!
//! The operator is the real one, on an embedded cluster whose time flies. Everything else that happens, the scenario
//! says; everything that is left to chance comes from one seed.

mod application;
mod references;
mod scheduled_step;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::Value;
use tidegate_analysis::Transport;
use tidegate_api::Rollout;
use tidegate_apiserver::{Change, Changes, Refusal};
use tidegate_clock::Clock;

use self::scheduled_step::ScheduledStep;
use super::{
    cluster::{Cluster, ClusterSettings},
    endpoint::Endpoint,
    metering::Application,
    operator::{ENDPOINT, Operator},
    report::{Recorder, Report, Writes},
    scenario::{Length, Manifest, Manifests, SETTLING, Scenario, yaml::Mistake},
    traffic::Load,
};

/// Nothing may happen for so long before a simulation without an end of its own is over.
const REST: SignedDuration = SignedDuration::from_mins(5);

/// The curves of a picture have about so many points.
const POINTS: u64 = 240;

/// What a Rollout releases, and in which object it is.
#[derive(Debug, Clone)]
struct ReleasedWorkload {
    rollout: String,
    namespace: String,
    workload: String,
    service: String,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// A file has a mistake.
    #[error(transparent)]
    Mistake(#[from] Mistake),
    /// There is nothing to simulate.
    #[error("there is no Rollout in the files; a simulation needs at least one")]
    NoRollout,
    /// The scenario speaks of something that is not there.
    #[error("the scenario's {field}: {why}")]
    Reference {
        /// The field.
        field: &'static str,
        /// What is not there, and what comes nearest to it.
        why: String,
    },
    /// The API server does not take an object.
    #[error("{object}: {refusal}")]
    Refused {
        /// Its kind and name.
        object: String,
        /// Why.
        refusal: Refusal,
    },
    /// There is no runtime for it.
    #[error("the runtime does not start")]
    Runtime(#[from] std::io::Error),
}

/// Simulates `scenario` with the objects of `manifests`. The same seed gives the same report.
///
/// # Errors
/// [`SimulationError`], with what to mend.
pub fn simulate(manifests: &Manifests, scenario: &Scenario, seed: u64) -> Result<Report, SimulationError> {
    simulate_over(manifests, scenario, seed, |prometheus| Arc::new(prometheus.clone()))
}

/// The same with an operator that reaches the cluster's Prometheus in the way that `between` makes.
///
/// # Errors
/// As [`simulate`].
pub fn simulate_over(
    manifests: &Manifests,
    scenario: &Scenario,
    seed: u64,
    between: impl FnOnce(&Endpoint) -> Arc<dyn Transport>,
) -> Result<Report, SimulationError> {
    let rollouts = manifests.rollouts()?;
    if rollouts.is_empty() {
        return Err(SimulationError::NoRollout);
    }
    references::check(manifests, &rollouts, scenario)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    runtime.block_on(async {
        let mut simulation = Simulation::start(manifests, &rollouts, scenario, (seed, between))?;
        simulation.run().await;
        Ok(simulation.report(seed))
    })
}

struct Simulation<'a> {
    scenario: &'a Scenario,
    cluster: Cluster,
    operator: Option<Operator>,
    /// What the Rollouts call their Prometheus.
    endpoint: String,
    /// The operator's way to it.
    transport: Arc<dyn Transport>,
    subjects: Vec<ReleasedWorkload>,
    changes: Changes,
    recorder: Recorder,
    /// What is not as it would be in the user's cluster.
    notes: Vec<String>,
    /// What the operator wrote since the scenario's start. Nobody else sends requests: the models call the server.
    writes: Arc<Mutex<Writes>>,
    /// What will happen, by when; the number keeps the order of what happens at the same time.
    due: BTreeMap<(Timestamp, usize), ScheduledStep>,
    planned: usize,
    /// How often the curves are sampled.
    step: Length,
    /// Since when there is nothing under way.
    rests_since: Option<Timestamp>,
}

impl<'a> Simulation<'a> {
    fn start(
        manifests: &Manifests,
        rollouts: &[Rollout],
        scenario: &'a Scenario,
        (seed, between): (u64, impl FnOnce(&Endpoint) -> Arc<dyn Transport>),
    ) -> Result<Self, SimulationError> {
        let mut seeds = StdRng::seed_from_u64(seed);
        let begin = scenario.start.saturating_sub(SETTLING).unwrap_or(Timestamp::MIN);
        let clock = Clock::starting_at(begin);
        let settings = ClusterSettings {
            seed: seeds.random(),
            scrape_every: scenario.scrape_every.duration(),
            ..ClusterSettings::default()
        };
        let cluster = Cluster::start(clock, settings);
        let changes = cluster.api.changes();
        let writes = Arc::new(Mutex::new(Writes::default()));
        let counted = Arc::clone(&writes);
        cluster.api.on_request(move |call| counted.lock().unwrap_or_else(PoisonError::into_inner).count(call));
        let mut simulation = Self {
            scenario,
            operator: None,
            endpoint: endpoint(rollouts),
            transport: between(&cluster.prometheus),
            subjects: Vec::new(),
            changes,
            recorder: Recorder::new(scenario.start).under_a_schedule(scenario.schedule.is_some()),
            notes: manifests.notes.clone(),
            writes,
            due: BTreeMap::new(),
            planned: 0,
            step: step(rollouts, scenario),
            rests_since: None,
            cluster,
        };
        for rollout in rollouts {
            simulation.add(rollout, manifests, seeds.random());
        }
        for manifest in &manifests.objects {
            simulation.apply(manifest)?;
        }
        simulation.operator = Some(simulation.start_operator());
        simulation.plan(scenario.start, ScheduledStep::Begin);
        simulation.plan(scenario.start, ScheduledStep::Sample);
        for event in &scenario.events {
            simulation.plan_event(event);
        }
        Ok(simulation)
    }

    fn start_operator(&self) -> Operator {
        self.cluster.operator(&self.endpoint, Arc::clone(&self.transport), self.scenario.schedule.clone())
    }

    /// Applies an object. One of a kind that the cluster does not know, such as another operator's, is left out, and a
    /// note says so.
    fn apply(&mut self, manifest: &Manifest) -> Result<(), SimulationError> {
        let (kind, name) = (manifest.kind(), manifest.name());
        if !self.cluster.knows(&manifest.object) {
            let version = manifest.object.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
            self.notes
                .push(format!("{kind} {name} is left out: the cluster of a simulation knows no {kind} in {version}"));
            return Ok(());
        }
        let applied = self.cluster.apply(manifest.object.clone());
        applied.map_err(|refusal| match manifest.refused(&refusal) {
            Some(mistake) => mistake.into(),
            None => SimulationError::Refused { object: format!("{kind} {name}"), refusal },
        })
    }

    fn plan(&mut self, at: Timestamp, step: ScheduledStep) {
        self.planned += 1;
        self.due.insert((at, self.planned), step);
    }

    async fn run(&mut self) {
        let end = self.scenario.latest_end();
        loop {
            let changes = self.changes.drain();
            for change in &changes {
                self.note(change);
            }
            let now = self.cluster.clock.now();
            while let Some(entry) = self.due.first_entry().filter(|entry| entry.key().0 <= now) {
                let step = entry.remove();
                self.act(now, step);
            }
            if now >= end || self.is_over(now) {
                return;
            }
            let next = self.due.keys().next().map_or(end, |(at, _)| (*at).min(end));
            let pause = std::time::Duration::try_from(next.duration_since(now)).unwrap_or_default();
            tokio::select! {
                biased;
                () = self.changes.ready() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Whether nothing is under way and nothing is to come; asked at least at every sample.
    fn is_over(&mut self, now: Timestamp) -> bool {
        let to_come = self.due.values().any(|step| !matches!(step, ScheduledStep::Sample));
        if to_come || self.scenario.until.is_some() || self.operator.is_none() || !self.recorder.is_at_rest() {
            self.rests_since = None;
            return false;
        }
        now.duration_since(*self.rests_since.get_or_insert(now)) >= REST
    }

    /// Writes down what a change tells.
    fn note(&mut self, change: &Change) {
        if change.resource.plural != "rollouts" {
            return;
        }
        let Some(rollout) = change.object.parse::<Rollout>() else { return };
        let now = self.cluster.clock.now();
        let place = self.subjects.iter().position(|subject| subject.rollout == change.object.name());
        let recorder = &mut self.recorder;
        self.cluster.applications.with(|applications| {
            let mut load = place.and_then(|place| applications.get_mut(place)).map(|application| &mut application.load);
            if let Some(load) = &mut load {
                load.settle(now);
            }
            recorder.rollout(now, &rollout, load.as_deref());
        });
    }

    /// Lets `look` see the load of each Rollout as it is now.
    fn with_loads<T>(&mut self, look: impl FnOnce(&mut Recorder, &BTreeMap<String, &Load>) -> T) -> T {
        let now = self.cluster.clock.now();
        let (recorder, subjects) = (&mut self.recorder, &self.subjects);
        self.cluster.applications.with(|applications| {
            for application in applications.iter_mut() {
                application.load.settle(now);
            }
            let loads = subjects.iter().zip(applications.iter());
            let loads =
                loads.map(|(subject, application): (_, &Application)| (subject.rollout.clone(), &application.load));
            look(recorder, &loads.collect())
        })
    }

    fn report(mut self, seed: u64) -> Report {
        self.operator = None;
        let end = self.cluster.clock.now();
        let start = self.scenario.start;
        let mut report = self
            .with_loads(|recorder, loads| std::mem::replace(recorder, Recorder::new(start)).finish(end, seed, loads));
        report.writes = std::mem::take(&mut *self.writes.lock().unwrap_or_else(PoisonError::into_inner));
        report.notes = self.notes;
        report.failures = self.scenario.expect.failures(&report);
        report
    }
}

/// What the Rollouts call their Prometheus: there is only one, under the name that the first of them uses.
fn endpoint(rollouts: &[Rollout]) -> String {
    let named = rollouts.iter().find_map(|rollout| rollout.spec.analysis.as_ref()?.prometheus.clone());
    named.unwrap_or_else(|| ENDPOINT.to_owned())
}

fn step(rollouts: &[Rollout], scenario: &Scenario) -> Length {
    let bake = |rollout: &Rollout| -> u64 {
        rollout.spec.stages().iter().map(|stage| stage.bake().duration().as_secs() + 60).sum()
    };
    let longest = rollouts.iter().map(bake).max().unwrap_or_default();
    let last = scenario.events.last().map_or(0, |event| event.at.duration().as_secs());
    let whole = scenario.until.map_or(longest + last, |until| until.duration().as_secs());
    Length::seconds((whole / POINTS).max(15))
}
