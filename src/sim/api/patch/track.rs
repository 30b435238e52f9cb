//! Who owns the fields that a create, an update or another kind of patch changed.

use serde_json::{Value, json};

use super::{
    Structure, Writer,
    compare::Comparison,
    entries::{Entries, Owned, Owner, ownable, time},
};

/// Writes the `managedFields` of `after`, which is what `writer` made of `before` by anything but an apply.
///
/// The writer owns what it changed, and others lose it. A writer that empties the list has all ownership forgotten; any
/// other list that it sends is ignored, for an object read long ago carries an old one.
pub fn track(before: Option<&Value>, after: &mut Value, writer: &Writer<'_>, structure: Structure<'_>) {
    let forgets = before.is_some() && is_emptied(after);
    let mut entries = if forgets { Entries::default() } else { before.map(Entries::of).unwrap_or_default() };
    let was_tracked = before.is_none() || !entries.0.is_empty();
    if forgets || !was_tracked {
        return Entries::default().write(after);
    }
    let nothing = json!({});
    let comparison = Comparison::between(before.unwrap_or(&nothing), after, structure);
    let changed = ownable(comparison.changed);
    for owned in entries.0.values_mut() {
        owned.fields.subtract(&changed);
        owned.fields.subtract(&comparison.removed);
    }
    if !changed.is_empty() {
        let owner = Owner {
            manager: writer.manager.to_owned(),
            operation: "Update".to_owned(),
            api_version: after.get("apiVersion").and_then(Value::as_str).unwrap_or_default().to_owned(),
            subresource: writer.subresource.to_owned(),
        };
        let own = entries.0.entry(owner).or_insert_with(|| Owned { fields: changed.clone(), time: String::new() });
        own.fields.add(&changed);
        own.time = time(writer.now);
    }
    entries.drop_empty();
    entries.write(after);
}

fn is_emptied(object: &Value) -> bool {
    let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array);
    entries.is_some_and(|entries| match entries.as_slice() {
        [] => true,
        [only] => only.as_object().is_some_and(serde_json::Map::is_empty),
        _ => false,
    })
}
