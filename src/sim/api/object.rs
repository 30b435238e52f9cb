//! An object as it is stored.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// An object as it is stored, and never changed: a write puts a new one in its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    value: Value,
}

impl Object {
    /// Keeps `value`.
    #[must_use]
    pub fn new(value: Value) -> Self {
        Self { value }
    }

    /// The object as JSON.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The object as a type; nothing if it is not of that shape.
    #[must_use]
    pub fn parse<K: DeserializeOwned>(&self) -> Option<K> {
        K::deserialize(&self.value).ok()
    }

    fn metadata(&self, field: &str) -> &str {
        self.value.get("metadata").and_then(|metadata| metadata.get(field)).and_then(Value::as_str).unwrap_or_default()
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.metadata("name")
    }

    /// Its namespace; empty for an object of the whole cluster.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.metadata("namespace")
    }

    /// Its UID.
    #[must_use]
    pub fn uid(&self) -> &str {
        self.metadata("uid")
    }

    /// Its resourceVersion.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.metadata("resourceVersion").parse().unwrap_or(0)
    }

    /// Whether it waits for its finalizers.
    #[must_use]
    pub fn is_deleting(&self) -> bool {
        !self.metadata("deletionTimestamp").is_empty()
    }
}
