//! All requests of one application.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rand::{Rng, SeedableRng, rngs::StdRng};
use tidegate_api::Percent;

use super::{
    behaviour::Behaviour,
    cause::{Cause, Causes},
    demand::Demand,
    draw::{binomial, poisson},
    exposition::{Exposed, Series},
    pod::Pod,
    totals::Totals,
};
use crate::scenario::{Dependency, SETTLING, STABLE, Scenario, Standing};

/// A pod that requests go to.
#[derive(Debug, Clone, Copy)]
pub struct Backend<'a> {
    /// Its name.
    pub pod: &'a str,
    /// The revision that it is of; [`Load::totals`] are kept by it.
    pub revision: &'a str,
    /// The version of the scenario that it behaves like.
    pub version: &'a str,
    /// The node that it is on.
    pub node: &'a str,
    /// Which part of all requests it gets.
    pub share: f64,
    /// Of which part of all requests it gets copies, whose answers nobody sees.
    pub copies: f64,
    /// Since when it has been ready; a later instant than before means that it was restarted.
    pub ready_since: Timestamp,
}

/// All requests of one application.
#[derive(Debug)]
pub struct Load {
    namespace: String,
    start: Timestamp,
    exposed: Exposed,
    demand: Demand,
    retried: f64,
    described: f64,
    behaviours: BTreeMap<String, Behaviour>,
    pods: BTreeMap<String, Pod>,
    /// The highest number that a pod of a revision ever had.
    numbers: BTreeMap<String, usize>,
    totals: BTreeMap<String, Totals>,
    rng: StdRng,
    /// Up to here `sent` is brought up to date, in seconds from the start.
    at: f64,
    /// How many requests were expected so far.
    sent: f64,
    /// Which parts of all requests nobody answers, and why.
    losing: BTreeMap<Cause, f64>,
    /// How many of them are expected that have not been drawn yet.
    lost: BTreeMap<Cause, f64>,
    failures: Causes,
    /// How many copies were answered without an error.
    copies_served: u64,
}

impl Load {
    /// The requests of an application in `namespace` as `scenario` has them, from [`SETTLING`] before its start on.
    #[must_use]
    pub fn new(scenario: &Scenario, namespace: &str, exposed: Exposed, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let from = -SETTLING.as_secs_f64();
        let behaviours = scenario.versions.iter();
        let behaviours = behaviours.map(|(name, version)| (name.clone(), Behaviour::new(version, rng.random())));
        let behaviours = behaviours.collect();
        Self {
            namespace: namespace.to_owned(),
            start: scenario.start,
            exposed,
            demand: Demand::new(&scenario.traffic, scenario.start, from, rng.random()),
            described: scenario.traffic.described.map_or(0.0, Percent::fraction),
            retried: scenario.traffic.retries.map_or(0.0, |retries| retries.share.fraction()),
            behaviours,
            pods: BTreeMap::new(),
            numbers: BTreeMap::new(),
            totals: BTreeMap::new(),
            rng,
            at: from,
            sent: 0.0,
            losing: BTreeMap::new(),
            lost: BTreeMap::new(),
            failures: Causes::new(),
            copies_served: 0,
        }
    }

    /// From `now` on requests go to these pods, and to no others. Parts that nobody answers are for [`Self::lose`].
    pub fn route(&mut self, now: Timestamp, backends: &[Backend<'_>]) {
        let offset = self.advance(now);
        for pod in self.pods.values_mut() {
            settle(pod, self.sent);
            (pod.share, pod.copies) = (0.0, 0.0);
        }
        self.losing.clear();
        for backend in backends {
            let known = self.pods.get(backend.pod);
            let restarted = known.filter(|pod| pod.ready_since != backend.ready_since);
            if let Some(standing) = restarted.map(|pod| pod.standing.clone()) {
                self.remove(now, backend.pod);
                self.pods.insert(backend.pod.to_owned(), Pod::new(backend, standing, offset));
            } else if known.is_none() {
                let standing = self.standing(backend);
                self.pods.insert(backend.pod.to_owned(), Pod::new(backend, standing, offset));
            }
            let sent = self.sent;
            if let Some(pod) = self.pods.get_mut(backend.pod) {
                pod.seen = sent;
                pod.share = backend.share.clamp(0.0, 1.0);
                pod.copies = backend.copies.clamp(0.0, 1.0);
            }
        }
    }

    /// Where a new pod stands: it takes the lowest number that is free.
    fn standing(&mut self, backend: &Backend<'_>) -> Standing {
        let alike = self.pods.values().filter(|pod| pod.revision == backend.revision);
        let taken: BTreeSet<_> = alike.map(|pod| pod.standing.number).collect();
        let number =
            taken.iter().zip(1..).find(|(taken, number)| *taken != number).map_or(taken.len() + 1, |(_, free)| free);
        let highest = self.numbers.entry(backend.revision.to_owned()).or_default();
        let replaces = number <= *highest;
        *highest = number.max(*highest);
        Standing { number, replaces, node: backend.node.to_owned() }
    }

    /// From the last call of [`Self::route`] on, these parts of the requests are answered by nobody.
    pub fn lose(&mut self, parts: impl IntoIterator<Item = (Cause, f64)>) {
        for (cause, part) in parts {
            *self.losing.entry(cause).or_default() += part;
        }
    }

    /// What a pod exposes at `now`.
    pub fn scrape(&mut self, now: Timestamp, pod: &str) -> &[Series] {
        let offset = self.advance(now);
        self.draw(now, offset, pod);
        let Some((name, pod)) = self.pods.get_key_value(pod).map(|(name, _)| name.clone()).and_then(|name| {
            let pod = self.pods.get_mut(&name)?;
            Some((name, pod))
        }) else {
            return &[];
        };
        let Some(behaviour) = behaviour(&mut self.behaviours, &pod.version) else { return &[] };
        let target = [("namespace", self.namespace.as_str()), ("pod", name.as_str())];
        pod.expose(&mut self.rng, offset, behaviour.version(), (&self.exposed, &target)).series()
    }

    /// A pod is gone, and its counters with it.
    pub fn remove(&mut self, now: Timestamp, pod: &str) {
        let offset = self.advance(now);
        self.draw(now, offset, pod);
        self.pods.remove(pod);
    }

    /// From `now` on this is the matter with something that all versions need; nothing if all is well.
    pub fn depend(&mut self, now: Timestamp, dependency: Option<Dependency>) {
        self.settle(now);
        self.behaviours.values_mut().for_each(|behaviour| behaviour.depend(dependency));
    }

    /// Draws everything up to `now`, so that [`Self::totals`] speak of it.
    pub fn settle(&mut self, now: Timestamp) {
        let offset = self.advance(now);
        let names: Vec<String> = self.pods.keys().cloned().collect();
        for name in names {
            self.draw(now, offset, &name);
        }
        for (cause, mean) in std::mem::take(&mut self.lost) {
            let count = poisson(&mut self.rng, mean);
            *self.failures.entry(cause).or_default() += count;
        }
    }

    /// What the pods of a revision have answered, as far as it was drawn.
    #[must_use]
    pub fn totals(&self, revision: &str) -> Option<&Totals> {
        self.totals.get(revision)
    }

    /// Which part of the requests are those that a rule by headers or parameters describes.
    #[must_use]
    pub fn described(&self) -> f64 {
        self.described
    }

    /// How many requests were answered without an error, by the pods of any revision.
    #[must_use]
    pub fn served(&self) -> u64 {
        let answered: u64 = self.totals.values().map(|totals| totals.requests - totals.failed).sum();
        answered - self.copies_served
    }

    /// How many requests failed, as far as they were drawn, and why.
    #[must_use]
    pub fn failures(&self) -> &Causes {
        &self.failures
    }

    /// Brings `sent` up to `now`, and says how many seconds after the start that is.
    fn advance(&mut self, now: Timestamp) -> f64 {
        let offset = now.duration_since(self.start).as_secs_f64();
        if offset > self.at {
            let sent = self.demand.expected(self.at, offset);
            self.sent += sent;
            // Before the first pod is ready there is nothing that clients could ask.
            if !self.totals.is_empty() {
                for (cause, part) in &self.losing {
                    *self.lost.entry(cause.clone()).or_default() += sent * part;
                }
            }
            self.at = offset;
        }
        offset
    }

    fn draw(&mut self, now: Timestamp, offset: f64, name: &str) {
        let Some(pod) = self.pods.get_mut(name) else { return };
        let Some(behaviour) = behaviour(&mut self.behaviours, &pod.version) else { return };
        settle(pod, self.sent);
        let warm_up = behaviour.version().warm_up.map_or(0.0, |cold| cold.for_.as_seconds());
        let is_cold = now.duration_since(pod.ready_since).as_secs_f64() < warm_up;
        let bounds = &self.exposed.bounds;
        if !self.totals.contains_key(&pod.revision) {
            let totals = Totals { bounds: bounds.clone(), ..Totals::default() };
            self.totals.insert(pod.revision.clone(), totals);
        }
        let Some(totals) = self.totals.get_mut(&pod.revision) else { return };
        let capacity = behaviour.version().capacity.map(|count| count.0);
        let outlier = behaviour.version().pods.iter().position(|outlier| outlier.is_of(&pod.standing, offset));
        let now = behaviour.look(offset, bounds);
        let drawn = pod.draw(&mut self.rng, (now, now.manner(outlier)), (offset, is_cold, capacity), totals);
        // Nobody sees how a copy ends.
        let unseen = match drawn.copies {
            0 => 0,
            copies => binomial(&mut self.rng, drawn.failed, copies as f64 / drawn.requests as f64),
        };
        let seen = drawn.failed - unseen;
        self.copies_served += drawn.copies.saturating_sub(unseen);
        if seen > 0 {
            *self.failures.entry(Cause::Answered(pod.version.clone())).or_default() += seen;
        }
        // They are sent again at once, to any pod.
        self.sent += seen as f64 * self.retried;
    }
}

/// Counts what a pod was sent since this was last done.
fn settle(pod: &mut Pod, sent: f64) {
    pod.pending += (sent - pod.seen) * pod.share;
    pod.copied += (sent - pod.seen) * pod.copies;
    pod.seen = sent;
}

/// How a version behaves; one that the scenario does not have behaves like the stable one.
fn behaviour<'a>(behaviours: &'a mut BTreeMap<String, Behaviour>, version: &str) -> Option<&'a mut Behaviour> {
    let known = if behaviours.contains_key(version) { version } else { STABLE };
    behaviours.get_mut(known)
}
