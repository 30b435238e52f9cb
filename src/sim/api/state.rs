//! Everything that the server remembers.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::Value;

use super::{
    Change, Object, Refusal, Resource, What, catalogue, changes::Cursors, collection::Collection,
    definition::DEFINITIONS, request::Target, resource::full_name,
};

/// How many changes of each kind a watch may lag behind, unless told otherwise.
const LOG_LENGTH: usize = 1000;

/// Everything that the server remembers.
#[derive(Debug)]
pub(super) struct State {
    pub collections: BTreeMap<String, Collection>,
    pub version: u64,
    pub cursors: Cursors,
    pub log_length: usize,
    random: StdRng,
}

/// Who writes, when, and whether it is only a rehearsal.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    pub manager: Arc<str>,
    pub now: Timestamp,
    pub dry_run: bool,
}

impl State {
    pub(super) fn new(seed: u64) -> Self {
        let collections = catalogue::built_in().map(|it| (it.full_name(), Collection::new(it))).collect();
        let random = StdRng::seed_from_u64(seed);
        Self { collections, version: 1, cursors: Cursors::default(), log_length: LOG_LENGTH, random }
    }

    /// The collection of that plural, with the group behind a dot where two groups have the same.
    pub(super) fn find(&self, plural: &str) -> Option<&Collection> {
        self.collections.get(plural).or_else(|| {
            let first = format!("{plural}.");
            let (name, collection) = self.collections.range(first.clone()..).next()?;
            name.starts_with(&first).then_some(collection)
        })
    }

    /// The kind that a request names.
    pub(super) fn resource(&self, target: &Target) -> Result<Arc<Resource>, Refusal> {
        let collection = self.collections.get(&full_name(&target.plural, &target.group));
        let served = collection.filter(|it| it.resource.versions.contains(&target.version));
        served.map(|it| it.resource.clone()).ok_or_else(Refusal::unknown_path)
    }

    /// The kind that an object says it is.
    pub(super) fn kind_of(&self, object: &Value) -> Result<Arc<Resource>, Refusal> {
        let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
        let (group, version) = text("apiVersion").rsplit_once('/').unwrap_or(("", text("apiVersion")));
        let mut all = self.collections.values().map(|it| &it.resource);
        let found =
            all.find(|it| it.kind == text("kind") && it.group == group && it.versions.iter().any(|v| v == version));
        found.cloned().ok_or_else(|| {
            let (kind, version) = (text("kind"), text("apiVersion"));
            Refusal::bad_request(format!("no matches for kind \"{kind}\" in version \"{version}\""))
        })
    }

    pub(super) fn object(&self, resource: &Resource, namespace: &str, name: &str) -> Option<Arc<Object>> {
        self.collections.get(&resource.full_name())?.get(namespace, name).map(Object::lend)
    }

    /// Writes `value` down as the newest change.
    pub(super) fn commit(
        &mut self,
        resource: &Arc<Resource>,
        what: What,
        mut value: Value,
        before: Option<Arc<Object>>,
        writer: &Writer,
    ) -> Arc<Object> {
        if writer.dry_run {
            return Arc::new(Object::new(value));
        }
        self.version += 1;
        set_metadata(&mut value, "resourceVersion", self.version.to_string().into());
        let object = Arc::new(Object::new(value));
        let manager = writer.manager.clone();
        let change = Change { resource: resource.clone(), what, object: object.clone(), before, manager };
        self.cursors.tell(&change);
        if let Some(collection) = self.collections.get_mut(&resource.full_name()) {
            collection.record(change, self.log_length);
        }
        if resource.full_name() == DEFINITIONS {
            self.redefine(&object, what);
        }
        object
    }

    /// A random UUID, from the seed.
    pub(super) fn uid(&mut self) -> String {
        let bits: u128 = self.random.random();
        let bits = bits & !(0xf << 76) & !(0x3 << 62) | 4 << 76 | 2 << 62;
        let text = format!("{bits:032x}");
        let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| text.get(range).unwrap_or_default());
        parts.join("-")
    }

    /// The end of a generated name: five letters that spell no words.
    pub(super) fn suffix(&mut self) -> String {
        const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        (0..5).map(|_| char::from(*LETTERS.get(self.random.random_range(0..LETTERS.len())).unwrap_or(&b'x'))).collect()
    }
}

/// Sets a field of `metadata`.
pub(super) fn set_metadata(object: &mut Value, field: &str, value: Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        match metadata.get_mut(field) {
            Some(slot) => *slot = value,
            None => drop(metadata.insert(field.to_owned(), value)),
        }
    }
}

/// A field of `metadata` that is text; empty if it is not there.
pub(super) fn metadata_text<'a>(object: &'a Value, field: &str) -> &'a str {
    object.get("metadata").and_then(|it| it.get(field)).and_then(Value::as_str).unwrap_or_default()
}
