//! Strategic merge patch, for the kinds that the server itself knows.
//!
//! <https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md>

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{
    malformed,
    structure::{ListType, Structure},
};
use crate::Refusal;

/// What to do with a map, or with an element of a list: `merge`, `replace` or `delete`.
const DIRECTIVE: &str = "$patch";
/// The only fields that a map may keep.
const RETAIN_KEYS: &str = "$retainKeys";
/// Before the name of a set of scalars: what goes from it.
const DELETE_FROM_LIST: &str = "$deleteFromPrimitiveList/";
/// Before the name of a list: the order of its elements.
const ELEMENT_ORDER: &str = "$setElementOrder/";

/// Merges `patch` into `live`, an object of a built-in kind.
///
/// # Errors
/// 400 if the patch is not an object, or has a directive that does not exist.
pub fn strategic_merge(live: &Value, patch: &Value) -> Result<Value, Refusal> {
    let Some(patch) = patch.as_object() else {
        return Err(malformed("a strategic merge patch of an object must be an object"));
    };
    let mut merged = live.clone();
    merge_into(&mut merged, patch, Structure::built_in())?;
    Ok(merged)
}

fn merge_into(live: &mut Value, patch: &Map<String, Value>, structure: Structure<'_>) -> Result<(), Refusal> {
    if !live.is_object() {
        *live = Value::Object(Map::new());
    }
    let Some(fields) = live.as_object_mut() else { return Ok(()) };
    match patch.get(DIRECTIVE).map(|directive| directive.as_str().unwrap_or_default()) {
        None | Some("merge") => {}
        Some("replace" | "delete") => fields.clear(),
        Some(unknown) => return Err(malformed(&format!("unknown value {unknown:?} of {DIRECTIVE} in the patch"))),
    }
    if let Some(kept) = patch.get(RETAIN_KEYS).and_then(Value::as_array) {
        fields.retain(|name, _| kept.iter().any(|kept| kept == name));
    }
    for (name, value) in patch {
        if let Some(list) = name.strip_prefix(DELETE_FROM_LIST) {
            delete_scalars(fields, list, value);
        }
    }
    for (name, value) in patch.iter().filter(|(name, _)| !name.starts_with('$')) {
        if value.is_null() {
            fields.remove(name);
        } else {
            let field = fields.entry(name.as_str()).or_insert(Value::Null);
            merge_field(field, value, structure.field(name))?;
        }
    }
    for (name, order) in patch {
        if let (Some(list), Some(order)) = (name.strip_prefix(ELEMENT_ORDER), order.as_array()) {
            reorder(fields, list, order, structure.field(list));
        }
    }
    Ok(())
}

fn merge_field(live: &mut Value, patch: &Value, structure: Structure<'_>) -> Result<(), Refusal> {
    match patch {
        Value::Object(patch) => merge_into(live, patch, structure),
        Value::Array(patch) => {
            if !live.is_array() {
                *live = Value::Array(Vec::new());
            }
            let Some(elements) = live.as_array_mut() else { return Ok(()) };
            match structure.strategic_key() {
                Some(key) => merge_by_key(elements, patch, key, structure.element())?,
                None if structure.list() == ListType::Set => {
                    let new: Vec<_> = patch.iter().filter(|element| !elements.contains(element)).cloned().collect();
                    elements.extend(new);
                }
                None => *elements = patch.iter().filter(|element| !is_directive(element, "replace")).cloned().collect(),
            }
            Ok(())
        }
        scalar => {
            *live = scalar.clone();
            Ok(())
        }
    }
}

fn merge_by_key(live: &mut Vec<Value>, patch: &[Value], key: &str, structure: Structure<'_>) -> Result<(), Refusal> {
    if patch.iter().any(|element| is_directive(element, "replace") && element.get(key).is_none()) {
        live.clear();
    }
    for element in patch {
        let Some(fields) = element.as_object() else {
            return Err(malformed(&format!("every element of a list that merges by {key} must be an object")));
        };
        let Some(name) = fields.get(key) else {
            if is_directive(element, "replace") {
                continue;
            }
            return Err(malformed(&format!("map: {element} does not contain declared merge key: {key}")));
        };
        if is_directive(element, "delete") {
            live.retain(|live| live.get(key) != Some(name));
            continue;
        }
        if let Some(live) = live.iter_mut().find(|live| live.get(key) == Some(name)) {
            merge_into(live, fields, structure)?;
        } else {
            let mut new = Value::Null;
            merge_into(&mut new, fields, structure)?;
            live.push(new);
        }
    }
    Ok(())
}

fn is_directive(element: &Value, directive: &str) -> bool {
    element.get(DIRECTIVE).and_then(Value::as_str) == Some(directive)
}

fn delete_scalars(fields: &mut Map<String, Value>, list: &str, gone: &Value) {
    let gone = gone.as_array().map(Vec::as_slice).unwrap_or_default();
    if let Some(elements) = fields.get_mut(list).and_then(Value::as_array_mut) {
        elements.retain(|element| !gone.contains(element));
    }
}

/// Brings the elements that `order` names into its order; the others stay before the element that follows them.
fn reorder(fields: &mut Map<String, Value>, list: &str, order: &[Value], structure: Structure<'_>) {
    let Some(elements) = fields.get_mut(list).and_then(Value::as_array_mut) else { return };
    let key = structure.strategic_key();
    let identity = |element: &Value| match key {
        Some(key) => element.get(key).unwrap_or(&Value::Null).to_string(),
        None => element.to_string(),
    };
    let order: Vec<String> = order.iter().map(identity).collect();
    let known: BTreeSet<&String> = order.iter().collect();
    let mut named: Vec<(String, Value)> = Vec::new();
    let mut places = Vec::with_capacity(elements.len());
    for element in elements.drain(..) {
        let identity = identity(&element);
        if known.contains(&identity) {
            named.push((identity, element));
            places.push(None);
        } else {
            places.push(Some(element));
        }
    }
    named.sort_by_key(|(identity, _)| order.iter().position(|other| other == identity));
    let mut named = named.into_iter().map(|(_, element)| element);
    elements.extend(places.into_iter().filter_map(|other| other.or_else(|| named.next())));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn patched(live: &Value, patch: &Value) -> Value {
        strategic_merge(live, patch).unwrap()
    }

    #[test]
    fn a_container_is_found_by_its_name_and_keeps_what_the_patch_leaves_out() {
        let live = json!({"spec": {"containers": [{"name": "proxy"}, {"name": "app", "image": "a:1", "tty": true}]}});
        let patch = json!({"spec": {"containers": [{"name": "app", "image": "a:2", "tty": null}, {"name": "new"}]}});
        let expected =
            json!({"spec": {"containers": [{"name": "proxy"}, {"name": "app", "image": "a:2"}, {"name": "new"}]}});
        assert_eq!(patched(&live, &patch), expected);
    }

    #[test]
    fn directives_delete_elements_and_replace_lists_and_maps() {
        let live = json!({"spec": {"containers": [{"name": "a"}, {"name": "b"}], "nodeSelector": {"disk": "ssd"}}});
        let patch = json!({"spec": {"containers": [{"$patch": "delete", "name": "a"}]}});
        assert_eq!(patched(&live, &patch)["spec"]["containers"], json!([{"name": "b"}]));
        let patch = json!({"spec": {"containers": [{"$patch": "replace"}, {"name": "c"}]}});
        assert_eq!(patched(&live, &patch)["spec"]["containers"], json!([{"name": "c"}]));
        let patch = json!({"spec": {"nodeSelector": {"$patch": "replace", "zone": "a"}}});
        assert_eq!(patched(&live, &patch)["spec"]["nodeSelector"], json!({"zone": "a"}));
    }

    #[test]
    fn retained_keys_drop_the_other_kinds_of_a_volume() {
        let live = json!({"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}});
        let volume = json!({"name": "v", "$retainKeys": ["name", "configMap"], "configMap": {"name": "c"}});
        let expected = json!({"spec": {"volumes": [{"name": "v", "configMap": {"name": "c"}}]}});
        assert_eq!(patched(&live, &json!({"spec": {"volumes": [volume]}})), expected);
    }

    #[test]
    fn finalizers_are_a_set() {
        let live = json!({"metadata": {"finalizers": ["a", "b"]}});
        let patch = json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["b", "c"]}});
        assert_eq!(patched(&live, &patch), json!({"metadata": {"finalizers": ["b", "c"]}}));
    }

    #[test]
    fn the_order_of_elements_is_as_the_patch_says() {
        let live = json!({"spec": {"containers": [{"name": "a"}, {"name": "own"}, {"name": "b"}]}});
        let order = json!({"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}});
        let expected = json!([{"name": "b"}, {"name": "own"}, {"name": "a"}]);
        assert_eq!(patched(&live, &order)["spec"]["containers"], expected);
    }

    #[test]
    fn an_element_without_its_key_is_refused() {
        let live = json!({"spec": {"containers": [{"name": "a"}]}});
        let refusal = strategic_merge(&live, &json!({"spec": {"containers": [{"image": "b"}]}})).unwrap_err();
        assert_eq!(refusal.code, 400);
        assert!(refusal.message.contains("does not contain declared merge key: name"), "{refusal}");
    }
}
