//! The CEL rules of a schema.

use kube::core::cel::{ValidationError, validate_compiled};
use serde_json::{Map, Value, json};

use super::{
    node::Node,
    validate::{below, earlier_element},
};
use crate::sim::api::Cause;

/// The rules that `object` breaks. Rules about a part that is as it was `before` are not asked.
pub fn check_root(root: &Node, object: &Value, before: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    if root.rules.is_some() {
        let (object, before) = (visible(object), before.map(visible));
        check(root, &object, before.as_ref(), "", &mut causes);
    } else {
        check(root, object, before, "", &mut causes);
    }
    causes
}

/// Of an object's metadata, rules see the name alone.
fn visible(object: &Value) -> Value {
    let Some(fields) = object.as_object() else { return object.clone() };
    let names =
        ["name", "generateName"].into_iter().filter_map(|name| Some((name, fields.get("metadata")?.get(name)?)));
    let metadata: Map<_, _> = names.map(|(name, value)| (name.to_owned(), value.clone())).collect();
    let others = fields.iter().filter(|(name, _)| *name != "metadata");
    let mut visible: Map<_, _> = others.map(|(name, value)| (name.clone(), value.clone())).collect();
    visible.insert("metadata".to_owned(), Value::Object(metadata));
    Value::Object(visible)
}

fn check(node: &Node, value: &Value, before: Option<&Value>, path: &str, causes: &mut Vec<Cause>) {
    if !node.has_rules || before == Some(value) || (value.is_null() && node.nullable) {
        return;
    }
    if let Some(rules) = &node.rules
        && let Err(errors) = validate_compiled(rules, value, before)
    {
        causes.extend(errors.as_slice().iter().map(|error| cause(error, value, path)));
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
