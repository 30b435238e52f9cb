//! What a write changed, as sets of fields.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    field_set::{FieldSet, element_names, field_element},
    structure::Structure,
};

/// What differs between an object before and after a write.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Fields with a new or another value.
    pub changed: FieldSet,
    /// Fields that are gone.
    pub removed: FieldSet,
}

impl Comparison {
    /// Compares `before` with `after`.
    pub fn between(before: &Value, after: &Value, structure: Structure<'_>) -> Self {
        if before == after {
            return Self::default();
        }
        match (before, after) {
            (Value::Object(before), Value::Object(after)) if !structure.is_atomic_map() => {
                Self::between_maps(before, after, structure)
            }
            (Value::Array(before), Value::Array(after)) => Self::between_lists(before, after, structure),
            _ => Self { changed: FieldSet::leaf(), removed: FieldSet::default() },
        }
    }

    fn between_maps(before: &Map<String, Value>, after: &Map<String, Value>, structure: Structure<'_>) -> Self {
        let mut comparison = Self::default();
        for (name, field) in after.iter().filter(|(name, field)| before.get(*name) != Some(field)) {
            let below = structure.field(name);
            comparison.step(field_element(name), before.get(name), Some(field), below);
        }
        for (name, field) in before.iter().filter(|(name, _)| !after.contains_key(*name)) {
            comparison.step(field_element(name), Some(field), None, structure.field(name));
        }
        comparison
    }

    fn between_lists(before: &[Value], after: &[Value], structure: Structure<'_>) -> Self {
        let names = element_names(before, structure).zip(element_names(after, structure));
        let Some((names_before, names_after)) = names else {
            return Self { changed: FieldSet::leaf(), removed: FieldSet::default() };
        };
        let mut comparison = Self::default();
        let mut old: BTreeMap<_, _> = names_before.into_iter().zip(before).collect();
        for (name, element) in names_after.into_iter().zip(after) {
            let was = old.remove(&name);
            comparison.step(name, was, Some(element), structure.element());
        }
        for (name, element) in old {
            comparison.step(name, Some(element), None, structure.element());
        }
        comparison
    }

    fn step(&mut self, name: String, before: Option<&Value>, after: Option<&Value>, structure: Structure<'_>) {
        match (before, after) {
            (Some(before), Some(after)) => {
                let Self { changed, removed } = Self::between(before, after, structure);
                self.changed.put(name.clone(), changed);
                self.removed.put(name, removed);
            }
            (None, Some(added)) => self.changed.put(name, everything(added, structure)),
            (Some(gone), None) => self.removed.put(name, everything(gone, structure)),
            (None, None) => {}
        }
    }
}

/// All fields of `value`, and it itself.
fn everything(value: &Value, structure: Structure<'_>) -> FieldSet {
    let mut set = FieldSet { is_member: true, children: BTreeMap::new() };
    match value {
        Value::Object(fields) if !structure.is_atomic_map() => {
            for (name, field) in fields {
                set.put(field_element(name), everything(field, structure.field(name)));
            }
        }
        Value::Array(elements) => {
            for (name, element) in element_names(elements, structure).into_iter().flatten().zip(elements) {
                set.put(name, everything(element, structure.element()));
            }
        }
        _ => {}
    }
    set
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_element_that_moves_within_its_list_has_not_changed() {
        let list = |names: [&str; 2]| json!({"spec": {"containers": names.map(|name| json!({"name": name}))}});
        let comparison = Comparison::between(&list(["a", "b"]), &list(["b", "a"]), Structure::built_in());
        assert_eq!(comparison, Comparison::default());
    }

    #[test]
    fn a_field_counts_as_changed_or_as_removed() {
        let before = json!({"spec": {"replicas": 1, "paused": true}});
        let after = json!({"spec": {"replicas": 2}});
        let Comparison { changed, removed } = Comparison::between(&before, &after, Structure::built_in());
        assert_eq!(changed.encode(), json!({"f:spec": {"f:replicas": {}}}));
        assert_eq!(removed.encode(), json!({"f:spec": {"f:paused": {}}}));
    }
}
