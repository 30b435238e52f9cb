//! All Rollouts as they were last seen, and which of them changed since somebody looked.
//!
//! Nobody who looks has a queue of their own: each remembers up to which version they have seen, and is given what is newer.
//! Whoever is slow is given less often, and each Rollout once.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use serde_json::{Value, value::RawValue};
use tokio::sync::watch;

use super::{row::row, series::Series};

/// So many deletions are remembered. Whoever has not looked since is told everything anew.
const GONE: usize = 1_024;

/// So many Rollouts have what was seen over time.
const SERIES: usize = 1_000;

/// A Rollout by its namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Key {
    /// Of an object; nothing of one without a name.
    pub fn of(object: &Value) -> Option<Self> {
        let part = |name: &str| Some(object.get("metadata")?.get(name)?.as_str()?.to_owned());
        Some(Self { namespace: part("namespace")?, name: part("name")? })
    }
}

/// All Rollouts as they were last seen.
#[derive(Debug)]
pub struct Store {
    inner: Mutex<Inner>,
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Inner {
    version: u64,
    entries: BTreeMap<Key, Entry>,
    newest: BTreeMap<u64, Key>,
    gone: BTreeMap<u64, Key>,
    /// The newest deletion that is not remembered.
    forgotten: u64,
    series: BTreeMap<Key, Series>,
    trouble: BTreeMap<String, Trouble>,
    is_complete: bool,
}

#[derive(Debug)]
struct Entry {
    object: Arc<Value>,
    /// As text: it is told many times.
    row: Arc<RawValue>,
    version: u64,
}

/// The cluster cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Since when; what is shown is from then.
    pub since: Timestamp,
    /// Why, in one sentence without anything that is secret.
    pub message: &'static str,
}

/// What is new since somebody looked.
#[derive(Debug, Default)]
pub struct News {
    /// Up to which version it is all.
    pub version: u64,
    /// Too much was forgotten: everything is to be told anew, from version 0.
    pub is_lost: bool,
    /// Rollouts that are there.
    pub rows: Vec<(Key, Arc<RawValue>)>,
    /// Rollouts that are not there any more.
    pub gone: Vec<Key>,
    /// There is more.
    pub is_partial: bool,
}

impl Default for Store {
    fn default() -> Self {
        Self { inner: Mutex::default(), changed: watch::Sender::new(0) }
    }
}

impl Store {
    /// Takes in `object` as it is `now`.
    pub fn put(&self, object: Value, now: Timestamp) {
        let Some(key) = Key::of(&object) else { return };
        let mut inner = self.lock();
        let version_of = |object: &Value| object.pointer("/metadata/resourceVersion").cloned();
        let known = inner.entries.get(&key);
        if known.is_some_and(|known| version_of(&known.object).is_some_and(|it| Some(it) == version_of(&object))) {
            return;
        }
        inner.observe(&key, &object, now);
        let Ok(row) = serde_json::value::to_raw_value(&row(&object)) else { return };
        let version = inner.turn();
        let entry = Entry { row: row.into(), object: Arc::new(object), version };
        if let Some(before) = inner.entries.insert(key.clone(), entry) {
            inner.newest.remove(&before.version);
        }
        inner.gone.retain(|_, gone| *gone != key);
        inner.newest.insert(version, key);
        drop(inner);
        self.changed.send_replace(version);
    }

    /// Forgets a Rollout that is gone.
    pub fn remove(&self, key: &Key) {
        let mut inner = self.lock();
        let Some(before) = inner.entries.remove(key) else { return };
        inner.newest.remove(&before.version);
        inner.series.remove(key);
        let version = inner.turn();
        inner.gone.insert(version, key.clone());
        if inner.gone.len() > GONE
            && let Some((forgotten, _)) = inner.gone.pop_first()
        {
            inner.forgotten = forgotten;
        }
        drop(inner);
        self.changed.send_replace(version);
    }

    /// Those of a namespace, or of all where it is empty.
    pub fn keys(&self, namespace: &str) -> Vec<Key> {
        let inner = self.lock();
        let keys = inner.entries.keys().filter(|key| namespace.is_empty() || key.namespace == namespace);
        keys.cloned().collect()
    }

    /// Says that the Rollouts of `scope` can, or cannot, be read.
    pub fn trouble(&self, scope: &str, message: Option<&'static str>, now: Timestamp) {
        let mut inner = self.lock();
        let since = inner.trouble.get(scope).map_or(now, |known| known.since);
        let trouble = message.map(|message| Trouble { since, message });
        if inner.trouble.get(scope) == trouble.as_ref() {
            return;
        }
        match trouble {
            Some(trouble) => inner.trouble.insert(scope.to_owned(), trouble),
            None => inner.trouble.remove(scope),
        };
        let version = inner.turn();
        drop(inner);
        self.changed.send_replace(version);
    }

    /// Everything has been read once.
    pub fn complete(&self) {
        let mut inner = self.lock();
        if !inner.is_complete {
            inner.is_complete = true;
            let version = inner.turn();
            drop(inner);
            self.changed.send_replace(version);
        }
    }

    /// Whether everything has been read once, and the oldest trouble with reading.
    pub fn health(&self) -> (bool, Option<Trouble>) {
        let inner = self.lock();
        (inner.is_complete, inner.trouble.values().min_by_key(|trouble| trouble.since).cloned())
    }

    /// What is newer than the version `seen`, at most `most` Rollouts of it, the oldest first.
    pub fn since(&self, seen: u64, most: usize) -> News {
        let inner = self.lock();
        if seen > inner.version || (seen > 0 && seen < inner.forgotten) {
            return News { is_lost: true, ..News::default() };
        }
        let from = seen.saturating_add(1);
        let mut news = News { version: inner.version, ..News::default() };
        for (version, key) in inner.newest.range(from..) {
            if news.rows.len() >= most {
                news.is_partial = true;
                break;
            }
            if let Some(entry) = inner.entries.get(key) {
                news.rows.push((key.clone(), entry.row.clone()));
            }
            news.version = *version;
        }
        if !news.is_partial {
            news.version = inner.version;
        }
        if seen > 0 {
            news.gone = inner.gone.range(from..=news.version.max(from)).map(|(_, key)| key.clone()).collect();
        }
        news
    }

    /// The whole Rollout, and what was seen of it over time.
    pub fn get(&self, key: &Key) -> Option<(Arc<Value>, Value)> {
        let inner = self.lock();
        let series = inner.series.get(key).map(Series::shown).unwrap_or_default();
        inner.entries.get(key).map(|entry| (entry.object.clone(), series))
    }

    /// Told of each change by its version.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn turn(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    fn observe(&mut self, key: &Key, object: &Value, now: Timestamp) {
        if object.pointer("/status/canary").is_none_or(Value::is_null) {
            return;
        }
        if !self.series.contains_key(key) && self.series.len() >= SERIES {
            let is_under_way =
                |key: &Key| self.entries.get(key).is_some_and(|entry| entry.object.pointer("/status/canary").is_some());
            let Some(over) = self.series.keys().find(|key| !is_under_way(key)).cloned() else { return };
            self.series.remove(&over);
        }
        self.series.entry(key.clone()).or_default().observe(object, now);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rollout(name: &str, version: usize) -> Value {
        json!({"metadata": {"namespace": "shop", "name": name, "resourceVersion": version.to_string()}})
    }

    fn names(news: &News) -> Vec<&str> {
        news.rows.iter().map(|(key, _)| key.name.as_str()).collect()
    }

    fn key(name: &str) -> Key {
        Key { namespace: "shop".to_owned(), name: name.to_owned() }
    }

    #[test]
    fn of_thousands_of_changes_each_rollout_is_told_once() {
        let store = Store::default();
        let seen = store.since(0, 10).version;
        for version in 0..5_000 {
            store.put(rollout(["a", "b", "c"][version % 3], version), Timestamp::UNIX_EPOCH);
        }
        let news = store.since(seen, 10);
        assert_eq!(names(&news), ["c", "a", "b"]);
        assert!(!news.is_partial);
        assert!(store.since(news.version, 10).rows.is_empty());
    }

    #[test]
    fn what_does_not_fit_comes_next() {
        let store = Store::default();
        for name in ["a", "b", "c"] {
            store.put(rollout(name, 1), Timestamp::UNIX_EPOCH);
        }
        let first = store.since(0, 2);
        assert!(first.is_partial);
        assert_eq!(names(&first), ["a", "b"]);
        let rest = store.since(first.version, 2);
        assert_eq!((names(&rest), rest.is_partial), (vec!["c"], false));
    }

    #[test]
    fn whoever_misses_more_deletions_than_are_remembered_is_told_everything_anew() {
        let store = Store::default();
        store.put(rollout("stays", 1), Timestamp::UNIX_EPOCH);
        let seen = store.since(0, 10).version;
        store.put(rollout("goes", 1), Timestamp::UNIX_EPOCH);
        store.remove(&key("goes"));
        assert_eq!(store.since(seen, 10).gone, [key("goes")]);
        for number in 0..=GONE {
            store.put(rollout(&format!("r{number}"), 1), Timestamp::UNIX_EPOCH);
            store.remove(&key(&format!("r{number}")));
        }
        assert!(store.since(seen, 10).is_lost);
        assert_eq!(names(&store.since(0, 10)), ["stays"]);
    }

    #[test]
    fn the_same_version_of_a_rollout_is_no_news() {
        let store = Store::default();
        store.put(rollout("a", 1), Timestamp::UNIX_EPOCH);
        let seen = store.since(0, 10).version;
        store.put(rollout("a", 1), Timestamp::UNIX_EPOCH);
        assert!(store.since(seen, 10).rows.is_empty());
    }

    #[test]
    fn one_that_comes_back_is_not_gone() {
        let store = Store::default();
        store.put(rollout("a", 1), Timestamp::UNIX_EPOCH);
        let seen = store.since(0, 10).version;
        store.remove(&key("a"));
        store.put(rollout("a", 2), Timestamp::UNIX_EPOCH);
        let news = store.since(seen, 10);
        assert_eq!((names(&news), news.gone.len()), (vec!["a"], 0));
    }
}
