//! What the operator knows of the cluster, kept by watches: nothing here polls.

use std::{
    fmt::Debug,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        autoscaling::v1::{HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec},
        core::v1::Service,
    },
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::ApiResource,
    core::{DynamicResourceScope, GroupVersionKind},
    runtime::{
        WatchStreamExt,
        reflector::{self, ObjectRef, Store},
        watcher::{self, Event, watcher},
    },
};
use serde::{Serialize, de::DeserializeOwned};
use tidegate_api::{ROLLOUT_UID_LABEL, Rollout};
use tidegate_planner::workload::{Deployment, EndpointSlice, ReplicaSet, steering};
use tokio::sync::mpsc;

use super::{
    backoff::Backoff,
    cache::{Cache, Changed, path_of},
    cached_rollout::CachedRollout,
    compact::InUse,
    configuration::TrackedConfiguration,
    index::{Index, NamedObject},
    orphans,
    routes::Routes,
    templates::CheckTemplates,
};

/// The stream of Rollouts that something happened to.
pub type Triggers = BoxStream<'static, ObjectRef<CachedRollout>>;

/// What the operator knows of the cluster.
pub struct Caches {
    /// All Rollouts.
    pub rollouts: Store<CachedRollout>,
    /// Which Rollouts care about which object.
    pub index: Arc<Index>,
    /// All Deployments.
    pub deployments: Arc<Cache<Deployment>>,
    /// All Services; those that the operator made also by the UID of their Rollout.
    pub services: Arc<Cache<Service>>,
    /// The objects that carry weights.
    pub routes: Routes,
    /// ReplicaSets by the UID of the Rollout that they belong to, or else of the object that controls them; and those
    /// that a Deployment keeps (`orphans::kept_by`) for a Rollout that is gone.
    pub replica_sets: Arc<Cache<ReplicaSet>>,
    /// EndpointSlices by namespace and Service.
    pub endpoint_slices: Arc<Cache<EndpointSlice>>,
    /// Autoscalers by namespace and the Deployment that they target.
    pub autoscalers: Arc<Cache<HorizontalPodAutoscaler>>,
    /// The templates that checks name.
    pub templates: CheckTemplates,
    /// The configuration that Rollouts track.
    pub configuration: TrackedConfiguration,
    in_use: Arc<InUse>,
    all_ready: AtomicBool,
}

/// The caches, and what keeps them: the stream of changed Rollouts drives the root, the triggers drive the rest.
pub struct Watches {
    /// The caches.
    pub caches: Arc<Caches>,
    /// Rollouts as they change.
    pub rollouts: BoxStream<'static, Result<CachedRollout, watcher::Error>>,
    /// Rollouts around which something changes.
    pub triggers: Triggers,
}

/// The API of EndpointSlices in the version that the server speaks: `v1beta1` before Kubernetes 1.21.
///
/// # Errors
/// Whatever the API server answers to the question.
pub async fn endpoint_slices(client: &Client) -> Result<ApiResource, kube::Error> {
    let group = "discovery.k8s.io";
    let groups = client.list_api_groups().await?.groups;
    let versions = groups.into_iter().filter(|known| known.name == group).flat_map(|known| known.versions);
    let version = if versions.into_iter().any(|known| known.version == "v1") { "v1" } else { "v1beta1" };
    Ok(ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, "EndpointSlice")))
}

/// Starts to watch everything that a Rollout may depend on, in one namespace or in all.
#[must_use]
pub fn watch_all(client: &Client, namespace: Option<&str>, slices: &ApiResource) -> Watches {
    let scope = Scope { client: client.clone(), namespace: namespace.map(str::to_owned) };
    let (rollouts, writer) = reflector::store();
    let (sender, neighbours) = mpsc::channel(NEIGHBOURS);
    let in_use = Arc::<InUse>::default();
    let (templates, told_by_templates) = CheckTemplates::watch(client, namespace, &in_use);
    let (configuration, told_by_configuration) = TrackedConfiguration::new(client, &in_use);
    let index = Arc::<Index>::default();
    let (routes, told_by_routes) = Routes::new(scope.clone(), &in_use, &index);
    let caches = Arc::new(Caches {
        rollouts,
        index: index.clone(),
        deployments: Arc::new(Cache::new(&in_use, |_| Vec::new())),
        services: Arc::new(Cache::new(&in_use, made_for)),
        routes,
        replica_sets: Arc::new(Cache::new(&in_use, orphans::groups)),
        endpoint_slices: Arc::new(Cache::new(&in_use, |slice| service_of(slice).into_iter().collect())),
        autoscalers: Arc::new(Cache::new(&in_use, |autoscaler| target_of(autoscaler).into_iter().collect())),
        templates,
        configuration,
        in_use: in_use.clone(),
        all_ready: AtomicBool::new(false),
    });
    let root = indexed(events(scope.api::<CachedRollout>()), caches.clone(), sender).reflect(writer).touched_objects();
    let triggers = stream::select_all([
        stream::unfold(neighbours, |mut neighbours| async move { Some((neighbours.recv().await?, neighbours)) })
            .boxed(),
        cached(events(scope.api::<Deployment>()), &caches.deployments, &index, |it| {
            Some(NamedObject::workload(&it.object))
        }),
        cached(events(scope.api::<Service>()).modify(lean_service), &caches.services, &index, |it| {
            Some(NamedObject::service(&it.object))
        }),
        told_by_routes,
        cached(events(scope.api::<ReplicaSet>()), &caches.replica_sets, &index, |it| NamedObject::owned(&it.object)),
        cached(events(scope.dynamic::<EndpointSlice>(slices)), &caches.endpoint_slices, &index, |it| {
            service_of(&it.object).map(|path| NamedObject::Service(path.into()))
        }),
        // Of an autoscaler, only what it targets is read, and what it targeted is free of it.
        cached(
            events(scope.api::<HorizontalPodAutoscaler>()).modify(lean_autoscaler),
            &caches.autoscalers,
            &index,
            |it| it.moved.iter().map(|path| NamedObject::Workload(path.as_ref().into())).collect::<Vec<_>>(),
        ),
        told_by_templates,
        told_by_configuration,
    ])
    .boxed();
    Watches { caches, rollouts: root.boxed(), triggers }
}

impl Caches {
    /// The Rollout of that name, if it can be decoded.
    #[must_use]
    pub fn rollout(&self, namespace: &str, name: &str) -> Option<Arc<Rollout>> {
        self.rollouts.get(&ObjectRef::new(name).within(namespace))?.open(&self.in_use).ok()
    }

    /// The objects that are in use: what is opened stays so while it is among them.
    #[must_use]
    pub fn in_use(&self) -> &InUse {
        &self.in_use
    }

    /// Takes in what a Rollout names; the other Rollouts that name one of the same objects.
    fn note(&self, watched: &CachedRollout) -> Vec<ObjectRef<CachedRollout>> {
        let rollout = watched.open(&self.in_use).ok();
        self.templates.note(watched.meta(), rollout.as_deref());
        self.routes.note(watched.meta(), rollout.as_deref());
        self.configuration.note(watched.meta(), rollout.as_deref());
        self.index.update(watched.meta(), rollout.as_deref())
    }

    /// Whether every cache has seen its first list: before that, what is missing may only not have been read yet.
    #[must_use]
    pub fn are_ready(&self) -> bool {
        self.all_ready.load(Ordering::Acquire)
    }

    /// Waits until every cache has seen its first list. The routes' are waited for by those who need them:
    /// `Routes::are_known`.
    pub async fn ready(&self) {
        // An error means that the watch has ended, and with it the process.
        let _ = self.rollouts.wait_until_ready().await;
        self.deployments.ready().await;
        self.services.ready().await;
        self.replica_sets.ready().await;
        self.endpoint_slices.ready().await;
        self.autoscalers.ready().await;
        self.templates.ready().await;
        self.all_ready.store(true, Ordering::Release);
    }
}

/// What the operator looks after: one namespace, or all of them.
#[derive(Clone)]
pub(super) struct Scope {
    pub client: Client,
    pub namespace: Option<String>,
}

impl Scope {
    fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        match &self.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        }
    }

    /// The API of a kind whose version is only known at run time.
    pub fn dynamic<K>(&self, resource: &K::DynamicType) -> Api<K>
    where
        K: Resource<Scope = DynamicResourceScope>,
    {
        match &self.namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, resource),
            None => Api::all_with(self.client.clone(), resource),
        }
    }
}

/// The watch of one kind, without managed fields.
///
/// Where the right to watch was withdrawn, it begins anew, with a list. By itself it would go on from where it was when the
/// right is given back, and say nothing until something changes.
pub(super) fn events<K>(api: Api<K>) -> BoxStream<'static, watcher::Result<Event<K>>>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let begun = move || watcher(api.clone(), watcher::Config::default()).boxed();
    let first = begun();
    stream::unfold((begun, first), |(begun, mut watch)| async move {
        let event = watch.next().await?;
        let next = if is_withdrawn(&event) { begun() } else { watch };
        Some((event, (begun, next)))
    })
    .backoff(Backoff::default())
    .modify(|object| object.meta_mut().managed_fields = None)
    .boxed()
}

/// Whether it says that the right to watch is missing.
fn is_withdrawn<T>(event: &watcher::Result<T>) -> bool {
    let Err(watcher::Error::WatchStartFailed(error) | watcher::Error::WatchFailed(error)) = event else { return false };
    matches!(error, kube::Error::Api(status) if status.code == 403)
}

/// Takes off what is not read.
fn lean_service(service: &mut Service) {
    if let Some(annotations) = &mut service.metadata.annotations {
        annotations.retain(|key, _| steering::copies_annotation(key));
    }
    service.metadata.annotations.take_if(|annotations| annotations.is_empty());
    service.status = None;
}

/// Takes off what is not read.
fn lean_autoscaler(autoscaler: &mut HorizontalPodAutoscaler) {
    autoscaler.metadata.annotations = None;
    autoscaler.status = None;
    if let Some(spec) = autoscaler.spec.take() {
        let scale_target_ref = spec.scale_target_ref;
        autoscaler.spec =
            Some(HorizontalPodAutoscalerSpec { scale_target_ref, ..HorizontalPodAutoscalerSpec::default() });
    }
}

/// How many Rollouts may wait to be told that a neighbour changed. A neighbour is rare: two Rollouts on one object.
const NEIGHBOURS: usize = 1024;

/// Keeps the index of Rollouts, and tells their neighbours.
fn indexed(
    events: BoxStream<'static, watcher::Result<Event<CachedRollout>>>,
    caches: Arc<Caches>,
    neighbours: mpsc::Sender<ObjectRef<CachedRollout>>,
) -> BoxStream<'static, watcher::Result<Event<CachedRollout>>> {
    events
        .inspect(move |event| {
            let affected = match event {
                Ok(Event::Apply(watched)) => {
                    watched.keep_open(&caches.in_use);
                    caches.note(watched)
                }
                Ok(Event::InitApply(watched)) => {
                    let affected = caches.note(watched);
                    watched.pack();
                    affected
                }
                Ok(Event::Delete(watched)) => {
                    caches.templates.note(watched.meta(), None);
                    caches.routes.note(watched.meta(), None);
                    caches.configuration.note(watched.meta(), None);
                    caches.index.forget(&watched.meta().namespace.clone().unwrap_or_default(), &watched.name_any())
                }
                _ => Vec::new(),
            };
            for neighbour in affected {
                // A full queue means thousands of quarrels; the next change of either Rollout tells again.
                let _ = neighbours.try_send(neighbour);
            }
        })
        .boxed()
}

/// Keeps a cache; the Rollouts that care about what changes in it.
fn cached<K, S>(
    events: impl futures::Stream<Item = watcher::Result<Event<K>>> + Send + 'static,
    cache: &Arc<Cache<K>>,
    index: &Arc<Index>,
    subjects: impl Fn(&Changed<K>) -> S + Send + 'static,
) -> Triggers
where
    K: Resource + Serialize + DeserializeOwned + Send + Sync + 'static,
    S: IntoIterator<Item = NamedObject>,
{
    let cache = cache.clone();
    let taken = events.filter_map(|event| std::future::ready(event.ok())).map(move |event| cache.take(event));
    caring(taken, index, subjects)
}

/// The Rollouts that care about what changed.
pub(super) fn caring<K, S>(
    changed: impl futures::Stream<Item = Vec<Changed<K>>> + Send + 'static,
    index: &Arc<Index>,
    subjects: impl Fn(&Changed<K>) -> S + Send + 'static,
) -> Triggers
where
    K: Send + Sync + 'static,
    S: IntoIterator<Item = NamedObject>,
{
    let index = index.clone();
    changed
        .flat_map(move |changed| {
            let subjects = changed.iter().flat_map(&subjects);
            let caring: Vec<_> = subjects.flat_map(|subject| index.caring_about(&subject)).collect();
            stream::iter(caring)
        })
        .boxed()
}

/// The UID of the Rollout that a Service was made for.
fn made_for(service: &Service) -> Vec<String> {
    service.labels().get(ROLLOUT_UID_LABEL).cloned().into_iter().collect()
}

/// The path of the Service that a slice belongs to.
fn service_of(slice: &EndpointSlice) -> Option<String> {
    Some(path_of(slice.metadata.namespace.as_deref()?, slice.service()?))
}

/// The path of the Deployment that an autoscaler targets.
fn target_of(autoscaler: &HorizontalPodAutoscaler) -> Option<String> {
    let target = &autoscaler.spec.as_ref()?.scale_target_ref;
    let namespace = autoscaler.metadata.namespace.as_deref()?;
    (target.kind == "Deployment").then(|| path_of(namespace, &target.name))
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, future::pending, sync::Mutex, time::Duration};

    use http::{Request, Response};
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::client::Body;
    use serde_json::{Value, json};

    use super::*;

    /// An API server that gives its answers one after the other, and none after the last.
    fn answering(answers: Vec<(u16, Value)>) -> Client {
        let answers = Arc::new(Mutex::new(answers.into_iter()));
        let service = tower::service_fn(move |_: Request<Body>| {
            let next = answers.lock().unwrap().next();
            async move {
                let (code, body) = match next {
                    Some(answer) => answer,
                    None => pending().await,
                };
                Ok::<_, Infallible>(
                    Response::builder().status(code).body(Body::from(body.to_string().into_bytes())).unwrap(),
                )
            }
        });
        Client::new(service, "default")
    }

    #[tokio::test(start_paused = true)]
    async fn who_may_not_watch_any_more_lists_again_and_learns_that_it_may() {
        let list =
            json!({"apiVersion": "v1", "kind": "ConfigMapList", "metadata": {"resourceVersion": "7"}, "items": []});
        let forbidden = json!({"kind": "Status", "status": "Failure", "reason": "Forbidden", "code": 403});
        let client = answering(vec![(200, list.clone()), (403, forbidden), (200, list)]);
        let events = events::<ConfigMap>(Api::namespaced(client, "shop"));
        let said = events.map(|event| match event {
            Ok(Event::InitDone) => "listed",
            Ok(_) => "",
            Err(_) => "forbidden",
        });
        let said = said.filter(|it| std::future::ready(!it.is_empty())).take(3).collect::<Vec<_>>();
        let said = tokio::time::timeout(Duration::from_mins(5), said).await;
        assert_eq!(said.as_deref(), Ok(&["listed", "forbidden", "listed"][..]));
    }
}
