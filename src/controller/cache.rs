//! All objects of one kind, kept by a watch.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, PoisonError, RwLock},
};

use kube::{Resource, ResourceExt, runtime::watcher::Event};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::watch;

use super::packed::{InUse, Pack, Packed};

/// All objects of one kind, by namespace and name, and by something that several of them may share.
pub struct Cache<K> {
    held: RwLock<Held<K>>,
    ready: watch::Sender<bool>,
    group: fn(&K) -> Option<String>,
    in_use: Arc<InUse>,
}

struct Held<K> {
    current: Objects<K>,
    /// What a list that is under way has brought so far.
    incoming: Objects<K>,
}

struct Objects<K> {
    by_name: HashMap<Box<str>, Entry<K>>,
    groups: HashMap<Box<str>, Vec<Member<K>>>,
}

struct Entry<K> {
    version: Option<u64>,
    group: Option<Box<str>>,
    object: Arc<Packed<K>>,
}

struct Member<K> {
    key: Box<str>,
    object: Arc<Packed<K>>,
}

impl<K> Default for Objects<K> {
    fn default() -> Self {
        Self { by_name: HashMap::new(), groups: HashMap::new() }
    }
}

/// Namespace and name in one: neither may have a slash.
pub fn path_of(namespace: &str, name: &str) -> String {
    format!("{namespace}/{name}")
}

impl<K: Resource + Serialize + DeserializeOwned + Send + Sync + 'static> Cache<K> {
    /// An empty cache, whose objects share `group`.
    pub fn new(in_use: &Arc<InUse>, group: fn(&K) -> Option<String>) -> Self {
        let held = Held { current: Objects::default(), incoming: Objects::default() };
        Self { held: RwLock::new(held), ready: watch::Sender::new(false), group, in_use: in_use.clone() }
    }

    /// The object of that name.
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<K>> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let object = held.current.by_name.get(path_of(namespace, name).as_str())?.object.clone();
        drop(held);
        object.open(&self.in_use)
    }

    /// The resourceVersion of the object of that name.
    pub fn version(&self, namespace: &str, name: &str) -> Option<u64> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.current.by_name.get(path_of(namespace, name).as_str())?.version
    }

    /// The objects of one group, by name.
    pub fn of(&self, group: &str) -> Vec<Arc<K>> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let members = held.current.groups.get(group).into_iter().flatten();
        let objects: Vec<_> = members.map(|member| member.object.clone()).collect();
        drop(held);
        objects.iter().filter_map(|object| object.open(&self.in_use)).collect()
    }

    /// Waits until the first list was read.
    pub async fn ready(&self) {
        // The sender lives as long as the cache.
        let _ = self.ready.subscribe().wait_for(|ready| *ready).await;
    }

    /// Counts as ready without a list, since there can be none.
    pub fn give_up(&self) {
        self.ready.send_replace(true);
    }

    /// Takes in what the watch tells, and returns the objects that are not what they were: after a list that was read
    /// anew, those that changed meanwhile. The first list changes nothing, since nothing was known before.
    pub fn take(&self, event: Event<K>) -> Vec<Arc<K>> {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Init => {
                held.incoming = Objects::default();
                Vec::new()
            }
            Event::InitApply(object) => {
                let object = Arc::new(object);
                held.incoming.put(&object, (self.group)(&object)).pack();
                Vec::new()
            }
            Event::InitDone => {
                let incoming = std::mem::take(&mut held.incoming);
                let before = std::mem::replace(&mut held.current, incoming);
                let is_first = !self.ready.send_replace(true);
                let changed = if is_first { Vec::new() } else { held.current.changed_since(&before) };
                drop(held);
                changed.iter().filter_map(|object| object.open(&self.in_use)).collect()
            }
            Event::Apply(object) => {
                let object = Arc::new(object);
                let packed = held.current.put(&object, (self.group)(&object));
                drop(held);
                self.in_use.add(packed);
                vec![object]
            }
            Event::Delete(object) => {
                held.current.remove(&key_of(&object));
                vec![Arc::new(object)]
            }
        }
    }
}

impl<K: Resource> Objects<K> {
    fn put(&mut self, object: &Arc<K>, group: Option<String>) -> Arc<Packed<K>> {
        let key = key_of(object.as_ref());
        self.remove(&key);
        let packed = Arc::new(Packed::new(object.clone()));
        if let Some(group) = &group {
            let members = self.groups.entry(group.as_str().into()).or_default();
            // Most groups have one member, and a list that grows by itself begins with room for four.
            members.reserve_exact(1);
            let place = members.partition_point(|member| *member.key < *key);
            members.insert(place, Member { key: key.as_str().into(), object: packed.clone() });
        }
        let version = object.meta().resource_version.as_deref().and_then(|version| version.parse().ok());
        self.by_name.insert(key.into(), Entry { version, group: group.map(Into::into), object: packed.clone() });
        packed
    }

    fn remove(&mut self, key: &str) {
        let Some(group) = self.by_name.remove(key).and_then(|entry| entry.group) else { return };
        if let Some(members) = self.groups.get_mut(&group) {
            members.retain(|member| *member.key != *key);
            if members.is_empty() {
                self.groups.remove(&group);
            }
        }
    }

    /// What was added, changed or removed since `before`, by name.
    fn changed_since(&self, before: &Self) -> Vec<Arc<Packed<K>>> {
        let keys: HashSet<_> = self.by_name.keys().chain(before.by_name.keys()).collect();
        let mut changed: Vec<_> = keys
            .into_iter()
            .filter_map(|key| match (before.by_name.get(key), self.by_name.get(key)) {
                (Some(old), Some(new)) if old.version == new.version => None,
                (old, new) => Some((key, new.or(old)?.object.clone())),
            })
            .collect();
        changed.sort_unstable_by_key(|(key, _)| *key);
        changed.into_iter().map(|(_, object)| object).collect()
    }
}

fn key_of<K: Resource>(object: &K) -> String {
    path_of(object.meta().namespace.as_deref().unwrap_or_default(), &object.name_any())
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::json;

    use super::*;

    fn cache() -> Cache<ConfigMap> {
        Cache::new(&Arc::default(), |object| object.labels().get("app").cloned())
    }

    fn object(name: &str, version: u64, app: &str) -> ConfigMap {
        let metadata =
            json!({"namespace": "shop", "name": name, "resourceVersion": version.to_string(), "labels": {"app": app}});
        serde_json::from_value(json!({"metadata": metadata})).unwrap()
    }

    fn list(cache: &Cache<ConfigMap>, objects: impl IntoIterator<Item = ConfigMap>) -> Vec<String> {
        let begun = cache.take(Event::Init).len();
        let brought: usize = objects.into_iter().map(|object| cache.take(Event::InitApply(object)).len()).sum();
        assert_eq!(begun + brought, 0, "nothing is told before the cache shows it");
        names(&cache.take(Event::InitDone))
    }

    fn names(objects: &[Arc<ConfigMap>]) -> Vec<String> {
        objects.iter().map(|object| object.name_any()).collect()
    }

    #[test]
    fn objects_are_found_by_name_and_by_group() {
        let cache = cache();
        list(&cache, [object("b", 1, "one"), object("a", 2, "one"), object("c", 3, "two")]);
        assert_eq!(names(&cache.of("one")), ["a", "b"]);
        assert_eq!(cache.get("shop", "c").unwrap().name_any(), "c");
        assert_eq!((cache.version("shop", "a"), cache.version("shop", "x")), (Some(2), None));
    }

    #[test]
    fn an_object_that_changes_its_group_leaves_the_old_one() {
        let cache = cache();
        list(&cache, [object("a", 1, "one"), object("b", 2, "one")]);
        assert_eq!(names(&cache.take(Event::Apply(object("a", 3, "two")))), ["a"]);
        assert_eq!((names(&cache.of("one")), names(&cache.of("two"))), (vec!["b".to_owned()], vec!["a".to_owned()]));
        cache.take(Event::Delete(object("b", 4, "one")));
        assert!(cache.of("one").is_empty() && cache.get("shop", "b").is_none());
    }

    #[test]
    fn a_list_that_is_read_anew_tells_what_changed_meanwhile() {
        let cache = cache();
        assert!(list(&cache, [object("gone", 1, "one"), object("kept", 2, "one"), object("new", 3, "one")]).is_empty());
        let changed = list(&cache, [object("added", 7, "one"), object("kept", 2, "one"), object("new", 6, "one")]);
        assert_eq!(changed, ["added", "gone", "new"]);
        assert_eq!(names(&cache.of("one")), ["added", "kept", "new"]);
    }
}
