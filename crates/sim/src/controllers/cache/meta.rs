//! Names, labels and owners.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde_json::Value;
use tidegate_apiserver::Object;

/// An object's labels.
pub(in crate::controllers) type Labels = BTreeMap<String, String>;

/// An object's namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::controllers) struct Key(Arc<(String, String)>);

impl Key {
    pub(in crate::controllers) fn new(namespace: &str, name: &str) -> Self {
        Self(Arc::new((namespace.to_owned(), name.to_owned())))
    }

    pub(in crate::controllers) fn namespace(&self) -> &str {
        &self.0.0
    }

    pub(in crate::controllers) fn name(&self) -> &str {
        &self.0.1
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace(), self.name())
    }
}

/// What every object has.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::controllers) struct Meta {
    pub key: Key,
    pub uid: String,
    pub generation: i64,
    /// As it is written: such texts sort as the times that they mean.
    pub created: String,
    /// Whether it is on its way out.
    pub deleting: bool,
    pub labels: Labels,
    /// The owner that controls it.
    pub controller: Option<Owner>,
}

/// An owner that controls an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::controllers) struct Owner {
    pub kind: String,
    pub uid: String,
    pub name: String,
}

impl Meta {
    pub(in crate::controllers) fn read(key: Key, object: &Object) -> Self {
        let metadata = &object.value()["metadata"];
        Self {
            key,
            uid: object.uid().to_owned(),
            generation: metadata["generation"].as_i64().unwrap_or(0),
            created: text(&metadata["creationTimestamp"]),
            deleting: object.is_deleting(),
            labels: labels(&metadata["labels"]),
            controller: controller(metadata).map(|owner| Owner {
                kind: text(&owner["kind"]),
                uid: text(&owner["uid"]),
                name: text(&owner["name"]),
            }),
        }
    }

    /// The UID of the owner that controls it.
    pub(in crate::controllers) fn controller(&self) -> Option<&str> {
        self.controller.as_ref().map(|owner| owner.uid.as_str())
    }

    /// Whether a Job controls it.
    pub(in crate::controllers) fn is_of_a_job(&self) -> bool {
        self.controller.as_ref().is_some_and(|owner| owner.kind == "Job")
    }

    /// Older ones first, as the controllers of Kubernetes sort them.
    pub(in crate::controllers) fn age(&self) -> (&str, &str) {
        (&self.created, self.key.name())
    }
}

/// The owner that controls an object.
pub(in crate::controllers) fn controller(metadata: &Value) -> Option<&Value> {
    metadata["ownerReferences"].as_array()?.iter().find(|owner| owner["controller"] == true)
}

/// A map of texts, as far as it is one.
pub(in crate::controllers) fn labels(value: &Value) -> Labels {
    let entries = value.as_object().into_iter().flatten();
    entries.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

pub(in crate::controllers) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A count, as far as it is one.
pub(in crate::controllers) fn count(value: &Value) -> Option<i32> {
    value.as_i64().and_then(|count| i32::try_from(count).ok())
}
