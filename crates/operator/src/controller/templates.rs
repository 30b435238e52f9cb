//! The templates that checks name: which there are, and which Rollouts a change of one wakes.

use std::{
    collections::{BTreeSet, HashMap},
    fmt::Debug,
    sync::{Arc, PoisonError, RwLock},
};

use futures::{Stream, StreamExt};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::ObjectMeta,
    runtime::{
        reflector::ObjectRef,
        watcher::{self, Event},
    },
};
use serde::{Serialize, de::DeserializeOwned};
use tidegate_analysis::{Templates, template_of};
use tidegate_api::{CheckTemplate, CheckTemplateKind, CheckTemplateRef, ClusterCheckTemplate, Rollout, RolloutSpec};

use super::{
    cache::{Cache, path_of},
    cached_rollout::CachedRollout,
    caches::{Triggers, events},
    compact::InUse,
};

/// All templates, and who uses them.
pub struct CheckTemplates {
    own: Arc<Cache<CheckTemplate>>,
    /// Those of the cluster; an operator that serves one namespace has no right to read them.
    cluster: Option<Arc<Cache<ClusterCheckTemplate>>>,
    users: Arc<Users>,
}

/// The Rollouts that name a template, by the template's kind and path.
#[derive(Default)]
struct Users(RwLock<Entries>);

/// A template: its kind, and its namespace and name.
type Key = (CheckTemplateKind, String);

#[derive(Default)]
struct Entries {
    by_template: HashMap<Key, BTreeSet<Arc<str>>>,
    by_rollout: HashMap<Arc<str>, Vec<Key>>,
}

impl CheckTemplates {
    /// Starts to watch the templates of one namespace, or of all and of the cluster.
    pub fn watch(client: &Client, namespace: Option<&str>, in_use: &Arc<InUse>) -> (Self, Triggers) {
        let client = client.clone();
        let users = Arc::<Users>::default();
        let own = Arc::new(Cache::new(in_use, |_: &CheckTemplate| Vec::new()));
        let api: Api<CheckTemplate> = match namespace {
            Some(namespace) => Api::namespaced(client.clone(), namespace),
            None => Api::all(client.clone()),
        };
        let woken = woken(events(api), &own, &users, CheckTemplateKind::CheckTemplate);
        if namespace.is_some() {
            return (Self { own, cluster: None, users }, woken);
        }
        let cluster = Arc::new(Cache::new(in_use, |_: &ClusterCheckTemplate| Vec::new()));
        let api: Api<ClusterCheckTemplate> = Api::all(client);
        let all_woken = self::woken(events(api), &cluster, &users, CheckTemplateKind::ClusterCheckTemplate);
        let triggers = futures::stream::select(woken, all_woken).boxed();
        (Self { own, cluster: Some(cluster), users }, triggers)
    }

    /// Waits until the templates are known, or it is known that there can be none.
    pub async fn ready(&self) {
        self.own.ready().await;
        if let Some(cluster) = &self.cluster {
            cluster.ready().await;
        }
    }

    /// The templates that the checks of `spec` name, as far as they exist.
    #[must_use]
    pub fn named_by(&self, spec: &RolloutSpec, namespace: &str) -> Templates {
        let mut templates = if self.cluster.is_some() { Templates::default() } else { Templates::namespace_only() };
        for reference in references(spec) {
            let spec = match reference.kind() {
                CheckTemplateKind::CheckTemplate => {
                    self.own.get(namespace, &reference.name).map(|template| template.spec.clone())
                }
                CheckTemplateKind::ClusterCheckTemplate => {
                    let cluster = self.cluster.as_ref();
                    cluster.and_then(|cluster| cluster.get("", &reference.name)).map(|template| template.spec.0.clone())
                }
            };
            if let Some(spec) = spec {
                templates.insert(reference, Arc::new(spec));
            }
        }
        templates
    }

    /// Takes in a Rollout that was added or changed, and may not have been decoded; one that is gone names nothing.
    pub fn note(&self, metadata: &ObjectMeta, rollout: Option<&Rollout>) {
        let [namespace, name] = [&metadata.namespace, &metadata.name].map(|it| it.as_deref().unwrap_or_default());
        let named = rollout.into_iter().flat_map(|rollout| references(&rollout.spec)).map(|it| key(it, namespace));
        self.users.update(path_of(namespace, name).into(), named.collect());
    }
}

fn references(spec: &RolloutSpec) -> impl Iterator<Item = &CheckTemplateRef> {
    spec.all_checks().filter_map(template_of)
}

fn key(reference: &CheckTemplateRef, namespace: &str) -> Key {
    let namespace = if reference.kind() == CheckTemplateKind::CheckTemplate { namespace } else { "" };
    (reference.kind(), path_of(namespace, &reference.name))
}

impl Users {
    fn update(&self, rollout: Arc<str>, named: Vec<Key>) {
        let mut entries = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for key in entries.by_rollout.remove(&rollout).unwrap_or_default() {
            if let Some(users) = entries.by_template.get_mut(&key) {
                users.remove(&rollout);
                if users.is_empty() {
                    entries.by_template.remove(&key);
                }
            }
        }
        // Most Rollouts name none, and cost nothing here.
        if named.is_empty() {
            return;
        }
        for key in &named {
            entries.by_template.entry(key.clone()).or_default().insert(rollout.clone());
        }
        entries.by_rollout.insert(rollout, named);
    }

    fn of(&self, key: &Key) -> Vec<ObjectRef<CachedRollout>> {
        let entries = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let users = entries.by_template.get(key).into_iter().flatten();
        users.filter_map(|path| path.split_once('/')).map(|(ns, name)| ObjectRef::new(name).within(ns)).collect()
    }
}

/// Keeps the cache of one kind; the Rollouts that name a template which is not what it was.
fn woken<K>(
    events: impl Stream<Item = watcher::Result<Event<K>>> + Send + 'static,
    cache: &Arc<Cache<K>>,
    users: &Arc<Users>,
    kind: CheckTemplateKind,
) -> Triggers
where
    K: Resource + Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    let (cache, users) = (cache.clone(), users.clone());
    events
        .flat_map(move |event| {
            let changed = match event {
                Ok(event) => cache.take(event),
                Err(error) => {
                    // A definition that is not installed yet, or a right that was not granted, keeps nobody waiting.
                    if is_refused(&error) {
                        cache.give_up();
                    }
                    Vec::new()
                }
            };
            let path =
                |template: &Arc<K>| path_of(template.namespace().as_deref().unwrap_or_default(), &template.name_any());
            let woken: Vec<_> = changed.iter().flat_map(|it| users.of(&(kind, path(&it.object)))).collect();
            futures::stream::iter(woken)
        })
        .boxed()
}

/// Whether the API server said for good that there is nothing to list.
fn is_refused(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::InitialListFailed(kube::Error::Api(status)) if matches!(status.code, 403 | 404))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(users: &Users, kind: CheckTemplateKind, path: &str) -> Vec<String> {
        let users = users.of(&(kind, path.to_owned()));
        users.into_iter().map(|user| path_of(user.namespace.as_deref().unwrap_or_default(), &user.name)).collect()
    }

    #[test]
    fn a_template_is_known_by_those_who_name_it_now() {
        let users = Users::default();
        let cluster = (CheckTemplateKind::ClusterCheckTemplate, "/errors".to_owned());
        let own = (CheckTemplateKind::CheckTemplate, "shop/errors".to_owned());
        users.update("shop/checkout".into(), vec![cluster.clone(), own.clone()]);
        users.update("other/basket".into(), vec![cluster.clone()]);
        assert_eq!(named(&users, cluster.0, &cluster.1), ["other/basket", "shop/checkout"]);
        assert_eq!(named(&users, own.0, &own.1), ["shop/checkout"]);
        users.update("shop/checkout".into(), vec![own.clone()]);
        assert_eq!(named(&users, cluster.0, &cluster.1), ["other/basket"]);
        users.update("shop/checkout".into(), Vec::new());
        assert!(named(&users, own.0, &own.1).is_empty());
    }
}
