//! Keeps the store at what the cluster says.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{Stream, StreamExt, future};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, ListParams},
    runtime::{
        WatchStreamExt,
        utils::Backoff,
        watcher::{self, Event, watcher},
    },
};
use serde_json::Value;
use tidegate_api::Rollout;
use tokio::time::timeout;

use super::{
    routes::Now,
    store::{Key, Store},
};

/// How often a cluster that did not answer is asked whether it does again.
const AGAIN: Duration = Duration::from_secs(3);

/// What kubectl keeps beside what people wrote: the same once more.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// How long a watch that broke waits before it begins again. There is one, or one for each namespace that was named.
struct Pause;

impl Iterator for Pause {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(Duration::from_secs(2))
    }
}

impl Backoff for Pause {
    fn reset(&mut self) {}
}

/// Which Rollouts are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Those of all namespaces.
    All,
    /// Those of all namespaces, or where that is not allowed, of this one.
    AllOr(String),
    /// Those of these namespaces.
    Namespaces(Vec<String>),
}

/// Watches the Rollouts of `scope` for ever. They are taken as they come, not as a type: a status of a newer version is
/// shown as far as it is known.
pub async fn follow(client: Client, scope: Scope, store: Arc<Store>, now: Now) {
    let scopes = match scope {
        Scope::All => vec![String::new()],
        Scope::AllOr(namespace) => vec![if is_forbidden(&api(&client, "")).await { namespace } else { String::new() }],
        Scope::Namespaces(namespaces) => namespaces,
    };
    let missing = Arc::new(AtomicUsize::new(scopes.len()));
    let followed = scopes.into_iter().map(|scope| {
        let missing = missing.clone();
        let (client, store, now) = (client.clone(), store.clone(), now.clone());
        async move {
            let is_last = || missing.fetch_sub(1, Ordering::Relaxed) == 1;
            one(&api(&client, &scope), &scope, &store, &now, is_last).await;
        }
    });
    future::join_all(followed).await;
}

fn api(client: &Client, namespace: &str) -> Api<DynamicObject> {
    let kind = ApiResource::erase::<Rollout>(&());
    if namespace.is_empty() {
        Api::all_with(client.clone(), &kind)
    } else {
        Api::namespaced_with(client.clone(), namespace, &kind)
    }
}

async fn is_forbidden(api: &Api<DynamicObject>) -> bool {
    let listed = api.list(&ListParams::default().limit(1)).await;
    listed.is_err_and(|error| matches!(error, kube::Error::Api(status) if status.code == 403))
}

/// One watch, and what it has told.
struct Followed<'a> {
    scope: &'a str,
    store: &'a Store,
    now: &'a Now,
    /// What a list that is not complete has so far.
    listed: BTreeSet<Key>,
    is_troubled: bool,
    was_complete: bool,
}

async fn one(api: &Api<DynamicObject>, scope: &str, store: &Store, now: &Now, is_last: impl Fn() -> bool) {
    let mut events = Box::pin(objects(api));
    let mut followed = Followed { scope, store, now, listed: BTreeSet::new(), is_troubled: false, was_complete: false };
    loop {
        let patience = if followed.is_troubled { AGAIN } else { Duration::MAX };
        match timeout(patience, events.next()).await {
            Ok(Some(event)) => followed.take_in(event, &is_last),
            Ok(None) => return,
            // A watch that is back says nothing before something changes.
            Err(_) if api.list(&ListParams::default().limit(1)).await.is_ok() => followed.trouble(None),
            Err(_) => {}
        }
    }
}

impl Followed<'_> {
    fn trouble(&mut self, message: Option<&'static str>) {
        self.is_troubled = message.is_some();
        self.store.trouble(self.scope, message, (self.now)());
    }

    fn take_in(&mut self, event: Result<Event<DynamicObject>, watcher::Error>, is_last: impl Fn() -> bool) {
        self.trouble(event.as_ref().err().and_then(told));
        match event {
            Ok(Event::Init) => self.listed.clear(),
            Ok(Event::InitApply(object)) => {
                let object = lean(object);
                self.listed.extend(Key::of(&object));
                self.store.put(object, (self.now)());
            }
            Ok(Event::InitDone) => {
                let known = self.store.keys(self.scope).into_iter();
                known.filter(|key| !self.listed.contains(key)).for_each(|key| self.store.remove(&key));
                self.listed.clear();
                if !self.was_complete && is_last() {
                    self.store.complete();
                }
                self.was_complete = true;
            }
            Ok(Event::Apply(object)) => self.store.put(lean(object), (self.now)()),
            Ok(Event::Delete(object)) => Key::of(&lean(object)).iter().for_each(|key| self.store.remove(key)),
            Err(error) => tracing::debug!(%error, "the Rollouts cannot be watched"),
        }
    }
}

fn objects(
    api: &Api<DynamicObject>,
) -> impl Stream<Item = Result<Event<DynamicObject>, watcher::Error>> + Send + use<> {
    watcher(api.clone(), watcher::Config::default()).backoff(Pause)
}

/// The object without what nobody is shown.
fn lean(mut object: DynamicObject) -> Value {
    object.metadata.managed_fields = None;
    if let Some(annotations) = &mut object.metadata.annotations {
        annotations.remove(LAST_APPLIED);
    }
    serde_json::to_value(object).unwrap_or_default()
}

/// What is wrong, without anything that only some may know; nothing where it is the way of watches to end so.
fn told(error: &watcher::Error) -> Option<&'static str> {
    let code = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => status.code,
        _ => 0,
    };
    match code {
        410 => None,
        401 => Some("the cluster does not take the credentials any more"),
        403 => Some("the credentials do not allow to list and watch Rollouts"),
        404 => Some("the cluster does not know Rollouts: their definition is not installed"),
        _ => Some("the cluster does not answer"),
    }
}
