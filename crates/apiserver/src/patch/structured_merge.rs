//! Merging an applied object into the live one, and taking fields away from it, by its structure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    field_set::{FieldSet, element_names, field_element},
    structure::Structure,
};

/// `live` with everything that `applied` says.
pub fn merge(live: &Value, applied: &Value, structure: Structure<'_>) -> Value {
    match (live, applied) {
        (Value::Object(live), Value::Object(applied)) if !structure.is_atomic_map() => {
            let mut merged = live.clone();
            for (name, field) in applied {
                let value = match live.get(name) {
                    Some(live) => merge(live, field, structure.field(name)),
                    None => field.clone(),
                };
                merged.insert(name.clone(), value);
            }
            Value::Object(merged)
        }
        (Value::Array(live), Value::Array(applied)) => merge_lists(live, applied, structure),
        _ => applied.clone(),
    }
}

/// The elements of `applied` in their order; those that only `live` has keep their place behind their predecessors.
fn merge_lists(live: &[Value], applied: &[Value], structure: Structure<'_>) -> Value {
    let names = element_names(live, structure).zip(element_names(applied, structure));
    let Some((live_names, applied_names)) = names else { return Value::Array(applied.to_vec()) };
    let is_applied: BTreeSet<&String> = applied_names.iter().collect();
    let by_name: BTreeMap<&String, &Value> = live_names.iter().zip(live).collect();
    let mut rest = live_names.iter().zip(live).peekable();
    let mut merged = Vec::with_capacity(live.len().max(applied.len()));
    for (name, element) in applied_names.iter().zip(applied) {
        if let Some(was) = by_name.get(name) {
            while let Some((live_name, only_live)) = rest.next_if(|(live_name, _)| *live_name != name) {
                if !is_applied.contains(live_name) {
                    merged.push(only_live.clone());
                }
            }
            rest.next();
            merged.push(merge(was, element, structure.element()));
        } else {
            while let Some((_, only_live)) = rest.next_if(|(live_name, _)| !is_applied.contains(live_name)) {
                merged.push(only_live.clone());
            }
            merged.push(element.clone());
        }
    }
    merged.extend(rest.filter(|(name, _)| !is_applied.contains(name)).map(|(_, element)| element.clone()));
    Value::Array(merged)
}

/// Takes from `value` what is in `last` and what nobody owns any more.
pub fn remove_unowned(value: &mut Value, last: &FieldSet, owned: &FieldSet, structure: Structure<'_>) {
    match value {
        Value::Object(fields) => {
            for (name, below) in
                last.children.iter().filter_map(|(name, below)| Some((name.strip_prefix("f:")?, below)))
            {
                match (owned.children.get(&field_element(name)), fields.get_mut(name)) {
                    (None, Some(_)) => {
                        fields.remove(name);
                    }
                    (Some(owned), Some(field)) => remove_unowned(field, below, owned, structure.field(name)),
                    (_, None) => {}
                }
            }
        }
        Value::Array(elements) => {
            let Some(names) = element_names(elements, structure) else { return };
            let mut names = names.into_iter();
            elements.retain_mut(|element| {
                let Some((name, below)) = names.next().and_then(|name| last.children.get_key_value(&name)) else {
                    return true;
                };
                let Some(owned) = owned.children.get(name) else { return false };
                remove_unowned(element, below, owned, structure.element());
                true
            });
        }
        _ => {}
    }
}

/// `value` without fields that are `null`: to apply nothing is not to apply it.
pub fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(_, field)| !field.is_null());
            Value::Object(kept.map(|(name, field)| (name.clone(), without_nulls(field))).collect::<Map<_, _>>())
        }
        Value::Array(elements) => Value::Array(elements.iter().map(without_nulls).collect()),
        scalar => scalar.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(containers: &Value) -> Value {
        json!({"spec": {"containers": containers}})
    }

    #[test]
    fn elements_merge_by_their_key_and_the_others_keep_their_place() {
        let live = pod(&json!([{"name": "proxy"}, {"name": "app", "image": "a:1", "tty": true}, {"name": "log"}]));
        let applied = pod(&json!([{"name": "app", "image": "a:2"}, {"name": "new"}]));
        let merged = merge(&live, &applied, Structure::built_in());
        let expected =
            json!([{"name": "proxy"}, {"name": "app", "image": "a:2", "tty": true}, {"name": "log"}, {"name": "new"}]);
        assert_eq!(merged, pod(&expected));
    }

    #[test]
    fn elements_that_are_applied_in_another_order_are_in_that_order_afterwards() {
        let live = pod(&json!([{"name": "a"}, {"name": "b"}, {"name": "c"}]));
        let applied = pod(&json!([{"name": "c"}, {"name": "a"}]));
        let merged = merge(&live, &applied, Structure::built_in());
        assert_eq!(merged, pod(&json!([{"name": "b"}, {"name": "c"}, {"name": "a"}])));
    }
}
