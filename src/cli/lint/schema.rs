//! What the schema of the CRD says of an object: unknown fields, missing fields, types, bounds.

use std::{collections::BTreeSet, sync::LazyLock};

use kube::CustomResourceExt;
use regex::Regex;
use serde_json::{Map, Value};
use tidegate_api::{
    CheckTemplate, Rollout,
    manifest::{field, item},
    nearest::did_you_mean,
    unquoted,
};

use super::finding::{Finding, LocatedDocument};

static ROLLOUT: LazyLock<Value> = LazyLock::new(schema::<Rollout>);
static TEMPLATE: LazyLock<Value> = LazyLock::new(schema::<CheckTemplate>);

fn schema<K: CustomResourceExt>() -> Value {
    let crd = serde_json::to_value(K::crd()).unwrap_or_default();
    let mut schema = crd.pointer("/spec/versions/0/schema/openAPIV3Schema").cloned().unwrap_or_default();
    // What every object has stands in no CRD.
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for name in ["apiVersion", "kind"] {
            properties.insert(name.to_owned(), serde_json::json!({"type": "string"}));
        }
        let metadata = serde_json::json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        properties.insert("metadata".to_owned(), metadata);
    }
    schema
}

/// Where `written`, a Rollout or a template, is not what the schema of its kind asks for.
pub fn check(written: &LocatedDocument) -> Vec<Finding> {
    let mut findings = Vec::new();
    let schema = if written.kind() == "Rollout" { &ROLLOUT } else { &TEMPLATE };
    walk(schema, written.document.value(), "", &mut |finding| {
        findings.push(match finding {
            Fault::Name(path, message) => written.error_of_name(path, message),
            Fault::Value(path, message) => written.error(path, message),
        });
    });
    findings
}

enum Fault {
    /// The field should not be there.
    Name(String, String),
    /// The field should have another value.
    Value(String, String),
}

fn walk(schema: &Value, value: &Value, path: &str, found: &mut dyn FnMut(Fault)) {
    let wrong = |message: String| Fault::Value(path.to_owned(), message);
    if let Some(message) = mistyped(schema, value) {
        return found(wrong(message));
    }
    if let Some(message) = outside(schema, value) {
        return found(wrong(message));
    }
    match value {
        Value::Object(fields) => walk_fields(schema, fields, path, found),
        Value::Array(items) => walk_items(schema, items, path, found),
        _ => {}
    }
}

fn walk_fields(schema: &Value, fields: &Map<String, Value>, path: &str, found: &mut dyn FnMut(Fault)) {
    if let Some(schema) = schema.get("additionalProperties").filter(|schema| schema.is_object()) {
        fields.iter().for_each(|(name, value)| walk(schema, value, &field(path, name), found));
    }
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    for name in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        if fields.get(name).is_none_or(Value::is_null) {
            found(Fault::Value(field(path, name), format!("{name} is missing")));
        }
    }
    for (name, value) in fields {
        match properties.get(name) {
            // The API server drops it as if it were not there.
            Some(_) if value.is_null() => {}
            Some(schema) => walk(schema, value, &field(path, name), found),
            None => {
                let near = did_you_mean(name, properties.keys().map(String::as_str));
                let place = if path.is_empty() { "the object" } else { path };
                found(Fault::Name(field(path, name), format!("{place} has no field {name}{near}")));
            }
        }
    }
}

fn walk_items(schema: &Value, items: &[Value], path: &str, found: &mut dyn FnMut(Fault)) {
    let keys = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
    for key in keys.into_iter().flatten().filter_map(Value::as_str) {
        let mut seen = BTreeSet::new();
        for (index, value) in items.iter().enumerate() {
            if let Some(text) = value.get(key).and_then(Value::as_str)
                && !seen.insert(text)
            {
                let message = format!("{text} is there twice: every {key} in {path} must be another");
                found(Fault::Value(field(&item(path, index), key), message));
            }
        }
    }
    let Some(schema) = schema.get("items") else { return };
    for (index, value) in items.iter().enumerate() {
        walk(schema, value, &item(path, index), found);
    }
}

/// Why `value` is not of the schema's type.
fn mistyped(schema: &Value, value: &Value) -> Option<String> {
    let shown = shown(value);
    if schema.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true)) {
        return match value {
            Value::String(_) => None,
            Value::Number(number) => (!number.is_i64() && !number.is_u64()).then(|| unquoted(number)),
            _ => Some(format!("{shown} is neither a whole number nor a text")),
        };
    }
    let (fits, wanted) = match schema.get("type")?.as_str()? {
        "object" => (value.is_object(), "a map of fields"),
        "array" => (value.is_array(), "a list"),
        "string" => (value.is_string(), "a text"),
        "boolean" => (value.is_boolean(), "true or false"),
        "integer" => (value.as_f64().is_some_and(|number| number.fract() == 0.0), "a whole number"),
        "number" => (value.is_number(), "a number"),
        _ => return None,
    };
    if fits {
        return None;
    }
    let pattern = schema.get("pattern").and_then(Value::as_str);
    Some(format!("{shown} is not {}", pattern.map_or(wanted, described)))
}

/// Why `value` is outside of the schema's bounds.
fn outside(schema: &Value, value: &Value) -> Option<String> {
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    match value {
        Value::String(text) => outside_text(schema, text, bound),
        Value::Array(items) => {
            let count = items.len() as f64;
            let least = bound("minItems").filter(|least| count < *least);
            let most = bound("maxItems").filter(|most| count > *most);
            least
                .map(|least| format!("{count} items are too few: there must be at least {least}"))
                .or(most.map(|most| format!("{count} items are too many: there may be at most {most}")))
        }
        Value::Number(number) => {
            let number = number.as_f64()?;
            let least = bound("minimum").filter(|least| number < *least);
            let most = bound("maximum").filter(|most| number > *most);
            least
                .map(|least| format!("{number} is too low: it must be at least {least}"))
                .or(most.map(|most| format!("{number} is too high: it may be at most {most}")))
        }
        _ => None,
    }
}

fn outside_text(schema: &Value, text: &str, bound: impl Fn(&str) -> Option<f64>) -> Option<String> {
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array) {
        let allowed: Vec<_> = allowed.iter().filter_map(Value::as_str).collect();
        if !allowed.contains(&text) {
            let near = did_you_mean(text, allowed.iter().copied());
            return Some(match allowed.as_slice() {
                [only] => format!("{text} is not {only}, and there is nothing else yet"),
                _ => format!("{text} is not one of {}{near}", allowed.join(", ")),
            });
        }
    }
    let length = text.chars().count() as f64;
    if let Some(least) = bound("minLength").filter(|least| length < *least) {
        return Some(if text.is_empty() {
            "the text must not be empty".to_owned()
        } else {
            format!("{text:?} is too short: it needs at least {least} characters")
        });
    }
    if let Some(most) = bound("maxLength").filter(|most| length > *most) {
        return Some(format!("{length} characters are too many: there may be at most {most}"));
    }
    let pattern = schema.get("pattern").and_then(Value::as_str)?;
    let matches = Regex::new(pattern).is_ok_and(|regex| regex.is_match(text));
    (!matches).then(|| format!("{text:?} is not {}", described(pattern)))
}

/// A pattern of the CRD in words.
fn described(pattern: &str) -> &'static str {
    if pattern.contains("ms|s|m|h") {
        "a length of time such as 30s, 10m or 1h30m"
    } else if pattern.contains("[-a-z0-9]") {
        "a name of lower-case letters, digits and dashes, with a letter or digit at both ends"
    } else if pattern.contains("[a-zA-Z0-9]") {
        "a name of letters and digits that begins with a small letter, such as route"
    } else {
        "a text of the right form; see kubectl explain"
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Object(_) => "a map".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Null => "nothing".to_owned(),
        other => other.to_string(),
    }
}
