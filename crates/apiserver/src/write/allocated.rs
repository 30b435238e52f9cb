//! What the server gave an object, and a write that says nothing of it leaves as it is.

use serde_json::{Map, Value};

use crate::place::Place;

/// The fields of a Service that stay while it has an address of its own.
const ADDRESSES: [&str; 2] = ["clusterIP", "clusterIPs"];

/// Keeps the address of a Service, and the finalizers of a namespace, without which it would leave its objects behind.
pub(super) fn keep(place: &Place, current: &Value, object: &mut Value) {
    let (Some(old), Some(fields)) = (current.get("spec").and_then(Value::as_object), object.as_object_mut()) else {
        return;
    };
    match place.resource.full_name().as_str() {
        "services" => {
            if let Some(new) = fields.get_mut("spec").and_then(Value::as_object_mut).filter(|spec| is_addressed(spec)) {
                keep_empty(&ADDRESSES, old, new);
            }
        }
        "namespaces" if place.subresource != "finalize" => {
            let spec = fields.entry("spec").or_insert_with(|| Value::Object(Map::new()));
            if let Some((spec, finalizers)) = spec.as_object_mut().zip(old.get("finalizers")) {
                spec.insert("finalizers".to_owned(), finalizers.clone());
            }
        }
        _ => {}
    }
}

fn is_addressed(spec: &Map<String, Value>) -> bool {
    spec.get("type").and_then(Value::as_str) != Some("ExternalName")
}

fn keep_empty(names: &[&str], old: &Map<String, Value>, new: &mut Map<String, Value>) {
    for name in names {
        let is_empty = match new.get(*name) {
            None | Some(Value::Null) => true,
            Some(Value::String(text)) => text.is_empty(),
            Some(Value::Array(items)) => items.is_empty(),
            Some(_) => false,
        };
        if let Some(value) = old.get(*name).filter(|_| is_empty) {
            new.insert((*name).to_owned(), value.clone());
        }
    }
}
