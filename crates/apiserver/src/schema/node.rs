//! A schema as a tree of typed nodes.

use std::collections::BTreeMap;

use kube::core::cel::{CompiledSchema, compile_schema};
use regex::Regex;
use serde::Deserialize;
use serde_json::Value;

use super::mentioned::Mentioned;

/// The schema of one place.
#[derive(Debug, Default, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "the flags are those of the schema")]
#[serde(rename_all = "camelCase", default)]
pub struct Node {
    /// `object`, `array`, `string`, `integer`, `number`, `boolean`, or empty for any.
    #[serde(rename = "type")]
    pub kind: String,
    pub format: String,
    pub nullable: bool,
    pub properties: BTreeMap<String, Node>,
    pub additional_properties: Option<Additional>,
    pub items: Option<Box<Node>>,
    pub default: Option<Value>,
    pub required: Vec<String>,
    #[serde(rename = "enum")]
    pub allowed: Option<Vec<Value>>,
    pub minimum: Option<f64>,
    pub maximum: Option<f64>,
    pub exclusive_minimum: bool,
    pub exclusive_maximum: bool,
    pub multiple_of: Option<f64>,
    pub min_length: Option<usize>,
    pub max_length: Option<usize>,
    pub min_items: Option<usize>,
    pub max_items: Option<usize>,
    pub min_properties: Option<usize>,
    pub max_properties: Option<usize>,
    pub all_of: Vec<Node>,
    pub any_of: Vec<Node>,
    pub one_of: Vec<Node>,
    pub not: Option<Box<Node>>,
    #[serde(rename = "x-kubernetes-int-or-string")]
    pub int_or_string: bool,
    #[serde(rename = "x-kubernetes-preserve-unknown-fields")]
    pub preserve_unknown: bool,
    #[serde(rename = "x-kubernetes-embedded-resource")]
    pub embedded_resource: bool,
    #[serde(rename = "x-kubernetes-list-type")]
    pub list_type: String,
    #[serde(rename = "x-kubernetes-list-map-keys")]
    pub list_map_keys: Vec<String>,
    pub pattern: Option<String>,
    /// The pattern, ready; nothing if it is not one that can be read.
    #[serde(skip)]
    pub expression: Option<Regex>,
    /// The rules of this place, ready.
    #[serde(skip)]
    pub rules: Option<CompiledSchema>,
    /// What these rules may read.
    #[serde(skip)]
    pub mentioned: Mentioned,
    /// Whether there are rules here or below.
    #[serde(skip)]
    pub has_rules: bool,
}

/// What the other fields of a map are.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Additional {
    /// Anything, or nothing.
    Any(bool),
    /// All of this kind.
    Of(Box<Node>),
}

impl Node {
    /// Reads a schema. What cannot be read allows everything.
    pub fn compile(schema: &Value) -> Self {
        let mut node: Self =
            Self::deserialize(schema).unwrap_or_else(|_| Self { preserve_unknown: true, ..Self::default() });
        node.prepare(schema);
        node
    }

    /// The schema of the field `name`, if the schema knows it.
    pub fn field(&self, name: &str) -> Option<&Self> {
        self.properties.get(name).or(match &self.additional_properties {
            Some(Additional::Of(node)) => Some(node),
            _ => None,
        })
    }

    /// Whether unknown fields are kept as they are.
    pub fn keeps_unknown(&self) -> bool {
        self.preserve_unknown || matches!(self.additional_properties, Some(Additional::Any(true)))
    }

    fn prepare(&mut self, schema: &Value) {
        self.expression = self.pattern.as_deref().and_then(|pattern| Regex::new(pattern).ok());
        for (name, node) in &mut self.properties {
            node.prepare(&schema["properties"][name]);
        }
        if let Some(Additional::Of(node)) = &mut self.additional_properties {
            node.prepare(&schema["additionalProperties"]);
        }
        if let Some(node) = &mut self.items {
            node.prepare(&schema["items"]);
        }
        for (name, nodes) in [("allOf", &mut self.all_of), ("anyOf", &mut self.any_of), ("oneOf", &mut self.one_of)] {
            for (node, schema) in nodes.iter_mut().zip(schema[name].as_array().into_iter().flatten()) {
                node.prepare(schema);
            }
        }
        if let Some(node) = &mut self.not {
            node.prepare(&schema["not"]);
        }
        if schema.get("x-kubernetes-validations").is_some() {
            let mut rules = compile_schema(schema);
            leave_only_what_values_need(&mut rules);
            self.rules = Some(rules);
            self.mentioned = Mentioned::by(schema);
        }
        let mut below = self.properties.values().chain(self.items.as_deref());
        let additional = matches!(&self.additional_properties, Some(Additional::Of(node)) if node.has_rules);
        self.has_rules = self.rules.is_some() || additional || below.any(|node| node.has_rules);
    }
}

/// Takes the rules of all places below from `rules`, which have a turn of their own, and every part that says nothing
/// about how values are read: evaluation would otherwise convert each value once for each of its ancestors.
fn leave_only_what_values_need(rules: &mut CompiledSchema) {
    fn is_needed(schema: &mut CompiledSchema) -> bool {
        schema.validations.clear();
        leave_only_what_values_need(schema);
        schema.format != kube::core::cel::SchemaFormat::None
            || schema.preserve_unknown_fields
            || schema.embedded_resource
            || !schema.properties.is_empty()
            || schema.items.is_some()
            || schema.additional_properties.is_some()
    }
    rules.default = None;
    rules.all_of.clear();
    rules.any_of.clear();
    rules.one_of.clear();
    rules.properties.retain(|_, schema| is_needed(schema));
    for below in [&mut rules.items, &mut rules.additional_properties] {
        if below.as_mut().is_some_and(|schema| !is_needed(schema)) {
            *below = None;
        }
    }
}
