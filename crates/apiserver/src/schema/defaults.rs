//! Filling in what is missing.
//!
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#defaulting-and-nullable>

use serde_json::Value;

use super::node::Node;

/// Fills in the defaults of an object; its metadata has none.
pub fn fill_in_root(root: &Node, object: &mut Value) {
    fill_in(root, object, true);
}

fn fill_in(node: &Node, value: &mut Value, is_resource: bool) {
    match value {
        Value::Object(fields) => {
            let is_metadata = |name: &str| is_resource && name == "metadata";
            // A null that may not be is as good as nothing, and gets the default; without one it goes.
            fields.retain(|name, field| {
                let may_be_null = node.field(name).is_none_or(|known| known.nullable || known.default.is_some());
                !field.is_null() || may_be_null
            });
            for (name, known) in node.properties.iter().filter(|(name, _)| !is_metadata(name)) {
                let Some(default) = &known.default else { continue };
                let is_missing = fields.get(name).is_none_or(|field| field.is_null() && !known.nullable);
                if is_missing {
                    fields.insert(name.clone(), default.clone());
                }
            }
            for (name, field) in fields.iter_mut().filter(|(name, _)| !is_metadata(name)) {
                if let Some(known) = node.field(name) {
                    fill_in(known, field, known.embedded_resource);
                }
            }
        }
        Value::Array(elements) => {
            let Some(items) = &node.items else { return };
            for element in elements {
                if let (true, false, Some(default)) = (element.is_null(), items.nullable, &items.default) {
                    *element = default.clone();
                }
                fill_in(items, element, items.embedded_resource);
            }
        }
        _ => {}
    }
}
