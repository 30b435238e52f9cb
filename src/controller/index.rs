//! Which Rollouts care about which object.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{PoisonError, RwLock},
};

use kube::{Resource, ResourceExt, api::DynamicObject, runtime::reflector::ObjectRef};

use super::caches::Watched;
use crate::{
    api::ROLLOUT_LABEL,
    traffic::Names,
    workload::{Deployment, ReplicaSet},
};
use k8s_openapi::api::core::v1::Service;

/// An object that Rollouts may care about: namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A Deployment.
    Workload(String, String),
    /// A Service, or one that a rollout makes of it.
    Service(String, String),
    /// An HTTPRoute.
    Route(String, String),
    /// The Rollout itself, by what it owns.
    Rollout(String, String),
}

impl Subject {
    /// A Deployment.
    #[must_use]
    pub fn workload(deployment: &Deployment) -> Self {
        Self::Workload(deployment.namespace().unwrap_or_default(), deployment.name_any())
    }

    /// A Service.
    #[must_use]
    pub fn service(service: &Service) -> Self {
        Self::Service(service.namespace().unwrap_or_default(), service.name_any())
    }

    /// An HTTPRoute.
    #[must_use]
    pub fn route(route: &DynamicObject) -> Self {
        Self::Route(route.namespace().unwrap_or_default(), route.name_any())
    }

    /// Whom a ReplicaSet belongs to: a Rollout, by label or by reference, or a Deployment.
    #[must_use]
    pub fn owned(set: &ReplicaSet) -> Option<Self> {
        let namespace = set.namespace().unwrap_or_default();
        if let Some(rollout) = set.labels().get(ROLLOUT_LABEL) {
            return Some(Self::Rollout(namespace, rollout.clone()));
        }
        let owner = set.owner_references().iter().find(|owner| owner.controller == Some(true))?;
        match owner.kind.as_str() {
            "Deployment" => Some(Self::Workload(namespace, owner.name.clone())),
            "Rollout" => Some(Self::Rollout(namespace, owner.name.clone())),
            _ => None,
        }
    }
}

/// Which Rollouts care about which object; kept by the watch of Rollouts.
#[derive(Default)]
pub struct Index(RwLock<Entries>);

#[derive(Default)]
struct Entries {
    caring: HashMap<Subject, BTreeSet<String>>,
    subjects: HashMap<(String, String), Vec<Subject>>,
}

impl Index {
    /// Takes in a Rollout that was added or changed. Returns the other Rollouts that name one of the same objects, now
    /// or before: what was refused to them may be theirs now.
    pub fn update(&self, rollout: &Watched) -> Vec<ObjectRef<Watched>> {
        let (namespace, name) = (rollout.meta().namespace.clone().unwrap_or_default(), rollout.name_any());
        let mut neighbours = self.forget(&namespace, &name);
        let subjects = subjects(rollout, &namespace, &name);
        let mut entries = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for subject in &subjects {
            let caring = entries.caring.entry(subject.clone()).or_default();
            neighbours.extend(caring.iter().map(|other| ObjectRef::new(other).within(&namespace)));
            caring.insert(name.clone());
        }
        entries.subjects.insert((namespace, name), subjects);
        neighbours
    }

    /// Forgets a Rollout that is gone; returns its neighbours as [`Self::update`] does.
    pub fn forget(&self, namespace: &str, name: &str) -> Vec<ObjectRef<Watched>> {
        let mut entries = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let mut neighbours = Vec::new();
        for subject in entries.subjects.remove(&(namespace.to_owned(), name.to_owned())).unwrap_or_default() {
            let Some(caring) = entries.caring.get_mut(&subject) else { continue };
            caring.remove(name);
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
        let (Subject::Workload(namespace, _)
        | Subject::Service(namespace, _)
        | Subject::Route(namespace, _)
        | Subject::Rollout(namespace, _)) = subject;
        let names = entries.caring.get(subject).into_iter().flatten();
        names.map(|name| ObjectRef::new(name).within(namespace)).collect()
    }

    /// The other Rollouts that name one of the same objects, with the object's kind and name.
    #[must_use]
    pub fn rivals(&self, namespace: &str, name: &str) -> Vec<(String, String)> {
        let entries = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let subjects = entries.subjects.get(&(namespace.to_owned(), name.to_owned()));
        let mut rivals = Vec::new();
        for subject in subjects.into_iter().flatten() {
            let object = match subject {
                Subject::Workload(_, object) => format!("Deployment {object}"),
                Subject::Service(_, object) => format!("Service {object}"),
                Subject::Route(_, object) => format!("HTTPRoute {object}"),
                Subject::Rollout(..) => continue,
            };
            let others = entries.caring.get(subject).into_iter().flatten().filter(|other| *other != name);
            rivals.extend(others.map(|other| (other.clone(), object.clone())));
        }
        rivals
    }
}

fn subjects(rollout: &Watched, namespace: &str, name: &str) -> Vec<Subject> {
    let namespace = || namespace.to_owned();
    let mut subjects = vec![Subject::Rollout(namespace(), name.to_owned())];
    if let Ok(rollout) = &rollout.0 {
        let names = Names::of(&rollout.spec.service);
        subjects.push(Subject::Workload(namespace(), rollout.spec.workload.name.clone()));
        subjects.extend([names.service, names.stable, names.canary].map(|name| Subject::Service(namespace(), name)));
        let routes = rollout.spec.routes().iter();
        subjects.extend(routes.map(|route| Subject::Route(namespace(), route.name.clone())));
    }
    subjects
}
