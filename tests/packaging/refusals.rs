//! Every Rollout and every template in `invalid/` breaks one rule, and is refused.
//!
//! The first line says how: `# refused:` and the sentence of a CEL rule, or `# refused by schema:` and a part of the
//! API server's own message, which only an API server can say.

use std::{collections::BTreeSet, fs};

use kube::core::cel::{compile_schema, validate_compiled};
use serde_json::{Value, json};
use tidegate_api::{Rollout, definitions, validate};

use crate::render::{documents, repository};

/// An invalid object, and why it is one.
struct Refusal {
    file: String,
    /// The sentence of a CEL rule; without it the schema refuses.
    sentence: Option<String>,
    object: Value,
}

fn refusals() -> Vec<Refusal> {
    let entries = fs::read_dir(repository("tests/packaging/invalid")).unwrap();
    entries
        .map(|entry| {
            let path = entry.unwrap().path();
            let file = path.file_name().unwrap().to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).unwrap();
            let first = text.lines().next().unwrap();
            let sentence = first.strip_prefix("# refused: ").map(str::to_owned);
            let explained = sentence.is_some() || first.starts_with("# refused by schema: ");
            assert!(explained, "{file} does not say in its first line why it is refused");
            Refusal { file, sentence, object: documents(&text).remove(0) }
        })
        .collect()
}

/// The schema of a kind.
fn schema(kind: &Value) -> Value {
    let definition = definitions().into_iter().find(|definition| *kind == definition.spec.names.kind).unwrap();
    serde_json::to_value(&definition.spec.versions[0].schema.as_ref().unwrap().open_api_v3_schema).unwrap()
}

#[test]
fn every_rule_refuses_with_its_sentence() {
    for Refusal { file, sentence, object } in refusals() {
        let Some(sentence) = sentence else { continue };
        let compiled = compile_schema(&schema(&object["kind"]));
        // The API server drops a null from a field that is not nullable before it evaluates the rules.
        let errors = validate_compiled(&compiled, &without_nulls(object), None).unwrap_err();
        let messages: Vec<_> = errors.as_slice().iter().map(|error| error.message.as_str()).collect();
        assert!(messages.contains(&sentence.as_str()), "{file}: {messages:?}");
    }
}

#[test]
fn the_operator_refuses_what_a_rule_refuses() {
    for Refusal { file, sentence, object } in refusals() {
        if sentence.is_some() && object["kind"] == "Rollout" {
            let read = serde_json::from_value::<Rollout>(object);
            assert!(read.is_err() || validate(&read.unwrap()).is_err(), "{file}");
        }
    }
}

#[test]
fn no_rule_is_without_an_object_that_breaks_it() {
    let mut rules = BTreeSet::new();
    for definition in definitions() {
        collect_messages(&schema(&json!(definition.spec.names.kind))["properties"]["spec"], &mut rules);
    }
    let shown: BTreeSet<_> = refusals().into_iter().filter_map(|refusal| refusal.sentence).collect();
    assert_eq!(rules, shown);
}

fn collect_messages(schema: &Value, messages: &mut BTreeSet<String>) {
    match schema {
        Value::Object(fields) => {
            for rule in fields.get("x-kubernetes-validations").and_then(Value::as_array).into_iter().flatten() {
                // A rule about a change is broken by no single Rollout; its test stands beside the rule's evaluation.
                if rule["rule"].as_str().is_some_and(|rule| rule.contains("oldSelf")) {
                    continue;
                }
                messages
                    .insert(rule["message"].as_str().unwrap_or_else(|| panic!("{rule} has no sentence")).to_owned());
            }
            fields.values().for_each(|value| collect_messages(value, messages));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_messages(item, messages)),
        _ => {}
    }
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name, without_nulls(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        other => other,
    }
}
