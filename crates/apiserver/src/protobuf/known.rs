//! Fields that a built-in kind does not have.

use serde_json::{Map, Value};

use super::message::{Field, Kind, Message, Shape};

/// Drops the fields of an object that its kind does not have, and tells their paths, such as `spec.replica`. A kind
/// that is not in the table keeps all of them, and so does a patch its directives.
pub(crate) fn prune(api_version: &str, kind: &str, object: &mut Value) -> Vec<String> {
    let mut unknown = Vec::new();
    if let (Some(message), Some(fields)) = (Message::of_kind(api_version, kind), object.as_object_mut()) {
        let of_object = [("apiVersion", fields.remove("apiVersion")), ("kind", fields.remove("kind"))];
        prune_fields(message, fields, "", &mut unknown);
        let of_object = of_object.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        fields.extend(of_object);
    }
    unknown
}

fn prune_fields(message: &Message, fields: &mut Map<String, Value>, path: &str, unknown: &mut Vec<String>) {
    let at = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    fields.retain(|name, value| match message.field_named(name) {
        Some(field) => {
            prune_value(field, value, &at(name), unknown);
            true
        }
        None if name.starts_with('$') => true,
        None => {
            unknown.push(at(name));
            false
        }
    });
}

fn prune_value(field: &Field, value: &mut Value, path: &str, unknown: &mut Vec<String>) {
    let Kind::Message(name) = field.kind else { return };
    // One whose JSON is not that of its fields has no entry, and is left alone.
    let Some(message) = Message::named(name) else { return };
    match (field.shape, value) {
        (Shape::One, Value::Object(fields)) => prune_fields(message, fields, path, unknown),
        (Shape::List, Value::Array(items)) => {
            for (index, item) in items.iter_mut().enumerate() {
                if let Value::Object(fields) = item {
                    prune_fields(message, fields, &format!("{path}[{index}]"), unknown);
                }
            }
        }
        (Shape::Map, Value::Object(entries)) => {
            for (key, entry) in entries {
                if let Value::Object(fields) = entry {
                    prune_fields(message, fields, &format!("{path}.{key}"), unknown);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_kind_does_not_have_goes_wherever_it_stands() {
        let mut deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "lables": {}},
            "spec": {"replica": 1, "template": {"spec": {
                "containers": [{"name": "a", "readinessProbe": {"httpGet": {"port": 80}, "httpPut": {}}, "$patch": "merge"}],
                "volumes": [{"name": "v", "emptyDir": {}, "configMap": {"name": "c", "nom": "d"}}],
            }}},
        });
        let unknown = prune("apps/v1", "Deployment", &mut deployment);
        let container = "spec.template.spec.containers[0].readinessProbe.httpPut";
        let volume = "spec.template.spec.volumes[0].configMap.nom";
        assert_eq!(unknown.len(), 4, "{unknown:?}");
        for path in ["metadata.lables", "spec.replica", container, volume] {
            assert!(unknown.contains(&path.to_owned()), "{path}: {unknown:?}");
        }
        assert_eq!(deployment["kind"], "Deployment");
        assert_eq!(
            deployment["spec"]["template"]["spec"]["containers"][0]["readinessProbe"],
            json!({"httpGet": {"port": 80}})
        );
    }

    #[test]
    fn a_kind_that_is_not_built_in_keeps_everything() {
        assert!(prune("example.com/v1", "Widget", &mut json!({"any": {"thing": 1}})).is_empty());
    }
}
