//! Sets of fields, as `managedFields` holds them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::structure::{ListType, Structure};

/// A set of fields of an object: the format `FieldsV1` as a tree.
///
/// An element of a path is written as in `FieldsV1`: `f:NAME` for the field of a map, `k:{…}` for the element of a
/// list with these keys, `v:VALUE` for an element of a set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldSet {
    /// Whether the field here is in the set itself, beside what is below it.
    pub is_member: bool,
    /// What is below.
    pub children: BTreeMap<String, FieldSet>,
}

impl FieldSet {
    /// The set of one field and nothing below it.
    pub fn leaf() -> Self {
        Self { is_member: true, children: BTreeMap::new() }
    }

    /// Reads `FieldsV1`; what is not of its form counts as a field without anything below.
    pub fn parse(fields: &Value) -> Self {
        let Some(fields) = fields.as_object() else { return Self::leaf() };
        let below = fields.iter().filter(|(name, _)| *name != ".");
        let children = below.map(|(name, below)| (name.clone(), Self::parse_below(below))).collect();
        Self { is_member: fields.contains_key("."), children }
    }

    fn parse_below(fields: &Value) -> Self {
        let mut set = Self::parse(fields);
        set.is_member |= set.children.is_empty();
        set
    }

    /// Writes `FieldsV1`.
    pub fn encode(&self) -> Value {
        let mut fields = Map::new();
        if self.is_member && !self.children.is_empty() {
            fields.insert(".".to_owned(), Value::Object(Map::new()));
        }
        fields.extend(self.children.iter().map(|(name, below)| (name.clone(), below.encode())));
        Value::Object(fields)
    }

    /// Whether there is no field in it.
    pub fn is_empty(&self) -> bool {
        !self.is_member && self.children.is_empty()
    }

    /// Puts `below` at `name`, if there is anything in it.
    pub fn put(&mut self, name: String, below: Self) {
        if !below.is_empty() {
            self.children.insert(name, below);
        }
    }

    /// Takes in all fields of `other`.
    pub fn add(&mut self, other: &Self) {
        self.is_member |= other.is_member;
        for (name, below) in &other.children {
            self.children.entry(name.clone()).or_default().add(below);
        }
    }

    /// Drops all fields of `other`.
    pub fn subtract(&mut self, other: &Self) {
        self.is_member &= !other.is_member;
        for (name, below) in &other.children {
            if let Some(own) = self.children.get_mut(name) {
                own.subtract(below);
                if own.is_empty() {
                    self.children.remove(name);
                }
            }
        }
    }

    /// The fields that are in both.
    pub fn intersection(&self, other: &Self) -> Self {
        let mut both = Self { is_member: self.is_member && other.is_member, children: BTreeMap::new() };
        for (name, below) in &self.children {
            if let Some(others) = other.children.get(name) {
                both.put(name.clone(), below.intersection(others));
            }
        }
        both
    }

    /// Drops the field at `path` with everything below it.
    pub fn cut(&mut self, path: &[&str]) {
        match path {
            [] => {}
            [last] => {
                self.children.remove(*last);
            }
            [first, rest @ ..] => {
                if let Some(below) = self.children.get_mut(*first) {
                    below.cut(rest);
                    if below.is_empty() {
                        self.children.remove(*first);
                    }
                }
            }
        }
    }

    /// The fields that `value` names: what its applier wants to own.
    pub fn of_value(value: &Value, structure: Structure<'_>) -> Self {
        match value {
            Value::Object(fields) if !structure.is_atomic_map() => {
                let mut set = Self::default();
                for (name, field) in fields {
                    let mut below = Self::of_value(field, structure.field(name));
                    below.is_member |= field.as_object().is_some_and(Map::is_empty);
                    set.put(field_element(name), below);
                }
                set
            }
            Value::Array(elements) => {
                let Some(names) = element_names(elements, structure) else { return Self::leaf() };
                let mut set = Self::default();
                for (name, element) in names.into_iter().zip(elements) {
                    let mut below = Self::of_value(element, structure.element());
                    below.is_member = true;
                    set.put(name, below);
                }
                set
            }
            _ => Self::leaf(),
        }
    }

    /// The paths of all members in words, such as `.spec.containers[name="app"].image`.
    pub fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect_paths("", &mut paths);
        paths
    }

    fn collect_paths(&self, prefix: &str, paths: &mut Vec<String>) {
        if self.is_member {
            paths.push(prefix.to_owned());
        }
        for (name, below) in &self.children {
            below.collect_paths(&format!("{prefix}{}", in_words(name)), paths);
        }
    }
}

/// The element of a path that stands for the field `name`.
pub fn field_element(name: &str) -> String {
    format!("f:{name}")
}

/// The elements of a path that stand for the elements of a list, in their order; nothing if the list is one value, or
/// if its elements cannot be told apart.
pub fn element_names(elements: &[Value], structure: Structure<'_>) -> Option<Vec<String>> {
    let names: Vec<String> = match structure.list() {
        ListType::Atomic => return None,
        ListType::Set => elements.iter().map(|element| format!("v:{element}")).collect(),
        ListType::Map(keys) => {
            let name = |element: &Value| element_key(element, &keys, structure).map(|key| format!("k:{key}"));
            elements.iter().map(name).collect::<Option<_>>()?
        }
    };
    let distinct: BTreeSet<_> = names.iter().collect();
    (distinct.len() == names.len()).then_some(names)
}

fn element_key(element: &Value, keys: &[&str], structure: Structure<'_>) -> Option<Value> {
    let mut key = Map::new();
    for name in keys {
        let value = element.get(*name).filter(|value| !value.is_null()).cloned();
        // A key that is optional and has no default is left out, as long as another is there.
        if let Some(value) = value.or_else(|| structure.key_default(name)) {
            key.insert((*name).to_owned(), value);
        }
    }
    (!key.is_empty()).then_some(Value::Object(key))
}

fn in_words(element: &str) -> String {
    let Some((kind, text)) = element.split_once(':') else { return element.to_owned() };
    match kind {
        "f" => format!(".{text}"),
        "v" => format!("[={text}]"),
        "k" => {
            let keys: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
            let keys: Vec<_> = keys.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("[{}]", keys.join(","))
        }
        _ => format!("[{text}]"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod() -> Value {
        json!({
            "metadata": {"labels": {"app": "a"}, "finalizers": ["x"]},
            "spec": {"containers": [{"name": "app", "image": "a:1", "ports": [{"containerPort": 80}]}], "volumes": []},
        })
    }

    #[test]
    fn the_fields_of_an_object_are_written_as_kubernetes_writes_them() {
        let fields = FieldSet::of_value(&pod(), Structure::built_in()).encode();
        let expected = json!({
            "f:metadata": {"f:labels": {"f:app": {}}, "f:finalizers": {"v:\"x\"": {}}},
            "f:spec": {"f:containers": {"k:{\"name\":\"app\"}": {
                ".": {}, "f:name": {}, "f:image": {},
                "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}},
            }}},
        });
        assert_eq!(fields, expected);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let set = FieldSet::of_value(&pod(), Structure::built_in());
        assert_eq!(FieldSet::parse(&set.encode()), set);
    }

    #[test]
    fn a_set_without_itself_is_empty() {
        let mut set = FieldSet::of_value(&pod(), Structure::built_in());
        assert_eq!(set.intersection(&set), set);
        set.subtract(&set.clone());
        assert!(set.is_empty());
    }

    #[test]
    fn paths_read_as_in_a_manifest() {
        let set = FieldSet::of_value(&pod(), Structure::built_in());
        assert!(set.paths().contains(&".spec.containers[name=\"app\"].image".to_owned()), "{:?}", set.paths());
        assert!(set.paths().contains(&".metadata.finalizers[=\"x\"]".to_owned()));
    }
}
