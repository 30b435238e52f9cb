//! Requests and scrapes: sends the clients' requests to whoever answers them now, and lets Prometheus count.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use tidegate_api::{GatewayRouteKind, RolloutSpec, Route};
use tidegate_clock::Clock;
use tidegate_promql::Labels;
use tokio::time::{Instant, sleep_until};

use super::{
    controllers::{Entry, Handle, PodView, Share, To},
    endpoint::Endpoint,
    scenario::CANARY,
    traffic::{Backend, Cause, Load},
};

/// Prometheus spreads its scrapes over the interval. So many instants are enough that no two versions are read at the
/// same ones throughout, and few enough that a week passes quickly.
const SLOTS: u32 = 3;

/// One application: its clients, and how its versions behave.
#[derive(Debug)]
pub struct Application {
    /// Its namespace.
    pub namespace: String,
    /// The route that clients come in by, and its kind; without it they call the Service.
    pub route: Option<(GatewayRouteKind, String)>,
    /// Its Service.
    pub service: String,
    /// Which version of the scenario an image behaves like. Others behave like the canary.
    pub versions: BTreeMap<String, String>,
    /// Which version of the scenario the configuration makes of revisions that start now, if it does.
    configured: Option<String>,
    /// What it made of each revision.
    revisions: BTreeMap<String, Option<String>>,
    /// Its requests.
    pub load: Load,
    /// What is scraped, by pod.
    targets: BTreeMap<String, Target>,
}

/// A pod that is scraped.
#[derive(Debug)]
struct Target {
    /// At which of the interval's instants.
    slot: u32,
    /// What Prometheus calls it.
    name: String,
    /// The labels of the series that tells whether it answers.
    up: Labels,
}

impl Target {
    fn new(namespace: &str, service: &str, pod: &str) -> Self {
        let mut hash = DefaultHasher::new();
        pod.hash(&mut hash);
        Self {
            slot: u32::try_from(hash.finish() % u64::from(SLOTS)).unwrap_or(0),
            // Pods of other applications may stand in the same namespace.
            name: format!("{namespace}/{service}/{pod}"),
            up: Labels::new([("__name__", "up"), ("namespace", namespace), ("pod", pod)]),
        }
    }

    /// The name under which `up` is stored: it goes on when the rest of the target's series end.
    fn health(&self) -> String {
        format!("{} up", self.name)
    }
}

/// The route that clients come in by, if one of the Gateway API leads to what a Rollout releases.
#[must_use]
pub fn entrance(spec: &RolloutSpec) -> Option<(GatewayRouteKind, String)> {
    spec.routes().into_iter().find_map(|route| match route {
        Route::Gateway(route) => Some((route.kind(), route.name)),
        Route::Weighted(_) | Route::Custom(_) => None,
    })
}

impl Application {
    /// Clients of the Service `service`, who come in by `route` if there is one.
    #[must_use]
    pub fn new(namespace: &str, route: Option<(GatewayRouteKind, String)>, service: &str, load: Load) -> Self {
        Self {
            namespace: namespace.to_owned(),
            route,
            service: service.to_owned(),
            versions: BTreeMap::new(),
            configured: None,
            revisions: BTreeMap::new(),
            load,
            targets: BTreeMap::new(),
        }
    }

    /// Sends the requests where the data plane has them go now.
    fn route(&mut self, now: Timestamp, controllers: &Handle) {
        let pods: BTreeMap<String, PodView> =
            controllers.pods(&self.namespace).into_iter().map(|pod| (pod.name.clone(), pod)).collect();
        let parts = self.parts(controllers);
        for pod in pods.values().filter(|pod| !self.revisions.contains_key(&pod.revision)).collect::<Vec<_>>() {
            self.revisions.insert(pod.revision.clone(), self.configured.clone());
        }
        let (mut backends, mut lost) = (Vec::new(), Vec::new());
        for (to, (share, copies)) in &parts {
            let (share, copies, name) = match to {
                To::Pod(name) => (*share, *copies, name),
                To::Nobody(code) => {
                    lost.extend(Some((Cause::of_gateway(*code), *share)).filter(|(_, share)| *share > 0.0));
                    continue;
                }
            };
            let alive = pods.get(name).and_then(|pod| Some((pod, pod.alive_since?)));
            let Some((pod, ready_since)) = alive else {
                lost.push((Cause::PodGone, share));
                continue;
            };
            let configured = self.revisions.get(&pod.revision).and_then(Option::as_deref);
            let version = configured.or(self.versions.get(&pod.image).map(String::as_str)).unwrap_or(CANARY);
            let PodView { revision, node, .. } = pod;
            backends.push(Backend { pod: name, revision, version, node, share, copies, ready_since });
        }
        self.load.route(now, &backends);
        self.load.lose(lost);
        for pod in pods.values().filter(|pod| pod.alive_since.is_some()) {
            if !self.targets.contains_key(&pod.name) {
                self.targets.insert(pod.name.clone(), Target::new(&self.namespace, &self.service, &pod.name));
            }
        }
        let gone = self.targets.keys().filter(|name| pods.get(*name).is_none_or(|pod| pod.alive_since.is_none()));
        let gone: Vec<_> = gone.cloned().collect();
        for name in gone {
            self.load.remove(now, &name);
        }
    }

    /// Who answers which part of the requests, and who gets copies of which part.
    fn parts(&self, controllers: &Handle) -> BTreeMap<To, (f64, f64)> {
        let mut parts: BTreeMap<To, (f64, f64)> = BTreeMap::new();
        let mut enter = |entry: Entry<'_>, part: f64| {
            for Share { share, to } in controllers.shares(&self.namespace, entry) {
                parts.entry(to).or_default().0 += share * part;
            }
            for Share { share, to } in controllers.copies(&self.namespace, entry) {
                parts.entry(to).or_default().1 += share * part;
            }
        };
        match &self.route {
            None => enter(Entry::Service(&self.service), 1.0),
            Some((kind, name)) => {
                let particular = Entry::Particular { kind: *kind, name };
                let described = self.load.described();
                let is_asked = described > 0.0 && !controllers.shares(&self.namespace, particular).is_empty();
                let described = if is_asked { described } else { 0.0 };
                enter(Entry::Route { kind: *kind, name, rule: 0 }, 1.0 - described);
                if is_asked {
                    enter(particular, described);
                }
            }
        }
        parts
    }

    /// Has the targets of one slot scraped. What a pod that does not answer had ends here; one that is gone is no
    /// target any more.
    fn scrape(&mut self, now: Timestamp, slot: u32, (controllers, prometheus): (&Handle, &Endpoint)) {
        let pods: BTreeMap<_, _> =
            controllers.pods(&self.namespace).into_iter().map(|pod| (pod.name, pod.alive_since.is_some())).collect();
        let Self { targets, load, .. } = self;
        targets.retain(|pod, target| {
            let alive = pods.get(pod).copied();
            if target.slot == slot {
                let answers = alive == Some(true) && !prometheus.misses(&target.name, now);
                let series = if answers { load.scrape(now, pod) } else { &[] };
                prometheus.scrape(now, |prometheus, at| {
                    prometheus.append(at, &target.name, series);
                    let up = alive.map(|_| (target.up.clone(), f64::from(answers)));
                    prometheus.append(at, &target.health(), up.as_slice());
                });
            }
            alive.is_some() || target.slot != slot
        });
    }
}

/// All applications of a cluster. Cheap to clone; all clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Applications(Arc<Mutex<Vec<Application>>>);

impl Applications {
    /// Lets `look` see them, or change them.
    pub fn with<T>(&self, look: impl FnOnce(&mut Vec<Application>) -> T) -> T {
        look(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Application>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on `image` of the application behind `service` behaves like `version`.
    pub fn set_version(&self, namespace: &str, service: &str, image: &str, version: &str) {
        let mut applications = self.lock();
        let of = |it: &&mut Application| (it.namespace.as_str(), it.service.as_str()) == (namespace, service);
        if let Some(application) = applications.iter_mut().find(of) {
            application.versions.insert(image.to_owned(), version.to_owned());
        }
    }

    /// From now on, what the pods of the application behind `service` read makes `version` of revisions that start.
    pub fn configure(&self, namespace: &str, service: &str, version: Option<&str>) {
        let mut applications = self.lock();
        let of = |it: &&mut Application| (it.namespace.as_str(), it.service.as_str()) == (namespace, service);
        if let Some(application) = applications.iter_mut().find(of) {
            application.configured = version.map(str::to_owned);
        }
    }

    /// Sends requests and has them scraped every `interval`, for ever.
    pub async fn run(self, clock: Clock, controllers: Handle, prometheus: Endpoint, interval: Duration) {
        let step = (interval / SLOTS).max(Duration::from_millis(1));
        let mut epochs = controllers.epochs();
        epochs.mark_changed();
        let (mut due, mut slot) = (Instant::now() + step, 0);
        loop {
            tokio::select! {
                biased;
                moved = epochs.changed() => {
                    if moved.is_err() {
                        return;
                    }
                    let now = clock.now();
                    self.lock().iter_mut().for_each(|application| application.route(now, &controllers));
                }
                () = sleep_until(due) => {
                    let now = clock.now();
                    let mut applications = self.lock();
                    applications.iter_mut().for_each(|it| it.scrape(now, slot, (&controllers, &prometheus)));
                    (due, slot) = (due + step, (slot + 1) % SLOTS);
                }
            }
        }
    }
}
