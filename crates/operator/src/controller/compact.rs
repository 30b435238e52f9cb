//! Objects as the caches hold them: as trees while they are in use, and else as the bytes of their JSON.
//!
//! Most Rollouts rest most of the time, and a tree takes five to ten times the memory of its JSON.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::{Serialize, de::DeserializeOwned};

/// So many objects stay unpacked after they were used: those of about a hundred Rollouts that are under way.
const IN_USE: usize = 1000;

/// An object in a cache.
#[derive(Debug)]
pub struct Packed<K>(Mutex<Forms<K>>);

/// One of the two is always there.
#[derive(Debug)]
struct Forms<K> {
    json: Option<Box<[u8]>>,
    tree: Option<Arc<K>>,
}

/// The objects that were used last. Each has its tree until as many others have been unpacked after it.
#[derive(Default)]
pub struct InUse(Mutex<VecDeque<Arc<dyn Pack>>>);

/// What can give up its tree, whatever it is a tree of.
pub trait Pack: Send + Sync {
    /// Keeps the bytes alone.
    fn pack(&self);
}

impl<K> Packed<K> {
    /// Holds `object`, as a tree until it is packed.
    #[must_use]
    pub fn new(object: Arc<K>) -> Self {
        Self(Mutex::new(Forms { json: None, tree: Some(object) }))
    }

    fn forms(&self) -> MutexGuard<'_, Forms<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Serialize + DeserializeOwned + Send + Sync + 'static> Packed<K> {
    /// The object, which stays unpacked for as long as it is among the last `in_use`.
    pub fn open(self: &Arc<Self>, in_use: &InUse) -> Option<Arc<K>> {
        let mut forms = self.forms();
        if let Some(tree) = &forms.tree {
            return Some(tree.clone());
        }
        // These bytes were written from a tree of this type: they can be read.
        let tree = Arc::new(serde_json::from_slice::<K>(forms.json.as_deref()?).ok()?);
        forms.tree = Some(tree.clone());
        drop(forms);
        in_use.add(self.clone());
        Some(tree)
    }
}

impl<K: Serialize + Send + Sync> Pack for Packed<K> {
    fn pack(&self) {
        let mut forms = self.forms();
        if forms.json.is_none() {
            let json = forms.tree.as_ref().and_then(|tree| serde_json::to_vec(tree.as_ref()).ok());
            forms.json = json.map(Vec::into_boxed_slice);
        }
        if forms.json.is_some() {
            forms.tree = None;
        }
    }
}

impl InUse {
    /// Counts `object`, which has its tree, among those in use. The one that has been there longest is packed.
    pub fn add(&self, object: Arc<dyn Pack>) {
        let mut objects = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        objects.push_back(object);
        let oldest = if objects.len() > IN_USE { objects.pop_front() } else { None };
        drop(objects);
        if let Some(oldest) = oldest {
            oldest.pack();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn packed(number: usize) -> Arc<Packed<Value>> {
        let object = Arc::new(Packed::new(Arc::new(json!({"number": number, "text": "\u{7}é", "none": null}))));
        object.pack();
        object
    }

    #[test]
    fn what_was_packed_is_the_same_when_it_is_opened() {
        let opened = packed(7).open(&InUse::default()).unwrap();
        assert_eq!(*opened, json!({"number": 7, "text": "\u{7}é", "none": null}));
    }

    #[test]
    fn only_the_last_objects_in_use_keep_their_trees() {
        let in_use = InUse::default();
        let objects: Vec<_> = (0..IN_USE + 3).map(packed).collect();
        for object in &objects {
            object.open(&in_use).unwrap();
            object.open(&in_use).unwrap();
        }
        let unpacked: Vec<_> = objects.iter().map(|object| object.forms().tree.is_some()).collect();
        assert_eq!(unpacked.iter().position(|unpacked| *unpacked), Some(3));
        assert_eq!(unpacked.iter().filter(|unpacked| **unpacked).count(), IN_USE);
    }
}
