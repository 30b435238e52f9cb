//! The part of `JSONPath` that printer columns use: fields, indices, and a filter on one field.
//!
//! <https://kubernetes.io/docs/reference/kubectl/jsonpath/>

use serde_json::Value;

/// A path such as `.status.conditions[?(@.type=="Ready")].status`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JsonPath(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Field(String),
    Index(usize),
    All,
    /// The elements whose field has this value.
    Where(JsonPath, String),
}

impl JsonPath {
    /// Reads a path; nothing if it uses more than is known here.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut rest = text.trim();
        if let Some(inner) = rest.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            rest = inner;
        }
        rest = rest.strip_prefix('$').unwrap_or(rest);
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, after) = match rest.strip_prefix('[') {
                Some(bracket) => in_brackets(bracket)?,
                None => field(rest.strip_prefix('.').unwrap_or(rest))?,
            };
            steps.push(step);
            rest = after;
        }
        Some(Self(steps))
    }

    /// The fields that it begins with, one in the other.
    pub(super) fn fields(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map_while(|step| match step {
            Step::Field(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// The first value that the path leads to.
    #[must_use]
    pub fn first<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        first(&self.0, value)
    }
}

fn first<'a>(steps: &[Step], value: &'a Value) -> Option<&'a Value> {
    let Some((step, rest)) = steps.split_first() else { return Some(value) };
    match step {
        Step::Field(name) => first(rest, value.get(name)?),
        Step::Index(index) => first(rest, value.get(index)?),
        Step::All => value.as_array()?.iter().find_map(|element| first(rest, element)),
        Step::Where(path, wanted) => {
            let is_meant = |element: &&Value| match path.first(element) {
                Some(Value::String(text)) => text == wanted,
                Some(other) => wanted.parse::<Value>().is_ok_and(|wanted| wanted == *other),
                None => false,
            };
            value.as_array()?.iter().filter(is_meant).find_map(|element| first(rest, element))
        }
    }
}

/// A field up to the next step; a backslash takes a dot into the name.
fn field(text: &str) -> Option<(Step, &str)> {
    let mut name = String::new();
    let mut characters = text.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '\\' => name.extend(characters.next().map(|(_, escaped)| escaped)),
            '.' | '[' => {
                let rest = text.get(index..)?;
                return (!name.is_empty()).then_some((named(name), rest));
            }
            other => name.push(other),
        }
    }
    (!name.is_empty()).then_some((named(name), ""))
}

fn named(name: String) -> Step {
    if name == "*" { Step::All } else { Step::Field(name) }
}

/// What stands in brackets, without the one that opens them.
fn in_brackets(text: &str) -> Option<(Step, &str)> {
    if let Some(filter) = text.strip_prefix("?(@") {
        let (filter, rest) = filter.split_once(")]")?;
        let (path, wanted) = filter.split_once("==")?;
        let wanted = wanted.trim().trim_matches(['"', '\'']).to_owned();
        return Some((Step::Where(JsonPath::parse(path)?, wanted), rest));
    }
    let (inner, rest) = text.split_once(']')?;
    let quoted = inner.strip_prefix(['\'', '"']).and_then(|inner| inner.strip_suffix(['\'', '"']));
    let step = match (inner, quoted) {
        (_, Some(name)) => Step::Field(name.to_owned()),
        ("*", _) => Step::All,
        (index, _) => Step::Index(index.parse().ok()?),
    };
    Some((step, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn found(path: &str) -> Option<Value> {
        let object = json!({
            "metadata": {"labels": {"app.kubernetes.io/name": "shop"}},
            "status": {"conditions": [{"type": "A", "status": "False"}, {"type": "Ready", "status": "True"}], "n": 3},
        });
        JsonPath::parse(path)?.first(&object).cloned()
    }

    #[test]
    fn fields_indices_and_filters_lead_to_values() {
        assert_eq!(found(".status.n"), Some(json!(3)));
        assert_eq!(found(".status.conditions[0].type"), Some(json!("A")));
        assert_eq!(found(".status.conditions[?(@.type==\"Ready\")].status"), Some(json!("True")));
        assert_eq!(found(".metadata.labels['app.kubernetes.io/name']"), Some(json!("shop")));
        assert_eq!(found(".metadata.labels.app\\.kubernetes\\.io/name"), Some(json!("shop")));
        assert_eq!(found(".status.conditions[*].type"), Some(json!("A")));
        assert_eq!(found(".status.missing.more"), None);
    }

    proptest! {
        #[test]
        fn no_path_makes_it_panic(path in "[.a\\[\\]?(@=\"')*0-9$\\\\é]{0,20}") {
            let _ = found(&path);
        }
    }
}
