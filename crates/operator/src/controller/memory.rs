//! What the operator remembers of each Rollout between two looks. All of it can be lost: it only saves work.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use kube::{ResourceExt, api::DynamicObject};
use tidegate_analysis::{Templates, unusable};
use tidegate_api::{Rollout, validate};
use tidegate_planner::{plan::RefusedWrite, traffic::RouteId, workload::configuration::ConfigurationId};
use tokio::time::Instant;

use super::rate_limit::TokenBucket;

/// So many deleted pods are remembered: more than go at a time.
const DELETED_PODS: usize = 64;

/// What is remembered, by the Rollout's UID.
#[derive(Default)]
pub struct Memory(Mutex<HashMap<String, Remembered>>);

#[derive(Default)]
struct Remembered {
    /// The object as the operator's own last write left it. In a box: most have none, and it is larger than the rest.
    written: Option<Box<Rollout>>,
    committed_at: Option<Instant>,
    commits: TokenBucket,
    writes: TokenBucket,
    /// Routes as they were last written, or found when a write met a conflict.
    routes: HashMap<RouteId, Arc<DynamicObject>>,
    /// When they were last written.
    written_at: HashMap<RouteId, Timestamp>,
    /// The cache shows pods as ready that are not.
    endpoints_are_behind: bool,
    refused: Option<RefusedWrite>,
    /// The UIDs of the pods that were last deleted.
    deleted_pods: Vec<Box<str>>,
    /// What is wrong with the spec, if anything, and the generation that was looked at.
    validated: Option<(Option<i64>, Option<String>)>,
    /// Which check cannot be asked, if any: the generation that was looked at, and with which templates.
    asked: Option<(Option<i64>, Templates, Option<String>)>,
    failures: u32,
    /// The resourceVersions that the operator's own writes left behind.
    expected: HashMap<OwnedObject, (u64, Instant)>,
}

/// An object beside the Rollout that the operator writes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum OwnedObject {
    /// The Deployment of that name.
    Deployment(String),
    /// The ReplicaSet of that name.
    ReplicaSet(String),
    /// The Service of that name.
    Service(String),
    /// The copy of tracked configuration.
    Copy(ConfigurationId),
    /// A route.
    Route(RouteId),
}

/// How long the caches may lag behind the operator's own writes before it goes on without having seen them.
const LAG: Duration = Duration::from_secs(5);

impl Memory {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Remembered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, rollout: &Rollout, change: impl FnOnce(&mut Remembered) -> T) -> T {
        let uid = rollout.metadata.uid.clone().unwrap_or_default();
        change(self.lock().entry(uid).or_default())
    }

    /// `cached`, or what the operator itself has written since: its own writes are always seen.
    ///
    /// resourceVersions of one resource are compared as numbers, as Kubernetes allows since 1.35 and etcd always did.
    pub fn latest(&self, cached: &Rollout) -> Rollout {
        self.with(cached, |remembered| {
            let newer = remembered.written.as_deref().filter(|written| version(*written) > version(cached));
            newer.unwrap_or(cached).clone()
        })
    }

    /// Remembers the object that a write of the operator returned.
    pub fn wrote(&self, rollout: &Rollout) {
        self.with(rollout, |remembered| remembered.written = Some(Box::new(rollout.clone())));
    }

    /// Remembers what a write left behind, so that no decision is taken before the caches show it: core controllers do
    /// the same since Kubernetes 1.36, <https://kep.k8s.io/5647>.
    pub fn expect(&self, rollout: &Rollout, object: OwnedObject, version: Option<&str>) {
        let Some(version) = version.and_then(|version| version.parse().ok()) else { return };
        self.with(rollout, |remembered| remembered.expected.insert(object, (version, Instant::now())));
    }

    /// Whether the caches show all of the operator's own writes; `seen` tells the resourceVersion of a cached object.
    pub fn is_current(&self, rollout: &Rollout, seen: impl Fn(&OwnedObject) -> Option<u64>) -> bool {
        self.with(rollout, |remembered| {
            remembered.expected.iter().all(|(object, expected)| !is_awaited(*expected, seen(object)))
        })
    }

    /// Forgets of the operator's own writes what the caches show, `cached` and what `seen` tells.
    pub fn forget_seen(&self, cached: &Rollout, seen: impl Fn(&OwnedObject) -> Option<u64>) {
        self.with(cached, |remembered| {
            if remembered.written.as_deref().is_some_and(|written| version(written) <= version(cached)) {
                remembered.written = None;
            }
            remembered.expected.retain(|object, expected| is_awaited(*expected, seen(object)));
        });
    }

    /// Remembers a route as the API server has it, for as long as the cache is behind.
    pub fn found_route(&self, rollout: &Rollout, id: &RouteId, mut route: DynamicObject) {
        route.metadata.managed_fields = None;
        self.with(rollout, |remembered| remembered.routes.insert(id.clone(), Arc::new(route)));
    }

    /// `cached`, or what was found of the same route since: a watch that fell silent is noticed after minutes only, and
    /// traffic must not wait for that.
    pub fn latest_route(&self, rollout: &Rollout, id: &RouteId, cached: Arc<DynamicObject>) -> Arc<DynamicObject> {
        self.with(rollout, |remembered| {
            let found = remembered.routes.get(id).filter(|found| is_newer(found, &cached));
            found.map_or(cached, Arc::clone)
        })
    }

    /// Forgets what was found of a route that the cache shows by now, as it was or newer.
    pub fn forget_route_seen(&self, rollout: &Rollout, id: &RouteId, cached: &DynamicObject) {
        self.with(rollout, |remembered| {
            if remembered.routes.get(id).is_some_and(|found| !is_newer(found, cached)) {
                remembered.routes.remove(id);
            }
        });
    }

    /// Remembers when a route was written: for gateways whose reports name no generation, and for what breaks by it.
    pub fn wrote_route(&self, rollout: &Rollout, id: &RouteId, now: Timestamp) {
        self.with(rollout, |remembered| remembered.written_at.insert(id.clone(), now));
    }

    /// When a route was last written, as far as this process knows.
    pub fn route_written(&self, rollout: &Rollout, id: &RouteId) -> Option<Timestamp> {
        self.with(rollout, |remembered| remembered.written_at.get(id).copied())
    }

    /// Remembers whether the cache shows pods as ready that are not: until it does no more, they are read anew at each look.
    pub fn set_endpoints_behind(&self, rollout: &Rollout, behind: bool) {
        self.with(rollout, |remembered| remembered.endpoints_are_behind = behind);
    }

    /// Whether the cache showed pods as ready that were not, when that was last looked at.
    pub fn are_endpoints_behind(&self, rollout: &Rollout) -> bool {
        self.with(rollout, |remembered| remembered.endpoints_are_behind)
    }

    /// How long the next commit has to wait, so that no quarrel about the status floods the API server.
    pub fn pause_before_commit(&self, rollout: &Rollout) -> Option<Duration> {
        self.with(rollout, |remembered| remembered.commits.pause(Instant::now()))
    }

    /// Begins a round of writes, and counts it, if one may begin now. Whether it does.
    pub fn begin_writes(&self, rollout: &Rollout) -> bool {
        let now = Instant::now();
        self.with(rollout, |remembered| {
            let free = remembered.writes.pause(now).is_none();
            if free {
                remembered.writes.spend(now);
            }
            free
        })
    }

    /// Remembers when the status was last committed.
    pub fn committed(&self, rollout: &Rollout) {
        self.with(rollout, |remembered| {
            remembered.written = Some(Box::new(rollout.clone()));
            let now = Instant::now();
            remembered.committed_at = Some(now);
            remembered.commits.spend(now);
        });
    }

    /// How long ago the status was last committed by this process.
    pub fn since_commit(&self, rollout: &Rollout) -> Option<Duration> {
        self.with(rollout, |remembered| remembered.committed_at.map(|instant| instant.elapsed()))
    }

    /// What is wrong with the spec by the rules of the CRD; evaluated once for each generation.
    pub fn invalid(&self, rollout: &Rollout) -> Option<String> {
        let generation = rollout.metadata.generation;
        let known = self.with(rollout, |remembered| remembered.validated.clone());
        if let Some((_, invalid)) = known.filter(|(known, _)| *known == generation) {
            return invalid;
        }
        let invalid = validate(rollout).err().map(|invalid| invalid.to_string());
        self.with(rollout, |remembered| remembered.validated = Some((generation, invalid.clone())));
        invalid
    }

    /// Which check cannot be asked with these templates; looked into once for each generation of the Rollout and each
    /// state of the templates.
    pub fn unusable_check(&self, rollout: &Rollout, templates: Templates) -> Option<String> {
        let generation = rollout.metadata.generation;
        let known = self.with(rollout, |remembered| {
            let (known, with, unusable) = remembered.asked.as_ref()?;
            (*known == generation && *with == templates).then(|| unusable.clone())
        });
        known.unwrap_or_else(|| {
            let unusable = unusable(&rollout.spec, &templates).map(|unusable| unusable.to_string());
            self.with(rollout, |remembered| remembered.asked = Some((generation, templates, unusable.clone())));
            unusable
        })
    }

    /// Remembers that a pod was deleted.
    pub fn deleted_pod(&self, rollout: &Rollout, uid: &str) {
        self.with(rollout, |remembered| {
            let spare = (remembered.deleted_pods.len() + 1).saturating_sub(DELETED_PODS);
            remembered.deleted_pods.drain(..spare);
            remembered.deleted_pods.push(uid.into());
        });
    }

    /// Whether this process has deleted the pod with that UID.
    pub fn has_deleted_pod(&self, rollout: &Rollout, uid: &str) -> bool {
        self.with(rollout, |remembered| remembered.deleted_pods.iter().any(|known| **known == *uid))
    }

    /// What the API server refused for good at the last round of writes.
    pub fn refused(&self, rollout: &Rollout) -> Option<RefusedWrite> {
        self.with(rollout, |remembered| remembered.refused.clone())
    }

    /// Remembers, or forgets, what the API server refused for good.
    pub fn set_refused(&self, rollout: &Rollout, refused: Option<RefusedWrite>) {
        self.with(rollout, |remembered| remembered.refused = refused);
    }

    /// Counts a failure; how many there have been in a row.
    pub fn failed(&self, rollout: &Rollout) -> u32 {
        self.with(rollout, |remembered| {
            remembered.failures = remembered.failures.saturating_add(1);
            remembered.failures
        })
    }

    /// How many failures there have been in a row.
    pub fn failures(&self, rollout: &Rollout) -> u32 {
        self.with(rollout, |remembered| remembered.failures)
    }

    /// Forgets the failures.
    pub fn succeeded(&self, rollout: &Rollout) {
        self.with(rollout, |remembered| remembered.failures = 0);
    }

    /// Forgets everything but the Rollouts with these UIDs.
    pub fn keep(&self, alive: impl Fn(&str) -> bool) -> Vec<String> {
        let mut remembered = self.lock();
        let gone: Vec<_> = remembered.keys().filter(|uid| !alive(uid)).cloned().collect();
        for uid in &gone {
            remembered.remove(uid);
        }
        gone
    }
}

/// Whether a write is not seen yet, and may still be.
fn is_awaited((written, at): (u64, Instant), seen: Option<u64>) -> bool {
    at.elapsed() < LAG && seen.is_none_or(|seen| seen < written)
}

/// Whether `found` is the same route as `cached`, and newer.
fn is_newer(found: &DynamicObject, cached: &DynamicObject) -> bool {
    found.metadata.uid == cached.metadata.uid && version(found) > version(cached)
}

fn version(object: &impl ResourceExt) -> u64 {
    object.meta().resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or(0)
}
