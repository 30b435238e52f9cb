//! The CEL rules of a schema.

use kube::core::cel::{ValidationError, validate_compiled};
use serde_json::{Map, Value, json};

use super::{
    node::Node,
    validate::{below, earlier_element},
};
use crate::Cause;

/// The rules that `object` breaks. Rules about a part that is as it was `before` are not asked.
pub fn check_root(root: &Node, object: &Value, before: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    if !before.is_some_and(|before| is_seen_as(object, before)) {
        check(root, object, before, "", &mut causes);
    }
    causes
}

/// Of an object's metadata, rules see these alone.
const SEEN: [&str; 2] = ["name", "generateName"];

/// Whether rules cannot tell two objects apart.
fn is_seen_as(object: &Value, other: &Value) -> bool {
    let (Some(object), Some(other)) = (object.as_object(), other.as_object()) else { return object == other };
    let beside = |fields: &Map<String, Value>| fields.len() - usize::from(fields.contains_key("metadata"));
    let names =
        |fields: &Map<String, Value>| SEEN.map(|name| fields.get("metadata").and_then(|it| it.get(name)).cloned());
    beside(object) == beside(other)
        && names(object) == names(other)
        && object.iter().all(|(name, field)| name == "metadata" || other.get(name) == Some(field))
}

/// What the rules of `node`, which is the root if `path` is empty, see of `value`.
fn seen(node: &Node, value: &Value, path: &str) -> Value {
    let mut seen = node.mentioned.of(value);
    if let Some(metadata) = seen.get_mut("metadata").and_then(Value::as_object_mut).filter(|_| path.is_empty()) {
        metadata.retain(|name, _| SEEN.contains(&name.as_str()));
    }
    seen
}

fn check(node: &Node, value: &Value, before: Option<&Value>, path: &str, causes: &mut Vec<Cause>) {
    if !node.has_rules || before == Some(value) || (value.is_null() && node.nullable) {
        return;
    }
    if let Some(rules) = &node.rules {
        let earlier = before.map(|before| seen(node, before, path));
        if let Err(errors) = validate_compiled(rules, &seen(node, value, path), earlier.as_ref()) {
            causes.extend(errors.as_slice().iter().map(|error| cause(error, value, path)));
        }
    }
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if let Some(known) = node.field(name) {
                    check(known, field, before.and_then(|before| before.get(name)), &below(path, name), causes);
                }
            }
        }
        Value::Array(elements) => {
            let Some(items) = &node.items else { return };
            for (index, element) in elements.iter().enumerate() {
                let earlier = earlier_element(node, element, before);
                check(items, element, earlier, &format!("{path}[{index}]"), causes);
            }
        }
        _ => {}
    }
}

fn cause(error: &ValidationError, value: &Value, path: &str) -> Cause {
    // The place of the rule is where its evaluation began; a rule may name a field below it.
    let separator = if path.is_empty() || error.field_path.is_empty() || error.field_path.starts_with(['.', '[']) {
        ""
    } else {
        "."
    };
    let field = format!("{path}{separator}{}", error.field_path).trim_start_matches('.').to_owned();
    let sentence = &error.message;
    let shown = match value {
        Value::Object(_) => json!("object"),
        Value::Array(_) => json!("array"),
        scalar => scalar.clone(),
    };
    match error.reason.as_deref() {
        Some("FieldValueRequired") => Cause::required(&field, sentence),
        Some("FieldValueForbidden") => {
            Cause { reason: "FieldValueForbidden", message: format!("Forbidden: {sentence}"), field }
        }
        Some("FieldValueDuplicate") => {
            Cause { reason: "FieldValueDuplicate", message: format!("Duplicate value: {shown}"), field }
        }
        _ => Cause::invalid(&field, &shown, sentence),
    }
}
