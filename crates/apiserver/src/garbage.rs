//! The garbage collector: what happens to objects after their owners or their namespace go.
//!
//! It looks at one object at a time, after a change that may concern it, and never polls.
//! <https://kubernetes.io/docs/concepts/architecture/garbage-collection/>

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use serde_json::Value;
use tokio::sync::Notify;

use super::{
    ApiServer, Change, Object, What,
    place::Place,
    state::{State, set_metadata},
    write::{
        Writer,
        delete::{DeleteOptions, FOREGROUND, ORPHAN, Propagation},
        finalizers, owner_references,
    },
};

/// How long after a change the collector looks.
const REACTION: Duration = Duration::from_millis(100);
const GARBAGE_COLLECTOR: &str = "kube-controller-manager";

/// Where an object is: the full name of its kind, its namespace and its name.
type Spot = (String, String, String);

/// Who belongs to whom, and what is to be looked at.
#[derive(Debug, Default)]
pub(super) struct Ownership {
    spots: BTreeMap<Box<str>, Spot>,
    dependents: BTreeMap<Box<str>, BTreeSet<Spot>>,
    due: BTreeSet<Spot>,
    woken: Arc<Notify>,
}

impl Ownership {
    /// Takes a change into account.
    pub(super) fn note(&mut self, change: &Change) {
        let object = &change.object;
        let spot = || (change.resource.full_name(), object.namespace().to_owned(), object.name().to_owned());
        let owners = |object: &Object| -> Vec<Box<str>> {
            let uid = |owner: &Value| owner.get("uid").and_then(Value::as_str).map(Box::from);
            owner_references(object.value()).filter_map(uid).collect()
        };
        let old = change.before.as_deref().map(owners).unwrap_or_default();
        let new = if change.what == What::Deleted { Vec::new() } else { owners(object) };
        if old != new {
            for owner in &old {
                if let Some(dependents) = self.dependents.get_mut(owner) {
                    dependents.remove(&spot());
                    if dependents.is_empty() {
                        self.dependents.remove(owner);
                    }
                }
            }
            for owner in &new {
                self.dependents.entry(owner.clone()).or_default().insert(spot());
            }
            // The owner may wait for this one, or be gone already.
            self.due.extend(old.iter().filter_map(|owner| self.spots.get(owner)).cloned());
            if new.iter().any(|owner| !self.spots.contains_key(owner)) {
                self.due.insert(spot());
            }
        }
        match change.what {
            What::Added => drop(self.spots.insert(object.uid().into(), spot())),
            What::Deleted => {
                self.spots.remove(object.uid());
                self.due.extend(self.dependents.get(object.uid()).into_iter().flatten().cloned());
                self.due.insert(("namespaces".to_owned(), String::new(), object.namespace().to_owned()));
            }
            What::Modified if object.is_deleting() => {
                self.due.insert(spot());
            }
            What::Modified => {}
        }
        if !self.due.is_empty() {
            self.woken.notify_waiters();
        }
    }

    fn dependents(&self, uid: &str) -> Vec<Spot> {
        self.dependents.get(uid).into_iter().flatten().cloned().collect()
    }
}

/// Collects garbage for as long as it is polled.
pub async fn collect(server: ApiServer) {
    let woken = server.lock().ownership.woken.clone();
    loop {
        let waits = woken.notified();
        if server.lock().ownership.due.is_empty() {
            waits.await;
        }
        tokio::time::sleep(REACTION).await;
        while server.collect_garbage() {
            tokio::time::sleep(REACTION).await;
        }
    }
}

impl ApiServer {
    /// Looks at everything that has changed since the last time, and tells whether there was anything. What that leads
    /// to is looked at the next time.
    #[must_use]
    pub fn collect_garbage(&self) -> bool {
        let writer = self.writer(GARBAGE_COLLECTOR);
        let mut state = self.lock();
        let due = std::mem::take(&mut state.ownership.due);
        let found = !due.is_empty();
        for spot in due {
            state.look_at(&spot, &writer);
        }
        found
    }
}

impl State {
    fn at(&self, (kind, namespace, name): &Spot) -> Option<(Place, Arc<Object>)> {
        let collection = self.collections.get(kind)?;
        let object = Object::lend(collection.get(namespace, name)?);
        Some((Place::stored(collection.resource.clone(), namespace, name), object))
    }

    fn look_at(&mut self, spot: &Spot, writer: &Writer) {
        let Some((place, object)) = self.at(spot) else { return };
        if object.is_deleting() {
            let waits_for = finalizers(object.value());
            if spot.0 == "namespaces" {
                self.empty(&place, &object, writer);
            } else if waits_for.contains(&ORPHAN) {
                self.let_go(&place, &object, writer);
            } else if waits_for.contains(&FOREGROUND) {
                self.clear_foreground(&place, &object, writer);
            }
            return;
        }
        self.keep_or_delete(&place, &object, writer);
    }

    /// Deletes an object whose owners are all gone, or wait for it; else takes those out of its references.
    fn keep_or_delete(&mut self, place: &Place, object: &Object, writer: &Writer) {
        let mut solid = Vec::new();
        let (mut gone, mut waiting) = (0, 0);
        for owner in owner_references(object.value()) {
            let uid = owner.get("uid").and_then(Value::as_str).unwrap_or_default();
            match self.ownership.spots.get(uid).and_then(|spot| self.at(spot)) {
                Some((_, owner)) if finalizers(owner.value()).contains(&FOREGROUND) => waiting += 1,
                Some(_) => solid.push(owner.clone()),
                None => gone += 1,
            }
        }
        if gone + waiting == 0 {
            return;
        }
        if !solid.is_empty() {
            self.own(place, object, solid, writer);
            return;
        }
        let has_dependents = !self.ownership.dependents(object.uid()).is_empty();
        let propagation = (waiting > 0 && has_dependents).then_some(Propagation::Foreground);
        let options = DeleteOptions { propagation, ..DeleteOptions::default() };
        drop(self.delete(place, &options, writer));
    }

    /// An object that is deleted in the foreground goes when nothing that blocks it is left.
    fn clear_foreground(&mut self, place: &Place, object: &Object, writer: &Writer) {
        let dependents = self.ownership.dependents(object.uid());
        let blocks = |dependent: &Object| {
            owner_references(dependent.value()).any(|owner| {
                owner.get("uid").and_then(Value::as_str) == Some(object.uid())
                    && owner.get("blockOwnerDeletion") == Some(&Value::Bool(true))
            })
        };
        let blocked = dependents.iter().filter_map(|spot| self.at(spot)).any(|(_, dependent)| blocks(&dependent));
        let going = dependents.into_iter().filter(|spot| self.at(spot).is_some_and(|(_, it)| !it.is_deleting()));
        let going: Vec<Spot> = going.collect();
        self.ownership.due.extend(going);
        if !blocked {
            self.finish(place, object, FOREGROUND, writer);
        }
    }

    /// An object that leaves its dependents behind goes when none of them refers to it.
    fn let_go(&mut self, place: &Place, object: &Object, writer: &Writer) {
        for spot in self.ownership.dependents(object.uid()) {
            let Some((place, dependent)) = self.at(&spot) else { continue };
            let others = owner_references(dependent.value());
            let others = others.filter(|owner| owner.get("uid").and_then(Value::as_str) != Some(object.uid()));
            let others = others.cloned().collect();
            self.own(&place, &dependent, others, writer);
        }
        self.finish(place, object, ORPHAN, writer);
    }

    /// Deletes what is in a namespace, and then the namespace.
    fn empty(&mut self, place: &Place, namespace: &Object, writer: &Writer) {
        let held = self.collections.values().filter(|collection| collection.resource.namespaced);
        let held = held.flat_map(|collection| {
            let objects = collection.iter(Some(namespace.name()));
            objects.map(|object| Place::stored(collection.resource.clone(), object.namespace(), object.name()))
        });
        let held: Vec<Place> = held.collect();
        for place in &held {
            drop(self.delete(place, &DeleteOptions::default(), writer));
        }
        let mut collections = self.collections.values().filter(|collection| collection.resource.namespaced);
        if collections.all(|collection| collection.iter(Some(namespace.name())).next().is_none()) {
            let mut value = namespace.value().clone();
            if let Some(spec) = value.get_mut("spec").and_then(Value::as_object_mut) {
                spec.remove("finalizers");
            }
            let place = Place { subresource: "finalize".to_owned(), ..place.clone() };
            self.rewrite(&place, namespace, value, writer);
        }
    }

    fn finish(&mut self, place: &Place, object: &Object, finalizer: &str, writer: &Writer) {
        let mut value = object.value().clone();
        let left: Value = finalizers(object.value()).into_iter().filter(|it| *it != finalizer).collect();
        set_metadata(&mut value, "finalizers", left);
        self.rewrite(place, object, value, writer);
    }

    fn own(&mut self, place: &Place, object: &Object, owners: Vec<Value>, writer: &Writer) {
        let mut value = object.value().clone();
        set_metadata(&mut value, "ownerReferences", owners.into());
        self.rewrite(place, object, value, writer);
    }

    fn rewrite(&mut self, place: &Place, object: &Object, value: Value, writer: &Writer) {
        let current = self.object(&place.resource, object.namespace(), object.name());
        if let Some(current) = current {
            drop(self.change(place, &current, value, writer));
        }
    }
}
