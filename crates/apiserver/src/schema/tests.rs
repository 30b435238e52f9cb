//! What becomes of objects under a schema.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::Schema;

fn schema(spec: &Value) -> Schema {
    Schema::new(json!({"type": "object", "required": ["spec"], "properties": {"spec": spec}}))
}

fn told(schema: &Schema, object: &Value) -> Vec<String> {
    told_after(schema, object, None)
}

fn told_after(schema: &Schema, object: &Value, before: Option<&Value>) -> Vec<String> {
    let causes = schema.validate(object, before).into_iter();
    causes.map(|cause| format!("{}: {}", cause.field, cause.message)).collect()
}

fn stages() -> Value {
    json!({"type": "object", "properties": {"stages": {
        "type": "array", "maxItems": 3, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
        "items": {"type": "object", "required": ["name"], "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": 8, "pattern": "^[a-z]*$"},
            "weight": {"type": "integer", "format": "int32", "minimum": 0, "maximum": 100, "default": 5},
            "onFailure": {"type": "string", "enum": ["Hold", "Revert"]},
            "port": {"x-kubernetes-int-or-string": true},
        }},
    }}})
}

fn stage(stage: &Value) -> Value {
    json!({"spec": {"stages": [stage]}})
}

#[test]
fn unknown_fields_are_dropped_and_named() {
    let mut object = json!({
        "apiVersion": "a/v1", "kind": "K", "metadata": {"name": "x"},
        "spec": {"stages": [{"name": "a", "wait": "1h"}], "colour": "red"}, "other": 1,
    });
    assert_eq!(schema(&stages()).prune(&mut object), ["other", "spec.colour", "spec.stages[0].wait"]);
    let left = json!({
        "apiVersion": "a/v1", "kind": "K", "metadata": {"name": "x"}, "spec": {"stages": [{"name": "a"}]},
    });
    assert_eq!(object, left);
}

#[test]
fn unknown_fields_are_kept_where_the_schema_says_so() {
    let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {
        "known": {"type": "object", "properties": {}},
    }});
    let mut object = json!({"spec": {"any": {"thing": 1}, "known": {"not": 1}}});
    assert_eq!(schema(&open).prune(&mut object), ["spec.known.not"]);
    assert_eq!(object, json!({"spec": {"any": {"thing": 1}, "known": {}}}));
}

#[test]
fn an_embedded_resource_keeps_its_name() {
    let embedded =
        json!({"type": "object", "x-kubernetes-embedded-resource": true, "properties": {"spec": {"type": "object"}}});
    let mut object = json!({"spec": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "status": {}}});
    assert_eq!(schema(&embedded).prune(&mut object), ["spec.status"]);
}

#[test]
fn defaults_are_filled_in_below_what_is_there_and_below_other_defaults() {
    let nested = json!({"type": "object", "default": {}, "properties": {
        "stages": stages()["properties"]["stages"].clone(),
        "retry": {"type": "object", "default": {}, "properties": {"count": {"type": "integer", "default": 3}}},
        "pause": {"type": "string", "nullable": true, "default": "1h"},
        "note": {"type": "string"},
    }});
    let mut object = json!({"spec": {"stages": [{"name": "a"}], "pause": null, "note": null, "retry": null}});
    schema(&nested).fill_in(&mut object);
    let filled = json!({"spec": {
        "stages": [{"name": "a", "weight": 5}], "retry": {"count": 3}, "pause": null,
    }});
    assert_eq!(object, filled);
}

#[test]
fn every_refusal_has_the_words_of_kubernetes() {
    let schema = schema(&stages());
    let refused = |fields: &Value| told(&schema, &stage(fields));
    assert_eq!(told(&schema, &json!({})), ["spec: Required value"]);
    assert_eq!(refused(&json!({})), ["spec.stages[0].name: Required value"]);
    assert_eq!(
        refused(&json!({"name": 1})),
        [
            "spec.stages[0].name: Invalid value: \"integer\": spec.stages[0].name in body must be of type string: \"integer\""
        ]
    );
    assert_eq!(
        refused(&json!({"name": "a", "weight": 101})),
        [
            "spec.stages[0].weight: Invalid value: 101: spec.stages[0].weight in body should be less than or equal to 100"
        ]
    );
    assert_eq!(
        refused(&json!({"name": "a", "onFailure": "Panic"})),
        ["spec.stages[0].onFailure: Unsupported value: \"Panic\": supported values: \"Hold\", \"Revert\""]
    );
    assert_eq!(
        refused(&json!({"name": "A"})),
        ["spec.stages[0].name: Invalid value: \"A\": spec.stages[0].name in body should match '^[a-z]*$'"]
    );
    assert_eq!(refused(&json!({"name": "abcdefghi"})), ["spec.stages[0].name: Too long: may not be more than 8 bytes"]);
    let double = json!({"spec": {"stages": [{"name": "a"}, {"name": "a"}]}});
    assert_eq!(told(&schema, &double), ["spec.stages[1]: Duplicate value: {\"name\":\"a\"}"]);
    let many = json!({"spec": {"stages": [{"name": "a"}, {"name": "b"}, {"name": "c"}, {"name": "d"}]}});
    assert_eq!(told(&schema, &many), ["spec.stages: Too many: 4: must have at most 3 items"]);
    assert!(refused(&json!({"name": "a", "port": "http"})).is_empty());
    assert_eq!(refused(&json!({"name": "a", "port": true})).len(), 1);
}

#[test]
fn alternatives_are_counted() {
    let one = json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
        "oneOf": [{"required": ["a"]}, {"required": ["b"]}]});
    let schema = schema(&one);
    assert!(told(&schema, &json!({"spec": {"a": ""}})).is_empty());
    let none = &told(&schema, &json!({"spec": {}}))[0];
    assert!(none.ends_with("spec in body must validate one and only one schema (oneOf). Found none valid"), "{none}");
    let both = &told(&schema, &json!({"spec": {"a": "", "b": ""}}))[0];
    assert!(both.ends_with("(oneOf). Found 2 valid alternatives"), "{both}");
}

#[test]
fn rules_speak_at_their_place_and_transitions_know_what_was() {
    let ruled = json!({"type": "object", "properties": {
        "low": {"type": "integer"}, "high": {"type": "integer"},
        "name": {"type": "string", "x-kubernetes-validations": [
            {"rule": "self == oldSelf", "message": "the name cannot be changed"},
        ]},
    }, "x-kubernetes-validations": [{"rule": "self.low <= self.high", "message": "low must not be above high"}]});
    let schema = schema(&ruled);
    let object = |low: i64, name: &str| json!({"spec": {"low": low, "high": 2, "name": name}});
    assert_eq!(told(&schema, &object(3, "a")), ["spec: Invalid value: \"object\": low must not be above high"]);
    assert!(told(&schema, &object(1, "a")).is_empty());
    assert_eq!(
        told_after(&schema, &object(1, "b"), Some(&object(1, "a"))),
        ["spec.name: Invalid value: \"b\": the name cannot be changed"]
    );
}

#[test]
fn rules_are_not_asked_about_an_object_without_its_form_and_that_is_said() {
    let ruled = json!({"type": "object", "required": ["low"], "properties": {
        "low": {"type": "integer", "minimum": 0}, "high": {"type": "integer"},
    }, "x-kubernetes-validations": [{"rule": "self.low <= self.high", "message": "low must not be above high"}]});
    let schema = schema(&ruled);
    let (not_asked, broken) =
        ("<nil>: Invalid value: null: some validation rules were not checked", "low must not be above high");
    let formless = told(&schema, &json!({"spec": {"high": -2}}));
    assert_eq!(formless.len(), 2, "{formless:?}");
    assert!(formless[0] == "spec.low: Required value" && formless[1].starts_with(not_asked), "{formless:?}");
    let too_low = told(&schema, &json!({"spec": {"low": -1, "high": -2}}));
    assert!(too_low.len() == 2 && too_low[1].ends_with(broken), "{too_low:?}");
}

#[test]
fn what_was_invalid_before_and_has_not_changed_is_let_be() {
    let schema = schema(&stages());
    let before = stage(&json!({"name": "A", "weight": 1}));
    assert!(told_after(&schema, &before, Some(&before)).is_empty());
    let mut after = before.clone();
    after["metadata"] = json!({"labels": {"a": "b"}});
    assert!(told_after(&schema, &after, Some(&before)).is_empty());
}

fn arbitrary_json() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-c]{0,3}".prop_map(Value::from),
    ];
    let name = prop::sample::select(vec![
        "spec",
        "stages",
        "name",
        "weight",
        "type",
        "properties",
        "items",
        "default",
        "enum",
        "required",
        "pattern",
        "x-kubernetes-validations",
        "rule",
        "additionalProperties",
        "object",
        "array",
        "oneOf",
        "not",
    ]);
    scalar.prop_recursive(5, 40, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map(name.clone().prop_map(str::to_owned), inner, 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_filled_in_once_is_full(object in arbitrary_json()) {
        let schema = schema(&stages());
        let mut once = object;
        schema.fill_in(&mut once);
        let mut twice = once.clone();
        schema.fill_in(&mut twice);
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn nothing_panics_on_arbitrary_schemas_and_objects(tree in arbitrary_json(), mut object in arbitrary_json()) {
        let before = object.clone();
        for schema in [Schema::new(tree), schema(&stages())] {
            schema.prune(&mut object);
            schema.fill_in(&mut object);
            let _ = schema.validate(&object, Some(&before));
            let _ = schema.validate(&object, None);
        }
    }
}
