//! The server: its verbs as plain calls.

use std::sync::Arc;

use serde_json::Value;

use super::{Object, Refusal, Resource};
use crate::controller::clock::Clock;

/// The API server. Cheap to clone; all clones are the same server.
#[derive(Debug, Clone)]
pub struct ApiServer {
    clock: Clock,
}

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// It is new.
    Added,
    /// It changed.
    Modified,
    /// It is gone; the object is as it was last.
    Deleted,
}

/// One entry of the event log.
#[derive(Debug, Clone)]
pub struct Change {
    /// The kind of the object.
    pub resource: Arc<Resource>,
    /// What became of it.
    pub what: What,
    /// The object after the change.
    pub object: Arc<Object>,
    /// The object before it.
    pub before: Option<Arc<Object>>,
    /// The field manager that wrote it.
    pub manager: Arc<str>,
}

/// A cursor over the event log: all changes of all kinds since it was made.
#[derive(Debug)]
pub struct Changes {}

impl ApiServer {
    /// An empty server with the namespace `default`. From `seed` come UIDs and the ends of generated names.
    #[must_use]
    pub fn new(clock: Clock, seed: u64) -> Self {
        let _ = seed;
        Self { clock }
    }

    /// A client that calls this server without a network.
    #[must_use]
    pub fn client(&self) -> kube::Client {
        todo!()
    }

    /// The object of that name. `kind` is the plural, such as `replicasets`, with the group behind a dot where two
    /// groups have the same.
    #[must_use]
    pub fn get(&self, kind: &str, namespace: &str, name: &str) -> Option<Arc<Object>> {
        let _ = (kind, namespace, name);
        None
    }

    /// All objects of a kind, by namespace and name; of all namespaces where `namespace` is `None`.
    #[must_use]
    pub fn list(&self, kind: &str, namespace: Option<&str>) -> Vec<Arc<Object>> {
        let _ = (kind, namespace);
        Vec::new()
    }

    /// Creates `object`, whose `apiVersion` and `kind` say what it is.
    pub fn create(&self, object: Value, manager: &str) -> Result<Arc<Object>, Refusal> {
        let _ = (object, manager, self.clock);
        todo!()
    }

    /// Puts `object` in the place of what is there; under its resourceVersion, if it has one.
    pub fn update(&self, object: Value, manager: &str) -> Result<Arc<Object>, Refusal> {
        let _ = (object, manager);
        todo!()
    }

    /// Merges `patch` into the object (RFC 7396); `subresource` is `""`, `status` or `scale`.
    pub fn merge(
        &self,
        kind: &str,
        namespace: &str,
        name: &str,
        subresource: &str,
        patch: Value,
        manager: &str,
    ) -> Result<Arc<Object>, Refusal> {
        let _ = (kind, namespace, name, subresource, patch, manager);
        todo!()
    }

    /// Deletes the object, in the background; one with finalizers waits for them.
    pub fn delete(&self, kind: &str, namespace: &str, name: &str, manager: &str) -> Result<(), Refusal> {
        let _ = (kind, namespace, name, manager);
        todo!()
    }

    /// A cursor over the changes from now on.
    #[must_use]
    pub fn changes(&self) -> Changes {
        Changes {}
    }
}

impl Changes {
    /// What happened since it was last asked, oldest first.
    pub fn drain(&mut self) -> Vec<Change> {
        Vec::new()
    }

    /// Waits until there is something to drain.
    pub async fn ready(&mut self) {
        std::future::pending().await
    }
}
