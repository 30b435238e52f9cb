//! How lists and maps merge: by the schema of a CRD, or by the table of the built-in kinds.

use serde_json::{Value, json};

/// How the lists and maps at one place of an object merge. Start at the [root](Self::built_in) and descend.
#[derive(Debug, Clone, Copy)]
pub struct Structure<'a>(Kind<'a>);

#[derive(Debug, Clone, Copy)]
enum Kind<'a> {
    /// The structural schema of the place.
    Schema { schema: &'a Value, is_root: bool },
    /// The names of the field and of the one that holds it, which is enough for the built-in kinds.
    BuiltIn { parent: &'a str, field: &'a str },
}

/// How a list merges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListType<'a> {
    /// As one value.
    Atomic,
    /// As a set of scalars.
    Set,
    /// As a map, whose keys are these fields of the elements.
    Map(Vec<&'a str>),
}

/// Lists of the built-in kinds that are maps: the field that holds them (empty for any), their own name, their keys.
///
/// <https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy>
const MAPS: &[(&str, &str, &[&str])] = &[
    ("", "conditions", &["type"]),
    ("metadata", "ownerReferences", &["uid"]),
    ("spec", "containers", &["name"]),
    ("spec", "initContainers", &["name"]),
    ("spec", "ephemeralContainers", &["name"]),
    ("spec", "volumes", &["name"]),
    ("spec", "imagePullSecrets", &["name"]),
    ("spec", "hostAliases", &["ip"]),
    ("spec", "resourceClaims", &["name"]),
    ("spec", "schedulingGates", &["name"]),
    ("spec", "topologySpreadConstraints", &["topologyKey", "whenUnsatisfiable"]),
    ("spec", "ports", &["port", "protocol"]),
    ("containers", "ports", &["containerPort", "protocol"]),
    ("initContainers", "ports", &["containerPort", "protocol"]),
    ("ephemeralContainers", "ports", &["containerPort", "protocol"]),
    ("", "env", &["name"]),
    ("", "volumeMounts", &["mountPath"]),
    ("", "volumeDevices", &["devicePath"]),
    ("resources", "claims", &["name"]),
    ("status", "podIPs", &["ip"]),
    ("status", "hostIPs", &["ip"]),
    ("status", "addresses", &["type"]),
    ("", "webhooks", &["name"]),
    ("", "secrets", &["name"]),
];

/// Lists of the built-in kinds that are sets.
const SETS: &[(&str, &str)] = &[("metadata", "finalizers"), ("spec", "podCIDRs")];

/// Maps of the built-in kinds that are one value.
const ATOMIC_MAPS: &[(&str, &str)] = &[
    ("spec", "selector"),
    ("spec", "nodeSelector"),
    ("", "labelSelector"),
    ("", "namespaceSelector"),
    ("", "podSelector"),
    ("valueFrom", "secretKeyRef"),
    ("valueFrom", "configMapKeyRef"),
    ("valueFrom", "fieldRef"),
    ("valueFrom", "resourceFieldRef"),
    ("", "targetRef"),
    ("", "involvedObject"),
    ("", "regarding"),
    ("", "roleRef"),
];

/// Keys that only a strategic merge patch knows, while server-side apply takes the list as one value.
const STRATEGIC: &[(&str, &str, &str)] =
    &[("spec", "taints", "key"), ("spec", "readinessGates", "conditionType"), ("", "imagePullSecrets", "name")];

impl<'a> Structure<'a> {
    /// The root of a built-in kind.
    #[must_use]
    pub const fn built_in() -> Self {
        Self(Kind::BuiltIn { parent: "", field: "" })
    }

    /// The root of a custom resource: `schema` is the `openAPIV3Schema` of its version.
    #[must_use]
    pub const fn of_schema(schema: &'a Value) -> Self {
        Self(Kind::Schema { schema, is_root: true })
    }

    /// The field `name` of the map at this place.
    pub(super) fn field<'b>(self, name: &'b str) -> Structure<'b>
    where
        'a: 'b,
    {
        Structure(match self.0 {
            Kind::BuiltIn { field, .. } => Kind::BuiltIn { parent: field, field: name },
            Kind::Schema { is_root: true, .. } if name == "metadata" => Kind::BuiltIn { parent: "", field: name },
            Kind::Schema { schema, .. } => {
                let known = schema.get("properties").and_then(|fields| fields.get(name));
                let schema = known.or_else(|| schema.get("additionalProperties")).unwrap_or(&Value::Null);
                let is_root = schema.get("x-kubernetes-embedded-resource") == Some(&Value::Bool(true));
                Kind::Schema { schema, is_root }
            }
        })
    }

    /// An element of the list at this place.
    pub(super) fn element(self) -> Self {
        match self.0 {
            Kind::BuiltIn { .. } => self,
            Kind::Schema { schema, .. } => {
                let schema = schema.get("items").unwrap_or(&Value::Null);
                Self(Kind::Schema { schema, is_root: false })
            }
        }
    }

    /// How the list at this place merges.
    pub(super) fn list(self) -> ListType<'a> {
        match self.0 {
            Kind::BuiltIn { parent, field } => {
                let map = MAPS.iter().find(|(holder, name, _)| *name == field && is_held_by(holder, parent));
                if let Some((_, _, keys)) = map {
                    return ListType::Map(keys.to_vec());
                }
                if SETS.contains(&(parent, field)) { ListType::Set } else { ListType::Atomic }
            }
            Kind::Schema { schema, .. } => match schema.get("x-kubernetes-list-type").and_then(Value::as_str) {
                Some("map") => {
                    let keys = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
                    ListType::Map(keys.into_iter().flatten().filter_map(Value::as_str).collect())
                }
                Some("set") => ListType::Set,
                _ => ListType::Atomic,
            },
        }
    }

    /// The field by which a strategic merge patch tells the elements of the list at this place apart.
    pub(super) fn strategic_key(self) -> Option<&'a str> {
        if let ListType::Map(keys) = self.list() {
            return keys.first().copied();
        }
        let Kind::BuiltIn { parent, field } = self.0 else { return None };
        let row = STRATEGIC.iter().find(|(holder, name, _)| *name == field && is_held_by(holder, parent));
        row.map(|(_, _, key)| *key)
    }

    /// Whether the map at this place is one value.
    pub(super) fn is_atomic_map(self) -> bool {
        match self.0 {
            Kind::BuiltIn { parent, field } => {
                ATOMIC_MAPS.iter().any(|(holder, name)| *name == field && is_held_by(holder, parent))
            }
            Kind::Schema { schema, .. } => {
                schema.get("x-kubernetes-map-type").and_then(Value::as_str) == Some("atomic")
            }
        }
    }

    /// What the key field `name` of the elements of this list is where an element leaves it out.
    pub(super) fn key_default(self, name: &str) -> Option<Value> {
        match self.0 {
            Kind::BuiltIn { .. } => (name == "protocol").then(|| json!("TCP")),
            Kind::Schema { schema, .. } => schema.get("items")?.get("properties")?.get(name)?.get("default").cloned(),
        }
    }
}

fn is_held_by(holder: &str, parent: &str) -> bool {
    holder.is_empty() || holder == parent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_of_a_container_and_of_a_service_have_keys_of_their_own() {
        let pod = Structure::built_in().field("spec");
        let container = pod.field("containers");
        assert_eq!(container.element().field("ports").list(), ListType::Map(vec!["containerPort", "protocol"]));
        assert_eq!(pod.field("ports").list(), ListType::Map(vec!["port", "protocol"]));
        assert_eq!(Structure::built_in().field("ports").list(), ListType::Atomic, "those of an EndpointSlice");
    }

    #[test]
    fn a_schema_says_how_its_lists_merge() {
        let schema = json!({"properties": {"spec": {"properties": {"stages": {
            "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
            "items": {"properties": {"name": {"default": "a"}}},
        }}}}});
        let root = Structure::of_schema(&schema);
        let stages = root.field("spec").field("stages");
        assert_eq!(stages.list(), ListType::Map(vec!["name"]));
        assert_eq!(stages.key_default("name"), Some(json!("a")));
        assert_eq!(root.field("metadata").field("finalizers").list(), ListType::Set);
        assert_eq!(root.field("spec").field("elsewhere").list(), ListType::Atomic);
    }
}
