//! The scale subresource: the count of replicas, whatever kind has it.

use serde_json::{Map, Value, json};

use super::metadata::is_meant;
use crate::{Cause, Object, Refusal, Resource, state::metadata_text};

/// The scale of an object.
pub(crate) fn scale_of(resource: &Resource, object: &Value) -> Value {
    let paths = resource.scale.clone().unwrap_or_default();
    let mut metadata = Map::new();
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        metadata.insert(field.to_owned(), metadata_text(object, field).into());
    }
    let count = |path: &str| at(object, path).and_then(Value::as_i64).unwrap_or(0);
    let mut status = json!({"replicas": count(&paths.status)});
    if let Some(selector) = at(object, &paths.selector).map(selector_text).filter(|it| !it.is_empty())
        && let Some(fields) = status.as_object_mut()
    {
        fields.insert("selector".to_owned(), selector.into());
    }
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata,
        "spec": {"replicas": count(&paths.spec)}, "status": status,
    })
}

/// The object with the replicas that `scale` asks for.
pub(super) fn rescaled(resource: &Resource, current: &Object, scale: &Value) -> Result<Value, Refusal> {
    is_meant(resource, current, scale)?;
    let wanted = scale.pointer("/spec/replicas").cloned().unwrap_or_else(|| json!(0));
    if wanted.as_i64().is_none_or(|count| count < 0) {
        let cause = Cause::invalid("spec.replicas", &wanted, "must be greater than or equal to 0");
        let kind = Resource { kind: "Scale".to_owned(), group: "autoscaling".to_owned(), ..resource.clone() };
        return Err(Refusal::invalid(&kind, current.name(), &[cause]));
    }
    let mut object = current.value().clone();
    let path = resource.scale.as_ref().map(|paths| paths.spec.clone()).unwrap_or_default();
    set(&mut object, &path, wanted);
    Ok(object)
}

fn at<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    let mut steps = path.split('.').filter(|step| !step.is_empty()).peekable();
    steps.peek()?;
    steps.try_fold(object, |value, step| value.get(step))
}

fn set(object: &mut Value, path: &str, value: Value) {
    let mut place = object;
    for step in path.split('.').filter(|step| !step.is_empty()) {
        let Some(fields) = place.as_object_mut() else { return };
        place = fields.entry(step).or_insert_with(|| json!({}));
    }
    *place = value;
}

/// A selector as text: custom resources have it so, the built-in kinds as fields.
fn selector_text(selector: &Value) -> String {
    if let Some(text) = selector.as_str() {
        return text.to_owned();
    }
    let labels = selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten();
    let mut parts: Vec<String> =
        labels.map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default())).collect();
    for expression in selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
        let text = |field: &str| expression.get(field).and_then(Value::as_str).unwrap_or_default();
        let values = expression.get("values").and_then(Value::as_array).into_iter().flatten();
        let values = values.filter_map(Value::as_str).collect::<Vec<_>>().join(",");
        parts.push(match text("operator") {
            "In" => format!("{} in ({values})", text("key")),
            "NotIn" => format!("{} notin ({values})", text("key")),
            "DoesNotExist" => format!("!{}", text("key")),
            _ => text("key").to_owned(),
        });
    }
    parts.join(",")
}
