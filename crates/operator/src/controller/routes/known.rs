//! What is known of one kind that carries weights: whether it is served, and its objects.

use std::sync::{Arc, OnceLock};

use futures::StreamExt;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject},
    core::GroupVersionKind,
    discovery,
    runtime::watcher::{self, Event},
};
use serde_json::Value;
use tidegate_planner::{
    plan::Served,
    traffic::{Kind, services_of},
};
use tokio::sync::watch;

use super::is_grant;
use crate::controller::{
    backoff::Backoff,
    cache::{Cache, Changed, path_of},
    caches::{Scope, Triggers, caring, events},
    compact::InUse,
    index::{Index, NamedObject},
};

/// What is known of one kind.
pub(super) struct Known {
    /// Its objects. Grants are asked for by namespace; routes by name, or by the Services that their requests go to.
    cache: Cache<DynamicObject>,
    resource: OnceLock<ApiResource>,
    /// Nothing before the API server's first answer.
    served: watch::Sender<Option<Served>>,
    answered: watch::Sender<()>,
}

impl Known {
    /// Nothing yet of `kind`; `answered` is told whenever the API server has said whether it serves it.
    pub fn new(kind: &Kind, in_use: &Arc<InUse>, answered: &watch::Sender<()>) -> Self {
        let groups = if is_grant(kind) {
            |grant: &DynamicObject| grant.metadata.namespace.iter().cloned().collect()
        } else if kind.is_of_gateway_api() {
            services
        } else {
            |_: &DynamicObject| Vec::new()
        };
        Self {
            cache: Cache::new(in_use, groups),
            resource: OnceLock::new(),
            served: watch::Sender::new(None),
            answered: answered.clone(),
        }
    }

    /// Whether the API server serves it to the operator, once that is known.
    pub fn served(&self) -> Option<Served> {
        *self.served.borrow()
    }

    /// Its object of that name.
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<DynamicObject>> {
        self.cache.get(namespace, name)
    }

    /// The resourceVersion of its object of that name.
    pub fn version(&self, namespace: &str, name: &str) -> Option<u64> {
        self.cache.version(namespace, name)
    }

    /// Grants, by namespace.
    pub fn grants(&self, namespace: &str) -> Vec<Value> {
        let grants = self.cache.of(namespace);
        grants.iter().filter_map(|grant| serde_json::to_value(grant.as_ref()).ok()).collect()
    }

    /// The paths of the routes that give requests to a Service.
    pub fn paths_to(&self, namespace: &str, service: &str) -> Vec<Arc<str>> {
        self.cache.paths_of(&path_of(namespace, service))
    }

    /// Where its objects are read and written, once that is known.
    pub fn api(&self, client: Client, namespace: &str) -> Option<Api<DynamicObject>> {
        Some(Api::namespaced_with(client, namespace, self.resource.get()?))
    }

    /// Finds out what the kind is called in paths, and watches it from then on.
    pub fn follow(self: Arc<Self>, scope: Scope, kind: Kind, index: Arc<Index>) -> Triggers {
        let watching = async move {
            let resource = self.found(&scope.client, &kind).await;
            let _ = self.resource.set(resource.clone());
            let taken = events(scope.dynamic(&resource)).map(move |event| self.take(event));
            caring(taken, &index, move |changed| subjects(&kind, changed))
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

    /// Takes in what the watch tells. That the kind is served is said when its objects can be found.
    fn take(&self, event: watcher::Result<Event<DynamicObject>>) -> Vec<Changed<DynamicObject>> {
        let served = match &event {
            Ok(Event::InitDone) => Some(Served::Yes),
            Err(watcher::Error::InitialListFailed(kube::Error::Api(status))) if status.code == 404 => {
                Some(Served::Unknown)
            }
            Err(watcher::Error::InitialListFailed(kube::Error::Api(status))) if status.code == 403 => {
                Some(Served::Forbidden)
            }
            _ => None,
        };
        let changed = event.map(|event| self.cache.take(event)).unwrap_or_default();
        if let Some(served) = served {
            self.answer(served);
        }
        changed
    }

    fn answer(&self, served: Served) {
        if self.served.send_if_modified(|known| known.replace(served) != Some(served)) {
            self.answered.send_replace(());
        }
    }
}

/// The paths of the Services that the requests of a route go to.
fn services(route: &DynamicObject) -> Vec<String> {
    let namespace = route.metadata.namespace.as_deref().unwrap_or_default();
    let services = services_of(namespace, &route.data);
    services.into_iter().map(|(namespace, service)| path_of(namespace, service)).collect()
}

/// What Rollouts may care about in a change: the route or the grant itself, and the Services that a route came to point
/// at, or does not any more.
fn subjects(kind: &Kind, changed: &Changed<DynamicObject>) -> Vec<NamedObject> {
    if is_grant(kind) {
        return vec![NamedObject::grants(&changed.object)];
    }
    let services = changed.moved.iter().map(|path| NamedObject::Service(path.as_ref().into()));
    services.chain([NamedObject::route(kind, &changed.object)]).collect()
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
