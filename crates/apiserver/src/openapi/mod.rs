//! What the fields of every kind mean, as `OpenAPI` 3: `kubectl explain` prints it, and clients ask it what a server can.
//!
//! <https://kubernetes.io/docs/concepts/overview/kubernetes-api/#openapi-v3>

mod built_in;
mod operations;

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Resource, definition::DEFINITIONS, state::State};

/// Where the components of a document are referred to.
const COMPONENTS: &str = "#/components/schemas/";

/// The answer to a path behind `/openapi/v3`, such as `apis/apps/v1`: one group and version, or which there are.
pub(super) fn document(state: &State, path: &str) -> Option<Value> {
    let served = state.served();
    if path.is_empty() {
        return Some(json!({"paths": index(&served)}));
    }
    let mut paths = Map::new();
    let mut components = built_in::Components::new();
    for resource in &served {
        for version in resource.versions.iter().filter(|version| root(&resource.group, version) == path) {
            let component = component(state, resource, version, &mut components);
            paths.extend(operations::of(resource, version, &component));
        }
    }
    (!paths.is_empty()).then(|| {
        json!({
            "openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "unversioned"}, "paths": paths,
            "components": {"schemas": components.take()},
        })
    })
}

/// Where each group and version is described.
fn index(served: &[Arc<Resource>]) -> Map<String, Value> {
    let versions = served.iter().flat_map(|it| it.versions.iter().map(|version| root(&it.group, version)));
    versions.map(|root| (root.clone(), json!({"serverRelativeURL": format!("/openapi/v3/{root}")}))).collect()
}

/// The start of the paths of a group and version, without the first slash.
fn root(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") }
}

/// Adds what a kind consists of to the components, and tells the name of its own.
fn component(state: &State, resource: &Resource, version: &str, components: &mut built_in::Components) -> String {
    let Resource { group, kind, .. } = resource;
    let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    let name = if resource.custom {
        let name = format!("{}.{version}.{kind}", group.rsplit('.').collect::<Vec<_>>().join("."));
        components.add(&name, defined(state, resource, version).unwrap_or_else(|| json!({"type": "object"})));
        name
    } else {
        components.add_built_in(&api_version, kind)
    };
    components.mark(&name, &json!([{"group": group, "version": version, "kind": kind}]));
    name
}

/// The schema of a version in the definition of its kind, and what every object has besides.
fn defined(state: &State, resource: &Resource, version: &str) -> Option<Value> {
    let definition = state.collections.get(DEFINITIONS)?.get("", &resource.full_name())?;
    let versions = definition.value().pointer("/spec/versions")?.as_array()?;
    let version = versions.iter().find(|it| it.get("name").and_then(Value::as_str) == Some(version))?;
    let mut schema = version.pointer("/schema/openAPIV3Schema")?.clone();
    let fields = schema.as_object_mut()?;
    let properties = fields.entry("properties").or_insert_with(|| json!({})).as_object_mut()?;
    for (name, description) in [
        ("apiVersion", "The group and version of the kind, which says how the object is read."),
        ("kind", "What the object is."),
    ] {
        properties.insert(name.to_owned(), json!({"type": "string", "description": description}));
    }
    let metadata = format!("{COMPONENTS}{}", built_in::METADATA);
    properties
        .insert("metadata".to_owned(), json!({"description": "What every object has.", "allOf": [{"$ref": metadata}]}));
    Some(schema)
}
