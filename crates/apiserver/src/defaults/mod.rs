//! What the built-in kinds fill in where nothing is said, as far as anybody looks at it.

mod pod;
mod service;
mod workload;

use serde_json::{Map, Value};

use super::Resource;

/// Fills in what is missing.
pub(super) fn fill(resource: &Resource, object: &mut Value) {
    if resource.custom {
        return;
    }
    if resource.kind == "Secret"
        && let Some(fields) = object.as_object_mut()
    {
        set(fields, "type", "Opaque");
    }
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return };
    match resource.kind.as_str() {
        "Pod" => {
            pod::spec(spec);
            pod::requests(spec);
        }
        "Deployment" => workload::deployment(spec),
        "ReplicaSet" => workload::replica_set(spec),
        "StatefulSet" => workload::stateful_set(spec),
        "DaemonSet" => workload::daemon_set(spec),
        "Job" => workload::job(spec),
        "Service" => service::spec(spec),
        "HorizontalPodAutoscaler" => set(spec, "minReplicas", 1),
        _ => {}
    }
}

/// Sets a field that is not there.
fn set(fields: &mut Map<String, Value>, name: &str, value: impl Into<Value>) {
    if fields.get(name).is_none_or(Value::is_null) {
        fields.insert(name.to_owned(), value.into());
    }
}

/// The fields of `name`, if it has any.
fn within<'a>(fields: &'a mut Map<String, Value>, name: &str) -> Option<&'a mut Map<String, Value>> {
    fields.get_mut(name).and_then(Value::as_object_mut)
}

/// The elements of the list `name` that have fields.
fn each<'a>(fields: &'a mut Map<String, Value>, name: &str) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    fields.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}
