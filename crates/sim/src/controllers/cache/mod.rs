//! What the models know of the cluster: each object once, read into a small value when it changes.

mod deployment;
mod indexer;
mod meta;
mod pod;
mod replica_set;
mod selector;
mod service;

use std::{collections::BTreeMap, sync::Arc};

use tidegate_apiserver::{Change, What};

pub(super) use deployment::{Deployment, Strategy};
pub(super) use indexer::Indexer;
pub(super) use meta::{Key, Labels, Meta, controller};
pub(super) use pod::{Phase, Pod};
pub(super) use replica_set::{DESIRED, MAXIMUM, REVISION, ReplicaSet, Status, fingerprint};
pub(super) use selector::Selector;
pub(super) use service::{Endpoint, EndpointSlice, SERVICE_NAME, Service};

/// What the models know of the cluster.
#[derive(Debug, Default)]
pub(super) struct Cache {
    pub deployments: Indexer<Deployment>,
    pub replica_sets: Indexer<ReplicaSet>,
    pub pods: Indexer<Pod>,
    pub services: Indexer<Service>,
    /// Whose owner is their Service.
    pub slices: Indexer<EndpointSlice>,
    /// The largest number of pods in each namespace, by the quotas that are there.
    pub quotas: BTreeMap<Key, i64>,
}

/// A kind of object that the cache keeps.
pub(super) trait Cached: Sized + PartialEq {
    /// Reads it; `before` is what it was, of which parts may be taken over.
    fn read(meta: Meta, object: &serde_json::Value, before: Option<&Self>) -> Self;

    /// Its metadata.
    fn meta(&self) -> &Meta;

    /// Which labels it looks for in other objects.
    fn selector(&self) -> Option<&Selector> {
        None
    }
}

/// What it was and what it is.
pub(super) struct Difference<T> {
    pub before: Option<Arc<T>>,
    pub after: Option<Arc<T>>,
}

impl<T: PartialEq> Difference<T> {
    /// Whether there is a difference that the models can see.
    pub(super) fn is_any(&self) -> bool {
        self.before != self.after
    }

    /// Both of them, the older first.
    pub(super) fn both(&self) -> impl Iterator<Item = &Arc<T>> {
        self.before.iter().chain(&self.after)
    }
}

impl Cache {
    /// The smallest number of pods that any quota of a namespace allows.
    pub(super) fn quota(&self, namespace: &str) -> Option<(&Key, i64)> {
        let quotas = self.quotas.iter().filter(|(key, _)| key.namespace() == namespace);
        quotas.map(|(key, pods)| (key, *pods)).min_by_key(|(_, pods)| *pods)
    }

    /// Takes a change of a quota over.
    pub(super) fn apply_quota(&mut self, change: &Change) {
        let key = Key::new(change.object.namespace(), change.object.name());
        let hard = &change.object.value()["spec"]["hard"];
        let limit = [&hard["pods"], &hard["count/pods"]].into_iter().find_map(whole);
        match limit.filter(|_| change.what != What::Deleted) {
            Some(limit) => self.quotas.insert(key, limit),
            None => self.quotas.remove(&key),
        };
    }
}

fn whole(value: &serde_json::Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}
