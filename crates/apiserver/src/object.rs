//! An object as it is stored.

use std::sync::{Arc, OnceLock};

use axum::body::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// An object as it is stored, and never changed: a write puts a new one in its place.
///
/// It is held as a tree, as the bytes of its JSON, or as both. A tree takes about five times the memory of the bytes,
/// so an object that nothing has happened to for a while is kept as bytes alone.
#[derive(Debug, Clone)]
pub struct Object {
    tree: OnceLock<Value>,
    json: OnceLock<Bytes>,
    name: Box<str>,
    namespace: Box<str>,
    uid: Box<str>,
    version: u64,
    deleting: bool,
}

impl Object {
    /// Keeps `value`.
    #[must_use]
    pub fn new(value: Value) -> Self {
        let metadata = |field: &str| value.get("metadata").and_then(|it| it.get(field)).and_then(Value::as_str);
        let text = |field: &str| Box::from(metadata(field).unwrap_or_default());
        Self {
            name: text("name"),
            namespace: text("namespace"),
            uid: text("uid"),
            version: metadata("resourceVersion").and_then(|version| version.parse().ok()).unwrap_or(0),
            deleting: metadata("deletionTimestamp").is_some(),
            tree: OnceLock::from(value),
            json: OnceLock::new(),
        }
    }

    /// The object as JSON.
    #[must_use]
    pub fn value(&self) -> &Value {
        self.tree.get_or_init(|| self.json.get().and_then(|json| serde_json::from_slice(json).ok()).unwrap_or_default())
    }

    /// The object as the bytes of its JSON, written once for all who want them.
    #[must_use]
    pub fn json(&self) -> &Bytes {
        self.json.get_or_init(|| serde_json::to_vec(self.value()).unwrap_or_default().into())
    }

    /// The object as a type; nothing if it is not of that shape.
    #[must_use]
    pub fn parse<K: DeserializeOwned>(&self) -> Option<K> {
        K::deserialize(self.value()).ok()
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its namespace; empty for an object of the whole cluster.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Its UID.
    #[must_use]
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// Its resourceVersion.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Whether it waits for its finalizers.
    #[must_use]
    pub fn is_deleting(&self) -> bool {
        self.deleting
    }

    /// The same object without its tree.
    pub(super) fn packed(&self) -> Self {
        let json = OnceLock::from(self.json().clone());
        Self { tree: OnceLock::new(), json, ..self.clone_head() }
    }

    /// What to hand out of an object in the store: reading a packed one must not leave its tree there.
    pub(super) fn lend(this: &Arc<Self>) -> Arc<Self> {
        if this.tree.get().is_some() {
            return this.clone();
        }
        Arc::new(Self { json: this.json.clone(), ..this.clone_head() })
    }

    fn clone_head(&self) -> Self {
        Self {
            tree: OnceLock::new(),
            json: OnceLock::new(),
            name: self.name.clone(),
            namespace: self.namespace.clone(),
            uid: self.uid.clone(),
            version: self.version,
            deleting: self.deleting,
        }
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.value() == other.value()
    }
}
