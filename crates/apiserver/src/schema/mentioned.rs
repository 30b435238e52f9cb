//! What CEL rules may read of the value that they stand at.
//!
//! A value is converted for its rules whenever they are evaluated, and a rule at the root of an object would have all of
//! it converted for the few fields that it is about.

use std::{collections::BTreeMap, sync::LazyLock};

use regex::Regex;
use serde_json::Value;

/// The fields that rules mention.
#[derive(Debug, Default)]
pub struct Mentioned {
    /// The value itself is read, with all that is in it.
    whole: bool,
    fields: BTreeMap<String, Mentioned>,
}

/// `self` or `oldSelf` and the fields behind it, between what stands before and behind: `has(`, or a call's parenthesis.
static PATH: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(has\(\s*)?\b(?:self|oldSelf)\b((?:\.\w+)*)(\s*[\[(.]?)").ok());

impl Mentioned {
    /// What the rules of a schema mention, in their expressions and in their messages.
    pub fn by(schema: &Value) -> Self {
        let mut mentioned = Self::default();
        for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
            for text in ["rule", "messageExpression"].into_iter().filter_map(|kind| rule[kind].as_str()) {
                mentioned.add_all(text);
            }
        }
        mentioned
    }

    fn add_all(&mut self, expression: &str) {
        let Some(pattern) = PATH.as_ref() else {
            self.whole = true;
            return;
        };
        for found in pattern.captures_iter(expression) {
            let group = |number| found.get(number).map_or("", |group| group.as_str());
            let mut path: Vec<_> = group(2).split('.').skip(1).collect();
            let behind = group(3).trim();
            if behind == "(" {
                // The last is no field, but a function.
                path.pop();
            }
            // Names that CEL could not read are escaped: what is behind one is not looked into.
            let plain = path.iter().take_while(|name| !name.contains("__")).count();
            self.add(&path[..plain], plain == path.len() && !group(1).is_empty() && behind.is_empty());
        }
    }

    /// Adds a path, of which a `has` asks only whether it is there.
    fn add(&mut self, path: &[&str], is_asked_for: bool) {
        match path.split_first() {
            None => self.whole |= !is_asked_for,
            Some((first, rest)) => self.fields.entry((*first).to_owned()).or_default().add(rest, is_asked_for),
        }
    }

    /// `value` with the fields that are mentioned. One of which only the presence counts is there, but empty.
    pub fn of(&self, value: &Value) -> Value {
        match value {
            Value::Object(fields) if !self.whole => {
                let mentioned = fields.iter().filter_map(|(name, field)| Some((name, self.fields.get(name)?, field)));
                Value::Object(mentioned.map(|(name, mentioned, field)| (name.clone(), mentioned.of(field))).collect())
            }
            _ => value.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(rule: &str) -> Value {
        let value = json!({
            "spec": {"traffic": {"routes": [1]}, "stages": [{"name": "a"}]}, "status": {"phase": "Stable", "more": 1}, "a": 1,
        });
        Mentioned::by(&json!({"x-kubernetes-validations": [{"rule": rule}]})).of(&value)
    }

    #[test]
    fn a_field_is_read_with_all_that_is_in_it() {
        assert_eq!(read("self.spec.traffic == oldSelf.spec.traffic"), json!({"spec": {"traffic": {"routes": [1]}}}));
        assert_eq!(read("self.spec.stages.all(s, s.name != '')"), json!({"spec": {"stages": [{"name": "a"}]}}));
        assert_eq!(read("self.spec.stages[0].name == 'a'"), json!({"spec": {"stages": [{"name": "a"}]}}));
    }

    #[test]
    fn of_a_field_that_has_asks_for_nothing_is_read() {
        assert_eq!(read("!has(oldSelf.status)"), json!({"status": {}}));
        assert_eq!(read("has(self.status) && self.status.phase != ''"), json!({"status": {"phase": "Stable"}}));
        assert_eq!(read("has(self.spec.stages) && self.a > 0"), json!({"spec": {"stages": [{"name": "a"}]}, "a": 1}));
    }

    #[test]
    fn a_value_that_is_read_as_it_is_is_read_whole() {
        let rules =
            ["self == oldSelf", "size(self) > 1", "self.all(key, key != 'x')", "self['a'] == 1", "self.?a == 1"];
        for rule in rules.into_iter().chain(["self.a__dash__b == 1"]) {
            assert_eq!(read(rule), read("self"), "{rule}");
            assert_eq!(read(rule).as_object().unwrap().len(), 3, "{rule}");
        }
    }
}
