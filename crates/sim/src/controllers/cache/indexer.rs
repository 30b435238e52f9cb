//! All objects of one kind: by name, by owner, and by the labels that they have or look for.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tidegate_apiserver::{Change, What};

use super::{
    Cached, Difference,
    meta::{Key, Labels, Meta},
    selector::Selector,
};

/// One label in one namespace: namespace, key and value.
type Label = (String, String, String);

/// All objects of one kind.
#[derive(Debug)]
pub(in crate::controllers) struct Indexer<T> {
    objects: BTreeMap<Key, Arc<T>>,
    /// By the UID of their controller, which is empty for those without.
    owned: BTreeMap<String, BTreeSet<Key>>,
    /// By each label that they have.
    labelled: BTreeMap<Label, BTreeSet<Key>>,
    /// By the first label that they look for.
    looking: BTreeMap<Label, BTreeSet<Key>>,
}

impl<T> Default for Indexer<T> {
    fn default() -> Self {
        Self { objects: BTreeMap::new(), owned: BTreeMap::new(), labelled: BTreeMap::new(), looking: BTreeMap::new() }
    }
}

impl<T: Cached> Indexer<T> {
    /// Takes a change over, and says what is different now.
    pub(in crate::controllers) fn apply(&mut self, change: &Change) -> Difference<T> {
        let key = Key::new(change.object.namespace(), change.object.name());
        let before = self.objects.get(&key).cloned();
        if change.what == What::Deleted {
            if let Some(before) = &before {
                self.unfile(before);
                self.objects.remove(&key);
            }
            return Difference { before, after: None };
        }
        let meta = Meta::read(key.clone(), &change.object);
        let after = Arc::new(T::read(meta, change.object.value(), before.as_deref()));
        let filed_alike = before.as_ref().is_some_and(|before| {
            let (old, new) = (before.meta(), after.meta());
            old.labels == new.labels && old.controller == new.controller && before.selector() == after.selector()
        });
        if !filed_alike {
            if let Some(before) = &before {
                self.unfile(before);
            }
            self.file(&after);
        }
        self.objects.insert(key, after.clone());
        Difference { before, after: Some(after) }
    }

    fn file(&mut self, object: &T) {
        let meta = object.meta();
        self.owned.entry(meta.controller().unwrap_or_default().to_owned()).or_default().insert(meta.key.clone());
        for label in labels_of(&meta.key, &meta.labels) {
            self.labelled.entry(label).or_default().insert(meta.key.clone());
        }
        if let Some(label) = sought_by(object) {
            self.looking.entry(label).or_default().insert(meta.key.clone());
        }
    }

    fn unfile(&mut self, object: &T) {
        let meta = object.meta();
        remove(&mut self.owned, &meta.controller().unwrap_or_default().to_owned(), &meta.key);
        for label in labels_of(&meta.key, &meta.labels) {
            remove(&mut self.labelled, &label, &meta.key);
        }
        if let Some(label) = sought_by(object) {
            remove(&mut self.looking, &label, &meta.key);
        }
    }

    /// The object of that name.
    pub(in crate::controllers) fn get(&self, key: &Key) -> Option<&Arc<T>> {
        self.objects.get(key)
    }

    /// All objects, by name.
    pub(in crate::controllers) fn iter(&self) -> impl Iterator<Item = &Arc<T>> {
        self.objects.values()
    }

    /// The objects in one namespace, by name.
    pub(in crate::controllers) fn within(&self, namespace: &str) -> impl Iterator<Item = &Arc<T>> {
        let from = self.objects.range(Key::new(namespace, "")..);
        from.map(|(_, object)| object).take_while(move |object| object.meta().key.namespace() == namespace)
    }

    /// The objects that the owner with this UID controls, by name.
    pub(in crate::controllers) fn owned_by(&self, uid: &str) -> impl Iterator<Item = &Arc<T>> {
        self.owned.get(uid).into_iter().flatten().filter_map(|key| self.objects.get(key))
    }

    /// The objects that `selector` finds, by name.
    pub(in crate::controllers) fn found_by(&self, namespace: &str, selector: &Selector) -> Vec<&Arc<T>> {
        let finds = |object: &&Arc<T>| selector.finds(&object.meta().labels);
        if selector.labels().is_empty() {
            return self.within(namespace).filter(finds).collect();
        }
        let candidates = selector
            .labels()
            .iter()
            .map(|(key, value)| self.labelled.get(&(namespace.to_owned(), key.clone(), value.clone())));
        let fewest = candidates.min_by_key(|found| found.map_or(0, BTreeSet::len)).flatten();
        fewest.into_iter().flatten().filter_map(|key| self.objects.get(key)).filter(finds).collect()
    }

    /// The objects whose selectors find an object with the name and labels of `meta`, by name.
    pub(in crate::controllers) fn looking_for(&self, meta: &Meta) -> BTreeSet<Key> {
        let without_labels = (meta.key.namespace().to_owned(), String::new(), String::new());
        let labels = labels_of(&meta.key, &meta.labels).chain([without_labels]);
        let candidates = labels.filter_map(|label| self.looking.get(&label)).flatten();
        let finds = |key: &&Key| {
            let selector = self.objects.get(*key).and_then(|object| object.selector());
            selector.is_some_and(|selector| selector.finds(&meta.labels))
        };
        candidates.filter(finds).cloned().collect()
    }
}

fn labels_of(key: &Key, labels: &Labels) -> impl Iterator<Item = Label> {
    labels.iter().map(|(name, value)| (key.namespace().to_owned(), name.clone(), value.clone()))
}

/// Where an object with a selector is filed: under its first label, or under the empty one.
fn sought_by<T: Cached>(object: &T) -> Option<Label> {
    let selector = object.selector().filter(|selector| !selector.is_empty())?;
    let (name, value) = selector.labels().iter().next().map(|(n, v)| (n.clone(), v.clone())).unwrap_or_default();
    Some((object.meta().key.namespace().to_owned(), name, value))
}

fn remove<K: Ord>(index: &mut BTreeMap<K, BTreeSet<Key>>, under: &K, key: &Key) {
    if let Some(keys) = index.get_mut(under) {
        keys.remove(key);
        if keys.is_empty() {
            index.remove(under);
        }
    }
}
