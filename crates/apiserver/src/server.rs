//! The server: its verbs as plain calls.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tidegate_clock::Clock;
use tokio::runtime::Handle;

use super::{
    Changes, Object, Refusal, Resource,
    place::Place,
    request::Call,
    state::State,
    write::{Writer, delete::DeleteOptions, patch::Patch},
};

/// The API server. Cheap to clone; all clones are the same server.
#[derive(Debug, Clone)]
pub struct ApiServer {
    clock: Clock,
    /// Where the clock goes: asked from another runtime, a simulated one would show that runtime's time.
    runtime: Option<Handle>,
    state: Arc<Mutex<State>>,
    audience: Arc<Mutex<Vec<Listener>>>,
}

/// Told of each request after it was answered.
struct Listener(Box<dyn Fn(&Call) + Send + Sync>);

impl std::fmt::Debug for Listener {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Listener")
    }
}

impl ApiServer {
    /// An empty server with the namespace `default`. From `seed` come UIDs and the ends of generated names. A simulated
    /// clock is that of the runtime in which this is called.
    #[must_use]
    pub fn new(clock: Clock, seed: u64) -> Self {
        let runtime = Handle::try_current().ok();
        let server = Self { clock, runtime, state: Arc::new(Mutex::new(State::new(seed))), audience: Arc::default() };
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}});
        let created = server.create(namespace, "kube-apiserver");
        debug_assert!(created.is_ok(), "{created:?}");
        server
    }

    /// What time it is for the server, whichever thread asks.
    #[must_use]
    pub fn now(&self) -> jiff::Timestamp {
        let _there = self.runtime.as_ref().map(Handle::enter);
        self.clock.now()
    }

    /// A client that calls this server without a network. It has to be made within a Tokio runtime.
    #[must_use]
    pub fn client(&self) -> kube::Client {
        kube::Client::new(self.clone(), "default")
    }

    /// The object of that name. `kind` is the plural, such as `replicasets`, with the group behind a dot where two
    /// groups have the same.
    #[must_use]
    pub fn get(&self, kind: &str, namespace: &str, name: &str) -> Option<Arc<Object>> {
        self.lock().find(kind)?.get(namespace, name).map(Object::lend)
    }

    /// All objects of a kind, by namespace and name; of all namespaces where `namespace` is `None`.
    #[must_use]
    pub fn list(&self, kind: &str, namespace: Option<&str>) -> Vec<Arc<Object>> {
        self.lock().find(kind).into_iter().flat_map(|found| found.iter(namespace)).map(Object::lend).collect()
    }

    /// Creates `object`, whose `apiVersion` and `kind` say what it is.
    ///
    /// # Errors
    /// [`Refusal`], as a client would be answered.
    pub fn create(&self, object: Value, manager: &str) -> Result<Arc<Object>, Refusal> {
        let writer = self.writer(manager);
        let mut state = self.lock();
        let place = state.kind_of(&object)?;
        state.create(&place, object, &writer)
    }

    /// Puts `object` in the place of what is there; under its resourceVersion, if it has one.
    ///
    /// # Errors
    /// [`Refusal`], as a client would be answered.
    pub fn update(&self, object: Value, manager: &str) -> Result<Arc<Object>, Refusal> {
        let writer = self.writer(manager);
        let mut state = self.lock();
        let place = state.kind_of(&object)?;
        state.replace(&place, object, &writer)
    }

    /// Merges `patch` into the object (RFC 7396); `subresource` is `""`, `status` or `scale`, of which the last answers
    /// with the scale.
    ///
    /// # Errors
    /// [`Refusal`], as a client would be answered.
    pub fn merge(
        &self,
        kind: &str,
        namespace: &str,
        name: &str,
        subresource: &str,
        patch: Value,
        manager: &str,
    ) -> Result<Arc<Object>, Refusal> {
        let writer = self.writer(manager);
        let mut state = self.lock();
        let place = Place { subresource: subresource.to_owned(), ..state.named(kind, namespace, name)? };
        state.patch(&place, Patch::Merge(patch), &writer).map(|(object, _)| object)
    }

    /// Deletes the object, in the background; one with finalizers waits for them, and a pod that runs for its kubelet.
    ///
    /// # Errors
    /// [`Refusal`], as a client would be answered.
    pub fn delete(&self, kind: &str, namespace: &str, name: &str, manager: &str) -> Result<(), Refusal> {
        self.delete_within(kind, namespace, name, None, manager)
    }

    /// Deletes the object; a pod has `grace_seconds` to end, where 0 takes it away, as its kubelet does in the end.
    ///
    /// # Errors
    /// [`Refusal`], as a client would be answered.
    pub fn delete_within(
        &self,
        kind: &str,
        namespace: &str,
        name: &str,
        grace_seconds: Option<i64>,
        manager: &str,
    ) -> Result<(), Refusal> {
        let writer = self.writer(manager);
        let mut state = self.lock();
        let place = state.named(kind, namespace, name)?;
        let options = DeleteOptions { grace_seconds, ..DeleteOptions::default() };
        state.delete(&place, &options, &writer).map(drop)
    }

    /// A cursor over the changes from now on.
    #[must_use]
    pub fn changes(&self) -> Changes {
        self.lock().cursors.open()
    }

    /// The version of the newest change.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.lock().version
    }

    /// How many changes of each kind a watch may lag behind before it is told to begin anew.
    pub fn keep_changes(&self, length: usize) {
        self.lock().log_length = length;
    }

    /// Forgets the event log: a watch that has not read all of it, or asks for an older version, has to begin anew.
    pub fn compact(&self) {
        let mut state = self.lock();
        let version = state.version;
        state.collections.values_mut().for_each(|collection| collection.compact(version));
    }

    /// Calls `listener` after each request that came over HTTP or through a client, in their order. It must not call the
    /// server.
    pub fn on_request(&self, listener: impl Fn(&Call) + Send + Sync + 'static) {
        self.audience.lock().unwrap_or_else(PoisonError::into_inner).push(Listener(Box::new(listener)));
    }

    pub(super) fn tell(&self, call: impl FnOnce() -> Call) {
        let audience = self.audience.lock().unwrap_or_else(PoisonError::into_inner);
        if !audience.is_empty() {
            let call = call();
            audience.iter().for_each(|listener| (listener.0)(&call));
        }
    }

    /// All kinds that are served, by their full name.
    #[must_use]
    pub fn resources(&self) -> Vec<Arc<Resource>> {
        self.lock().collections.values().map(|collection| collection.resource.clone()).collect()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn writer(&self, manager: &str) -> Writer {
        Writer {
            manager: manager.into(),
            now: self.now(),
            dry_run: false,
            strict: false,
            is_client: false,
            applies: false,
        }
    }
}
