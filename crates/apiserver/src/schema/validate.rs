//! What a schema refuses, in the words of Kubernetes.

use std::collections::BTreeSet;

use serde_json::{Map, Number, Value, json};

use super::{format::is_of_format, node::Node};
use crate::Cause;

/// What is wrong with `object`. Parts that are as they were `before` are taken as they are, so that a schema that
/// became stricter does not lock old objects.
pub fn validate_root(root: &Node, object: &Value, before: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    check(root, object, before, "", &mut causes);
    causes
}

fn check(node: &Node, value: &Value, before: Option<&Value>, path: &str, causes: &mut Vec<Cause>) {
    if before == Some(value) || (value.is_null() && node.nullable) {
        return;
    }
    if !is_of_type(node, value) {
        let wanted = type_name(node);
        let shown = type_of(value);
        causes.push(Cause {
            reason: "FieldValueTypeInvalid",
            message: format!("Invalid value: {shown:?}: {path} in body must be of type {wanted}: {shown:?}"),
            field: path.to_owned(),
        });
        return;
    }
    match value {
        Value::String(text) => check_string(node, text, path, causes),
        Value::Number(number) => check_number(node, number, path, causes),
        Value::Array(elements) => check_list(node, elements, before, path, causes),
        Value::Object(fields) => check_map(node, fields, before, path, causes),
        Value::Null | Value::Bool(_) => {}
    }
    if !node.format.is_empty() && !is_of_format(value, &node.format) {
        let why = format!("{} in body must be of type {}: {value}", path, node.format);
        causes.push(Cause::invalid(path, value, &why));
    }
    check_enum(node, value, path, causes);
    check_alternatives(node, value, path, causes);
}

fn is_of_type(node: &Node, value: &Value) -> bool {
    if node.int_or_string {
        return value.is_i64() || value.is_u64() || value.is_string();
    }
    match node.kind.as_str() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0),
        _ => true,
    }
}

fn type_name(node: &Node) -> &str {
    if node.int_or_string { "integer,string" } else { &node.kind }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn check_string(node: &Node, text: &str, path: &str, causes: &mut Vec<Cause>) {
    let length = text.chars().count();
    if let Some(least) = node.min_length.filter(|least| length < *least) {
        let why = format!("{path} in body should be at least {least} chars long");
        causes.push(Cause::invalid(path, &json!(text), &why));
    }
    if let Some(most) = node.max_length.filter(|most| length > *most) {
        causes.push(Cause {
            reason: "FieldValueTooLong",
            message: format!("Too long: may not be more than {most} bytes"),
            field: path.to_owned(),
        });
    }
    if let Some(expression) = node.expression.as_ref().filter(|expression| !expression.is_match(text)) {
        let why = format!("{path} in body should match '{expression}'");
        causes.push(Cause::invalid(path, &json!(text), &why));
    }
}

fn check_number(node: &Node, number: &Number, path: &str, causes: &mut Vec<Cause>) {
    let value = number.as_f64().unwrap_or_default();
    let mut refuse = |why: String| {
        causes.push(Cause::invalid(path, &Value::Number(number.clone()), &format!("{path} in body {why}")));
    };
    match node.minimum {
        Some(least) if node.exclusive_minimum && value <= least => refuse(format!("should be greater than {least}")),
        Some(least) if value < least => refuse(format!("should be greater than or equal to {least}")),
        _ => {}
    }
    match node.maximum {
        Some(most) if node.exclusive_maximum && value >= most => refuse(format!("should be less than {most}")),
        Some(most) if value > most => refuse(format!("should be less than or equal to {most}")),
        _ => {}
    }
    if let Some(factor) = node.multiple_of.filter(|factor| *factor > 0.0 && (value / factor).fract() != 0.0) {
        refuse(format!("should be a multiple of {factor}"));
    }
}

fn check_list(node: &Node, elements: &[Value], before: Option<&Value>, path: &str, causes: &mut Vec<Cause>) {
    if let Some(least) = node.min_items.filter(|least| elements.len() < *least) {
        let why = format!("{path} in body should have at least {least} items");
        causes.push(Cause::invalid(path, &Value::Array(elements.to_vec()), &why));
    }
    if let Some(most) = node.max_items.filter(|most| elements.len() > *most) {
        causes.push(Cause {
            reason: "FieldValueTooMany",
            message: format!("Too many: {}: must have at most {most} items", elements.len()),
            field: path.to_owned(),
        });
    }
    let mut seen = BTreeSet::new();
    for (index, element) in elements.iter().enumerate() {
        let path = format!("{path}[{index}]");
        if let Some(identity) = identity(node, element)
            && !seen.insert(identity.to_string())
        {
            causes.push(Cause {
                reason: "FieldValueDuplicate",
                message: format!("Duplicate value: {identity}"),
                field: path.clone(),
            });
        }
        if let Some(items) = &node.items {
            check(items, element, earlier_element(node, element, before), &path, causes);
        }
    }
}

/// What tells `element` from the others of a list that is a set or a map.
fn identity(node: &Node, element: &Value) -> Option<Value> {
    match node.list_type.as_str() {
        "set" => Some(element.clone()),
        "map" => {
            let key = |name: &String| Some((name.clone(), element.get(name)?.clone()));
            Some(Value::Object(node.list_map_keys.iter().filter_map(key).collect()))
        }
        _ => None,
    }
}

/// The element that `element` was before, where the list tells its elements apart by keys.
pub fn earlier_element<'a>(node: &Node, element: &Value, before: Option<&'a Value>) -> Option<&'a Value> {
    if node.list_type != "map" {
        return None;
    }
    let is_same = |other: &&Value| node.list_map_keys.iter().all(|key| other.get(key) == element.get(key));
    before?.as_array()?.iter().find(is_same)
}

fn check_map(node: &Node, fields: &Map<String, Value>, before: Option<&Value>, path: &str, causes: &mut Vec<Cause>) {
    for name in node.required.iter().filter(|name| !fields.contains_key(*name)) {
        causes.push(Cause::required(&below(path, name), ""));
    }
    if let Some(least) = node.min_properties.filter(|least| fields.len() < *least) {
        let why = format!("{path} in body should have at least {least} properties");
        causes.push(Cause::invalid(path, &Value::Object(fields.clone()), &why));
    }
    if let Some(most) = node.max_properties.filter(|most| fields.len() > *most) {
        causes.push(Cause {
            reason: "FieldValueTooMany",
            message: format!("Too many: {}: must have at most {most} items", fields.len()),
            field: path.to_owned(),
        });
    }
    for (name, field) in fields {
        if let Some(known) = node.field(name) {
            check(known, field, before.and_then(|before| before.get(name)), &below(path, name), causes);
        }
    }
}

/// The path of the field `name` at `path`.
pub fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn check_enum(node: &Node, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    let Some(allowed) = node.allowed.as_ref().filter(|allowed| !allowed.contains(value)) else { return };
    let allowed: Vec<String> = allowed.iter().map(Value::to_string).collect();
    causes.push(Cause {
        reason: "FieldValueNotSupported",
        message: format!("Unsupported value: {value}: supported values: {}", allowed.join(", ")),
        field: path.to_owned(),
    });
}

fn check_alternatives(node: &Node, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    let fits = |node: &Node| {
        let mut causes = Vec::new();
        check(node, value, None, path, &mut causes);
        causes.is_empty()
    };
    let mut refuse = |why: &str| causes.push(Cause::invalid(path, value, &format!("{path} in body {why}")));
    if !node.any_of.is_empty() && !node.any_of.iter().any(fits) {
        refuse("must validate at least one schema (anyOf)");
    }
    if !node.one_of.is_empty() {
        match node.one_of.iter().filter(|node| fits(node)).count() {
            1 => {}
            0 => refuse("must validate one and only one schema (oneOf). Found none valid"),
            many => {
                refuse(&format!("must validate one and only one schema (oneOf). Found {many} valid alternatives"));
            }
        }
    }
    if !node.all_of.iter().all(fits) {
        refuse("must validate all the schemas (allOf)");
    }
    if node.not.as_deref().is_some_and(fits) {
        refuse("must not validate the schema (not)");
    }
    for part in &node.all_of {
        check(part, value, None, path, causes);
    }
}
