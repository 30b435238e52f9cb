//! Kinds that users define: `CustomResourceDefinition`s.

use serde_json::{Map, Value, json};

use super::{
    Object, What,
    collection::Collection,
    resource::{Resource, ScalePaths},
    schema::Schema,
    state::State,
};

/// The plural of the definitions themselves, with their group.
pub(super) const DEFINITIONS: &str = "customresourcedefinitions.apiextensions.k8s.io";

impl State {
    /// Serves what a definition defines, from the moment that it is there until it is gone.
    pub(super) fn redefine(&mut self, definition: &Object, what: What) {
        let Some(resource) = defined(definition.value()) else { return };
        let name = resource.full_name();
        if what == What::Deleted {
            if let Some(collection) = self.collections.remove(&name) {
                collection.woken.notify_waiters();
            }
            return;
        }
        let schema = Schema::of_version(definition.value(), &resource.version);
        let collection = self.collections.entry(name).or_insert_with(|| Collection::new(resource.clone()));
        collection.schema = schema;
        if *collection.resource != resource {
            collection.resource = resource.into();
        }
    }
}

/// The kind that a definition defines; nothing where it lacks something.
fn defined(definition: &Value) -> Option<Resource> {
    let spec = definition.get("spec")?;
    let names = spec.get("names")?;
    let text = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
    let texts = |value: &Value, field: &str| -> Vec<String> {
        let listed = value.get(field).and_then(Value::as_array).into_iter().flatten();
        listed.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let versions = spec.get("versions")?.as_array()?;
    let is = |version: &Value, flag: &str| version.get(flag).and_then(Value::as_bool).unwrap_or(false);
    let stored = versions.iter().find(|version| is(version, "storage"))?;
    let kind = text(names, "kind")?;
    Some(Resource {
        group: text(spec, "group")?,
        version: text(stored, "name")?,
        plural: text(names, "plural")?,
        namespaced: text(spec, "scope").as_deref() == Some("Namespaced"),
        versions: versions.iter().filter(|it| is(it, "served")).filter_map(|it| text(it, "name")).collect(),
        singular: text(names, "singular").unwrap_or_else(|| kind.to_lowercase()),
        short_names: texts(names, "shortNames"),
        categories: texts(names, "categories"),
        status: stored.pointer("/subresources/status").is_some(),
        scale: stored.pointer("/subresources/scale").map(|scale| ScalePaths {
            spec: text(scale, "specReplicasPath").unwrap_or_default(),
            status: text(scale, "statusReplicasPath").unwrap_or_default(),
            selector: text(scale, "labelSelectorPath").unwrap_or_default(),
        }),
        custom: true,
        transient: false,
        kind,
    })
}

/// Completes the names of a new definition, and says at once that it is served.
pub(super) fn establish(definition: &mut Value, now: &str) {
    let Some(spec) = definition.get_mut("spec").and_then(Value::as_object_mut) else { return };
    spec.entry("conversion").or_insert_with(|| json!({"strategy": "None"}));
    if let Some(names) = spec.get_mut("names").and_then(Value::as_object_mut) {
        let kind = names.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
        names.entry("listKind").or_insert_with(|| format!("{kind}List").into());
        names.entry("singular").or_insert_with(|| kind.to_lowercase().into());
    }
    let names = spec.get("names").cloned().unwrap_or_else(|| Map::new().into());
    let versions = spec.get("versions").and_then(Value::as_array).into_iter().flatten();
    let stored: Vec<&Value> =
        versions.filter(|it| it.get("storage") == Some(&Value::Bool(true))).filter_map(|it| it.get("name")).collect();
    let condition = |kind: &str, reason: &str, message: &str| json!({"type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": now});
    let status = json!({
        "acceptedNames": names, "storedVersions": stored,
        "conditions": [
            condition("NamesAccepted", "NoConflicts", "no conflicts found"),
            condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        ],
    });
    if let Some(fields) = definition.as_object_mut() {
        fields.insert("status".to_owned(), status);
    }
}
