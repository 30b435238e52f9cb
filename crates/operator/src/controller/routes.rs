//! The objects that carry weights, of whatever kind: one watch for each kind that a Rollout names, for as long as one
//! does. A cluster need not know a kind that nobody uses, nor the operator be allowed to read it.

mod known;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::{
    StreamExt,
    stream::{AbortHandle, abortable},
};
use kube::{
    Api,
    api::{DynamicObject, ObjectMeta},
};
use serde_json::Value;
use tidegate_api::Rollout;
use tidegate_planner::{
    plan::Served,
    traffic::{Kind, RouteId},
};
use tokio::sync::{mpsc, watch};

use self::known::Known;
use super::{
    cache::path_of,
    caches::{Scope, Triggers},
    compact::InUse,
    index::Index,
};

/// How many kinds are watched at a time beside those of `gatewayAPI`, which are few: enough for every mesh and gateway
/// together, and a bound for manifests that name kinds without end.
const MOST_KINDS: usize = 32;

/// All watches of kinds that carry weights.
pub struct Routes {
    scope: Scope,
    in_use: Arc<InUse>,
    index: Arc<Index>,
    kinds: Mutex<Kinds>,
    started: mpsc::UnboundedSender<Triggers>,
    answered: watch::Sender<()>,
}

#[derive(Default)]
struct Kinds {
    watched: HashMap<Kind, OfKind>,
    /// Those that there is no room for, with the paths of the Rollouts that name them.
    waiting: BTreeMap<Kind, HashSet<String>>,
}

/// The watch of one kind.
struct OfKind {
    known: Arc<Known>,
    /// The paths of the Rollouts that name it.
    users: HashSet<String>,
    watch: AbortHandle,
}

impl Routes {
    /// None yet; and the Rollouts whose routes change.
    pub(super) fn new(scope: Scope, in_use: &Arc<InUse>, index: &Arc<Index>) -> (Self, Triggers) {
        let (started, watches) = mpsc::unbounded_channel::<Triggers>();
        let watches =
            futures::stream::unfold(watches, |mut watches| async move { Some((watches.recv().await?, watches)) });
        let routes = Self {
            scope,
            in_use: in_use.clone(),
            index: index.clone(),
            kinds: Mutex::default(),
            started,
            answered: watch::Sender::new(()),
        };
        (routes, watches.flatten_unordered(None).boxed())
    }

    /// Changes whenever the API server has said of a kind whether it serves it, and whenever a kind is not watched any
    /// more.
    pub fn answered(&self) -> watch::Receiver<()> {
        self.answered.subscribe()
    }

    /// Takes in a Rollout that was added or changed, and may not have been decoded; one that is gone names nothing.
    pub fn note(&self, metadata: &ObjectMeta, rollout: Option<&Rollout>) {
        let [namespace, name] = [&metadata.namespace, &metadata.name].map(|it| it.as_deref().unwrap_or_default());
        let named = rollout.map(|rollout| kinds(rollout, namespace)).unwrap_or_default();
        let user = path_of(namespace, name);
        let mut kinds = self.lock();
        kinds.watched.retain(|kind, of_kind| {
            if !named.contains(kind) {
                of_kind.users.remove(&user);
            }
            let is_used = !of_kind.users.is_empty();
            if !is_used {
                of_kind.watch.abort();
                // What was said because of its objects is to be taken back.
                self.answered.send_replace(());
            }
            is_used
        });
        kinds.waiting.retain(|kind, users| named.contains(kind) || !users.remove(&user) || !users.is_empty());
        for kind in named {
            let users = match kinds.watched.get_mut(&kind) {
                Some(of_kind) => &mut of_kind.users,
                None => kinds.waiting.entry(kind).or_default(),
            };
            users.insert(user.clone());
        }
        self.fill(&mut kinds);
    }

    /// Watches what waits, as far as there is room.
    fn fill(&self, kinds: &mut Kinds) {
        let is_bounded = |kind: &Kind| kind.version.is_some();
        let mut room = MOST_KINDS.saturating_sub(kinds.watched.keys().filter(|kind| is_bounded(kind)).count());
        for (kind, users) in std::mem::take(&mut kinds.waiting) {
            if is_bounded(&kind) && room == 0 {
                kinds.waiting.insert(kind, users);
                continue;
            }
            room -= usize::from(is_bounded(&kind));
            let of_kind = self.start(&kind, users);
            kinds.watched.insert(kind, of_kind);
        }
    }

    fn start(&self, kind: &Kind, users: HashSet<String>) -> OfKind {
        let known = Arc::new(Known::new(kind, &self.in_use, &self.answered));
        let (watched, watch) = abortable(known.clone().follow(self.scope.clone(), kind.clone(), self.index.clone()));
        // The receiver lives as long as the controller does.
        let _ = self.started.send(watched.boxed());
        OfKind { known, users, watch }
    }

    fn lock(&self) -> MutexGuard<'_, Kinds> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, kind: &Kind) -> Option<Arc<Known>> {
        Some(self.lock().watched.get(kind)?.known.clone())
    }

    /// Whether the API server has answered for each kind that `rollout` names.
    #[must_use]
    pub fn are_known(&self, rollout: &Rollout) -> bool {
        let namespace = rollout.metadata.namespace.as_deref().unwrap_or_default();
        let is_known = |kind: &Kind| self.known(kind).is_none_or(|known| known.served().is_some());
        kinds(rollout, namespace).iter().all(is_known)
    }

    /// Whether the API server serves the route's kind to the operator.
    #[must_use]
    pub fn served(&self, route: &RouteId) -> Served {
        if route.namespace.is_some() && self.scope.namespace.is_some() {
            return Served::OutOfReach;
        }
        let kinds = self.lock();
        match kinds.watched.get(&route.kind) {
            Some(of_kind) => of_kind.known.served().unwrap_or(Served::Unknown),
            None if kinds.waiting.contains_key(&route.kind) => Served::NoRoom { most: MOST_KINDS },
            None => Served::Unknown,
        }
    }

    /// The route, of a Rollout in `namespace`.
    #[must_use]
    pub fn get(&self, route: &RouteId, namespace: &str) -> Option<Arc<DynamicObject>> {
        let namespace = route.namespace.as_deref().unwrap_or(namespace);
        self.known(&route.kind)?.get(namespace, &route.name)
    }

    /// The resourceVersion of the route as it is known.
    #[must_use]
    pub fn version(&self, route: &RouteId, namespace: &str) -> Option<u64> {
        let namespace = route.namespace.as_deref().unwrap_or(namespace);
        self.known(&route.kind)?.version(namespace, &route.name)
    }

    /// The ReferenceGrants of a namespace.
    #[must_use]
    pub fn grants(&self, namespace: &str) -> Vec<Value> {
        self.known(&grants()).map(|known| known.grants(namespace)).unwrap_or_default()
    }

    /// The routes of the Gateway API that give requests to a Service, of all kinds that are watched; nothing while the
    /// API server has not answered for one of them.
    #[must_use]
    pub fn pointing_at(&self, namespace: &str, service: &str) -> Option<BTreeSet<RouteId>> {
        let mut routes = BTreeSet::new();
        for (kind, OfKind { known, .. }) in self.lock().watched.iter().filter(|(kind, _)| kind.is_of_gateway_api()) {
            if known.served()? != Served::Yes {
                continue;
            }
            for path in known.paths_to(namespace, service) {
                let Some((from, name)) = path.split_once('/') else { continue };
                let elsewhere = (from != namespace).then(|| from.to_owned());
                routes.insert(RouteId { kind: kind.unversioned(), namespace: elsewhere, name: name.to_owned() });
            }
        }
        Some(routes)
    }

    /// Where the route is read and written, once its kind is known.
    #[must_use]
    pub fn api(&self, route: &RouteId, namespace: &str) -> Option<Api<DynamicObject>> {
        let namespace = route.namespace.as_deref().unwrap_or(namespace);
        self.known(&route.kind)?.api(self.scope.client.clone(), namespace)
    }
}

/// The kinds that a Rollout in `namespace` needs to know.
fn kinds(rollout: &Rollout, namespace: &str) -> HashSet<Kind> {
    let routes: Vec<_> = rollout.spec.routes().iter().map(|route| RouteId::of(route, namespace)).collect();
    let is_granted = routes.iter().any(|route| route.namespace.is_some());
    routes.into_iter().map(|route| route.kind).chain(is_granted.then(grants)).collect()
}

/// The grants that let a route point at a Service of another namespace.
fn grants() -> Kind {
    Kind::of_gateway_api("ReferenceGrant")
}

fn is_grant(kind: &Kind) -> bool {
    *kind == grants()
}

#[cfg(test)]
mod tests;
