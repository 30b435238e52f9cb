//! Everything that the server remembers.

use std::{collections::BTreeMap, sync::Arc};

use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::Value;

use super::{
    Change, Object, Refusal, Resource, What, catalogue, changes::Cursors, collection::Collection,
    definition::DEFINITIONS, garbage::Ownership, place::Place, request::Target, resource::full_name, reviews,
    schema::Schema, views::View, write::Writer,
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
    pub ownership: Ownership,
    random: StdRng,
    services: u16,
}

impl State {
    pub(super) fn new(seed: u64) -> Self {
        let collections = catalogue::built_in().map(|it| (it.full_name(), Collection::new(it))).collect();
        let random = StdRng::seed_from_u64(seed);
        Self {
            collections,
            version: 1,
            cursors: Cursors::default(),
            log_length: LOG_LENGTH,
            ownership: Ownership::default(),
            random,
            services: 0,
        }
    }

    /// The collection of that plural, with the group behind a dot where two groups have the same.
    pub(super) fn find(&self, plural: &str) -> Option<&Collection> {
        self.collections.get(plural).or_else(|| {
            let first = format!("{plural}.");
            let (name, collection) = self.collections.range(first.clone()..).next()?;
            name.starts_with(&first).then_some(collection)
        })
    }

    /// All kinds as clients are told of them: those with a collection, the other name of events, and questions.
    pub(super) fn served(&self) -> Vec<Arc<Resource>> {
        let stored = self.collections.values().map(|it| it.resource.clone());
        stored.chain([catalogue::events_v1()].into_iter().chain(reviews::kinds()).map(Arc::new)).collect()
    }

    /// What a request names.
    pub(super) fn place(&self, target: Target) -> Result<Place, Refusal> {
        let (group, alias) = match (target.group.as_str(), target.plural.as_str()) {
            ("events.k8s.io", "events") => ("", Some(View::EventsV1)),
            (group, _) => (group, None),
        };
        let collection = self.collections.get(&full_name(&target.plural, group)).ok_or_else(Refusal::unknown_path)?;
        let resource = collection.resource.clone();
        if !resource.versions.contains(&target.version) {
            return Err(Refusal::unknown_path());
        }
        let view = alias.unwrap_or_else(|| view(&resource, &target.version));
        Place::of(target, resource, view)
    }

    /// The object of that plural and name.
    pub(super) fn named(&self, kind: &str, namespace: &str, name: &str) -> Result<Place, Refusal> {
        let collection = self.find(kind).ok_or_else(Refusal::unknown_path)?;
        Ok(Place::stored(collection.resource.clone(), namespace, name))
    }

    /// The kind that an object says it is, in the version that it is in.
    pub(super) fn kind_of(&self, object: &Value) -> Result<Place, Refusal> {
        let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
        let (group, version) = text("apiVersion").rsplit_once('/').unwrap_or(("", text("apiVersion")));
        let mut all = self.collections.values().map(|it| &it.resource);
        let found =
            all.find(|it| it.kind == text("kind") && it.group == group && it.versions.iter().any(|v| v == version));
        let resource = found.cloned().ok_or_else(|| {
            let (kind, version) = (text("kind"), text("apiVersion"));
            Refusal::bad_request(format!("no matches for kind \"{kind}\" in version \"{version}\""))
        })?;
        let view = view(&resource, version);
        let [namespace, name] = ["namespace", "name"].map(|field| metadata_text(object, field));
        Ok(Place { view, ..Place::stored(resource, namespace, name) })
    }

    /// The schema of a kind that a user defined.
    pub(super) fn schema(&self, resource: &Resource) -> Option<Arc<Schema>> {
        if resource.custom { self.collections.get(&resource.full_name())?.schema.clone() } else { None }
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
        self.ownership.note(&change);
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

    /// The next address of a Service.
    pub(super) fn address(&mut self) -> String {
        self.services = self.services.wrapping_add(1);
        let [high, low] = self.services.to_be_bytes();
        format!("10.96.{high}.{low}")
    }

    /// The end of a generated name: five letters that spell no words.
    pub(super) fn suffix(&mut self) -> String {
        const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        (0..5).map(|_| char::from(*LETTERS.get(self.random.random_range(0..LETTERS.len())).unwrap_or(&b'x'))).collect()
    }
}

/// As what the objects of a kind are shown in one of its versions.
fn view(resource: &Resource, version: &str) -> View {
    match (resource.group.as_str(), version) {
        _ if resource.version == version => View::Stored,
        ("autoscaling", "v1") => View::AutoscalerV1,
        (group, version) => View::Version(format!("{group}/{version}")),
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
