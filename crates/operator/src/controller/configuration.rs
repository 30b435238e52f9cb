//! The configuration that Rollouts track: what is in it, and which copies of it there are.
//!
//! Metadata is watched, of one kind in one namespace, and only where a Rollout tracks something of that kind. Content is read
//! when its resourceVersion is a new one, and of it nothing is kept but a hash and the names of its keys: a Secret's stays
//! with the API server.

mod known;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::{
    StreamExt,
    stream::{AbortHandle, abortable},
};
use k8s_openapi::{
    api::core::v1::{ConfigMap, Secret},
    apimachinery::pkg::apis::meta::v1::OwnerReference,
};
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject, ObjectMeta, Patch, PatchParams, PostParams},
};
use ring::digest::{SHA256, digest};
use serde_json::Value;
use tidegate_api::{ConfigurationKind, Rollout, Tracked, metadata::field_manager::CONFIGURATION_MANAGER};
use tidegate_planner::workload::{
    ReplicaSet,
    configuration::{
        Configuration, ConfigurationId, Content, Found, TrackedObject, copy, copy_name, counted, may_be_copy,
    },
    references,
};
use tokio::sync::mpsc;

use self::known::{Answer, Known, Metadata};
use super::{caches::Triggers, compact::InUse, error::CallError};

/// The objects of one kind in one namespace.
type Place = (ConfigurationKind, String);

/// What is known of the configuration of all Rollouts.
pub struct TrackedConfiguration {
    client: Client,
    in_use: Arc<InUse>,
    watched: Mutex<HashMap<Place, Watched>>,
    /// By a Rollout's UID. All of it can be lost.
    contents: Mutex<HashMap<String, Contents>>,
    started: mpsc::UnboundedSender<Triggers>,
}

struct Watched {
    known: Arc<Known>,
    watch: AbortHandle,
}

/// What was read for one Rollout.
#[derive(Default)]
struct Contents {
    read: Vec<Read>,
    /// Something could not be read: nobody says when it can.
    is_behind: bool,
}

/// What was in an object at one resourceVersion.
#[derive(Clone)]
struct Read {
    spec: Tracked,
    version: Option<u64>,
    content: Content,
}

impl TrackedConfiguration {
    /// Nothing yet; and the Rollouts whose configuration changes.
    pub fn new(client: &Client, in_use: &Arc<InUse>) -> (Self, Triggers) {
        let (started, watches) = mpsc::unbounded_channel::<Triggers>();
        let watches =
            futures::stream::unfold(watches, |mut watches| async move { Some((watches.recv().await?, watches)) });
        let configuration = Self {
            client: client.clone(),
            in_use: in_use.clone(),
            watched: Mutex::default(),
            contents: Mutex::default(),
            started,
        };
        (configuration, watches.flatten_unordered(None).boxed())
    }

    /// Takes in a Rollout that was added or changed, and may not have been decoded; one that is gone tracks nothing.
    pub fn note(&self, metadata: &ObjectMeta, rollout: Option<&Rollout>) {
        let [namespace, name] = [&metadata.namespace, &metadata.name].map(|it| it.as_deref().unwrap_or_default());
        let mut watched = lock(&self.watched);
        for kind in ConfigurationKind::ALL {
            let tracked = rollout.into_iter().flat_map(|rollout| &rollout.spec.track).map(Tracked::object);
            let named: BTreeSet<_> = tracked.filter(|(it, _)| *it == kind).map(|(_, name)| name.to_owned()).collect();
            let place = (kind, namespace.to_owned());
            if named.is_empty() {
                // Most Rollouts track nothing, and cost nothing here.
                if watched.get(&place).is_some_and(|it| it.known.forget_user(name))
                    && let Some(unused) = watched.remove(&place)
                {
                    unused.watch.abort();
                }
                continue;
            }
            let watch = watched.entry(place).or_insert_with(|| self.start(kind, namespace));
            watch.known.note_user(name, named);
        }
    }

    fn start(&self, kind: ConfigurationKind, namespace: &str) -> Watched {
        let known = Arc::new(Known::new(&self.in_use));
        let api: Api<Metadata> = Api::namespaced_with(self.client.clone(), namespace, &resource(kind));
        let (events, watch) = abortable(known.clone().follow(api, namespace.to_owned()));
        // The receiver lives as long as the controller does.
        let _ = self.started.send(events.boxed());
        Watched { known, watch }
    }

    /// Whether the API server has answered for all that `rollout` tracks.
    pub fn is_known(&self, rollout: &Rollout) -> bool {
        let namespace = rollout.metadata.namespace.as_deref().unwrap_or_default();
        let is_known = |spec: &Tracked| self.known(spec.object().0, namespace).is_none_or(|it| it.answer().is_some());
        rollout.spec.track.iter().all(is_known)
    }

    /// The resourceVersion of an object as it is known. What nobody watches, nobody waits for.
    pub fn version(&self, (kind, name): &ConfigurationId, namespace: &str) -> Option<u64> {
        self.known(*kind, namespace).map_or(Some(u64::MAX), |known| known.cache.version(namespace, name))
    }

    /// What there is of all that `rollout` tracks, and of the copies of it, for its ReplicaSets `sets`.
    pub async fn of(&self, rollout: &Rollout, sets: &[Arc<ReplicaSet>]) -> Configuration {
        if rollout.spec.track.is_empty() {
            return Configuration::default();
        }
        let namespace = rollout.metadata.namespace.as_deref().unwrap_or_default();
        let before = lock(&self.contents).get(uid(rollout)).map(|it| it.read.clone()).unwrap_or_default();
        let mut now = Contents::default();
        let mut tracked = Vec::new();
        for spec in &rollout.spec.track {
            let before = before.iter().find(|read| read.spec == *spec);
            let found = self.found(spec, namespace, before, &mut now).await;
            tracked.push(TrackedObject { spec: spec.clone(), found });
        }
        lock(&self.contents).insert(uid(rollout).to_owned(), now);
        Configuration { copies: self.copies(namespace, &tracked, sets), tracked }
    }

    async fn found(&self, spec: &Tracked, namespace: &str, before: Option<&Read>, now: &mut Contents) -> Found {
        let (kind, name) = spec.object();
        let Some(known) = self.known(kind, namespace) else {
            return Found::Unread("it is not watched yet".to_owned());
        };
        match known.answer() {
            Some(Answer::Listed) => {}
            Some(Answer::Forbidden(verb)) => return Found::Forbidden(verb),
            Some(Answer::Failed(why)) => return Found::Unread(why),
            None => return Found::Unread("it has not been listed yet".to_owned()),
        }
        if known.cache.get(namespace, name).is_none() {
            return Found::Missing;
        }
        let version = known.cache.version(namespace, name);
        let read = match before.filter(|read| read.version >= version) {
            Some(read) => read.clone(),
            None => match self.api(kind, namespace).get_opt(name).await {
                Ok(Some(object)) => read(spec, &object),
                Ok(None) => return Found::Missing,
                Err(kube::Error::Api(status)) if status.code == 403 => return Found::Forbidden("get"),
                Err(error) => {
                    now.is_behind = true;
                    // As if its watch had not told yet that it changed.
                    let Some(before) = before else { return Found::Unread(CallError::from(error).to_string()) };
                    before.clone()
                }
            },
        };
        let content = read.content.clone();
        now.read.push(read);
        Found::Content(content)
    }

    /// What is called as a copy of `tracked` should be, and all that the pods of `sets` read.
    fn copies(
        &self,
        namespace: &str,
        tracked: &[TrackedObject],
        sets: &[Arc<ReplicaSet>],
    ) -> BTreeMap<ConfigurationId, ObjectMeta> {
        let named = tracked.iter().filter_map(|object| {
            let (kind, name) = object.spec.object();
            let Found::Content(content) = &object.found else { return None };
            let name = copy_name(name, content);
            let copy = self.known(kind, namespace)?.cache.get(namespace, &name)?;
            Some(((kind, name), copy.metadata.clone()))
        });
        let read = sets.iter().flat_map(|set| references(&set.spec.template)).filter_map(|(kind, name)| {
            let copy = self.known(kind, namespace)?.cache.get(namespace, &name)?;
            Some(((kind, name), copy.metadata.clone()))
        });
        named.chain(read).collect()
    }

    /// The copies that the pods of `sets` read beside those that are `known`, as the API server has them: a Rollout that is
    /// deleted leaves them behind, although it may have ceased to track them. Without the right to look, there are none.
    ///
    /// # Errors
    /// The API server does not tell.
    pub async fn left_behind(
        &self,
        rollout: &Rollout,
        sets: &[Arc<ReplicaSet>],
        known: &BTreeMap<ConfigurationId, ObjectMeta>,
    ) -> kube::Result<BTreeMap<ConfigurationId, ObjectMeta>> {
        let namespace = rollout.metadata.namespace.as_deref().unwrap_or_default();
        let read: BTreeSet<_> = sets.iter().flat_map(|set| references(&set.spec.template)).collect();
        let mut found = BTreeMap::new();
        for (kind, name) in read.into_iter().filter(|id| may_be_copy(&id.1) && !known.contains_key(id)) {
            match self.api(kind, namespace).get_metadata_opt(&name).await {
                Ok(Some(object)) => drop(found.insert((kind, name), object.metadata)),
                Ok(None) => {}
                Err(kube::Error::Api(status)) if status.code == 403 => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// Whether something could not be read, and should be tried again soon.
    pub fn is_behind(&self, rollout: &Rollout) -> bool {
        lock(&self.contents).get(uid(rollout)).is_some_and(|contents| contents.is_behind)
    }

    /// Forgets what was read for the Rollout with that UID, which is gone.
    pub fn forget(&self, uid: &str) {
        lock(&self.contents).remove(uid);
    }

    /// Makes the copy `name`, if that is still what the object holds; its resourceVersion.
    ///
    /// # Errors
    /// The object could not be read, or the copy not be made.
    pub async fn create_copy(
        &self,
        rollout: &Rollout,
        spec: &Tracked,
        name: &str,
        reader: &OwnerReference,
    ) -> kube::Result<Option<String>> {
        let (kind, original) = spec.object();
        let api = self.api(kind, rollout.metadata.namespace.as_deref().unwrap_or_default());
        let Some(object) = api.get_opt(original).await? else { return Ok(None) };
        if copy_name(original, &read(spec, &object).content) != name {
            // It changed meanwhile. The watch tells, and then another copy is asked for.
            return Ok(None);
        }
        let copied = copy(spec, &whole(&object), name, reader);
        let copied: DynamicObject = serde_json::from_value(copied).map_err(kube::Error::SerdeError)?;
        let by = PostParams { field_manager: Some(CONFIGURATION_MANAGER.to_owned()), ..PostParams::default() };
        Ok(api.create(&by, &copied).await?.resource_version())
    }

    /// Merges into the metadata of a copy; its resourceVersion.
    ///
    /// # Errors
    /// It was not taken.
    pub async fn patch_copy(
        &self,
        rollout: &Rollout,
        (kind, name): &ConfigurationId,
        patch: &Value,
    ) -> kube::Result<Option<String>> {
        let api = self.api(*kind, rollout.metadata.namespace.as_deref().unwrap_or_default());
        let by = PatchParams { field_manager: Some(CONFIGURATION_MANAGER.to_owned()), ..PatchParams::default() };
        Ok(api.patch_metadata(name, &by, &Patch::Merge(patch)).await?.resource_version())
    }

    fn known(&self, kind: ConfigurationKind, namespace: &str) -> Option<Arc<Known>> {
        Some(lock(&self.watched).get(&(kind, namespace.to_owned()))?.known.clone())
    }

    fn api(&self, kind: ConfigurationKind, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, &resource(kind))
    }
}

fn resource(kind: ConfigurationKind) -> ApiResource {
    match kind {
        ConfigurationKind::ConfigMap => ApiResource::erase::<ConfigMap>(&()),
        ConfigurationKind::Secret => ApiResource::erase::<Secret>(&()),
    }
}

fn read(spec: &Tracked, object: &DynamicObject) -> Read {
    let hash = digest(&SHA256, &counted(spec, &object.data));
    let beginning = hash.as_ref().first_chunk().copied().unwrap_or_default();
    let version = object.metadata.resource_version.as_deref().and_then(|version| version.parse().ok());
    Read { spec: spec.clone(), version, content: Content::new(spec, &object.data, u64::from_be_bytes(beginning)) }
}

/// The content of an object with as much of its metadata as a copy needs.
fn whole(object: &DynamicObject) -> Value {
    let mut whole = object.data.clone();
    whole["metadata"]["namespace"] = serde_json::json!(object.metadata.namespace);
    whole
}

fn uid(rollout: &Rollout) -> &str {
    rollout.metadata.uid.as_deref().unwrap_or_default()
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The digest was computed by Python's `hashlib`.
    #[test]
    fn a_copy_keeps_its_name_over_versions_of_tidegate() {
        let spec: Tracked = serde_json::from_value(json!({"configMap": "settings", "ignore": ["banner"]})).unwrap();
        let object = json!({"metadata": {"name": "settings"}, "data": {"mode": "old", "banner": "spring"}});
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        assert_eq!(copy_name("settings", &read(&spec, &object).content), "settings-gsdnqgwtjs");
    }
}
