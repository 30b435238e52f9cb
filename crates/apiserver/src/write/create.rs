//! Making new objects.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Writer,
    metadata::{SYSTEM_FIELDS, counts_generations, has_shape, in_namespace},
};
use crate::{
    Cause, Object, Refusal, Resource, What,
    definition::{DEFINITIONS, establish},
    place::Place,
    state::{State, metadata_text, set_metadata},
};

/// The longest start of a generated name that leaves room for its end.
const LONGEST_START: usize = 58;

impl State {
    /// Makes a new object.
    pub(crate) fn create(&mut self, place: &Place, mut object: Value, writer: &Writer) -> Result<Arc<Object>, Refusal> {
        let resource = &place.resource;
        has_shape(place, &mut object)?;
        in_namespace(place, &mut object)?;
        if !metadata_text(&object, "resourceVersion").is_empty() {
            return Err(Refusal::bad_request("resourceVersion should not be set on objects to be created"));
        }
        let name = self.name(resource, &mut object)?;
        let exists = self.object(resource, &place.namespace, &name).is_some();
        self.open_for_content(resource, &place.namespace, &name)?;
        self.furnish(resource, &mut object, writer);
        self.complete(resource, &mut object, writer)?;
        self.allocate(resource, &mut object);
        let causes = self.wrong(resource, None, &object);
        if !causes.is_empty() {
            return Err(Refusal::invalid(resource, &name, &causes));
        }
        if exists {
            return Err(Refusal::already_exists(resource, &name));
        }
        self.track(place, None, &mut object, writer);
        Ok(self.commit(resource, What::Added, object, None, writer))
    }

    /// Gives a new object what only the server gives.
    fn furnish(&mut self, resource: &Resource, object: &mut Value, writer: &Writer) {
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            for field in SYSTEM_FIELDS {
                metadata.remove(field);
            }
        }
        set_metadata(object, "uid", self.uid().into());
        set_metadata(object, "creationTimestamp", writer.seconds().into());
        if counts_generations(resource) {
            set_metadata(object, "generation", 1.into());
        }
        if resource.status
            && let Some(fields) = object.as_object_mut()
        {
            fields.remove("status");
            match resource.kind.as_str() {
                "Pod" => drop(fields.insert("status".to_owned(), json!({"phase": "Pending"}))),
                "Namespace" => {
                    fields.insert("status".to_owned(), json!({"phase": "Active"}));
                    fields.insert("spec".to_owned(), json!({"finalizers": ["kubernetes"]}));
                }
                _ => {}
            }
        }
        if resource.full_name() == DEFINITIONS {
            establish(object, &writer.seconds());
        }
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
        let name = format!("{}{}", start.get(..LONGEST_START).unwrap_or(&start), self.suffix());
        set_metadata(object, "name", name.clone().into());
        Ok(name)
    }

    /// Whether a new object may be put into `namespace`.
    fn open_for_content(&self, resource: &Resource, namespace: &str, name: &str) -> Result<(), Refusal> {
        if !resource.namespaced {
            return Ok(());
        }
        let namespaces = self.collections.get("namespaces").ok_or_else(Refusal::unknown_path)?;
        let found = namespaces.get("", namespace).ok_or_else(|| Refusal::not_found(&namespaces.resource, namespace))?;
        if !found.is_deleting() {
            return Ok(());
        }
        let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
        let cause = json!({
            "reason": "NamespaceTerminating", "field": "metadata.namespace",
            "message": format!("namespace {namespace} is being terminated"),
        });
        let mut refusal = Refusal::forbidden(resource, name, &why);
        if let Some(details) = refusal.details.as_object_mut() {
            details.insert("causes".to_owned(), json!([cause]));
        }
        Err(refusal)
    }

    /// Gives a Service that wants an address of its own the next one.
    fn allocate(&mut self, resource: &Resource, object: &mut Value) {
        if resource.full_name() != "services" {
            return;
        }
        let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return };
        if spec.get("type").and_then(Value::as_str) == Some("ExternalName") {
            return;
        }
        if spec.get("clusterIP").and_then(Value::as_str).is_none_or(str::is_empty) {
            spec.insert("clusterIP".to_owned(), self.address().into());
        }
        if let Some(address) = spec.get("clusterIP").cloned() {
            spec.insert("clusterIPs".to_owned(), json!([address]));
        }
    }
}
