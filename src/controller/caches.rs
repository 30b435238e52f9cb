//! What the operator knows of the cluster, kept by watches: nothing here polls.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Debug,
    hash::Hash,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::{Stream, StreamExt, stream::BoxStream};
use k8s_openapi::{
    NamespaceResourceScope,
    api::{autoscaling::v1::HorizontalPodAutoscaler, core::v1::Service},
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ApiResource, DynamicObject},
    core::{DeserializeGuard, DynamicResourceScope, GroupVersionKind},
    runtime::{
        WatchStreamExt,
        reflector::{self, ObjectRef, Store},
        watcher::{self, Event, watcher},
    },
};
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, watch};

use super::{
    backoff::Backoff,
    index::{Index, Subject},
};
use crate::{
    api::Rollout,
    workload::{Deployment, EndpointSlice, ReplicaSet},
};

/// A Rollout as it is watched: one that cannot be decoded does not stop the others.
pub type Watched = DeserializeGuard<Rollout>;

/// The stream of Rollouts that something happened to.
pub type Triggers = BoxStream<'static, ObjectRef<Watched>>;

/// What the operator knows of the cluster.
pub struct Caches {
    /// All Rollouts.
    pub rollouts: Store<Watched>,
    /// Which Rollouts care about which object.
    pub index: Arc<Index>,
    /// All Deployments.
    pub deployments: Store<Deployment>,
    /// All Services.
    pub services: Store<Service>,
    /// All `HTTPRoutes`; empty while the Gateway API is not installed.
    pub routes: Store<DynamicObject>,
    /// Whether the API server knows `HTTPRoutes`.
    pub routes_known: watch::Receiver<bool>,
    /// ReplicaSets by the UID of the Rollout that they belong to, or else of the object that controls them.
    pub replica_sets: Arc<Grouped<String, ReplicaSet>>,
    /// EndpointSlices by namespace and Service.
    pub endpoint_slices: Arc<Grouped<(String, String), EndpointSlice>>,
    /// Autoscalers by namespace and the Deployment that they target.
    pub autoscalers: Arc<Grouped<(String, String), HorizontalPodAutoscaler>>,
    all_ready: AtomicBool,
}

/// The caches, and what keeps them: the stream of changed Rollouts drives the root, the triggers drive the rest.
pub struct Watches {
    /// The caches.
    pub caches: Arc<Caches>,
    /// Rollouts as they change.
    pub rollouts: BoxStream<'static, Result<Watched, watcher::Error>>,
    /// Rollouts whose surroundings change.
    pub triggers: Triggers,
}

/// The API of `HTTPRoutes`.
#[must_use]
pub fn http_routes() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("gateway.networking.k8s.io", "v1", "HTTPRoute"))
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
    let index = Arc::new(Index::default());
    let (rollouts, rollout_writer) = reflector::store();
    let (deployments, deployment_writer) = reflector::store();
    let (services, service_writer) = reflector::store();
    let route_writer = reflector::store::Writer::new(http_routes());
    let routes = route_writer.as_reader();
    let (known, routes_known) = watch::channel(false);
    let replica_sets = Arc::new(Grouped::default());
    let endpoint_slices = Arc::new(Grouped::default());
    let autoscalers = Arc::new(Grouped::default());

    let (sender, neighbours) = mpsc::channel(NEIGHBOURS);
    let root = indexed(events(scope.api::<Watched>()), index.clone(), sender).reflect(rollout_writer).touched_objects();
    let triggers = futures::stream::select_all([
        futures::stream::unfold(
            neighbours,
            |mut neighbours| async move { Some((neighbours.recv().await?, neighbours)) },
        )
        .boxed(),
        named(events(scope.api::<Deployment>()).reflect(deployment_writer), &index, Subject::workload),
        named(events(scope.api::<Service>()).reflect(service_writer), &index, Subject::service),
        named(
            noticing(events(scope.dynamic::<DynamicObject>(&http_routes())), known).reflect(route_writer),
            &index,
            Subject::route,
        ),
        grouped(
            events(scope.api::<ReplicaSet>()),
            &replica_sets,
            &index,
            |set| set.holder().map(str::to_owned),
            Subject::owned,
        ),
        grouped(events(scope.dynamic::<EndpointSlice>(slices)), &endpoint_slices, &index, service_of, |slice| {
            service_of(slice).map(|(namespace, service)| Subject::Service(namespace, service))
        }),
        grouped(events(scope.api::<HorizontalPodAutoscaler>()), &autoscalers, &index, target_of, |autoscaler| {
            target_of(autoscaler).map(|(namespace, workload)| Subject::Workload(namespace, workload))
        }),
    ])
    .boxed();
    let caches = Caches {
        rollouts,
        index,
        deployments,
        services,
        routes,
        routes_known,
        replica_sets,
        endpoint_slices,
        autoscalers,
        all_ready: AtomicBool::new(false),
    };
    Watches { caches: Arc::new(caches), rollouts: root.boxed(), triggers }
}

impl Caches {
    /// Whether every cache has seen its first list: before that, what is missing may only not have been read yet.
    #[must_use]
    pub fn are_ready(&self) -> bool {
        self.all_ready.load(Ordering::Acquire)
    }

    /// Waits until every cache has seen its first list. `HTTPRoutes` are not waited for: they may not exist.
    pub async fn ready(&self) {
        // An error means that the watch has ended, and with it the process.
        let _ = self.rollouts.wait_until_ready().await;
        let _ = self.deployments.wait_until_ready().await;
        let _ = self.services.wait_until_ready().await;
        self.replica_sets.ready().await;
        self.endpoint_slices.ready().await;
        self.autoscalers.ready().await;
        self.all_ready.store(true, Ordering::Release);
    }
}

struct Scope {
    client: Client,
    namespace: Option<String>,
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
    fn dynamic<K>(&self, resource: &K::DynamicType) -> Api<K>
    where
        K: Resource<Scope = DynamicResourceScope>,
    {
        match &self.namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, resource),
            None => Api::all_with(self.client.clone(), resource),
        }
    }
}

/// The watch of one kind, without what is not read: managed fields, and the copy that `kubectl apply` keeps.
fn events<K>(api: Api<K>) -> BoxStream<'static, watcher::Result<Event<K>>>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    watcher(api, watcher::Config::default())
        .backoff(Backoff::default())
        .modify(|object| {
            let metadata = object.meta_mut();
            metadata.managed_fields = None;
            if let Some(annotations) = &mut metadata.annotations {
                annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
            }
        })
        .boxed()
}

/// How many Rollouts may wait to be told that a neighbour changed. A neighbour is rare: two Rollouts on one object.
const NEIGHBOURS: usize = 1024;

/// Keeps the index of Rollouts, and tells their neighbours.
fn indexed(
    events: BoxStream<'static, watcher::Result<Event<Watched>>>,
    index: Arc<Index>,
    neighbours: mpsc::Sender<ObjectRef<Watched>>,
) -> BoxStream<'static, watcher::Result<Event<Watched>>> {
    events
        .inspect(move |event| {
            let affected = match event {
                Ok(Event::Apply(rollout) | Event::InitApply(rollout)) => index.update(rollout),
                Ok(Event::Delete(rollout)) => {
                    index.forget(&rollout.meta().namespace.clone().unwrap_or_default(), &rollout.name_any())
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

/// Notices whether the API server knows the kind that is watched.
fn noticing<K: Send + 'static>(
    events: BoxStream<'static, watcher::Result<Event<K>>>,
    known: watch::Sender<bool>,
) -> BoxStream<'static, watcher::Result<Event<K>>> {
    events
        .inspect(move |event| {
            let answer = match event {
                Ok(Event::InitDone) => Some(true),
                Err(watcher::Error::InitialListFailed(kube::Error::Api(status))) if status.code == 404 => Some(false),
                _ => None,
            };
            if let Some(answer) = answer {
                known.send_if_modified(|known| std::mem::replace(known, answer) != answer);
            }
        })
        .boxed()
}

/// The Rollouts that care about each object that comes by.
fn named<K, S>(events: S, index: &Arc<Index>, subject: impl Fn(&K) -> Subject + Send + 'static) -> Triggers
where
    K: Resource + Send + 'static,
    S: Stream<Item = watcher::Result<Event<K>>> + Send + 'static,
{
    let index = index.clone();
    events
        .touched_objects()
        .filter_map(|object| async move { object.ok() })
        .flat_map(move |object| futures::stream::iter(index.caring_about(&subject(&object))))
        .boxed()
}

fn grouped<G, K>(
    events: BoxStream<'static, watcher::Result<Event<K>>>,
    cache: &Arc<Grouped<G, K>>,
    index: &Arc<Index>,
    group: impl Fn(&K) -> Option<G> + Send + 'static,
    subject: impl Fn(&K) -> Option<Subject> + Send + 'static,
) -> Triggers
where
    G: Eq + Hash + Clone + Send + Sync + 'static,
    K: Resource + Clone + Send + Sync + 'static,
{
    let (cache, index) = (cache.clone(), index.clone());
    events
        .inspect(move |event| {
            if let Ok(event) = event {
                cache.take(event, &group);
            }
        })
        .touched_objects()
        .filter_map(|object| async move { object.ok() })
        .flat_map(move |object| {
            let caring = subject(&object).map(|subject| index.caring_about(&subject)).unwrap_or_default();
            futures::stream::iter(caring)
        })
        .boxed()
}

fn service_of(slice: &EndpointSlice) -> Option<(String, String)> {
    Some((slice.namespace()?, slice.service()?.to_owned()))
}

fn target_of(autoscaler: &HorizontalPodAutoscaler) -> Option<(String, String)> {
    let target = &autoscaler.spec.as_ref()?.scale_target_ref;
    (target.kind == "Deployment").then(|| Some((autoscaler.namespace()?, target.name.clone())))?
}

/// Objects by something that several of them share, such as the owner of ReplicaSets.
pub struct Grouped<G, K> {
    held: RwLock<Held<G, K>>,
    ready: watch::Sender<bool>,
}

struct Held<G, K> {
    groups: HashMap<G, BTreeMap<String, Arc<K>>>,
    group_of: HashMap<(String, String), G>,
    /// What a list that is under way has brought so far.
    incoming: Vec<K>,
}

impl<G, K> Default for Grouped<G, K> {
    fn default() -> Self {
        let held = Held { groups: HashMap::new(), group_of: HashMap::new(), incoming: Vec::new() };
        Self { held: RwLock::new(held), ready: watch::Sender::new(false) }
    }
}

impl<G: Eq + Hash + Clone, K: Resource + Clone> Grouped<G, K> {
    /// The objects of one group, by name.
    pub fn of<Q>(&self, group: &Q) -> Vec<Arc<K>>
    where
        G: std::borrow::Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.groups.get(group).map(|members| members.values().cloned().collect()).unwrap_or_default()
    }

    /// The object of that name, whatever its group.
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<K>> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let group = held.group_of.get(&(namespace.to_owned(), name.to_owned()))?;
        held.groups.get(group)?.get(name).cloned()
    }

    async fn ready(&self) {
        let _ = self.ready.subscribe().wait_for(|ready| *ready).await;
    }

    fn take(&self, event: &Event<K>, group: impl Fn(&K) -> Option<G>) {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Init => held.incoming.clear(),
            Event::InitApply(object) => held.incoming.push(object.clone()),
            Event::InitDone => {
                held.groups.clear();
                held.group_of.clear();
                for object in std::mem::take(&mut held.incoming) {
                    held.put(object, &group);
                }
                self.ready.send_replace(true);
            }
            Event::Apply(object) => held.put(object.clone(), &group),
            Event::Delete(object) => held.remove(&name_of(object)),
        }
    }
}

impl<G: Eq + Hash + Clone, K: Resource> Held<G, K> {
    fn put(&mut self, object: K, group: impl Fn(&K) -> Option<G>) {
        let name = name_of(&object);
        self.remove(&name);
        if let Some(group) = group(&object) {
            self.groups.entry(group.clone()).or_default().insert(name.1.clone(), Arc::new(object));
            self.group_of.insert(name, group);
        }
    }

    fn remove(&mut self, name: &(String, String)) {
        let Some(group) = self.group_of.remove(name) else { return };
        if let Some(members) = self.groups.get_mut(&group) {
            members.remove(&name.1);
            if members.is_empty() {
                self.groups.remove(&group);
            }
        }
    }
}

fn name_of<K: Resource>(object: &K) -> (String, String) {
    (object.namespace().unwrap_or_default(), object.name_any())
}
