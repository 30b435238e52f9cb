//! The objects that carry weights, of whatever kind: one watch for each kind that a Rollout names, for as long as one
//! does. A cluster need not know a kind that nobody uses, nor the operator be allowed to read it.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use futures::{
    StreamExt,
    stream::{AbortHandle, abortable},
};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, ObjectMeta},
    core::GroupVersionKind,
    discovery,
    runtime::watcher::{self, Event},
};
use serde_json::Value;
use tokio::sync::{mpsc, watch};

use super::{
    backoff::Backoff,
    cache::{Cache, path_of},
    caches::{Scope, Triggers, cached, events},
    index::{Index, Subject},
    packed::InUse,
};
use crate::{
    api::Rollout,
    plan::Served,
    traffic::{Kind, RouteId},
};

/// How many kinds are watched at a time: enough for every mesh and gateway together, and a bound for manifests that
/// name kinds without end.
const MOST_KINDS: usize = 32;

/// The grants that let a route point at a Service of another namespace.
const REFERENCE_GRANT: &str = "ReferenceGrant";

/// All watches of kinds that carry weights.
pub struct Routes {
    scope: Scope,
    in_use: Arc<InUse>,
    index: Arc<Index>,
    kinds: Mutex<HashMap<Kind, OfKind>>,
    started: mpsc::UnboundedSender<Triggers>,
    answered: watch::Sender<()>,
}

/// The watch of one kind.
struct OfKind {
    known: Arc<Known>,
    /// The paths of the Rollouts that name it.
    users: HashSet<String>,
    watch: AbortHandle,
}

/// What is known of one kind.
struct Known {
    cache: Arc<Cache<DynamicObject>>,
    resource: OnceLock<ApiResource>,
    /// Nothing before the API server's first answer.
    served: watch::Sender<Option<Served>>,
    answered: watch::Sender<()>,
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

    /// Changes whenever the API server has said of a kind whether it serves it.
    pub fn answered(&self) -> watch::Receiver<()> {
        self.answered.subscribe()
    }

    /// Takes in a Rollout that was added or changed, and may not have been decoded; one that is gone names nothing.
    pub fn note(&self, metadata: &ObjectMeta, rollout: Option<&Rollout>) {
        let [namespace, name] = [&metadata.namespace, &metadata.name].map(|it| it.as_deref().unwrap_or_default());
        let named = rollout.map(|rollout| kinds(rollout, namespace)).unwrap_or_default();
        let user = path_of(namespace, name);
        let mut kinds = self.lock();
        kinds.retain(|kind, of_kind| {
            if !named.contains(kind) {
                of_kind.users.remove(&user);
            }
            let is_used = !of_kind.users.is_empty();
            if !is_used {
                of_kind.watch.abort();
            }
            is_used || named.contains(kind)
        });
        for kind in named {
            if let Some(of_kind) = kinds.get_mut(&kind) {
                of_kind.users.insert(user.clone());
            } else if kinds.len() < MOST_KINDS {
                let of_kind = self.start(&kind, user.clone());
                kinds.insert(kind, of_kind);
            }
        }
    }

    fn start(&self, kind: &Kind, user: String) -> OfKind {
        // Grants are asked for by namespace, routes by name.
        let group: fn(&DynamicObject) -> Option<String> =
            if kind.kind == REFERENCE_GRANT { |grant| grant.metadata.namespace.clone() } else { |_| None };
        let known = Arc::new(Known {
            cache: Arc::new(Cache::new(&self.in_use, group)),
            resource: OnceLock::new(),
            served: watch::Sender::new(None),
            answered: self.answered.clone(),
        });
        let (watched, watch) = abortable(known.clone().follow(self.scope.clone(), kind.clone(), self.index.clone()));
        // The receiver lives as long as the controller does.
        let _ = self.started.send(watched.boxed());
        OfKind { known, users: HashSet::from([user]), watch }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Kind, OfKind>> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, kind: &Kind) -> Option<Arc<Known>> {
        Some(self.lock().get(kind)?.known.clone())
    }

    /// Whether the API server has answered for each kind that `rollout` names.
    #[must_use]
    pub fn are_known(&self, rollout: &Rollout) -> bool {
        let namespace = rollout.metadata.namespace.as_deref().unwrap_or_default();
        let is_known = |kind: &Kind| self.known(kind).is_none_or(|known| known.served.borrow().is_some());
        kinds(rollout, namespace).iter().all(is_known)
    }

    /// Whether the API server serves the route's kind to the operator.
    #[must_use]
    pub fn served(&self, route: &RouteId) -> Served {
        if route.namespace.is_some() && self.scope.namespace.is_some() {
            return Served::OutOfReach;
        }
        self.known(&route.kind).and_then(|known| *known.served.borrow()).unwrap_or(Served::Unknown)
    }

    /// The route, of a Rollout in `namespace`.
    #[must_use]
    pub fn get(&self, route: &RouteId, namespace: &str) -> Option<Arc<DynamicObject>> {
        let namespace = route.namespace.as_deref().unwrap_or(namespace);
        self.known(&route.kind)?.cache.get(namespace, &route.name)
    }

    /// The resourceVersion of the route as it is known.
    #[must_use]
    pub fn version(&self, route: &RouteId, namespace: &str) -> Option<u64> {
        let namespace = route.namespace.as_deref().unwrap_or(namespace);
        self.known(&route.kind)?.cache.version(namespace, &route.name)
    }

    /// The ReferenceGrants of a namespace.
    #[must_use]
    pub fn grants(&self, namespace: &str) -> Vec<Value> {
        let Some(known) = self.known(&Kind::of_gateway_api(REFERENCE_GRANT)) else { return Vec::new() };
        let grants = known.cache.of(namespace);
        grants.iter().filter_map(|grant| serde_json::to_value(grant.as_ref()).ok()).collect()
    }

    /// Where the route is read and written, once its kind is known.
    #[must_use]
    pub fn api(&self, route: &RouteId, namespace: &str) -> Option<Api<DynamicObject>> {
        let namespace = route.namespace.as_deref().unwrap_or(namespace);
        let known = self.known(&route.kind)?;
        Some(Api::namespaced_with(self.scope.client.clone(), namespace, known.resource.get()?))
    }
}

impl Known {
    fn answer(&self, served: Served) {
        if self.served.send_if_modified(|known| known.replace(served) != Some(served)) {
            self.answered.send_replace(());
        }
    }

    /// Finds out what the kind is called in paths, and watches it from then on.
    fn follow(self: Arc<Self>, scope: Scope, kind: Kind, index: Arc<Index>) -> Triggers {
        let watching = async move {
            let resource = self.found(&scope.client, &kind).await;
            let _ = self.resource.set(resource.clone());
            let cache = self.cache.clone();
            let noticed = events(scope.dynamic(&resource)).inspect(move |event| self.notice(event));
            cached(noticed, &cache, &index, move |object| Some(subject(&kind, object)))
        };
        futures::stream::once(watching).flatten().boxed()
    }

    async fn found(&self, client: &Client, kind: &Kind) -> ApiResource {
        let mut pauses = Backoff::default();
        loop {
            match resource(client, kind).await {
                Ok(Some(resource)) => return resource,
                Ok(None) => self.answer(Served::Unknown),
                // Whether it is there, nobody has said.
                Err(error) => tracing::debug!(%kind, %error, "the API server cannot be asked what it serves"),
            }
            tokio::time::sleep(pauses.next().unwrap_or_default()).await;
        }
    }

    /// Notices whether the API server serves the kind that is watched.
    fn notice(&self, event: &watcher::Result<Event<DynamicObject>>) {
        match event {
            Ok(Event::InitDone) => self.answer(Served::Yes),
            Err(watcher::Error::InitialListFailed(kube::Error::Api(status))) if status.code == 404 => {
                self.answer(Served::Unknown);
            }
            Err(watcher::Error::InitialListFailed(kube::Error::Api(status))) if status.code == 403 => {
                self.answer(Served::Forbidden);
            }
            _ => {}
        }
    }
}

/// The kinds that a Rollout in `namespace` needs to know.
fn kinds(rollout: &Rollout, namespace: &str) -> HashSet<Kind> {
    let routes: Vec<_> = rollout.spec.routes().iter().map(|route| RouteId::of(route, namespace)).collect();
    let is_granted = routes.iter().any(|route| route.namespace.is_some());
    let grants = is_granted.then(|| Kind::of_gateway_api(REFERENCE_GRANT));
    routes.into_iter().map(|route| route.kind).chain(grants).collect()
}

fn subject(kind: &Kind, object: &DynamicObject) -> Subject {
    if kind.kind == REFERENCE_GRANT { Subject::grants(object) } else { Subject::route(kind, object) }
}

/// What a kind is called in paths; nothing if the API server does not know it.
async fn resource(client: &Client, kind: &Kind) -> Result<Option<ApiResource>, kube::Error> {
    let found = match &kind.version {
        Some(version) => {
            let kind = GroupVersionKind::gvk(&kind.group, version, &kind.kind);
            discovery::pinned_kind(client, &kind).await.map(|(resource, _)| Some(resource))
        }
        None => discovery::group(client, &kind.group)
            .await
            .map(|group| group.recommended_kind(&kind.kind).map(|(resource, _)| resource)),
    };
    match found {
        Err(kube::Error::Discovery(_)) => Ok(None),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        answered => answered,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{controller::clock::Clock, sim::api::ApiServer, traffic::GATEWAY_API};

    struct Lab {
        server: ApiServer,
        routes: Routes,
    }

    impl Lab {
        fn new() -> Self {
            let server = ApiServer::new(Clock::System, 1);
            let scope = Scope { client: server.client(), namespace: None };
            let (routes, triggers) = Routes::new(scope, &Arc::default(), &Arc::default());
            tokio::spawn(triggers.for_each(|_| std::future::ready(())));
            Self { server, routes }
        }

        fn install(&self, kind: &str, plural: &str) {
            let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
            let definition = json!({
                "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                "metadata": {"name": format!("{plural}.{GATEWAY_API}")},
                "spec": {
                    "group": GATEWAY_API, "scope": "Namespaced",
                    "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase(), "listKind": format!("{kind}List")},
                    "versions": [
                        {"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}},
                    ],
                },
            });
            self.server.create(definition, "test").unwrap();
        }

        /// Until the API server says so of the route's kind.
        async fn says(&self, route: &RouteId, served: Served) {
            let mut answers = self.routes.answered();
            while self.routes.served(route) != served || !self.routes.are_known(&rollout("HTTPRoute", "a")) {
                answers.changed().await.unwrap();
            }
        }
    }

    fn rollout(kind: &str, name: &str) -> Rollout {
        serde_json::from_value(json!({
            "apiVersion": "tidegate.dev/v1alpha1", "kind": "Rollout", "metadata": {"name": name, "namespace": "shop"},
            "spec": {
                "workload": {"kind": "Deployment", "name": name}, "service": name,
                "traffic": {"gatewayAPI": {"routes": [{"kind": kind, "name": "checkout"}]}},
            },
        }))
        .unwrap()
    }

    fn note(lab: &Lab, rollout: &Rollout) {
        lab.routes.note(&rollout.metadata, Some(rollout));
    }

    fn checkout() -> RouteId {
        RouteId::http_route("checkout")
    }

    #[tokio::test(start_paused = true)]
    async fn a_route_is_kept_with_all_that_its_user_wrote() {
        let lab = Lab::new();
        lab.install("HTTPRoute", "httproutes");
        let annotations = json!({"kubectl.kubernetes.io/last-applied-configuration": "{}", "team": "shop"});
        let metadata = json!({"name": "checkout", "namespace": "shop", "annotations": annotations});
        let route = json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": metadata, "spec": {"rules": []},
        });
        lab.server
            .create(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}), "test")
            .unwrap();
        lab.server.create(route, "test").unwrap();
        note(&lab, &rollout("HTTPRoute", "a"));
        lab.says(&checkout(), Served::Yes).await;
        let mut kept = serde_json::to_value(&*lab.routes.get(&checkout(), "shop").unwrap()).unwrap();
        let mut stored = lab.server.get("httproutes", "shop", "checkout").unwrap().value().clone();
        for route in [&mut kept, &mut stored] {
            route["metadata"].as_object_mut().unwrap().remove("managedFields");
        }
        assert_eq!(kept, stored);
    }

    #[tokio::test(start_paused = true)]
    async fn a_kind_that_is_installed_late_is_found() {
        let lab = Lab::new();
        note(&lab, &rollout("HTTPRoute", "a"));
        assert!(!lab.routes.are_known(&rollout("HTTPRoute", "a")), "nobody has answered yet");
        lab.says(&checkout(), Served::Unknown).await;
        lab.install("HTTPRoute", "httproutes");
        lab.says(&checkout(), Served::Yes).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_kind_is_watched_for_as_long_as_a_rollout_names_it() {
        let lab = Lab::new();
        let [one, other] = ["a", "b"].map(|name| rollout("HTTPRoute", name));
        note(&lab, &one);
        note(&lab, &other);
        note(&lab, &rollout("GRPCRoute", "a"));
        assert!(lab.routes.known(&checkout().kind).is_some());
        lab.routes.note(&other.metadata, None);
        assert!(lab.routes.known(&checkout().kind).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn the_grants_of_a_namespace_are_known_where_a_route_lies_in_another() {
        let lab = Lab::new();
        lab.install("HTTPRoute", "httproutes");
        lab.install("ReferenceGrant", "referencegrants");
        lab.server
            .create(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}), "test")
            .unwrap();
        let grant = json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "ReferenceGrant",
            "metadata": {"name": "infra", "namespace": "shop"}, "spec": {"from": [], "to": []},
        });
        lab.server.create(grant, "test").unwrap();
        let mut rollout = rollout("HTTPRoute", "a");
        let elsewhere = json!({"gatewayAPI": {"routes": [{"name": "public", "namespace": "infra"}]}});
        rollout.spec.traffic = serde_json::from_value(elsewhere).unwrap();
        note(&lab, &rollout);
        let mut answers = lab.routes.answered();
        while !lab.routes.are_known(&rollout) {
            answers.changed().await.unwrap();
        }
        assert_eq!(lab.routes.grants("shop").len(), 1);
        assert!(lab.routes.grants("other").is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn manifests_cannot_have_kinds_watched_without_end() {
        let lab = Lab::new();
        for index in 0..100 {
            let mut rollout = rollout("HTTPRoute", &format!("r{index}"));
            let custom = json!([{"apiVersion": "example.com/v1", "kind": format!("Kind{index}"), "name": "checkout",
                                 "set": [{"path": "spec.weight", "value": "{{canary.weight}}"}]}]);
            rollout.spec.traffic = serde_json::from_value(json!({"custom": custom})).unwrap();
            note(&lab, &rollout);
        }
        assert_eq!(lab.routes.lock().len(), MOST_KINDS);
    }
}
