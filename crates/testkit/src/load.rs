//! Sends requests as clients do: along the route that is in force, to a ready endpoint of the Service it points at.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    task::{AbortHandle, JoinSet},
    time::{MissedTickBehavior, interval},
};

use super::{
    endpoints::Endpoints,
    gateway::{Backend, Gateway},
    kubelet::Kubelet,
};

/// What became of the requests that went to one revision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Answered 200.
    pub ok: u64,
    /// Answered with anything else.
    pub errors: u64,
}

/// What became of all requests.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// By the `pod-template-hash` of the pods that answered.
    pub revisions: BTreeMap<String, Counts>,
    /// Requests that no pod answered: no ready endpoint, or a connection that failed. Why, one entry for each.
    pub lost: Vec<String>,
}

/// Where requests may go.
#[derive(Clone)]
pub struct DataPlane {
    /// The routes in force.
    pub gateway: Gateway,
    /// The pods behind Services.
    pub endpoints: Endpoints,
    /// The pods' ports.
    pub kubelet: Kubelet,
    /// Sends the requests.
    pub http: reqwest::Client,
}

/// Requests at a steady rate to one shop, until dropped.
pub struct Load {
    client: Arc<Client>,
    task: AbortHandle,
}

struct Client {
    data_plane: DataPlane,
    namespace: String,
    service: String,
    /// The route to follow; without it, the Service is called directly.
    route: Option<String>,
    turns: Mutex<Turns>,
    tally: Mutex<Tally>,
}

/// Whose turn it is. Deterministic, so that shares are exact and no test fails by bad luck.
#[derive(Debug, Default)]
struct Turns {
    /// The backends of the route, and how much each is owed.
    owed: Vec<(Backend, i64)>,
    /// By Service: requests so far.
    pods: HashMap<String, usize>,
}

impl Load {
    /// Starts `per_second` requests a second.
    pub fn start(
        data_plane: DataPlane,
        (namespace, service): (&str, &str),
        route: Option<&str>,
        per_second: f64,
    ) -> Self {
        let client = Arc::new(Client {
            data_plane,
            namespace: namespace.to_owned(),
            service: service.to_owned(),
            route: route.map(str::to_owned),
            turns: Mutex::default(),
            tally: Mutex::default(),
        });
        let sending = Arc::clone(&client);
        let task = tokio::spawn(async move {
            let mut ticks = interval(Duration::from_secs_f64(1.0 / per_second));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            let mut under_way = JoinSet::new();
            loop {
                ticks.tick().await;
                while under_way.try_join_next().is_some() {}
                under_way.spawn(Arc::clone(&sending).send());
            }
        });
        Self { client, task: task.abort_handle() }
    }

    /// What became of the requests so far.
    pub fn tally(&self) -> Tally {
        lock(&self.client.tally).clone()
    }

    /// Begins a new count, and returns the old one.
    pub fn restart_tally(&self) -> Tally {
        std::mem::take(&mut *lock(&self.client.tally))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Client {
    async fn send(self: Arc<Self>) {
        let Some(service) = self.next_service() else { return };
        let Some(pod) = self.next_pod(&service) else {
            return self.lose(format!("{service} has no ready endpoint"));
        };
        let Some((port, revision)) = self.data_plane.kubelet.serving(&self.namespace, &pod) else {
            return self.lose(format!("{pod}, an endpoint of {service}, does not serve any more"));
        };
        match self.data_plane.http.get(format!("http://127.0.0.1:{port}/")).send().await {
            Ok(answer) => {
                let mut tally = lock(&self.tally);
                let counts = tally.revisions.entry(revision).or_default();
                if answer.status().is_success() { counts.ok += 1 } else { counts.errors += 1 }
            }
            Err(error) => self.lose(format!("{pod}: {error}")),
        }
    }

    /// Nothing is sent before the route is accepted for the first time.
    fn next_service(&self) -> Option<String> {
        let Some(route) = &self.route else { return Some(self.service.clone()) };
        let in_force = self.data_plane.gateway.in_force(&self.namespace, route)?;
        lock(&self.turns).next_backend(&in_force.backends)
    }

    fn next_pod(&self, service: &str) -> Option<String> {
        let pods = self.data_plane.endpoints.ready(&self.namespace, service);
        let mut turns = lock(&self.turns);
        let turn = turns.pods.entry(service.to_owned()).or_default();
        *turn += 1;
        pods.get(*turn % pods.len().max(1)).cloned()
    }

    fn lose(&self, why: String) {
        lock(&self.tally).lost.push(why);
    }
}

impl Turns {
    /// Smooth weighted round robin: each turn everybody earns their weight, and the richest pays for all.
    fn next_backend(&mut self, backends: &[Backend]) -> Option<String> {
        if !self.owed.iter().map(|(backend, _)| backend).eq(backends) {
            self.owed = backends.iter().map(|backend| (backend.clone(), 0)).collect();
        }
        let mut total = 0;
        for (backend, owed) in &mut self.owed {
            let weight = i64::try_from(backend.weight).unwrap_or(i64::MAX);
            *owed += weight;
            total += weight;
        }
        let (backend, owed) =
            self.owed.iter_mut().filter(|(backend, _)| backend.weight > 0).max_by_key(|(_, owed)| *owed)?;
        *owed -= total;
        Some(backend.service.clone())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
