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

use super::{cache::path_of, watched::Watched};
use crate::{
    api::{ROLLOUT_LABEL, Rollout},
    traffic::Names,
    workload::{Deployment, ReplicaSet},
};
use k8s_openapi::api::core::v1::Service;

/// An object that Rollouts may care about, by its [path](path_of).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A Deployment.
    Workload(Arc<str>),
    /// A Service, or one that a rollout makes of it.
    Service(Arc<str>),
    /// An HTTPRoute.
    Route(Arc<str>),
    /// The Rollout itself, by what it owns.
    Rollout(Arc<str>),
}

impl Subject {
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

    /// An HTTPRoute.
    #[must_use]
    pub fn route(route: &DynamicObject) -> Self {
        Self::Route(path(route))
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
    fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Workload(path) => ("Deployment", path),
            Self::Service(path) => ("Service", path),
            Self::Route(path) => ("HTTPRoute", path),
            Self::Rollout(path) => ("Rollout", path),
        }
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
    /// The names of Rollouts, sorted: they are in the namespace of what they care about.
    caring: HashMap<Subject, Vec<Arc<str>>>,
    /// By the Rollout's path.
    subjects: HashMap<Box<str>, Box<[Subject]>>,
}

impl Index {
    /// Takes in a Rollout that was added or changed, and may not have been decoded. Returns the other Rollouts that name
    /// one of the same objects, now or before: what was refused to them may be theirs now.
    pub fn update(&self, metadata: &ObjectMeta, rollout: Option<&Rollout>) -> Vec<ObjectRef<Watched>> {
        let [namespace, name] = [&metadata.namespace, &metadata.name].map(|it| it.as_deref().unwrap_or_default());
        let mut neighbours = self.forget(namespace, name);
        let subjects = subjects(rollout, namespace, name);
        let name = Arc::<str>::from(name);
        let mut entries = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for subject in &subjects {
            let caring = entries.caring.entry(subject.clone()).or_default();
            neighbours.extend(caring.iter().map(|other| ObjectRef::new(other).within(namespace)));
            if let Err(place) = caring.binary_search(&name) {
                caring.reserve_exact(1);
                caring.insert(place, name.clone());
            }
        }
        entries.subjects.insert(path_of(namespace, &name).into(), subjects.into());
        neighbours
    }

    /// Forgets a Rollout that is gone; returns its neighbours as [`Self::update`] does.
    pub fn forget(&self, namespace: &str, name: &str) -> Vec<ObjectRef<Watched>> {
        let mut entries = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let mut neighbours = Vec::new();
        for subject in entries.subjects.remove(path_of(namespace, name).as_str()).unwrap_or_default() {
            let Some(caring) = entries.caring.get_mut(&subject) else { continue };
            caring.retain(|other| **other != *name);
            neighbours.extend(caring.iter().map(|other| ObjectRef::new(other).within(namespace)));
            if caring.is_empty() {
                entries.caring.remove(&subject);
            }
        }
        neighbours
    }

    /// The Rollouts that care about `subject`, by name.
    #[must_use]
    pub fn caring_about(&self, subject: &Subject) -> Vec<ObjectRef<Watched>> {
        let entries = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let (_, path) = subject.parts();
        let namespace = path.split_once('/').map_or("", |(namespace, _)| namespace);
        let names = entries.caring.get(subject).into_iter().flatten();
        names.map(|name| ObjectRef::new(name).within(namespace)).collect()
    }

    /// The other Rollouts that name one of the same objects, with the object's kind and name.
    #[must_use]
    pub fn rivals(&self, namespace: &str, name: &str) -> Vec<(String, String)> {
        let entries = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let subjects = entries.subjects.get(path_of(namespace, name).as_str());
        let mut rivals = Vec::new();
        for subject in subjects.into_iter().flatten().filter(|subject| !matches!(subject, Subject::Rollout(_))) {
            let others = entries.caring.get(subject).into_iter().flatten().filter(|other| ***other != *name);
            let (kind, path) = subject.parts();
            let object = path.rsplit('/').next().unwrap_or(path);
            rivals.extend(others.map(|other| (other.to_string(), format!("{kind} {object}"))));
        }
        rivals
    }
}

fn subjects(rollout: Option<&Rollout>, namespace: &str, name: &str) -> Vec<Subject> {
    let path = |name: &str| path_of(namespace, name).into();
    let mut subjects = vec![Subject::Rollout(path(name))];
    if let Some(rollout) = rollout {
        let names = Names::of(&rollout.spec.service);
        subjects.push(Subject::Workload(path(&rollout.spec.workload.name)));
        subjects.extend([names.service, names.stable, names.canary].map(|name| Subject::Service(path(&name))));
        let routes = rollout.spec.routes().iter();
        subjects.extend(routes.map(|route| Subject::Route(path(&route.name))));
    }
    subjects
}
