//! Every field of the resources, from their definitions; what the values of a field mean is in the types alone, since a
//! definition has no place for it.

use std::{collections::BTreeMap, fmt::Write as _};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use regex::Regex;
use schemars::schema_for;
use serde_json::Value;
use tidegate_api::{CheckTemplateSpec, ClusterCheckTemplateSpec, RolloutSpec, RolloutStatus, Span, definitions};

use super::{bullets, cell, hold, unwrapped};

/// A part of a definition, and of the type that it was made from.
#[derive(Clone, Copy)]
struct Node<'a> {
    defined: &'a Value,
    model: &'a Value,
}

/// As far as it is written.
struct Page {
    text: String,
    /// Finds what a description says of the default.
    default: Regex,
    /// The headings of what is there already, by its fields.
    known: BTreeMap<String, String>,
}

/// The parts of one resource that have fields.
struct Sections<'a> {
    page: &'a mut Page,
    kind: &'a str,
    types: &'a Value,
}

/// The schema that `node` stands for: the type of a reference, and of what may be absent.
fn resolved<'a>(types: &'a Value, node: &'a Value) -> &'a Value {
    let reference = node["$ref"].as_str().and_then(|reference| types.pointer(reference.trim_start_matches('#')));
    let present = || node["anyOf"].as_array()?.iter().find(|one| one["type"] != "null");
    reference.or_else(present).map_or(node, |found| resolved(types, found))
}

impl<'a> Node<'a> {
    fn child(self, types: &'a Value, name: &str) -> Self {
        Self { defined: &self.defined[name], model: &resolved(types, self.model)[name] }
    }

    fn field(self, types: &'a Value, name: &str) -> Self {
        let model = &resolved(types, self.model)["properties"][name];
        Self { defined: &self.defined["properties"][name], model }
    }

    /// What has the fields of this one, and how its path goes on.
    fn inner(self, types: &'a Value) -> (Self, &'static str) {
        if self.defined["items"].is_object() { (self.child(types, "items"), "[]") } else { (self, "") }
    }

    fn has_fields(self) -> bool {
        self.defined["properties"].is_object()
    }

    /// The values that it may have, each with what it means.
    fn values(self, types: &Value) -> Vec<String> {
        let Some(values) = self.defined["enum"].as_array() else { return Vec::new() };
        let model = resolved(types, self.model);
        let meaning = |value: &Value| {
            let known = model["oneOf"].as_array()?.iter().find(|one| one["const"] == *value)?;
            Some(format!(": {}", unwrapped(known["description"].as_str()?)))
        };
        let value = |value: &Value| format!("`{}`{}", value.as_str().unwrap(), meaning(value).unwrap_or_default());
        values.iter().map(value).collect()
    }

    fn type_name(self) -> String {
        let Value::String(name) = &self.defined["type"] else { return "string or integer".to_owned() };
        if self.is_span() {
            return "length of time".to_owned();
        }
        match (name.as_str(), &self.defined["additionalProperties"], &self.defined["format"]) {
            ("array", ..) => {
                let items = Node { defined: &self.defined["items"], model: self.model };
                format!("list of {}s", items.type_name())
            }
            ("object", Value::Object(_), _) => "map of strings".to_owned(),
            ("string", _, format) if format == "date-time" => "time".to_owned(),
            (name, ..) => name.to_owned(),
        }
    }

    /// Whether it is such as `1h30m`, which its type says well enough.
    fn is_span(self) -> bool {
        let pattern = &self.defined["pattern"];
        pattern.is_string() && *pattern == Value::from(schema_for!(Span))["pattern"]
    }

    /// What the API server holds it to, in words.
    fn rules(self) -> Vec<String> {
        let is_told_by_type = self.is_span() || !self.defined["type"].is_string();
        let number = |name: &str| self.defined[name].as_f64().map(|number| number.to_string());
        let between = |least: &str, most: &str, of: &str| match (number(least), number(most)) {
            (None, None) => None,
            (Some(least), None) if least == "1" => Some("not empty".to_owned()),
            (Some(least), None) => Some(format!("at least {least}{of}")),
            (None, Some(most)) => Some(format!("at most {most}{of}")),
            (Some(least), Some(most)) => Some(format!("{least} to {most}{of}")),
        };
        let pattern = self.defined["pattern"].as_str().filter(|_| !is_told_by_type);
        let bounds = [
            between("minItems", "maxItems", " entries"),
            between("minProperties", "maxProperties", " entries"),
            between("minLength", "maxLength", " characters").filter(|_| !is_told_by_type),
            between("minimum", "maximum", ""),
            number("multipleOf").map(|of| format!("a multiple of {of}")),
            pattern.map(|pattern| format!("matches `{pattern}`")),
        ];
        let checked = self.defined["x-kubernetes-validations"].as_array().into_iter().flatten();
        let sentences = checked.map(|rule| unwrapped(rule["message"].as_str().unwrap()));
        bounds.into_iter().flatten().chain(sentences).collect()
    }

    fn description(self) -> String {
        unwrapped(self.defined["description"].as_str().unwrap_or_default())
    }
}

fn heading(kind: &str, path: &str) -> String {
    format!("{kind} `{path}`")
}

impl<'a> Sections<'a> {
    /// Where to look for the fields of `node`, which stands at `path`.
    fn link(&mut self, path: &str, node: Node<'_>) -> (String, bool) {
        let fields = node.defined["properties"].to_string();
        let is_new = !self.page.known.contains_key(&fields);
        let heading = self.page.known.entry(fields).or_insert_with(|| heading(self.kind, path));
        let anchor: String =
            heading.to_lowercase().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect();
        (anchor.replace(' ', "-"), is_new)
    }

    fn section(&mut self, path: &str, node: Node<'a>) {
        write!(self.page.text, "### {}\n\n{}\n\n", heading(self.kind, path), node.description()).unwrap();
        let rules = node.rules();
        if !rules.is_empty() {
            writeln!(self.page.text, "{}", bullets(&rules)).unwrap();
        }
        self.page.text.push_str("| Field | Type | Default | Means |\n|---|---|---|---|\n");
        let fields: Vec<_> = node.defined["properties"].as_object().unwrap().keys().cloned().collect();
        let mut parts = Vec::new();
        for name in fields {
            let field = node.field(self.types, &name);
            let (inner, on) = field.inner(self.types);
            let below = format!("{path}.{name}{on}");
            let mut type_name = field.type_name();
            if inner.has_fields() {
                let (anchor, is_new) = self.link(&below, inner);
                type_name = format!("[{type_name}](#{anchor})");
                parts.extend(is_new.then_some((below, inner)));
            }
            let is_required = node.defined["required"].as_array().is_some_and(|all| all.iter().any(|it| *it == *name));
            let row = self.row(&name, &type_name, is_required, field, inner);
            self.page.text.push_str(&row);
        }
        self.page.text.push('\n');
        for (path, part) in parts {
            self.section(&path, part);
        }
    }

    fn row(&self, name: &str, type_name: &str, is_required: bool, field: Node<'_>, inner: Node<'_>) -> String {
        let description = field.description();
        let stated =
            self.page.default.captures(&description).and_then(|found| found.get(1)).map_or("", |it| it.as_str());
        let default = if is_required { "required" } else { stated };
        let meaning = self.page.default.replace(&description, "");
        let mut lines = vec![meaning.trim().to_owned()];
        lines.extend(if inner.has_fields() { Vec::new() } else { inner.values(self.types) });
        let mut rules = field.rules();
        rules.retain(|_| !field.has_fields());
        if !inner.has_fields() && field.defined != inner.defined {
            rules.extend(inner.rules().into_iter().map(|rule| format!("each: {rule}")));
        }
        lines.extend((!rules.is_empty()).then(|| format!("Rules: {}.", rules.join("; "))));
        let lines: Vec<_> = lines.into_iter().filter(|line| !line.is_empty()).collect();
        format!("| `{name}` | {type_name} | {} | {} |\n", cell(default), cell(&lines.join("<br>")))
    }
}

/// All fields of one resource.
fn resource(page: &mut Page, definition: &CustomResourceDefinition, parts: &[(&str, Value)]) {
    let definition = serde_json::to_value(definition).unwrap();
    let version = &definition["spec"]["versions"][0];
    let schema = &version["schema"]["openAPIV3Schema"];
    let kind = definition["spec"]["names"]["kind"].as_str().unwrap();
    let whole = Node { defined: schema, model: &Value::Null };
    write!(
        page.text,
        "## {kind}\n\n`apiVersion: {}/{}`, {}. {}\n\n",
        definition["spec"]["group"].as_str().unwrap(),
        version["name"].as_str().unwrap(),
        if definition["spec"]["scope"] == "Cluster" { "for the whole cluster" } else { "in a namespace" },
        whole.description()
    )
    .unwrap();
    let rules = whole.rules();
    if !rules.is_empty() {
        writeln!(page.text, "{}", bullets(&rules)).unwrap();
    }
    for (part, types) in parts {
        let node = Node { defined: &schema["properties"][part], model: types };
        let mut sections = Sections { page, kind, types };
        match sections.link(part, node) {
            (_, true) => sections.section(part, node),
            (anchor, false) => write!(page.text, "Its `{part}` has [the same fields](#{anchor}).\n\n").unwrap(),
        }
    }
}

#[test]
fn the_reference_has_every_field_of_the_resources() {
    let parts = [
        vec![("spec", schema_for!(RolloutSpec).into()), ("status", schema_for!(RolloutStatus).into())],
        vec![("spec", schema_for!(CheckTemplateSpec).into())],
        vec![("spec", schema_for!(ClusterCheckTemplateSpec).into())],
    ];
    let text = String::from(
        "# Resources\n\nEvery field, as `kubectl explain` says it, with its default and the rules that the API server and \
         `tidegate lint` hold it to. Defaults are applied where a field is read, and never written into the object.\n\n",
    );
    let default = Regex::new(r"\bDefault: (.+?)\.(?:\s|$)").unwrap();
    let mut page = Page { text, default, known: BTreeMap::new() };
    for (definition, parts) in definitions().iter().zip(&parts) {
        resource(&mut page, definition, parts);
    }
    hold("api.md", &format!("{}\n", page.text.trim_end()));
}
