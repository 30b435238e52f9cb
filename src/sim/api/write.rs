//! Creating and changing objects.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{
    Object, Refusal, Resource, What,
    definition::{DEFINITIONS, establish},
    refusal::Cause,
    state::{State, Writer, metadata_text, set_metadata},
};

/// The fields of `metadata` that a writer cannot set: they stay as they are.
const SYSTEM_FIELDS: [&str; 6] =
    ["uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"];

impl State {
    /// Makes a new object.
    pub(super) fn create(
        &mut self,
        resource: &Arc<Resource>,
        namespace: &str,
        mut object: Value,
        writer: &Writer,
    ) -> Result<Arc<Object>, Refusal> {
        has_shape(resource, &mut object)?;
        in_namespace(resource, namespace, &mut object)?;
        if !metadata_text(&object, "resourceVersion").is_empty() {
            return Err(Refusal::bad_request("resourceVersion should not be set on objects to be created"));
        }
        let name = self.name(resource, &mut object)?;
        if self.object(resource, namespace, &name).is_some() {
            return Err(Refusal::already_exists(resource, &name));
        }
        self.open_for_content(resource, namespace, &name)?;
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            for field in SYSTEM_FIELDS {
                metadata.remove(field);
            }
        }
        let uid = self.uid();
        set_metadata(&mut object, "uid", uid.into());
        set_metadata(&mut object, "creationTimestamp", seconds(writer).into());
        set_metadata(&mut object, "generation", 1.into());
        if resource.status
            && let Some(fields) = object.as_object_mut()
        {
            fields.remove("status");
        }
        if resource.full_name() == DEFINITIONS {
            establish(&mut object, &seconds(writer));
        }
        Ok(self.commit(resource, What::Added, object, None, writer))
    }

    fn name(&mut self, resource: &Resource, object: &mut Value) -> Result<String, Refusal> {
        let name = metadata_text(object, "name").to_owned();
        if !name.is_empty() {
            return Ok(name);
        }
        let start = metadata_text(object, "generateName").to_owned();
        if start.is_empty() {
            let cause = Cause::required("metadata.name", "name or generateName is required");
            return Err(Refusal::invalid(resource, "", &[cause]));
        }
        let name = format!("{}{}", start.get(..58).unwrap_or(&start), self.suffix());
        set_metadata(object, "name", name.clone().into());
        Ok(name)
    }

    /// Whether a new object may be put into `namespace`.
    fn open_for_content(&self, resource: &Resource, namespace: &str, name: &str) -> Result<(), Refusal> {
        if !resource.namespaced {
            return Ok(());
        }
        let namespaces = self.collections.get("namespaces");
        match namespaces.and_then(|it| it.get("", namespace)) {
            None => match namespaces {
                Some(it) => Err(Refusal::not_found(&it.resource, namespace)),
                None => Err(Refusal::unknown_path()),
            },
            Some(found) if found.is_deleting() => {
                let why =
                    format!("unable to create new content in namespace {namespace} because it is being terminated");
                Err(Refusal::forbidden(resource, name, &why))
            }
            Some(_) => Ok(()),
        }
    }

    /// Puts `object` in the place of what is there.
    pub(super) fn replace(
        &mut self,
        resource: &Arc<Resource>,
        (namespace, name, subresource): (&str, &str, &str),
        mut object: Value,
        writer: &Writer,
    ) -> Result<Arc<Object>, Refusal> {
        has_shape(resource, &mut object)?;
        in_namespace(resource, namespace, &mut object)?;
        let given = metadata_text(&object, "name");
        if given != name {
            let why = format!("the name of the object ({given}) does not match the name on the URL ({name})");
            return Err(Refusal::bad_request(why));
        }
        let current = self.object(resource, namespace, name).ok_or_else(|| Refusal::not_found(resource, name))?;
        self.change(resource, &current, subresource, object, writer)
    }

    /// Merges `patch` into the object.
    pub(super) fn merge(
        &mut self,
        resource: &Arc<Resource>,
        (namespace, name, subresource): (&str, &str, &str),
        patch: &Value,
        writer: &Writer,
    ) -> Result<Arc<Object>, Refusal> {
        let current = self.object(resource, namespace, name).ok_or_else(|| Refusal::not_found(resource, name))?;
        let mut object = current.value().clone();
        if metadata_text(patch, "resourceVersion").is_empty() {
            set_metadata(&mut object, "resourceVersion", Value::Null);
        }
        json_patch::merge(&mut object, patch);
        has_shape(resource, &mut object)?;
        self.change(resource, &current, subresource, object, writer)
    }

    /// Stores `object` in the place of `current`, as far as it may differ.
    fn change(
        &mut self,
        resource: &Arc<Resource>,
        current: &Arc<Object>,
        subresource: &str,
        object: Value,
        writer: &Writer,
    ) -> Result<Arc<Object>, Refusal> {
        let name = current.name();
        let version = metadata_text(&object, "resourceVersion");
        if !version.is_empty() && version.parse() != Ok(current.version()) {
            return Err(Refusal::outdated(resource, name));
        }
        let uid = metadata_text(&object, "uid");
        if !uid.is_empty() && uid != current.uid() {
            let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {}", current.uid());
            return Err(Refusal::conflict(resource, name, &why));
        }
        let mut object = isolated(resource, current.value(), object, subresource);
        keep_system_fields(current.value(), &mut object);
        if object == *current.value() {
            return Ok(current.clone());
        }
        if differs_in_spec(resource, current.value(), &object) {
            bump_generation(&mut object);
        }
        if current.is_deleting() && finalizers(&object).is_empty() {
            return Ok(self.remove(resource, current, object, writer));
        }
        Ok(self.commit(resource, What::Modified, object, Some(current.clone()), writer))
    }

    /// Takes the object out of the store.
    pub(super) fn remove(
        &mut self,
        resource: &Arc<Resource>,
        current: &Arc<Object>,
        last: Value,
        writer: &Writer,
    ) -> Arc<Object> {
        self.commit(resource, What::Deleted, last, Some(current.clone()), writer)
    }

    /// Deletes the object; one with finalizers waits for them.
    pub(super) fn delete(
        &mut self,
        resource: &Arc<Resource>,
        namespace: &str,
        name: &str,
        writer: &Writer,
    ) -> Result<Arc<Object>, Refusal> {
        let current = self.object(resource, namespace, name).ok_or_else(|| Refusal::not_found(resource, name))?;
        let mut object = current.value().clone();
        if finalizers(&object).is_empty() {
            return Ok(self.remove(resource, &current, object, writer));
        }
        if current.is_deleting() {
            return Ok(current);
        }
        set_metadata(&mut object, "deletionTimestamp", seconds(writer).into());
        set_metadata(&mut object, "deletionGracePeriodSeconds", 0.into());
        bump_generation(&mut object);
        Ok(self.commit(resource, What::Modified, object, Some(current), writer))
    }
}

/// The time of the write as Kubernetes tells it: whole seconds.
fn seconds(writer: &Writer) -> String {
    jiff::Timestamp::from_second(writer.now.as_second()).unwrap_or_default().to_string()
}

fn bump_generation(object: &mut Value) {
    let generation = object.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(0);
    set_metadata(object, "generation", (generation + 1).into());
}

pub(super) fn finalizers(object: &Value) -> Vec<&str> {
    let listed = object.pointer("/metadata/finalizers").and_then(Value::as_array);
    listed.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// An object has metadata, and is of the kind that the path names.
fn has_shape(resource: &Resource, object: &mut Value) -> Result<(), Refusal> {
    let Some(fields) = object.as_object_mut() else {
        return Err(Refusal::bad_request("the body of the request is not an object"));
    };
    if !fields.get("metadata").is_some_and(Value::is_object) {
        fields.insert("metadata".to_owned(), Map::new().into());
    }
    let given = fields.get("kind").and_then(Value::as_str).unwrap_or_default();
    if !given.is_empty() && given != resource.kind {
        let why = format!("the object provided is unrecognized: {given} is not {}", resource.kind);
        return Err(Refusal::bad_request(why));
    }
    fields.insert("kind".to_owned(), json!(resource.kind));
    fields.insert("apiVersion".to_owned(), json!(resource.api_version()));
    Ok(())
}

fn in_namespace(resource: &Resource, namespace: &str, object: &mut Value) -> Result<(), Refusal> {
    let given = metadata_text(object, "namespace");
    if !given.is_empty() && given != namespace {
        let why = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Refusal::bad_request(why));
    }
    if resource.namespaced && namespace.is_empty() {
        return Err(Refusal::bad_request("an empty namespace may not be set during creation"));
    }
    if resource.namespaced && given.is_empty() {
        set_metadata(object, "namespace", namespace.into());
    }
    Ok(())
}

/// What a write may change: through the status subresource the status alone, else all but the status.
fn isolated(resource: &Resource, current: &Value, mut object: Value, subresource: &str) -> Value {
    if !resource.status {
        return object;
    }
    let (mut result, status) = if subresource == "status" {
        (current.clone(), object.get_mut("status").map(Value::take))
    } else {
        (object, current.get("status").cloned())
    };
    if let Some(fields) = result.as_object_mut() {
        match status {
            Some(status) => drop(fields.insert("status".to_owned(), status)),
            None => drop(fields.remove("status")),
        }
    }
    result
}

fn keep_system_fields(current: &Value, object: &mut Value) {
    let (Some(old), Some(new)) = (current.get("metadata"), object.get_mut("metadata").and_then(Value::as_object_mut))
    else {
        return;
    };
    for field in SYSTEM_FIELDS.iter().chain(&["resourceVersion", "name", "namespace"]) {
        match old.get(field) {
            Some(value) => drop(new.insert((*field).to_owned(), value.clone())),
            None => drop(new.remove(*field)),
        }
    }
}

/// Whether what people ask for has changed, and not only what is told of it.
fn differs_in_spec(resource: &Resource, old: &Value, new: &Value) -> bool {
    let (Some(old), Some(new)) = (old.as_object(), new.as_object()) else { return true };
    let matters = |name: &str| name != "metadata" && !(name == "status" && resource.status);
    let mut names = old.keys().chain(new.keys());
    names.any(|name| matters(name) && old.get(name) != new.get(name))
}
