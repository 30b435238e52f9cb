//! Which ConfigMaps and Secrets a pod template refers to.

use std::collections::BTreeSet;

use serde_json::Value;
use tidegate_api::ConfigurationKind;

use super::configuration::ConfigurationId;

/// What refers to an object, of which kind, and where its name stands.
const REFERENCES: [(&str, ConfigurationKind, &str); 7] = [
    ("configMap", ConfigurationKind::ConfigMap, "name"),
    ("configMapRef", ConfigurationKind::ConfigMap, "name"),
    ("configMapKeyRef", ConfigurationKind::ConfigMap, "name"),
    ("secret", ConfigurationKind::Secret, "secretName"),
    ("secret", ConfigurationKind::Secret, "name"),
    ("secretRef", ConfigurationKind::Secret, "name"),
    ("secretKeyRef", ConfigurationKind::Secret, "name"),
];

/// The objects that volumes and containers of a pod template refer to.
#[must_use]
pub fn references(template: &Value) -> BTreeSet<ConfigurationId> {
    let mut found = BTreeSet::new();
    for part in ["volumes", "initContainers", "containers"] {
        collect(&template["spec"][part], &mut found);
    }
    found
}

fn collect(value: &Value, found: &mut BTreeSet<ConfigurationId>) {
    match value {
        Value::Object(fields) => {
            for (field, kind, name) in REFERENCES {
                let name = fields.get(field).and_then(|reference| reference.get(name)?.as_str());
                found.extend(name.map(|name| (kind, name.to_owned())));
            }
            fields.values().for_each(|field| collect(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn references_are_found_wherever_they_stand() {
        let spec = json!({
            "volumes": [
                {"configMap": {"name": "a"}}, {"secret": {"secretName": "a"}}, {"emptyDir": {}},
                {"projected": {"sources": [{"configMap": {"name": "b"}}, {"secret": {"name": "b"}}]}},
            ],
            "initContainers": [{"envFrom": [{"configMapRef": {"name": "c"}}, {"secretRef": {"name": "c"}}]}],
            "containers": [{"env": [
                {"valueFrom": {"configMapKeyRef": {"name": "d", "key": "k"}}},
                {"valueFrom": {"secretKeyRef": {"name": "d", "key": "k"}}}, {"name": "E", "value": "e"},
            ]}],
            "imagePullSecrets": [{"name": "f"}],
        });
        let both = |name: &str| ConfigurationKind::ALL.map(|kind| (kind, name.to_owned()));
        assert_eq!(references(&json!({"spec": spec})), ["a", "b", "c", "d"].map(both).concat().into_iter().collect());
    }
}
