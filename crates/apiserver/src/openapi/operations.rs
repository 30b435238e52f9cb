//! The paths at which a kind is served, and what may be done there.

use serde_json::{Map, Value, json};

use super::{COMPONENTS, root};
use crate::Resource;

/// The bodies that a patch may have. A strategic merge patch is taken as well, but how its lists merge is not described
/// here: kubectl makes such a patch of built-in kinds from what it knows itself.
const PATCHES: [&str; 3] =
    ["application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"];

/// The paths of one version of a kind, whose schema is the component of that name.
pub(super) fn of(resource: &Resource, version: &str, component: &str) -> Map<String, Value> {
    let Resource { plural, namespaced, .. } = resource;
    let root = root(&resource.group, version);
    let all =
        if *namespaced { format!("/{root}/namespaces/{{namespace}}/{plural}") } else { format!("/{root}/{plural}") };
    let operation = |action: &str| operation(resource, version, component, action);
    let mut paths = Map::new();
    if *namespaced {
        paths.insert(format!("/{root}/{plural}"), json!({"get": operation("list")}));
    }
    let many = json!({"get": operation("list"), "post": operation("post"), "delete": operation("deletecollection")});
    let one = json!({
        "get": operation("get"), "put": operation("put"), "patch": operation("patch"), "delete": operation("delete"),
    });
    if resource.status {
        let status = json!({"get": operation("get"), "put": operation("put"), "patch": operation("patch")});
        paths.insert(format!("{all}/{{name}}/status"), status);
    }
    paths.insert(all.clone(), many);
    paths.insert(format!("{all}/{{name}}"), one);
    paths
}

fn operation(resource: &Resource, version: &str, component: &str, action: &str) -> Value {
    let schema = json!({"$ref": format!("{COMPONENTS}{component}")});
    let body = |types: &[&str]| -> Map<String, Value> {
        types.iter().map(|name| ((*name).to_owned(), json!({"schema": schema}))).collect()
    };
    let parameters: &[(&str, &str)] = match action {
        "post" | "put" => &[("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string")],
        "patch" => {
            &[("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string"), ("force", "boolean")]
        }
        "delete" | "deletecollection" => {
            &[("dryRun", "string"), ("gracePeriodSeconds", "integer"), ("propagationPolicy", "string")]
        }
        "list" => {
            &[("labelSelector", "string"), ("fieldSelector", "string"), ("limit", "integer"), ("watch", "boolean")]
        }
        _ => &[],
    };
    let parameters: Vec<Value> =
        parameters.iter().map(|(name, kind)| json!({"name": name, "in": "query", "schema": {"type": kind}})).collect();
    let mut operation = json!({
        "x-kubernetes-action": action, "parameters": parameters,
        "x-kubernetes-group-version-kind": {"group": resource.group, "version": version, "kind": resource.kind},
        "responses": {"200": {"description": "OK", "content": body(&["application/json"])}},
    });
    let taken: &[&str] = match action {
        "post" | "put" => &["application/json"],
        "patch" => &PATCHES,
        _ => return operation,
    };
    if let Some(fields) = operation.as_object_mut() {
        fields.insert("requestBody".to_owned(), json!({"content": body(taken), "required": true}));
    }
    operation
}
