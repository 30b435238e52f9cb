//! One run of a scene: the real operator on the embedded cluster, on virtual time, with the faults that were planned.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use serde_json::{Value, json};
use tidegate_api::{Rollout, RolloutStatus};
use tidegate_apiserver::{ApiServer, Change, Object, What, garbage};
use tidegate_clock::Clock;
use tidegate_sim::{
    board::Board,
    controllers::{Controllers, Handle, ModelSettings},
    operator::{Operator, OperatorSetup},
};
use tokio::time::{Instant, sleep_until};

use crate::{
    configuration::SETTINGS,
    faults::{Fault, Wire},
    invariants::Invariants,
    numbers::Prometheus,
    objects,
    scenes::{Action, Moment, Scene},
};

/// Where everything is.
pub const SHOP: &str = "shop";
/// The name of the Rollout and of everything that it names.
pub const NAME: &str = "checkout";

/// More changes than any run makes that goes on in time: who makes more is in a loop.
const ENDLESS: usize = 10_000;
/// How often it is looked whether what is awaited is there.
const POLL: Duration = Duration::from_secs(1);
/// Later than this, what is awaited does not come any more.
const LATEST: Duration = Duration::from_mins(10);
/// From death to the next start.
const RESTART: Duration = Duration::from_secs(1);

/// A scene with everything that chance decides.
#[derive(Debug, Clone)]
pub struct Trial {
    /// What happens.
    pub scene: Scene,
    /// From it come the delays of the controllers, UIDs and the operator's pauses.
    pub seed: u64,
    /// What goes wrong with which call of the operator.
    pub faults: BTreeMap<usize, Fault>,
}

/// What is left of a run.
#[derive(Debug, Clone)]
pub struct Record {
    /// Everything that was written, one line for each change.
    pub log: Vec<String>,
    /// The same, with all objects, as a number.
    pub fingerprint: u64,
    /// All calls of the operator.
    pub calls: Vec<String>,
    /// How many objects of each kind the operator created and deleted.
    pub made: BTreeMap<String, usize>,
    /// The reasons of all transitions with their revisions, oldest first.
    pub steps: Vec<String>,
    /// The objects as they were in the end, without what may differ.
    pub end: BTreeMap<String, Value>,
    /// What must never be, and was.
    pub broken: Vec<String>,
}

impl Trial {
    /// Without any fault.
    pub fn of(scene: &Scene, seed: u64) -> Self {
        Self { scene: scene.clone(), seed, faults: BTreeMap::new() }
    }

    /// With one.
    pub fn with(scene: &Scene, seed: u64, call: usize, fault: Fault) -> Self {
        Self { faults: BTreeMap::from([(call, fault)]), ..Self::of(scene, seed) }
    }

    /// Plays it.
    pub fn play(&self) -> Record {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut stage = Stage::set(self).await;
            stage.run(&self.scene).await;
            stage.record(&self.scene)
        })
    }
}

/// Everything that takes part.
struct Stage {
    clock: Clock,
    start: Instant,
    api: ApiServer,
    controllers: Handle,
    wire: Wire,
    prometheus: Prometheus,
    board: Board,
    operator: Option<Operator>,
    second: Option<Operator>,
    invariants: Invariants,
    log: Vec<String>,
    hasher: DefaultHasher,
    steps: Vec<String>,
    made: BTreeMap<String, usize>,
}

impl Stage {
    /// The Deployment serves; the Rollout is there; the operator starts.
    async fn set(trial: &Trial) -> Self {
        let clock = Clock::starting_at("2026-03-02T09:00:00Z".parse().unwrap());
        let api = ApiServer::new(clock, trial.seed);
        let controllers = Controllers::new(api.clone(), clock, trial.seed, ModelSettings::default());
        let handle = controllers.handle();
        tokio::spawn(controllers.run());
        tokio::spawn(garbage::collect(api.clone()));
        for object in objects::all(&trial.scene) {
            api.create(object, "user").unwrap();
        }
        tokio::time::sleep(Duration::from_secs(30)).await;
        let wire = Wire::new(api.clone(), trial.faults.clone());
        let mut stage = Self {
            clock,
            start: Instant::now(),
            invariants: Invariants::new(&api, &trial.scene),
            api,
            controllers: handle,
            wire,
            prometheus: Prometheus::new(),
            board: Board::default(),
            operator: None,
            second: None,
            log: Vec::new(),
            hasher: DefaultHasher::new(),
            steps: Vec::new(),
            made: BTreeMap::new(),
        };
        stage.api.create(objects::rollout(&trial.scene), "user").unwrap();
        stage.operator = Some(stage.start_operator());
        stage
    }

    fn start_operator(&self) -> Operator {
        self.operator_setup().start(self.wire.clone())
    }

    fn operator_setup(&self) -> OperatorSetup<Prometheus> {
        let webhooks = Arc::new(self.board.clone());
        OperatorSetup { webhooks, ..OperatorSetup::new(self.clock, self.prometheus.clone()) }
    }

    async fn run(&mut self, scene: &Scene) {
        let mut actions = scene.actions.clone();
        actions.sort_by_key(|(seconds, _)| *seconds);
        let mut actions = actions.into_iter().peekable();
        // How much later than planned it is: from what was awaited on, all else moves with it.
        let mut late = Duration::ZERO;
        let mut changes = self.api.changes();
        let mut restart: Option<Instant> = None;
        loop {
            let wire = self.wire.clone();
            let at = |seconds: u64| self.start + Duration::from_secs(seconds) + late;
            let end = at(scene.length);
            let next = actions.peek().map_or(end, |(seconds, _)| at(*seconds).min(end));
            tokio::select! {
                biased;
                () = wire.crash() => {
                    self.operator = None;
                    restart = Some(Instant::now() + RESTART);
                }
                () = changes.ready() => {
                    for change in changes.drain() {
                        self.take_note(&change);
                    }
                    if self.log.len() > ENDLESS {
                        self.invariants.hold(false, || format!("there is no end to the changes: {ENDLESS} so far"));
                        break;
                    }
                }
                () = sleep_until(restart.unwrap_or(end)), if restart.is_some() => {
                    restart = None;
                    self.operator = Some(self.start_operator());
                }
                () = operator_ended(self.operator.as_ref()) => {
                    // The container is started anew.
                    self.operator = None;
                    restart = Some(Instant::now() + RESTART);
                }
                () = sleep_until(next) => match actions.peek() {
                    Some((_, Action::Await(moment))) if !self.is_now(*moment) => {
                        if late > LATEST {
                            break;
                        }
                        late += POLL;
                    }
                    Some((seconds, _)) if at(*seconds) <= next => {
                        if let Some((_, action)) = actions.next() {
                            self.perform(&action);
                            if action == Action::Crash {
                                self.operator = None;
                                restart = Some(Instant::now() + RESTART);
                            }
                        }
                    }
                    _ => break,
                }
            }
        }
    }

    fn is_now(&self, moment: Moment) -> bool {
        let rollout = self.api.get("rollouts", SHOP, NAME).and_then(|object| object.parse::<Rollout>());
        rollout.is_some_and(|rollout| moment.is_now(&rollout))
    }

    fn take_note(&mut self, change: &Change) {
        let elapsed = self.start.elapsed();
        let (kind, object) = (&change.resource.kind, &change.object);
        change.manager.hash(&mut self.hasher);
        object.json().hash(&mut self.hasher);
        self.log.push(format!(
            "{:>9.3} {:?} {kind} {}/{} by {}{}",
            elapsed.as_secs_f64(),
            change.what,
            object.namespace(),
            object.name(),
            change.manager,
            told(change),
        ));
        // A deletion does not say who asked for it.
        let ours = change.manager.starts_with("tidegate") || change.manager.as_ref() == "unknown";
        if ours && kind != "Event" && change.what != What::Modified {
            *self.made.entry(format!("{:?} {kind}", change.what)).or_default() += 1;
        }
        if kind == "Rollout" {
            self.note_steps(change);
        }
        self.invariants.take(self.clock.now(), change);
    }

    fn note_steps(&mut self, change: &Change) {
        let history = |object: &Object| object.parse::<Rollout>().and_then(|it| it.status).map(|it| it.history);
        let before = change.before.as_deref().and_then(history).unwrap_or_default();
        let after = history(&change.object).unwrap_or_default();
        let new = after.iter().take_while(|step| before.first() != Some(step));
        let mut new: Vec<_> = new.map(|step| step.reason.clone()).collect();
        new.reverse();
        self.steps.extend(new);
    }

    fn perform(&mut self, action: &Action) {
        let now: Timestamp = self.clock.now();
        self.log.push(format!("{:>9.3} {action:?}", self.start.elapsed().as_secs_f64()));
        let merge = |kind: &str, subresource: &str, patch: Value| {
            // What is gone cannot be changed, and nobody minds.
            drop(self.api.merge(kind, SHOP, NAME, subresource, patch, "user"));
        };
        match action {
            Action::Push(image) => merge(
                "deployments",
                "",
                json!({"spec": {"template": {"spec": {"containers": [objects::container(image)]}}}}),
            ),
            Action::ScaleDeployment(replicas) => merge("deployments", "", json!({"spec": {"replicas": replicas}})),
            Action::Edit(spec) => merge("rollouts", "", json!({"spec": spec})),
            Action::WriteRoute(weights) => {
                let backends = objects::backends(weights);
                let managed = self.api.get("rollouts", SHOP, NAME).is_some();
                let routed = (managed && self.api.get("services", SHOP, "checkout-canary").is_some())
                    || backends.as_array().is_some_and(|all| all.len() == 1);
                if routed {
                    merge("httproutes", "", json!({"spec": {"rules": [{"backendRefs": backends}]}}));
                }
            }
            Action::Configure(mode) => {
                let data = objects::settings(mode)["data"].clone();
                drop(self.api.merge("configmaps", SHOP, SETTINGS, "", json!({"data": data}), "user"));
            }
            Action::Delete(kind) => drop(self.api.delete(kind, SHOP, NAME, "user")),
            Action::DeleteReplicaSet(image) => {
                for set in self.api.list("replicasets", Some(SHOP)) {
                    if set.value().pointer("/spec/template/spec/containers/0/image").is_some_and(|it| it == image) {
                        drop(self.api.delete("replicasets", SHOP, set.name(), "user"));
                    }
                }
            }
            Action::DeleteJobs => {
                for job in self.api.list("jobs", Some(SHOP)) {
                    drop(self.api.delete("jobs", SHOP, job.name(), "user"));
                }
            }
            Action::Fail(share) => {
                let good = self.invariants.good().unwrap_or_default();
                self.prometheus.fail(now, *share, &good);
            }
            Action::Numbers(manner) => self.prometheus.set_manner(*manner),
            Action::Dependency(ready) => self.prometheus.set_dependency(*ready),
            Action::Board(manner) => self.board.set_manner(*manner),
            Action::Jobs(end) => self.controllers.set_behaviour_of_jobs(end.pods()),
            Action::Approve(gate, who) => self.annotate("approve", |status| {
                let waiting = status.gates.iter().find(|gate| gate.state.is_open()).map(|gate| gate.revision.clone());
                let version = status.canary.as_ref().map(|canary| canary.revision.clone()).or(waiting)?;
                Some(format!("{version}/{gate} by {who}"))
            }),
            Action::Ask(verb) => self.annotate(verb, |status| {
                let canary = status.canary.as_ref().map(|canary| canary.revision.clone());
                let known = canary.or(status.failed.first().map(|failed| failed.revision.clone()));
                let stable = status.stable.as_ref().map(|stable| stable.revision.clone());
                let version = if *verb == "restart" { stable } else { known.or(stable) }?;
                let stage = status.stage.as_ref().map(|stage| stage.name.as_str()).unwrap_or_default();
                let target = if *verb == "promote" { format!("{version}/{stage}") } else { version };
                Some(format!("{target} by jane"))
            }),
            Action::NumbersRestart => self.prometheus.set_manner(crate::numbers::Manner::Restarted(now)),
            Action::Gateway(mode) => self.controllers.set_gateway(*mode),
            Action::Pods(image, behaviour) => self.controllers.set_behaviour(image, *behaviour),
            Action::Quota(pods) => drop(self.controllers.set_quota(SHOP, *pods)),
            Action::LoseNode => self.controllers.lose_node(&self.node()),
            Action::RegainNode => drop(self.controllers.regain_node(&self.node())),
            Action::Crash | Action::Await(_) => {}
            Action::SecondLeader => {
                let second = self.operator_setup().start(self.api.clone());
                self.second = Some(second);
            }
            Action::OneLeader => self.second = None,
            Action::Compact => self.api.compact(),
        }
    }

    /// Somebody asks for something, by what the status says.
    fn annotate(&self, command: &str, text: impl FnOnce(&RolloutStatus) -> Option<String>) {
        let rollout = self.api.get("rollouts", SHOP, NAME).and_then(|object| object.parse::<Rollout>());
        if let Some(text) = rollout.and_then(|rollout| text(&rollout.status.unwrap_or_default())) {
            let patch = json!({"metadata": {"annotations": {format!("tidegate.dev/{command}"): text}}});
            drop(self.api.merge("rollouts", SHOP, NAME, "", patch, "user"));
        }
    }

    fn node(&self) -> String {
        self.api.list("nodes", None).first().map(|node| node.name().to_owned()).unwrap_or_default()
    }

    fn record(mut self, scene: &Scene) -> Record {
        let broken = self.invariants.finish(self.clock.now(), &self.api, scene);
        Record {
            fingerprint: self.hasher.finish(),
            calls: self.wire.calls(),
            made: self.made,
            steps: self.steps,
            end: objects::end(&self.api),
            log: std::mem::take(&mut self.log),
            broken,
        }
    }
}

/// Waits until the operator gives up: it cannot begin without an answer to its first question.
async fn operator_ended(operator: Option<&Operator>) {
    while operator.is_some_and(|operator| !operator.has_ended()) {
        tokio::time::sleep(RESTART).await;
    }
    if operator.is_none() {
        std::future::pending::<()>().await;
    }
}

/// The few fields that tell a story.
fn told(change: &Change) -> String {
    let object = change.object.value();
    let text = |path: &str| object.pointer(path).map(Value::to_string).unwrap_or_default();
    match change.resource.kind.as_str() {
        "Rollout" => format!(
            ": {} {} {} ({}) {}",
            text("/status/phase"),
            text("/status/stage/name"),
            text("/status/adoption/step"),
            text("/status/route"),
            text("/status/message")
        ),
        "HTTPRoute" => format!(": {}", text("/spec/rules").replace("\"group\":\"\",", "")),
        "ReplicaSet" => format!(": {} of {}", text("/status/readyReplicas"), text("/spec/replicas")),
        "Deployment" => format!(": {} paused {}", text("/spec/replicas"), text("/spec/paused")),
        "Event" => format!(": {} {}", text("/reason"), text("/note")),
        _ => String::new(),
    }
}
