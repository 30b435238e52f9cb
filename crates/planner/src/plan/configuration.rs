//! `spec.track`: configuration as part of a version.
//!
//! What is asked for is the pod template of the Deployment with a copy, called after the content, in place of each object
//! that is tracked. All else follows: another content is another template, and that is another version.
//!
//! A ReplicaSet comes before the copies that its pods read, since they belong to it and go with it; it has no pods before
//! they are there.

use std::borrow::Cow;

use serde_json::{Value, json};
use tidegate_api::{ConfigurationKind, Rollout, Tracked, condition::reason};

use crate::{
    plan::{
        Observed, Planner, Refusal,
        effect::{Effect, Write, guarded_metadata},
    },
    workload::{
        Deployment, ReplicaSet,
        configuration::{
            ConfigurationId, Content, Found, TrackedObject, belongs_to, copy_name, is_called_as_copy, is_copy, reader,
        },
        is_deleting,
        pinned::{Pin, Use, pinned},
        references, template,
    },
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource;

/// The pod template that is asked for.
pub(super) struct Asked<'a> {
    /// The Deployment's, with copies in place of what is tracked.
    pub template: Cow<'a, Value>,
    /// The copies that it refers to.
    copies: Vec<(&'a Tracked, ConfigurationId)>,
}

/// What is asked for; nothing without a Deployment, or while the content of what is tracked is not known.
pub(super) fn asked(observed: &Observed) -> Option<Asked<'_>> {
    let workload = observed.living_workload()?;
    let template = &workload.spec.template;
    if observed.configuration.tracked.is_empty() {
        return Some(Asked { template: Cow::Borrowed(template), copies: Vec::new() });
    }
    let contents = contents(observed)?;
    let pins: Vec<_> = contents.iter().map(|(spec, content)| pin(spec, content)).collect();
    let (template, uses) = pinned(template, &pins);
    let pinned = contents.iter().zip(pins).zip(uses).filter(|(_, found)| *found == Use::Copied);
    let copies = pinned.map(|(((spec, _), pin), _)| (*spec, (pin.kind, pin.copy))).collect();
    Some(Asked { template: Cow::Owned(template), copies })
}

fn contents(observed: &Observed) -> Option<Vec<(&Tracked, &Content)>> {
    let content = |object: &'_ TrackedObject| matches!(object.found, Found::Content(_));
    let tracked = &observed.configuration.tracked;
    let known = tracked.iter().filter_map(|object| match &object.found {
        Found::Content(content) => Some((&object.spec, content)),
        _ => None,
    });
    tracked.iter().all(content).then(|| known.collect())
}

fn pin<'a>(spec: &'a Tracked, content: &'a Content) -> Pin<'a> {
    let (kind, name) = spec.object();
    let mut live: Vec<_> = spec.ignore.iter().map(String::as_str).collect();
    live.sort_unstable();
    Pin { kind, name, live, keys: &content.keys, copy: copy_name(name, content) }
}

impl Asked<'_> {
    /// Whether `set` holds it.
    pub fn is_held_by(&self, set: &ReplicaSet) -> bool {
        template::same(&set.spec.template, &self.template)
    }

    /// Whether its pods read copies, which have to be there before them.
    pub fn has_copies(&self) -> bool {
        !self.copies.is_empty()
    }
}

/// Whether pods may be added to `set`: not while a copy is missing that they read, whatever is asked for by now. Where it
/// cannot be told which there are, Kubernetes sees to it: no reference to a copy is optional.
pub(super) fn may_grow(observed: &Observed, set: &ReplicaSet) -> bool {
    let uid = set.metadata.uid.as_deref();
    let is_there = |copy: &ObjectMeta| !is_copy(copy) || belongs_to(copy, uid) && copy.deletion_timestamp.is_none();
    copies_of(observed, set).iter().all(|id| observed.configuration.copies.get(id).is_some_and(is_there))
}

/// What `set` reads that is called as the copy of an object which is tracked, of kinds that can be listed.
fn copies_of(observed: &Observed, set: &ReplicaSet) -> Vec<ConfigurationId> {
    let is_listed = |object: &&TrackedObject| matches!(object.found, Found::Content(_) | Found::Missing);
    let tracked: Vec<_> = observed.configuration.tracked.iter().filter(is_listed).collect();
    if tracked.is_empty() {
        return Vec::new();
    }
    let is_copied = |id: &ConfigurationId| tracked.iter().any(|object| is_called_as_copy(&object.spec, id));
    references(&set.spec.template).into_iter().filter(is_copied).collect()
}

/// The copies that the ReplicaSets read which hold what is asked for; and that each ReplicaSet has those that it reads, whoever
/// wrote their names into its template, as `tidegate undo` does.
pub(super) fn effects(observed: &Observed) -> Vec<Write> {
    if observed.configuration.tracked.is_empty() {
        return Vec::new();
    }
    let living: Vec<_> = observed.replica_sets.iter().filter(|set| !is_deleting(set.as_ref())).collect();
    let asked = asked(observed).filter(Asked::has_copies);
    let missing = asked.iter().flat_map(|asked| {
        let holding = living.iter().filter(|set| asked.is_held_by(set));
        holding.flat_map(|set| {
            let missing = asked.copies.iter().filter(|(_, id)| !observed.configuration.copies.contains_key(id));
            missing.map(|(spec, (_, name))| Effect::CreateCopy {
                spec: (*spec).clone(),
                name: name.clone(),
                reader: reader(set),
            })
        })
    });
    let owned = living.iter().flat_map(|set| owned_by(observed, set, &reader(set)));
    missing.chain(owned).map(Write::unfenced).collect()
}

/// Makes `owner` one of those that the copies stay for which the pods of `set` read.
fn owned_by(observed: &Observed, set: &ReplicaSet, owner: &OwnerReference) -> Vec<Effect> {
    let read = references(&set.spec.template).into_iter();
    read.filter_map(|id| {
        let copy = observed.configuration.copies.get(&id)?;
        if !is_copy(copy) || copy.deletion_timestamp.is_some() || belongs_to(copy, Some(&owner.uid)) {
            return None;
        }
        let mut owners = copy.owner_references.clone().unwrap_or_default();
        owners.push(owner.clone());
        let patch = json!({"metadata": {"ownerReferences": owners}});
        Some(Effect::PatchCopy(id, guarded_metadata(copy, patch)))
    })
    .collect()
}

/// Lets the Deployment keep the copies that the pods of `set` read, which it gets back: its template refers to them from
/// then on, and so do the ReplicaSets that it makes of it.
pub(super) fn kept_for(observed: &Observed, workload: &Deployment, set: &ReplicaSet) -> Vec<Write> {
    let keeper = OwnerReference {
        controller: None,
        block_owner_deletion: None,
        ..workload.controller_owner_ref(&()).unwrap_or_default()
    };
    owned_by(observed, set, &keeper).into_iter().map(Write::unfenced).collect()
}

/// What is in the way of knowing or keeping a content.
pub(super) fn refusal(rollout: &Rollout, observed: &Observed) -> Option<Refusal> {
    let namespace = rollout.metadata.namespace.as_deref().unwrap_or_default();
    let unknown = observed.configuration.tracked.iter().find_map(|object| {
        let (kind, name) = object.spec.object();
        let message = match &object.found {
            Found::Content(_) => return None,
            Found::Missing => {
                let message = format!(
                    "{kind} {name} does not exist, and spec.track names it: create it, or leave it out of spec.track"
                );
                return Some(Refusal::new(reason::CONFIGURATION_NOT_FOUND, message));
            }
            Found::Forbidden(verb) => {
                let (plural, value) = (kind.plural(), value(kind));
                format!(
                    "the operator may not {verb} {plural} in namespace {namespace}, and spec.track names {kind} {name}: install the chart with {value}, or leave it out of spec.track"
                )
            }
            Found::Unread(why) => format!("{kind} {name} cannot be read: {why}; it is tried again"),
        };
        Some(Refusal::new(reason::CONFIGURATION_UNUSABLE, message))
    });
    unknown.or_else(|| uncopied(observed, namespace)).or_else(|| {
        let asked = asked(observed)?;
        let (_, (kind, name)) = asked
            .copies
            .iter()
            .find(|(_, id)| observed.configuration.copies.get(id).is_some_and(|known| !is_copy(known)))?;
        let message = format!(
            "{kind} {name} is somebody else's, but the copy of a tracked {kind} needs that name: delete or rename it"
        );
        Some(Refusal::new(reason::CONFIGURATION_UNUSABLE, message))
    })
}

/// That the API server takes no copy of what is tracked. Nothing of it is held against a version.
fn uncopied(observed: &Observed, namespace: &str) -> Option<Refusal> {
    let refused = observed.refused.as_ref()?;
    let kind = refused.copied?;
    let object = observed.configuration.tracked.iter().find(|object| object.spec.object().0 == kind)?;
    let (name, plural, value) = (object.spec.object().1, kind.plural(), value(kind));
    let message = format!(
        "{kind} {name} cannot be copied for the pods that read it ({refused}): install the chart with {value}, which lets the operator get, create and patch {plural} in namespace {namespace}, or leave it out of spec.track"
    );
    Some(Refusal::new(reason::CONFIGURATION_UNUSABLE, message))
}

/// The value of the chart that grants the right.
fn value(kind: ConfigurationKind) -> &'static str {
    match kind {
        ConfigurationKind::ConfigMap => "track.configMaps=true",
        ConfigurationKind::Secret => "track.secrets=true",
    }
}

impl Planner<'_> {
    /// The warning about a copy that the stable version reads, and that nobody can make again.
    pub(super) fn warn_of_lost_copy(&mut self) -> Option<String> {
        let stable = self.status.stable.as_ref()?;
        let set = self.observed.replica_set(&stable.replica_set)?;
        if asked(self.observed).is_some_and(|asked| asked.is_held_by(set)) {
            return None;
        }
        let copies = &self.observed.configuration.copies;
        let (kind, name) = copies_of(self.observed, set).into_iter().find(|id| !copies.contains_key(id))?;
        let warning = format!(
            "{kind} {name}, the copy that the pods of version {stable} read, is gone, and what it was made of has another content: the pods that run go on, and no other starts until the content is put back, or another version takes its place"
        );
        Some(self.tell(reason::CONFIGURATION_LOST, warning))
    }

    /// The warning about what is tracked and makes no version, if there is any.
    pub(super) fn warn_of_unused_configuration(&mut self) -> Option<String> {
        let workload = self.observed.living_workload().filter(|_| !self.observed.configuration.tracked.is_empty())?;
        let contents = contents(self.observed)?;
        let pins: Vec<_> = contents.iter().map(|(spec, content)| pin(spec, content)).collect();
        let (_, uses) = pinned(&workload.spec.template, &pins);
        let unused = pins.iter().zip(uses).filter(|(_, used)| *used == Use::None);
        let names: Vec<_> = unused.map(|(pin, _)| format!("{} {}", pin.kind, pin.name)).collect();
        if names.is_empty() {
            return None;
        }
        let warning = format!(
            "spec.track names {}, which the pod template of Deployment {} does not refer to in volumes, envFrom or env: a change of it makes no version",
            names.join(" and "),
            self.rollout.spec.workload.name
        );
        Some(self.tell(reason::CONFIGURATION_NOT_USED, warning))
    }
}
