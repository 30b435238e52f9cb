//! A pod template that refers to copies of configuration in place of the objects that a Rollout tracks.
//!
//! What is called after its content makes the template say which content it means: two contents are two templates, and so
//! two versions, by the rules that hold for every template. A reference to a copy is not optional, even where the one to
//! the object was: no pod starts without what its version was judged with.
//!
//! Keys that rotate are read where they are: in the object itself, beside the copy.
//!
//! What is made of a template stays the same from one version of Tidegate to the next: otherwise an upgrade would be a release.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use tidegate_api::ConfigurationKind;

/// A copy that takes the place of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin<'a> {
    /// The kind of both.
    pub kind: ConfigurationKind,
    /// The object.
    pub name: &'a str,
    /// The keys that the copy does not have, sorted.
    pub live: Vec<&'a str>,
    /// The keys that it has.
    pub keys: &'a BTreeSet<String>,
    /// The copy.
    pub copy: String,
}

/// `template` with each of `pins` in its place; and for each of them whether anything refers to its object, and whether
/// anything came to refer to its copy.
#[must_use]
pub fn pinned(template: &Value, pins: &[Pin<'_>]) -> (Value, Vec<Use>) {
    let mut template = template.clone();
    let mut uses = vec![Use::None; pins.len()];
    let mut pinning = Pinning { pins, uses: &mut uses };
    if let Some(spec) = template.get_mut("spec").and_then(Value::as_object_mut) {
        for volume in items(spec, "volumes") {
            pinning.volume(volume);
        }
        for containers in ["initContainers", "containers"] {
            for container in items(spec, containers) {
                pinning.container(container);
            }
        }
    }
    (template, uses)
}

/// How a pod template uses an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// Not at all, as far as volumes and environment variables go.
    None,
    /// For nothing but keys that rotate.
    Live,
    /// By its copy.
    Copied,
}

fn items<'a>(object: &'a mut Map<String, Value>, key: &str) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    object.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}

struct Pinning<'a, 'b> {
    pins: &'a [Pin<'a>],
    uses: &'b mut [Use],
}

impl<'a> Pinning<'a, '_> {
    /// What takes the place of an object that `name` names.
    fn pin(&mut self, kind: ConfigurationKind, name: &Value) -> Option<(usize, &'a Pin<'a>)> {
        let name = name.as_str()?;
        let place = self.pins.iter().position(|pin| pin.kind == kind && pin.name == name)?;
        self.uses[place] = self.uses[place].max(Use::Live);
        Some((place, &self.pins[place]))
    }

    fn volume(&mut self, volume: &mut Map<String, Value>) {
        if let Some(sources) =
            volume.get_mut("projected").and_then(|it| it.get_mut("sources")).and_then(Value::as_array_mut)
        {
            *sources = std::mem::take(sources).into_iter().flat_map(|source| self.projected(source)).collect();
        }
        for (field, name, kind) in
            [("configMap", "name", ConfigurationKind::ConfigMap), ("secret", "secretName", ConfigurationKind::Secret)]
        {
            let Some(source) = volume.get(field).filter(|source| !source.is_null()) else { continue };
            let Some(place) = self.pin(kind, &source[name]) else { continue };
            let mut plain = source.clone();
            let mode = plain.as_object_mut().and_then(|plain| plain.remove("defaultMode"));
            let original = plain.as_object_mut().and_then(|plain| plain.remove(name));
            plain["name"] = original.unwrap_or_default();
            let mut sources = self.split(place, plain.clone());
            match (sources.pop(), sources.pop()) {
                (Some(only), None) => {
                    let mut whole = only;
                    let called = whole.as_object_mut().and_then(|whole| whole.remove("name")).unwrap_or_default();
                    whole[name] = called;
                    if let Some(mode) = mode {
                        whole["defaultMode"] = mode;
                    }
                    volume.insert(field.to_owned(), whole);
                }
                (Some(live), Some(copy)) => {
                    let mut projected = json!({"sources": [{field: copy}, {field: live}]});
                    if let Some(mode) = mode {
                        projected["defaultMode"] = mode;
                    }
                    volume.remove(field);
                    volume.insert("projected".to_owned(), projected);
                }
                _ => {}
            }
        }
    }

    fn projected(&mut self, source: Value) -> Vec<Value> {
        for (field, kind) in [("configMap", ConfigurationKind::ConfigMap), ("secret", ConfigurationKind::Secret)] {
            if let Some(place) = self.pin(kind, &source[field]["name"]) {
                let split = self.split(place, source[field].clone());
                return split.into_iter().map(|part| json!({field: part})).collect();
            }
        }
        vec![source]
    }

    /// A reference of a volume (`name`, `items`, `optional`) as one to the copy, one to the object for the keys that rotate,
    /// or both.
    fn split(&mut self, (place, pin): (usize, &Pin<'_>), source: Value) -> Vec<Value> {
        let listed = source["items"].as_array().filter(|items| !items.is_empty()).cloned();
        let is_live = |item: &Value| item["key"].as_str().is_some_and(|key| pin.live.contains(&key));
        let (live, copied): (Vec<_>, Vec<_>) = match &listed {
            Some(items) => items.iter().cloned().partition(is_live),
            None => (pin.live.iter().map(|key| json!({"key": key, "path": key})).collect(), Vec::new()),
        };
        let mut parts = Vec::new();
        if listed.is_none() || !copied.is_empty() {
            self.uses[place] = Use::Copied;
            let has_all = copied.iter().filter_map(|item| item["key"].as_str()).all(|key| pin.keys.contains(key));
            let mut copy = source.clone();
            copy["name"] = json!(pin.copy);
            if !copied.is_empty() {
                copy["items"] = Value::Array(copied);
            }
            if has_all && let Some(copy) = copy.as_object_mut() {
                copy.remove("optional");
            }
            parts.push(copy);
        }
        if !live.is_empty() {
            let mut object = source;
            object["items"] = Value::Array(live);
            if listed.is_none() {
                // Nobody said that they are all there.
                object["optional"] = json!(true);
            }
            parts.push(object);
        }
        parts
    }

    fn container(&mut self, container: &mut Map<String, Value>) {
        for variable in items(container, "env") {
            self.variable(variable);
        }
        let mut beside = Vec::new();
        for source in items(container, "envFrom") {
            beside.extend(self.all_variables(source));
        }
        if beside.is_empty() {
            return;
        }
        let own = container.get("env").and_then(Value::as_array).cloned().unwrap_or_default();
        let is_own = |added: &Value| own.iter().any(|variable| variable["name"] == added["name"]);
        // What is said by name stays, and may be made of what stands before it.
        let mut env: Vec<_> = beside.into_iter().filter(|added| !is_own(added)).collect();
        env.extend(own.iter().cloned());
        container.insert("env".to_owned(), Value::Array(env));
    }

    /// A variable of `env`: one key of an object.
    fn variable(&mut self, variable: &mut Map<String, Value>) {
        let Some(source) = variable.get_mut("valueFrom").and_then(Value::as_object_mut) else { return };
        for (field, kind) in
            [("configMapKeyRef", ConfigurationKind::ConfigMap), ("secretKeyRef", ConfigurationKind::Secret)]
        {
            let Some(reference) = source.get_mut(field).and_then(Value::as_object_mut) else { continue };
            let Some((place, pin)) = self.pin(kind, reference.get("name").unwrap_or(&Value::Null)) else { continue };
            let key = reference.get("key").and_then(Value::as_str).unwrap_or_default();
            if pin.live.contains(&key) {
                continue;
            }
            if pin.keys.contains(key) {
                reference.remove("optional");
            }
            self.uses[place] = Use::Copied;
            reference.insert("name".to_owned(), json!(pin.copy));
        }
    }

    /// A source of `envFrom`: all keys of an object. Those that rotate become variables of their own, which are returned.
    fn all_variables(&mut self, source: &mut Map<String, Value>) -> Vec<Value> {
        let prefix = source.get("prefix").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut beside = Vec::new();
        for (field, single, kind) in [
            ("configMapRef", "configMapKeyRef", ConfigurationKind::ConfigMap),
            ("secretRef", "secretKeyRef", ConfigurationKind::Secret),
        ] {
            let Some(reference) = source.get_mut(field).and_then(Value::as_object_mut) else { continue };
            let Some((place, pin)) = self.pin(kind, reference.get("name").unwrap_or(&Value::Null)) else { continue };
            self.uses[place] = Use::Copied;
            reference.insert("name".to_owned(), json!(pin.copy));
            reference.remove("optional");
            let named = pin.live.iter().map(|key| (key, format!("{prefix}{key}")));
            beside.extend(named.filter(|(_, variable)| is_variable(variable)).map(|(key, variable)| {
                json!({"name": variable, "valueFrom": {single: {"name": pin.name, "key": key, "optional": true}}})
            }));
        }
        beside
    }
}

/// Whether every Kubernetes takes it for the name of a variable; keys that are none, `envFrom` leaves out as well.
fn is_variable(name: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
    name.chars().all(is_letter)
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.starts_with("..")
        && !name.is_empty()
}

#[cfg(test)]
mod tests;
