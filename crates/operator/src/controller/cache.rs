//! All objects of one kind, kept by a watch.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, PoisonError, RwLock},
};

use kube::{Resource, ResourceExt, runtime::watcher::Event};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::watch;

use super::compact::{InUse, Pack, Packed};

/// All objects of one kind, by namespace and name, and by what several of them may share.
pub struct Cache<K> {
    held: RwLock<Held<K>>,
    ready: watch::Sender<bool>,
    groups: fn(&K) -> Vec<String>,
    in_use: Arc<InUse>,
}

/// An object that is not what it was.
pub struct Changed<K> {
    /// As it is now; as it was last, where it is gone.
    pub object: Arc<K>,
    /// The groups that it came into or left.
    pub moved: Groups,
}

/// What objects share, by name.
pub type Groups = Vec<Box<str>>;

struct Held<K> {
    current: Objects<K>,
    /// What a list that is under way has brought so far.
    incoming: Objects<K>,
}

struct Objects<K> {
    by_name: HashMap<Arc<str>, Entry<K>>,
    groups: HashMap<Box<str>, Vec<Member<K>>>,
}

struct Entry<K> {
    version: Option<u64>,
    /// Sorted, each once.
    groups: Box<[Box<str>]>,
    object: Arc<Packed<K>>,
}

struct Member<K> {
    key: Arc<str>,
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
    /// An empty cache, whose objects share `groups`.
    pub fn new(in_use: &Arc<InUse>, groups: fn(&K) -> Vec<String>) -> Self {
        let held = Held { current: Objects::default(), incoming: Objects::default() };
        Self { held: RwLock::new(held), ready: watch::Sender::new(false), groups, in_use: in_use.clone() }
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

    /// The [paths](path_of) of the objects of one group, in their order.
    pub fn paths_of(&self, group: &str) -> Vec<Arc<str>> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.current.groups.get(group).into_iter().flatten().map(|member| member.key.clone()).collect()
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
    pub fn take(&self, event: Event<K>) -> Vec<Changed<K>> {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Init => {
                held.incoming = Objects::default();
                Vec::new()
            }
            Event::InitApply(object) => {
                let object = Arc::new(object);
                held.incoming.put(&object, (self.groups)(&object)).0.pack();
                Vec::new()
            }
            Event::InitDone => {
                let incoming = std::mem::take(&mut held.incoming);
                let before = std::mem::replace(&mut held.current, incoming);
                let is_first = !self.ready.send_replace(true);
                let changed = if is_first { Vec::new() } else { held.current.changed_since(&before) };
                drop(held);
                let opened =
                    |(object, moved): (Arc<Packed<K>>, _)| Some(Changed { object: object.open(&self.in_use)?, moved });
                changed.into_iter().filter_map(opened).collect()
            }
            Event::Apply(object) => {
                let object = Arc::new(object);
                let (packed, moved) = held.current.put(&object, (self.groups)(&object));
                drop(held);
                self.in_use.add(packed);
                vec![Changed { object, moved }]
            }
            Event::Delete(object) => {
                let moved = held.current.remove(&key_of(&object)).map(|entry| entry.groups.into_vec());
                vec![Changed { object: Arc::new(object), moved: moved.unwrap_or_default() }]
            }
        }
    }
}

impl<K: Resource> Objects<K> {
    /// Takes in an object as it is now; the groups that it came into or left.
    fn put(&mut self, object: &Arc<K>, groups: Vec<String>) -> (Arc<Packed<K>>, Groups) {
        let key = Arc::<str>::from(key_of(object.as_ref()));
        let before = self.remove(&key);
        let packed = Arc::new(Packed::new(object.clone()));
        let groups: BTreeSet<Box<str>> = groups.into_iter().map(Into::into).collect();
        for group in &groups {
            let members = self.groups.entry(group.clone()).or_default();
            // Most groups have one member, and a list that grows by itself begins with room for four.
            members.reserve_exact(1);
            let place = members.partition_point(|member| member.key < key);
            members.insert(place, Member { key: key.clone(), object: packed.clone() });
        }
        let version = object.meta().resource_version.as_deref().and_then(|version| version.parse().ok());
        let entry = Entry { version, groups: groups.into_iter().collect(), object: packed.clone() };
        let moved = moved(before.as_ref(), Some(&entry));
        self.by_name.insert(key, entry);
        (packed, moved)
    }

    fn remove(&mut self, key: &str) -> Option<Entry<K>> {
        let entry = self.by_name.remove(key)?;
        for group in &entry.groups {
            let Some(members) = self.groups.get_mut(group) else { continue };
            members.retain(|member| *member.key != *key);
            if members.is_empty() {
                self.groups.remove(group);
            }
        }
        Some(entry)
    }

    /// What was added, changed or removed since `before`, by name, with the groups that it came into or left.
    fn changed_since(&self, before: &Self) -> Vec<(Arc<Packed<K>>, Groups)> {
        let keys: BTreeSet<_> = self.by_name.keys().chain(before.by_name.keys()).collect();
        keys.into_iter()
            .filter_map(|key| match (before.by_name.get(key), self.by_name.get(key)) {
                (Some(old), Some(new)) if old.version == new.version => None,
                (old, new) => Some((new.or(old)?.object.clone(), moved(old, new))),
            })
            .collect()
    }
}

/// The groups that one of the two is in, and the other is not.
fn moved<K>(before: Option<&Entry<K>>, after: Option<&Entry<K>>) -> Groups {
    let [before, after] = [before, after].map(|entry| entry.map_or(&[][..], |entry| &entry.groups));
    let without = |some: &[Box<str>], others: &[Box<str>]| {
        some.iter().filter(|group| !others.contains(group)).cloned().collect::<Vec<_>>()
    };
    [without(before, after), without(after, before)].concat()
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
        Cache::new(&Arc::default(), |object| {
            let apps = object.labels().get("app").map(String::as_str).unwrap_or_default();
            apps.split('.').map(str::to_owned).collect()
        })
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
        changed(&cache.take(Event::InitDone))
    }

    fn names(objects: &[Arc<ConfigMap>]) -> Vec<String> {
        objects.iter().map(|object| object.name_any()).collect()
    }

    /// `name: groups that it came into or left`.
    fn changed(objects: &[Changed<ConfigMap>]) -> Vec<String> {
        objects.iter().map(|changed| format!("{}: {}", changed.object.name_any(), changed.moved.join(" "))).collect()
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
        assert_eq!(changed(&cache.take(Event::Apply(object("a", 3, "two")))), ["a: one two"]);
        assert_eq!((names(&cache.of("one")), names(&cache.of("two"))), (vec!["b".to_owned()], vec!["a".to_owned()]));
        assert_eq!(changed(&cache.take(Event::Delete(object("b", 4, "one")))), ["b: one"]);
        assert!(cache.of("one").is_empty() && cache.get("shop", "b").is_none());
    }

    #[test]
    fn an_object_may_be_in_several_groups() {
        let cache = cache();
        list(&cache, [object("a", 1, "one.two.one"), object("b", 2, "two")]);
        assert_eq!(
            (names(&cache.of("one")), names(&cache.of("two"))),
            (vec!["a".to_owned()], vec!["a".to_owned(), "b".to_owned()])
        );
        assert_eq!(cache.paths_of("two").iter().map(|path| &**path).collect::<Vec<_>>(), ["shop/a", "shop/b"]);
        assert_eq!(changed(&cache.take(Event::Apply(object("a", 3, "two.three")))), ["a: one three"]);
        assert_eq!(changed(&cache.take(Event::Apply(object("a", 4, "three.two")))), ["a: "]);
    }

    #[test]
    fn a_list_that_is_read_anew_tells_what_changed_meanwhile() {
        let cache = cache();
        assert!(list(&cache, [object("gone", 1, "one"), object("kept", 2, "one"), object("new", 3, "one")]).is_empty());
        let changed = list(&cache, [object("added", 7, "one"), object("kept", 2, "one"), object("new", 6, "one")]);
        assert_eq!(changed, ["added: one", "gone: one", "new: "]);
        assert_eq!(names(&cache.of("one")), ["added", "kept", "new"]);
    }
}
