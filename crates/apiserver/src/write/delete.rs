//! Deleting objects: at once, when their finalizers are done, or when their time is up.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{Writer, finalizers, metadata::bump_generation, pods::grace};
use crate::{
    Object, Refusal, Resource, What,
    place::Place,
    state::{State, set_metadata},
};

/// The finalizer of an object that waits for what belongs to it to be gone.
pub(crate) const FOREGROUND: &str = "foregroundDeletion";
/// The finalizer of an object that waits for what belongs to it to be let go.
pub(crate) const ORPHAN: &str = "orphan";

/// What becomes of the objects that belong to a deleted one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Propagation {
    /// They go afterwards.
    Background,
    /// They go first.
    Foreground,
    /// They stay.
    Orphan,
}

impl Propagation {
    fn parse(text: &str) -> Result<Self, Refusal> {
        match text {
            "Background" => Ok(Self::Background),
            "Foreground" => Ok(Self::Foreground),
            "Orphan" => Ok(Self::Orphan),
            other => Err(Refusal::bad_request(format!(
                "invalid DeleteOptions: propagationPolicy: Unsupported value: {other:?}: supported values: \
                 \"Foreground\", \"Background\", \"Orphan\", \"nil\""
            ))),
        }
    }
}

/// How to delete.
#[derive(Debug, Clone, Default)]
pub(crate) struct DeleteOptions {
    pub propagation: Option<Propagation>,
    pub grace_seconds: Option<i64>,
    pub uid: Option<String>,
    pub version: Option<String>,
    pub dry_run: bool,
}

impl DeleteOptions {
    /// Reads the body of a request, which goes before its query.
    pub(crate) fn parse(body: &Value, mut from_query: Self, policy: Option<&str>) -> Result<Self, Refusal> {
        let text = |path: &str| body.pointer(path).and_then(Value::as_str);
        from_query.propagation = text("/propagationPolicy").or(policy).map(Propagation::parse).transpose()?;
        if body.get("orphanDependents").is_some_and(Value::is_boolean) && from_query.propagation.is_some() {
            let message = "orphanDependents and deletionPropagation cannot be both set".to_owned();
            return Err(Refusal { code: 422, reason: "Invalid", message, details: Value::Null });
        }
        if body.get("orphanDependents") == Some(&Value::Bool(true)) {
            from_query.propagation = Some(Propagation::Orphan);
        }
        from_query.grace_seconds = body.get("gracePeriodSeconds").and_then(Value::as_i64).or(from_query.grace_seconds);
        from_query.uid = text("/preconditions/uid").map(str::to_owned);
        from_query.version = text("/preconditions/resourceVersion").map(str::to_owned);
        from_query.dry_run |= text("/dryRun/0") == Some("All");
        Ok(from_query)
    }
}

/// What a deletion left.
#[derive(Debug)]
pub(crate) enum Deletion {
    /// Nothing: this was the object.
    Gone(Arc<Object>),
    /// The object, which waits for its finalizers or for its time.
    Waiting(Arc<Object>),
}

impl State {
    /// Deletes the object, or marks it as to be deleted.
    pub(crate) fn delete(
        &mut self,
        place: &Place,
        options: &DeleteOptions,
        writer: &Writer,
    ) -> Result<Deletion, Refusal> {
        let resource = &place.resource;
        let current = self.existing(place)?;
        is_meant(resource, &current, options)?;
        if resource.full_name() == "namespaces" && ["default", "kube-system", "kube-public"].contains(&current.name()) {
            return Err(Refusal::forbidden(resource, current.name(), "this namespace may not be deleted"));
        }
        let mut object = current.value().clone();
        propagate(&mut object, options.propagation);
        let grace = if resource.full_name() == "pods" { grace(&object, options.grace_seconds) } else { 0 };
        let has_content = resource.full_name() == "namespaces" && object.pointer("/spec/finalizers/0").is_some();
        if grace == 0 && finalizers(&object).is_empty() && !has_content {
            return Ok(Deletion::Gone(self.commit(resource, What::Deleted, object, Some(current), writer)));
        }
        let left = current.value().pointer("/metadata/deletionGracePeriodSeconds").and_then(Value::as_i64);
        if !current.is_deleting() || left != Some(grace) {
            mark(&mut object, grace, writer);
        }
        if resource.kind == "Namespace"
            && let Some(fields) = object.as_object_mut()
        {
            fields.insert("status".to_owned(), json!({"phase": "Terminating"}));
        }
        if object == *current.value() {
            return Ok(Deletion::Waiting(current));
        }
        Ok(Deletion::Waiting(self.commit(resource, What::Modified, object, Some(current), writer)))
    }
}

/// Whether nothing keeps a deleted object any longer.
pub(super) fn may_go(resource: &Resource, object: &Value) -> bool {
    let is_pod = resource.full_name() == "pods";
    let grace = object.pointer("/metadata/deletionGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(0);
    let has_content = resource.full_name() == "namespaces" && object.pointer("/spec/finalizers/0").is_some();
    finalizers(object).is_empty() && !(is_pod && grace > 0) && !has_content
}

fn is_meant(resource: &Resource, current: &Object, options: &DeleteOptions) -> Result<(), Refusal> {
    if let Some(uid) = options.uid.as_deref().filter(|uid| *uid != current.uid()) {
        let record = current.uid();
        let why = format!(
            "the UID in the precondition ({uid}) does not match the UID in record ({record}). The object might have \
             been deleted and then recreated"
        );
        return Err(Refusal::conflict(resource, current.name(), &why));
    }
    let record = current.version().to_string();
    if let Some(version) = options.version.as_deref().filter(|version| *version != record) {
        let why = format!(
            "the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record \
             ({record}). The object might have been modified"
        );
        return Err(Refusal::conflict(resource, current.name(), &why));
    }
    Ok(())
}

/// Writes what is to become of the dependents where the garbage collector reads it.
fn propagate(object: &mut Value, policy: Option<Propagation>) {
    let Some(policy) = policy else { return };
    let mut kept: Vec<String> =
        finalizers(object).into_iter().filter(|it| ![FOREGROUND, ORPHAN].contains(it)).map(str::to_owned).collect();
    match policy {
        Propagation::Background => {}
        Propagation::Foreground => kept.push(FOREGROUND.to_owned()),
        Propagation::Orphan => kept.push(ORPHAN.to_owned()),
    }
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    if kept.is_empty() {
        metadata.remove("finalizers");
    } else {
        metadata.insert("finalizers".to_owned(), json!(kept));
    }
}

fn mark(object: &mut Value, grace: i64, writer: &Writer) {
    let end = writer.now.saturating_add(SignedDuration::from_secs(grace)).unwrap_or(writer.now);
    let end = Writer { now: end, ..writer.clone() }.seconds();
    let is_first = object.pointer("/metadata/deletionTimestamp").is_none();
    set_metadata(object, "deletionTimestamp", end.into());
    set_metadata(object, "deletionGracePeriodSeconds", grace.into());
    if is_first {
        bump_generation(object);
    }
}
