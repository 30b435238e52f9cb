//! Schemas that were made ready before: a program that starts a server for each of hundreds of runs gives all of them the
//! same definitions, and to compile their rules takes longer than many a run.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::Value;

use super::Schema;

/// How many are kept: more than one server has of its own.
const KEPT: usize = 32;

static KNOWN: Mutex<VecDeque<Arc<Schema>>> = Mutex::new(VecDeque::new());

impl Schema {
    /// Reads the schema of `version` from a `CustomResourceDefinition`; nothing if it has none.
    #[must_use]
    pub fn of_version(definition: &Value, version: &str) -> Option<Arc<Self>> {
        let tree = tree_of(definition, version)?;
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(schema) = known.iter().find(|schema| schema.tree == *tree) {
            return Some(Arc::clone(schema));
        }
        let schema = Arc::new(Self::new(tree.clone()));
        known.truncate(KEPT - 1);
        known.push_front(Arc::clone(&schema));
        Some(schema)
    }
}

/// The `openAPIV3Schema` of a version.
fn tree_of<'a>(definition: &'a Value, version: &str) -> Option<&'a Value> {
    let versions = definition.pointer("/spec/versions")?.as_array()?;
    let named = |candidate: &&Value| candidate.get("name").and_then(Value::as_str) == Some(version);
    versions.iter().find(named)?.pointer("/schema/openAPIV3Schema")
}
