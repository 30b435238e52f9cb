//! Dropping what a schema does not know.

use serde_json::{Map, Value};

use super::node::Node;

/// Fields that every object has.
const OF_EVERY_OBJECT: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Drops unknown fields from `object`, and tells where they were.
pub fn prune(root: &Node, object: &mut Value) -> Vec<String> {
    let mut unknown = Vec::new();
    prune_at(root, object, "", true, &mut unknown);
    unknown
}

fn prune_at(node: &Node, value: &mut Value, path: &str, is_resource: bool, unknown: &mut Vec<String>) {
    match value {
        Value::Object(fields) => prune_map(node, fields, path, is_resource, unknown),
        Value::Array(elements) => {
            let Some(items) = &node.items else { return };
            for (index, element) in elements.iter_mut().enumerate() {
                prune_at(items, element, &format!("{path}[{index}]"), items.embedded_resource, unknown);
            }
        }
        _ => {}
    }
}

fn prune_map(node: &Node, fields: &mut Map<String, Value>, path: &str, is_resource: bool, unknown: &mut Vec<String>) {
    let at = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    let stays = |name: &str| {
        node.field(name).is_some() || node.keeps_unknown() || (is_resource && OF_EVERY_OBJECT.contains(&name))
    };
    fields.retain(|name, _| {
        let stays = stays(name);
        if !stays {
            unknown.push(at(name));
        }
        stays
    });
    for (name, field) in fields.iter_mut().filter(|(name, _)| !(is_resource && *name == "metadata")) {
        if let Some(known) = node.field(name) {
            prune_at(known, field, &at(name), known.embedded_resource, unknown);
        }
    }
}
