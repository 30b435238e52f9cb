//! The one task that drives all models.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use rand::{SeedableRng, rngs::StdRng};
use tidegate_apiserver::{ApiServer, Changes, Refusal};
use tidegate_clock::Clock;
use tokio::sync::{Notify, watch};

use super::{
    Handle, ModelSettings, Models, Pace, ReconcileContext,
    autoscaler::Autoscalers,
    cache::Cache,
    deployment, endpoint_slices, event_handlers,
    gateway::{DataPlane, Gateway},
    job,
    kubelet::Kubelets,
    queue::{Queue, Task},
    reconcile_context::later,
    replica_set,
};

/// The pause after a refused write; each more in a row doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(1000);

/// The models, before they run.
#[derive(Debug)]
pub struct Controllers {
    state: Arc<Shared>,
    changes: Changes,
}

/// What the task and its handles share.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// Told when somebody else has put something into the queue.
    pub woken: Notify,
    /// [`State::epoch`] as it was when the models last paused.
    pub epochs: watch::Sender<u64>,
}

impl Shared {
    /// Tells those who follow where requests go, if that may have changed.
    pub(super) fn tell(&self, state: &State) {
        self.epochs.send_if_modified(|epoch| std::mem::replace(epoch, state.epoch) != state.epoch);
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All models and what they know.
#[derive(Debug)]
pub(super) struct State {
    pub runtime: Runtime,
    pub cache: Cache,
    pub models: Models,
    pub autoscalers: Autoscalers,
    pub kubelets: Kubelets,
    pub gateway: Gateway,
    pub data_plane: DataPlane,
    /// Counts what changes the answer to where requests go.
    pub epoch: u64,
    /// How often in a row a task was refused.
    refused: BTreeMap<Task, u32>,
}

/// What every model stands on.
#[derive(Debug)]
pub(super) struct Runtime {
    api: ApiServer,
    clock: Clock,
    rng: StdRng,
    queue: Queue,
    pace: Pace,
}

impl Runtime {
    /// One turn, which begins now.
    pub(super) fn context<'a>(&'a mut self, cache: &'a Cache) -> ReconcileContext<'a> {
        ReconcileContext {
            api: &self.api,
            cache,
            queue: &mut self.queue,
            rng: &mut self.rng,
            pace: &self.pace,
            now: self.clock.now(),
        }
    }
}

impl Controllers {
    /// The models around `api`, which holds nothing yet that they would have to know. From `seed` comes how long each thing takes.
    #[must_use]
    pub fn new(api: ApiServer, clock: Clock, seed: u64, settings: ModelSettings) -> Self {
        let changes = api.changes();
        let ModelSettings { models, pace, pods, gateway } = settings;
        let mut state = State {
            runtime: Runtime { api, clock, rng: StdRng::seed_from_u64(seed), queue: Queue::default(), pace },
            cache: Cache::default(),
            models,
            autoscalers: Autoscalers::default(),
            kubelets: Kubelets::new(pods),
            gateway: Gateway { mode: gateway, ..Gateway::default() },
            data_plane: DataPlane::default(),
            epoch: 0,
            refused: BTreeMap::new(),
        };
        if models.kubelets {
            state.kubelets.start(&state.runtime.context(&state.cache));
        }
        Self {
            state: Arc::new(Shared { state: Mutex::new(state), woken: Notify::new(), epochs: watch::Sender::new(0) }),
            changes,
        }
    }

    /// By which others give orders to the models, and ask what they know.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::new(self.state.clone())
    }

    /// Runs for ever.
    pub async fn run(mut self) {
        loop {
            let pause = {
                let mut state = self.state.lock();
                let pause = state.work(&mut self.changes);
                self.state.tell(&state);
                pause
            };
            let sleep = async {
                match pause {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.changes.ready() => {}
                () = self.state.woken.notified() => {}
                () = sleep => {}
            }
        }
    }
}

impl State {
    /// Does everything that is due, and says how long there is nothing to do; nothing where that is not known.
    fn work(&mut self, changes: &mut Changes) -> Option<Duration> {
        loop {
            for change in changes.drain() {
                event_handlers::learn(self, &change);
            }
            let now = self.runtime.clock.now();
            let Some(task) = self.runtime.queue.pop(now) else {
                return self.runtime.queue.next().map(|next| until(now, next));
            };
            match self.perform(&task) {
                Ok(()) => drop(self.refused.remove(&task)),
                // What it was about is gone.
                Err(refusal) if refusal.code == 404 => drop(self.refused.remove(&task)),
                Err(refusal) => self.retry(task, now, &refusal),
            }
        }
    }

    fn perform(&mut self, task: &Task) -> Result<(), Refusal> {
        let Self { runtime, cache, .. } = self;
        let mut context = runtime.context(cache);
        match task {
            Task::Deployment(key) => deployment::sync(&mut context, key),
            Task::ReplicaSet(key) => replica_set::sync(&mut context, key),
            Task::Job(key) => job::sync(&mut context, key),
            Task::EndpointSlices(key) => endpoint_slices::sync(&context, key),
            Task::Autoscaler(key) => self.autoscalers.sync(&mut context, key),
            Task::Pod(key) => self.kubelets.sync(&mut context, key).inspect(|()| self.epoch += 1),
            Task::Route(key) => {
                let known = self.gateway.named();
                let changed = self.gateway.sync(&context, key)?;
                for service in self.gateway.named().difference(&known) {
                    self.data_plane.sync(cache, service);
                }
                self.epoch += u64::from(changed);
                Ok(())
            }
            Task::Endpoints(key) => {
                self.epoch += u64::from(self.data_plane.sync(cache, key));
                Ok(())
            }
            Task::Node(node) => self.kubelets.look_at_node(&mut context, node),
        }
    }

    /// A refused write is tried again, ever more slowly.
    fn retry(&mut self, task: Task, now: Timestamp, refusal: &Refusal) {
        tracing::debug!(?task, %refusal, "refused; trying again");
        let times = self.refused.entry(task.clone()).or_default();
        let pause = FIRST_PAUSE.saturating_mul(1 << (*times).min(20)).min(LONGEST_PAUSE);
        *times = times.saturating_add(1);
        self.runtime.queue.at(later(now, pause), task);
    }
}

fn until(now: Timestamp, next: Timestamp) -> Duration {
    next.duration_since(now).try_into().unwrap_or(Duration::ZERO)
}
