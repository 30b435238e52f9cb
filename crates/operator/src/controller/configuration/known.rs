//! What is known of the configuration of one kind in one namespace: the metadata of all objects, and who tracks which.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError, RwLock},
};

use futures::{Stream, StreamExt};
use kube::{
    Api, ResourceExt,
    api::{DynamicObject, PartialObjectMeta},
    runtime::{
        WatchStreamExt,
        reflector::ObjectRef,
        watcher::{self, Event},
    },
};
use tidegate_api::metadata::label::COPY_OF_LABEL;
use tidegate_planner::workload::configuration::is_copy;
use tokio::sync::watch;

use crate::controller::{
    cache::{Cache, Changed},
    cached_rollout::CachedRollout,
    caches::events,
    compact::InUse,
    error::CallError,
};

/// What is kept of an object.
pub(super) type Metadata = PartialObjectMeta<DynamicObject>;

/// What the API server says to the question for all objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// These are all.
    Listed,
    /// The operator has no right to that verb.
    Forbidden(&'static str),
    /// Something else: why.
    Failed(String),
}

/// What is known of one kind in one namespace.
pub(super) struct Known {
    /// All of them, by name.
    pub cache: Cache<Metadata>,
    /// Nothing before the first answer.
    answer: watch::Sender<Option<Answer>>,
    /// The names of the Rollouts, with those of the objects that each of them tracks.
    users: RwLock<BTreeMap<String, BTreeSet<String>>>,
}

impl Known {
    pub fn new(in_use: &Arc<InUse>) -> Self {
        Self { cache: Cache::new(in_use, |_| Vec::new()), answer: watch::Sender::new(None), users: RwLock::default() }
    }

    /// What the API server said last.
    pub fn answer(&self) -> Option<Answer> {
        self.answer.borrow().clone()
    }

    /// Takes in which objects a Rollout tracks.
    pub fn note_user(&self, rollout: &str, named: BTreeSet<String>) {
        self.users.write().unwrap_or_else(PoisonError::into_inner).insert(rollout.to_owned(), named);
    }

    /// A Rollout tracks none of them, or none any more. Whether nobody is left who does.
    pub fn forget_user(&self, rollout: &str) -> bool {
        let mut users = self.users.write().unwrap_or_else(PoisonError::into_inner);
        users.remove(rollout);
        users.is_empty()
    }

    /// Watches the objects; the Rollouts that a change is for.
    pub fn follow(
        self: Arc<Self>,
        api: Api<Metadata>,
        namespace: String,
    ) -> impl Stream<Item = ObjectRef<CachedRollout>> + Send + 'static {
        events(api).modify(make_lean).flat_map(move |event| {
            let woken = self.take(event);
            let namespace = namespace.clone();
            futures::stream::iter(woken.into_iter().map(move |name| ObjectRef::new(&name).within(&namespace)))
        })
    }

    /// Takes in what the watch tells; the names of the Rollouts that it is for.
    fn take(&self, event: watcher::Result<Event<Metadata>>) -> Vec<String> {
        let said = match &event {
            Ok(Event::InitDone) => Some(Answer::Listed),
            Ok(_) => None,
            Err(error) => self.failure(error),
        };
        let changed = event.map(|event| self.cache.take(event)).unwrap_or_default();
        let is_news = said.is_some_and(|said| {
            self.answer.send_if_modified(|known| known.replace(said.clone()).as_ref() != Some(&said))
        });
        let users = self.users.read().unwrap_or_else(PoisonError::into_inner);
        let woken = users.iter().filter(|(_, named)| is_news || changed.iter().any(|it| concerns(it, named)));
        woken.map(|(rollout, _)| rollout.clone()).collect()
    }

    /// What an error of the watch says about the right to it. One that passes says nothing once the objects are known.
    fn failure(&self, error: &watcher::Error) -> Option<Answer> {
        let (verb, error) = match error {
            watcher::Error::InitialListFailed(error) => ("list", error),
            watcher::Error::WatchStartFailed(error) | watcher::Error::WatchFailed(error) => ("watch", error),
            _ => return None,
        };
        match error {
            kube::Error::Api(status) if status.code == 403 => Some(Answer::Forbidden(verb)),
            error if self.answer().is_none() => Some(Answer::Failed(CallError::words(error))),
            _ => None,
        }
    }
}

/// Whether a change is for a Rollout that tracks objects of those names. Which copies are whose, the copies do not say by
/// name; they change seldom.
fn concerns(changed: &Changed<Metadata>, named: &BTreeSet<String>) -> bool {
    is_copy(&changed.object.metadata) || named.contains(&changed.object.name_any())
}

/// Takes off what is not read.
fn make_lean(object: &mut Metadata) {
    let metadata = &mut object.metadata;
    metadata.annotations = None;
    metadata.finalizers = None;
    if let Some(labels) = &mut metadata.labels {
        labels.retain(|key, _| key == COPY_OF_LABEL);
    }
    metadata.labels.take_if(|labels| labels.is_empty());
    if !is_copy(metadata) {
        metadata.owner_references = None;
    }
}
