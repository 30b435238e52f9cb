//! Who owns the fields that a create, an update or another kind of patch changed.

use serde_json::{Value, json};

use super::{
    Structure, Writer,
    compare::Comparison,
    entries::{Entries, Owned, Owner, ownable, time},
    renew::{Effect, renew},
};

/// Writes the `managedFields` of `after`, which is what `writer` made of `before` by anything but an apply.
///
/// The writer owns what it changed, and others lose it. A writer that empties the list has all ownership forgotten; any
/// other list that it sends is ignored, for an object read long ago carries an old one.
pub fn track(before: Option<&Value>, after: &mut Value, writer: &Writer<'_>, structure: Structure<'_>) {
    let nothing = json!({});
    let old = before.unwrap_or(&nothing);
    let was_tracked = before.is_none() || managed(old).is_some_and(|entries| !entries.is_empty());
    if !was_tracked || (before.is_some() && is_emptied(after)) {
        return Entries::default().write(after);
    }
    let Comparison { changed, removed } = Comparison::between(old, after, structure);
    let comparison = Comparison { changed: ownable(changed), removed };
    let owner = Owner {
        manager: writer.manager.to_owned(),
        operation: "Update".to_owned(),
        api_version: after.get("apiVersion").and_then(Value::as_str).unwrap_or_default().to_owned(),
        subresource: writer.subresource.to_owned(),
    };
    let time = time(writer.now);
    let kept = managed(old).unwrap_or_default();
    let effect = Effect::of(&comparison, kept, &owner);
    if effect == Effect::Rewritten {
        return rewritten(Entries::of(old), &comparison, owner, time).write(after);
    }
    let Some(metadata) = after.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    let sent = metadata.entry("managedFields").or_insert(Value::Null);
    if sent.as_array().is_none_or(|sent| *sent != kept) {
        *sent = kept.to_vec().into();
    }
    if let (Effect::Renewed(own), Some(entries)) = (effect, sent.as_array_mut()) {
        renew(entries, own, time);
    }
}

/// The entries after any write.
pub(super) fn rewritten(mut entries: Entries, comparison: &Comparison, owner: Owner, time: String) -> Entries {
    let Comparison { changed, removed } = comparison;
    for owned in entries.0.values_mut() {
        owned.fields.subtract(changed);
        owned.fields.subtract(removed);
    }
    if !changed.is_empty() {
        let own = entries.0.entry(owner).or_insert_with(|| Owned { fields: changed.clone(), time: String::new() });
        own.fields.add(changed);
        own.time = time;
    }
    entries.drop_empty();
    entries
}

fn managed(object: &Value) -> Option<&[Value]> {
    Some(object.get("metadata")?.get("managedFields")?.as_array()?)
}

fn is_emptied(object: &Value) -> bool {
    managed(object).is_some_and(|entries| match entries {
        [] => true,
        [only] => only.as_object().is_some_and(serde_json::Map::is_empty),
        _ => false,
    })
}
