//! Where things stand in a route.

use serde_json::Value;

/// Its namespace.
pub fn namespace(route: &Value) -> &str {
    route.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default()
}

/// Its rules.
pub fn rules(route: &Value) -> impl Iterator<Item = &Value> {
    route.pointer("/spec/rules").and_then(Value::as_array).into_iter().flatten()
}

/// Each rule that has backends: its number from 1, the rule, and those.
pub fn lists(route: &Value) -> impl Iterator<Item = (usize, &Value, &Vec<Value>)> {
    let numbered = rules(route).enumerate();
    numbered.filter_map(|(index, rule)| Some((index + 1, rule, rule.get("backendRefs")?.as_array()?)))
}
