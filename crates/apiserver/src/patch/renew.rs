//! Most writes change fields that their writer owns already, and nobody else does: a controller's next status. Then
//! only the time of its entry changes, and no set of fields has to be read or written.

use serde_json::Value;

use super::{
    compare::Comparison,
    entries::{Owner, in_order, text},
    field_set::FieldSet,
};

/// What a write does to the entries of `managedFields`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    Nothing,
    /// The entry at this place, its writer's own, gets a new time.
    Renewed(usize),
    /// More than that.
    Rewritten,
}

impl Effect {
    /// What a write by `owner` does to `entries`.
    pub fn of(comparison: &Comparison, entries: &[Value], owner: &Owner) -> Self {
        let Comparison { changed, removed } = comparison;
        let is_nothing = changed.is_empty() && !entries.is_empty();
        let mut effect = if is_nothing { Self::Nothing } else { Self::Rewritten };
        for (place, entry) in entries.iter().enumerate() {
            let Some(fields) = entry.get("fieldsV1").filter(|fields| fields.is_object()) else {
                return Self::Rewritten;
            };
            let is_own = is_of(entry, owner);
            if touches(fields, removed) || (!is_own && touches(fields, changed)) {
                return Self::Rewritten;
            }
            if is_own && !changed.is_empty() && holds(fields, changed) {
                effect = Self::Renewed(place);
            }
        }
        effect
    }
}

/// Gives the entry at `place` another time.
pub fn renew(entries: &mut [Value], place: usize, time: String) {
    if let Some(slot) = entries.get_mut(place).and_then(|entry| entry.get_mut("time")) {
        *slot = time.into();
        entries.sort_by(in_order);
    }
}

fn is_of(entry: &Value, owner: &Owner) -> bool {
    text(entry, "manager") == owner.manager
        && text(entry, "operation") == owner.operation
        && text(entry, "apiVersion") == owner.api_version
        && text(entry, "subresource") == owner.subresource
}

/// Whether the field that `fields` stands for is in the set itself.
fn is_member(fields: &Value) -> bool {
    fields.as_object().is_none_or(|fields| fields.is_empty() || fields.contains_key("."))
}

/// Whether all of `set` is in `fields`, which is `FieldsV1` as it is written.
fn holds(fields: &Value, set: &FieldSet) -> bool {
    let below = |(name, below): (&String, &FieldSet)| fields.get(name).is_some_and(|fields| holds(fields, below));
    (!set.is_member || is_member(fields)) && set.children.iter().all(below)
}

/// Whether anything of `set` is in `fields`.
fn touches(fields: &Value, set: &FieldSet) -> bool {
    let below = |(name, below): (&String, &FieldSet)| fields.get(name).is_some_and(|fields| touches(fields, below));
    (set.is_member && is_member(fields)) || set.children.iter().any(below)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::patch::{entries::Entries, structure::Structure, track};

    fn owner(manager: &str) -> Owner {
        let [operation, api_version, subresource] = ["Update", "v1", "status"].map(str::to_owned);
        Owner { manager: manager.to_owned(), operation, api_version, subresource }
    }

    /// What the long way makes of the entries.
    fn rewritten(entries: &[Value], comparison: &Comparison, owner: Owner, time: &str) -> Value {
        let mut object = json!({"metadata": {"managedFields": entries}});
        track::rewritten(Entries::of(&object), comparison, owner, time.to_owned()).write(&mut object);
        object["metadata"]["managedFields"].clone()
    }

    fn entry(manager: &str, time: &str, fields: &Value) -> Value {
        json!({
            "manager": manager, "operation": "Update", "apiVersion": "v1", "time": time, "fieldsType": "FieldsV1",
            "fieldsV1": fields, "subresource": "status",
        })
    }

    #[test]
    fn a_writer_that_changes_what_it_owns_only_gets_a_new_time() {
        let entries = [
            entry(
                "a",
                "2026-01-01T00:00:00Z",
                &json!({"f:status": {".": {}, "f:phase": {}, "f:list": {"v:\"x\"": {}}}}),
            ),
            entry("b", "2026-01-02T00:00:00Z", &json!({"f:status": {"f:message": {}}})),
        ];
        let before = json!({"status": {"phase": "one", "message": "m"}});
        let after = json!({"status": {"phase": "two", "message": "m"}});
        let comparison = Comparison::between(&before, &after, Structure::built_in());
        let time = "2026-01-03T00:00:00Z";
        let write_by = |manager: &str| Effect::of(&comparison, &entries, &owner(manager));
        assert_eq!(write_by("a"), Effect::Renewed(0), "a owns the phase");
        let mut by_a = entries.to_vec();
        renew(&mut by_a, 0, time.to_owned());
        assert_eq!(Value::from(by_a.clone()), rewritten(&entries, &comparison, owner("a"), time));
        assert_eq!(text(&by_a[1], "manager"), "a", "the latest comes last");
        assert_eq!(write_by("b"), Effect::Rewritten, "b takes the phase from a");
        assert_eq!(write_by("c"), Effect::Rewritten, "c owns nothing yet");
    }

    #[test]
    fn a_field_that_goes_is_taken_from_its_owner() {
        let entries = [entry("a", "2026-01-01T00:00:00Z", &json!({"f:status": {"f:phase": {}, "f:message": {}}}))];
        let before = json!({"status": {"phase": "one", "message": "m"}});
        let after = json!({"status": {"phase": "two"}});
        let comparison = Comparison::between(&before, &after, Structure::built_in());
        assert_eq!(Effect::of(&comparison, &entries, &owner("a")), Effect::Rewritten);
    }
}
