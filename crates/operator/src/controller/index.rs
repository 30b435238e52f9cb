//! Which Rollouts care about which object.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use kube::{
    Resource, ResourceExt,
    api::{DynamicObject, ObjectMeta},
    runtime::reflector::ObjectRef,
};
use tidegate_api::{ROLLOUT_LABEL, Rollout};
use tidegate_planner::{
    traffic::{Kind, Names, RouteId},
    workload::{Deployment, ReplicaSet},
};

use super::{cache::path_of, cached_rollout::CachedRollout};
use k8s_openapi::api::core::v1::Service;

/// An object that Rollouts may care about, by its [path](path_of).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum NamedObject {
    /// A Deployment.
    Workload(Arc<str>),
    /// A Service, or one that a rollout makes of it.
    Service(Arc<str>),
    /// A route, of whatever kind.
    Route(Arc<RoutePath>),
    /// The ReferenceGrants of a namespace.
    Grants(Arc<str>),
    /// The Rollout itself, by what it owns.
    Rollout(Arc<str>),
}

/// A route's kind, in whatever version, and its [path](path_of).
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct RoutePath {
    kind: Kind,
    path: String,
}

impl NamedObject {
    /// A Deployment.
    #[must_use]
    pub fn workload(deployment: &Deployment) -> Self {
        Self::Workload(path(deployment))
    }

    /// A Service.
    #[must_use]
    pub fn service(service: &Service) -> Self {
        Self::Service(path(service))
    }

    /// A route.
    #[must_use]
    pub fn route(kind: &Kind, route: &DynamicObject) -> Self {
        let path = path_of(route.metadata.namespace.as_deref().unwrap_or_default(), &route.name_any());
        Self::Route(Arc::new(RoutePath { kind: kind.unversioned(), path }))
    }

    /// The ReferenceGrants of a namespace, one of which changed.
    #[must_use]
    pub fn grants(grant: &DynamicObject) -> Self {
        Self::Grants(path_of(grant.metadata.namespace.as_deref().unwrap_or_default(), "").into())
    }

    /// Whom a ReplicaSet belongs to: a Rollout, by label or by reference, or a Deployment.
    #[must_use]
    pub fn owned(set: &ReplicaSet) -> Option<Self> {
        let path = |name: &str| path_of(set.metadata.namespace.as_deref().unwrap_or_default(), name).into();
        if let Some(rollout) = set.labels().get(ROLLOUT_LABEL) {
            return Some(Self::Rollout(path(rollout)));
        }
        let owner = set.owner_references().iter().find(|owner| owner.controller == Some(true))?;
        match owner.kind.as_str() {
            "Deployment" => Some(Self::Workload(path(&owner.name))),
            "Rollout" => Some(Self::Rollout(path(&owner.name))),
            _ => None,
        }
    }

    /// Its kind and its path.
    fn parts(&self) -> (&str, &str) {
        match self {
            Self::Workload(path) => ("Deployment", path),
            Self::Service(path) => ("Service", path),
            Self::Route(route) => (&route.kind.kind, &route.path),
            Self::Grants(path) => ("ReferenceGrants", path),
            Self::Rollout(path) => ("Rollout", path),
        }
    }

    /// Its namespace.
    fn namespace(&self) -> &str {
        self.parts().1.split_once('/').map_or("", |(namespace, _)| namespace)
    }

    /// Whether one Rollout at most may have it.
    fn is_exclusive(&self) -> bool {
        !matches!(self, Self::Rollout(_) | Self::Grants(_))
    }
}

fn path<K: Resource>(object: &K) -> Arc<str> {
    path_of(object.meta().namespace.as_deref().unwrap_or_default(), &object.name_any()).into()
}

/// Which Rollouts care about which object; kept by the watch of Rollouts.
#[derive(Default)]
pub struct Index(RwLock<Entries>);

#[derive(Default)]
struct Entries {
    /// The names of Rollouts, sorted; with their namespace before it, where it is another one than the subject's.
    caring: HashMap<NamedObject, Vec<Arc<str>>>,
    /// By the Rollout's path.
    subjects: HashMap<Box<str>, Box<[NamedObject]>>,
}

impl Index {
    /// Takes in a Rollout that was added or changed, and may not have been decoded. Returns the other Rollouts that name
    /// one of the same objects, now or before: what was refused to them may be theirs now.
    pub fn update(&self, metadata: &ObjectMeta, rollout: Option<&Rollout>) -> Vec<ObjectRef<CachedRollout>> {
        let [namespace, name] = [&metadata.namespace, &metadata.name].map(|it| it.as_deref().unwrap_or_default());
        let mut neighbours = self.forget(namespace, name);
        let subjects = subjects(rollout, namespace, name);
        let here = Arc::<str>::from(name);
        let mut entries = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for subject in &subjects {
            let caring = entries.caring.entry(subject.clone()).or_default();
            neighbours.extend(caring.iter().map(|other| rollout_of(other, subject)));
            let name = if subject.namespace() == namespace { here.clone() } else { path_of(namespace, &here).into() };
            if let Err(place) = caring.binary_search(&name) {
                caring.reserve_exact(1);
                caring.insert(place, name);
            }
        }
        entries.subjects.insert(path_of(namespace, &here).into(), subjects.into());
        neighbours
    }

    /// Forgets a Rollout that is gone; returns its neighbours as [`Self::update`] does.
    pub fn forget(&self, namespace: &str, name: &str) -> Vec<ObjectRef<CachedRollout>> {
        let mut entries = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let mut neighbours = Vec::new();
        for subject in entries.subjects.remove(path_of(namespace, name).as_str()).unwrap_or_default() {
            let Some(caring) = entries.caring.get_mut(&subject) else { continue };
            caring.retain(|other| !is_called(other, &subject, namespace, name));
            neighbours.extend(caring.iter().map(|other| rollout_of(other, &subject)));
            if caring.is_empty() {
                entries.caring.remove(&subject);
            }
        }
        neighbours
    }

    /// The Rollouts that care about `subject`, by name.
    #[must_use]
    pub fn caring_about(&self, subject: &NamedObject) -> Vec<ObjectRef<CachedRollout>> {
        let entries = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let names = entries.caring.get(subject).into_iter().flatten();
        names.map(|name| rollout_of(name, subject)).collect()
    }

    /// The other Rollouts that name one of the same objects, with the object's kind and name.
    #[must_use]
    pub fn rivals(&self, namespace: &str, name: &str) -> Vec<(ObjectRef<CachedRollout>, String)> {
        let entries = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let subjects = entries.subjects.get(path_of(namespace, name).as_str());
        let mut rivals = Vec::new();
        for subject in subjects.into_iter().flatten().filter(|subject| subject.is_exclusive()) {
            let caring = entries.caring.get(subject).into_iter().flatten();
            let others = caring.filter(|other| !is_called(other, subject, namespace, name));
            let (kind, path) = subject.parts();
            let object = path.rsplit('/').next().unwrap_or(path);
            rivals.extend(others.map(|other| (rollout_of(other, subject), format!("{kind} {object}"))));
        }
        rivals
    }
}

fn subjects(rollout: Option<&Rollout>, namespace: &str, name: &str) -> Vec<NamedObject> {
    let path = |name: &str| path_of(namespace, name).into();
    let mut subjects = vec![NamedObject::Rollout(path(name))];
    if let Some(rollout) = rollout {
        let names = Names::of(&rollout.spec.service);
        subjects.push(NamedObject::Workload(path(&rollout.spec.workload.name)));
        subjects.extend([names.service, names.stable, names.canary].map(|name| NamedObject::Service(path(&name))));
        let routes: Vec<_> = rollout.spec.routes().iter().map(|route| RouteId::of(route, namespace)).collect();
        if routes.iter().any(|route| route.namespace.is_some()) {
            subjects.push(NamedObject::Grants(path("")));
        }
        subjects.extend(routes.into_iter().map(|RouteId { kind, namespace: elsewhere, name }| {
            let path = path_of(elsewhere.as_deref().unwrap_or(namespace), &name);
            NamedObject::Route(Arc::new(RoutePath { kind: kind.unversioned(), path }))
        }));
    }
    subjects
}

/// The Rollout that is called so among those that care about `subject`.
fn rollout_of(entry: &str, subject: &NamedObject) -> ObjectRef<CachedRollout> {
    let (namespace, name) = entry.split_once('/').unwrap_or((subject.namespace(), entry));
    ObjectRef::new(name).within(namespace)
}

/// Whether that is the Rollout of this name.
fn is_called(entry: &str, subject: &NamedObject, namespace: &str, name: &str) -> bool {
    entry.split_once('/').unwrap_or((subject.namespace(), entry)) == (namespace, name)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn noted(index: &Index, name: &str, traffic: &Value) -> Vec<String> {
        let rollout: Rollout = serde_json::from_value(json!({
            "apiVersion": "tidegate.dev/v1alpha1", "kind": "Rollout", "metadata": {"name": name, "namespace": "shop"},
            "spec": {"workload": {"kind": "Deployment", "name": name}, "service": name, "traffic": traffic},
        }))
        .unwrap();
        let neighbours = index.update(&rollout.metadata, Some(&rollout));
        neighbours.into_iter().map(|neighbour| neighbour.name).collect()
    }

    fn custom(version: &str, kind: &str) -> Value {
        let set = json!([{"path": "spec.weight", "value": "{{canary.weight}}"}]);
        let version = format!("gateway.networking.k8s.io/{version}");
        json!({"custom": [{"apiVersion": version, "kind": kind, "name": "checkout", "set": set}]})
    }

    #[test]
    fn two_rollouts_are_rivals_for_a_route_however_each_of_them_names_it() {
        let index = Index::default();
        assert!(noted(&index, "a", &json!({"gatewayAPI": {"routes": [{"name": "checkout"}]}})).is_empty());
        assert_eq!(noted(&index, "b", &custom("v1", "HTTPRoute")), ["a"]);
        assert_eq!(noted(&index, "c", &custom("v1beta1", "HTTPRoute")), ["a", "b"]);
        assert!(noted(&index, "d", &custom("v1", "UDPRoute")).is_empty());
        let rivals = index.rivals("shop", "c");
        let rivals: Vec<_> = rivals.iter().map(|(rollout, object)| (rollout.name.as_str(), object.as_str())).collect();
        assert_eq!(rivals, [("a", "HTTPRoute checkout"), ("b", "HTTPRoute checkout")]);
    }

    #[test]
    fn a_route_wakes_all_who_name_it_whichever_version_it_was_read_in() {
        let index = Index::default();
        noted(&index, "a", &json!({"gatewayAPI": {"routes": [{"name": "checkout"}]}}));
        noted(&index, "b", &custom("v1", "HTTPRoute"));
        let metadata = json!({"name": "checkout", "namespace": "shop"});
        let route: DynamicObject = serde_json::from_value(json!({"metadata": metadata})).unwrap();
        let kind = Kind { version: Some("v1beta1".to_owned()), ..Kind::of_gateway_api("HTTPRoute") };
        let caring = index.caring_about(&NamedObject::route(&kind, &route));
        assert_eq!(caring.into_iter().map(|rollout| rollout.name).collect::<Vec<_>>(), ["a", "b"]);
    }
}
