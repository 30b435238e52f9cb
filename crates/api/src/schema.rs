//! What the schema of a custom resource needs beyond what the types say.

use schemars::{Schema, SchemaGenerator, json_schema, transform::transform_subschemas};
use serde_json::{Map, Value};

/// Says of optional fields that they may be absent, and not that they may be null.
///
/// The API server drops a null from a field that is not `nullable` before it looks at the rules. Otherwise
/// `max: null` would count as a limit (`has(self.max)`), and slip through the rule that asks for one.
/// <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#defaulting-and-nullable>
///
/// Of an optional enum, the field's own description stays; it says what the default is.
pub fn absent_not_null(schema: &mut Schema) {
    transform_subschemas(&mut absent_not_null, schema);
    let Some(object) = schema.as_object_mut() else { return };
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(values)) = object.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if let Some(inner) = inner_of_option(object) {
        object.remove("anyOf");
        for (key, value) in inner {
            object.entry(key).or_insert(value);
        }
    }
    // kube would say `nullable: true` here, unless something is said already.
    if object.contains_key("x-kubernetes-int-or-string") {
        object.insert("nullable".to_owned(), Value::Bool(false));
    }
}

/// The schema of `T`, if `object` is the `anyOf` that schemars writes for an `Option<T>` whose type stands deeper.
fn inner_of_option(object: &Map<String, Value>) -> Option<Map<String, Value>> {
    match object.get("anyOf")?.as_array()?.as_slice() {
        [Value::Object(inner), null] if null.get("type").is_some_and(|name| name == "null") => Some(inner.clone()),
        _ => None,
    }
}

/// An object whose fields are somebody else's to know.
pub fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true, "nullable": false})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transformed(mut schema: Schema) -> Value {
        absent_not_null(&mut schema);
        schema.to_value()
    }

    #[test]
    fn an_optional_string_is_a_string() {
        let optional = json_schema!({"properties": {"a": {"type": ["string", "null"]}}});
        assert_eq!(transformed(optional), serde_json::json!({"properties": {"a": {"type": "string"}}}));
    }

    #[test]
    fn an_optional_percentage_is_not_null() {
        let optional = json_schema!({"x-kubernetes-int-or-string": true});
        assert_eq!(transformed(optional), serde_json::json!({"x-kubernetes-int-or-string": true, "nullable": false}));
    }

    #[test]
    fn an_optional_enum_keeps_the_description_of_its_field() {
        let optional = json_schema!({
            "description": "What happens. Default: `Hold`.",
            "anyOf": [{"description": "All that can happen.", "enum": ["Hold", "Revert"]}, {"type": "null"}],
        });
        let expected = serde_json::json!({"description": "What happens. Default: `Hold`.", "enum": ["Hold", "Revert"]});
        assert_eq!(transformed(optional), expected);
    }
}
