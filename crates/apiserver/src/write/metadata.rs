//! What every object has: its kind, its name, and what only the server may write.

use serde_json::{Map, Value};

use crate::{
    Object, Refusal, Resource,
    place::Place,
    state::{metadata_text, set_metadata},
};

/// The fields of `metadata` that a writer cannot set: they stay as they are.
pub(super) const SYSTEM_FIELDS: [&str; 6] =
    ["uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"];

/// An object has metadata, and is of the kind that the path names.
pub(super) fn has_shape(place: &Place, object: &mut Value) -> Result<(), Refusal> {
    let resource = &place.resource;
    let shown = place.view.api_version().map_or_else(|| resource.api_version(), str::to_owned);
    let Some(fields) = object.as_object_mut() else {
        return Err(Refusal::bad_request("the body of the request is not an object"));
    };
    match fields.get("metadata") {
        None | Some(Value::Null) => drop(fields.insert("metadata".to_owned(), Map::new().into())),
        Some(Value::Object(_)) => {}
        Some(_) => return Err(Refusal::bad_request("metadata must be an object")),
    }
    let text = |field: &str| fields.get(field).and_then(Value::as_str).unwrap_or_default();
    let (kind, version) = (text("kind"), text("apiVersion"));
    if !kind.is_empty() && kind != resource.kind {
        let why = format!("the object provided is unrecognized (must be of type {}): it is a {kind}", resource.kind);
        return Err(Refusal::bad_request(why));
    }
    if !version.is_empty() && version != shown {
        let why = format!("the API version in the data ({version}) does not match the expected API version ({shown})");
        return Err(Refusal::bad_request(why));
    }
    fields.insert("kind".to_owned(), resource.kind.clone().into());
    place.view.stored(object, &resource.api_version());
    Ok(())
}

/// The object is in the namespace that the path names.
pub(super) fn in_namespace(place: &Place, object: &mut Value) -> Result<(), Refusal> {
    let given = metadata_text(object, "namespace");
    if !place.resource.namespaced {
        if !given.is_empty() {
            return Err(Refusal::bad_request("namespace may not be specified for an object of the whole cluster"));
        }
        return Ok(());
    }
    if !given.is_empty() && given != place.namespace {
        let why = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Refusal::bad_request(why));
    }
    if place.namespace.is_empty() {
        return Err(Refusal::bad_request("an empty namespace may not be set during creation"));
    }
    if given.is_empty() {
        set_metadata(object, "namespace", place.namespace.clone().into());
    }
    Ok(())
}

/// The writer saw the object as it is, if it says what it saw.
pub(super) fn is_meant(resource: &Resource, current: &Object, object: &Value) -> Result<(), Refusal> {
    let uid = metadata_text(object, "uid");
    if !uid.is_empty() && uid != current.uid() {
        let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {}", current.uid());
        return Err(Refusal::conflict(resource, current.name(), &why));
    }
    let version = metadata_text(object, "resourceVersion");
    if !version.is_empty() && version.parse() != Ok(current.version()) {
        return Err(Refusal::outdated(resource, current.name()));
    }
    Ok(())
}

/// What only the server writes stays as it was.
pub(super) fn keep_system_fields(current: &Value, object: &mut Value) {
    let (Some(old), Some(new)) = (current.get("metadata"), object.get_mut("metadata").and_then(Value::as_object_mut))
    else {
        return;
    };
    for field in SYSTEM_FIELDS.iter().chain(&["resourceVersion", "name", "namespace", "generateName"]) {
        match old.get(field) {
            Some(value) => drop(new.insert((*field).to_owned(), value.clone())),
            None => drop(new.remove(*field)),
        }
    }
}

/// What is empty in the metadata is not there; neither is what is `null` anywhere in an object of a built-in kind.
pub(super) fn normalize(resource: &Resource, object: &mut Value) {
    if !resource.custom {
        drop_nulls(object);
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|_, value| match value {
            Value::Null => false,
            Value::Object(fields) => !fields.is_empty(),
            Value::Array(items) => !items.is_empty(),
            Value::String(text) => !text.is_empty(),
            _ => true,
        });
    }
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

pub(super) fn bump_generation(object: &mut Value) {
    let generation = object.pointer("/metadata/generation").and_then(Value::as_i64);
    if let Some(generation) = generation {
        set_metadata(object, "generation", (generation + 1).into());
    }
}

/// Kinds whose objects count their generations.
pub(super) fn counts_generations(resource: &Resource) -> bool {
    let counting = [
        "deployments.apps",
        "replicasets.apps",
        "statefulsets.apps",
        "daemonsets.apps",
        "jobs.batch",
        "endpointslices.discovery.k8s.io",
        "poddisruptionbudgets.policy",
        "customresourcedefinitions.apiextensions.k8s.io",
    ];
    resource.custom || counting.contains(&resource.full_name().as_str())
}

/// Whether what people ask for has changed, and not only what is told of it.
pub(super) fn is_new_generation(resource: &Resource, old: &Value, new: &Value) -> bool {
    let (Some(before), Some(after)) = (old.as_object(), new.as_object()) else { return true };
    let matters = |name: &str| name != "metadata" && !(name == "status" && resource.status);
    // A Deployment carries its annotations over to its ReplicaSets.
    let annotations = |object: &Value| object.pointer("/metadata/annotations").cloned();
    (resource.kind == "Deployment" && annotations(old) != annotations(new))
        || before.keys().chain(after.keys()).any(|name| matters(name) && before.get(name) != after.get(name))
}

/// The finalizers that an object waits for.
pub(crate) fn finalizers(object: &Value) -> Vec<&str> {
    let listed = object.pointer("/metadata/finalizers").and_then(Value::as_array);
    listed.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The objects that an object belongs to.
pub(crate) fn owner_references(object: &Value) -> impl Iterator<Item = &Value> {
    object.pointer("/metadata/ownerReferences").and_then(Value::as_array).into_iter().flatten()
}
