//! All objects of one kind, and what happened to them lately.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use tokio::sync::Notify;

use super::{Change, Object, Resource, What, schema::Schema};

/// All objects of one kind.
#[derive(Debug)]
pub(super) struct Collection {
    /// The kind.
    pub resource: Arc<Resource>,
    /// The schema of the stored version, if a user defined the kind.
    pub schema: Option<Arc<Schema>>,
    /// Told after each change.
    pub woken: Arc<Notify>,
    objects: BTreeMap<String, BTreeMap<String, Arc<Object>>>,
    log: VecDeque<Change>,
    /// The version of the newest change that is no longer in the log.
    forgotten: u64,
}

impl Collection {
    pub(super) fn new(resource: Resource) -> Self {
        Self {
            resource: Arc::new(resource),
            schema: None,
            woken: Arc::default(),
            objects: BTreeMap::new(),
            log: VecDeque::new(),
            forgotten: 0,
        }
    }

    /// The object of that name.
    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<&Arc<Object>> {
        self.objects.get(namespace)?.get(name)
    }

    /// All objects by namespace and name; of one namespace, or of all.
    pub(super) fn iter(&self, namespace: Option<&str>) -> Box<dyn Iterator<Item = &Arc<Object>> + '_> {
        match namespace {
            Some(namespace) => Box::new(self.objects.get(namespace).into_iter().flat_map(BTreeMap::values)),
            None => Box::new(self.objects.values().flat_map(BTreeMap::values)),
        }
    }

    /// Writes `change` into the log and the objects, and keeps `length` entries of the log.
    pub(super) fn record(&mut self, change: Change, length: usize) {
        let (namespace, name) = (change.object.namespace(), change.object.name());
        if change.what == What::Deleted {
            if let Some(objects) = self.objects.get_mut(namespace) {
                objects.remove(name);
                if objects.is_empty() {
                    self.objects.remove(namespace);
                }
            }
        } else {
            let objects = match self.objects.get_mut(namespace) {
                Some(objects) => objects,
                None => self.objects.entry(namespace.to_owned()).or_default(),
            };
            match objects.get_mut(name) {
                Some(slot) => *slot = change.object.clone(),
                None => drop(objects.insert(name.to_owned(), change.object.clone())),
            }
        }
        self.log.push_back(change);
        while self.log.len() > length {
            self.forget_oldest();
        }
        self.woken.notify_waiters();
    }

    /// Forgets all changes up to `version`, the server's newest.
    pub(super) fn compact(&mut self, version: u64) {
        while !self.log.is_empty() {
            self.forget_oldest();
        }
        self.forgotten = version;
    }

    /// An object that left the log has rested for a while: it is kept as bytes from then on.
    fn forget_oldest(&mut self) {
        let Some(change) = self.log.pop_front() else { return };
        let object = change.object;
        self.forgotten = object.version();
        if let Some(slot) = self.objects.get_mut(object.namespace()).and_then(|it| it.get_mut(object.name()))
            && Arc::ptr_eq(slot, &object)
        {
            *slot = Arc::new(object.packed());
        }
    }

    /// What happened after `version`, oldest first; nothing where that is no longer known.
    pub(super) fn since(&self, version: u64) -> Option<impl Iterator<Item = &Change>> {
        let first = self.log.partition_point(|change| change.object.version() <= version);
        (version >= self.forgotten).then(|| self.log.range(first..))
    }

    /// The version of the newest change that is no longer known.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }
}
