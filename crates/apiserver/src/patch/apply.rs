//! Server-side apply.
//!
//! <https://kubernetes.io/docs/reference/using-api/server-side-apply/>

use serde_json::{Value, json};

use super::{
    Structure, Writer,
    compare::Comparison,
    conflict::conflict,
    entries::{Entries, Owned, Owner, ownable, time},
    field_set::FieldSet,
    last_applied, malformed,
    structured_merge::{merge, remove_unowned, without_nulls},
};
use crate::Refusal;

/// Owner of the fields that were there before anything was tracked.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// The live object after `applied` is applied to it, with its `managedFields`; what the caller does not let through
/// (the status, say) is taken out of `applied` by the caller.
///
/// Fields that this manager applied before and applies no longer go, unless somebody else owns them. An apply that
/// changes nothing returns the live object as it is.
///
/// # Errors
/// 400 if `applied` comes with `managedFields` or is no object; 409 naming the managers and fields, where it would
/// change fields of others and `force` is not set.
pub fn apply(
    live: Option<&Value>,
    applied: &Value,
    writer: &Writer<'_>,
    force: bool,
    structure: Structure<'_>,
) -> Result<Value, Refusal> {
    let applied = intent(applied)?;
    let mut entries = live.map(Entries::of).unwrap_or_default();
    let nothing = json!({});
    let live = live.unwrap_or(&nothing);
    if entries.0.is_empty() && live != &nothing {
        adopt_untracked(&mut entries, live, &applied, structure);
    }
    let tracked_before = entries.clone();
    let owner = owner(&applied, writer);
    let fields = ownable(FieldSet::of_value(&applied, structure));
    let last = entries.0.remove(&owner);
    let since = last.as_ref().map_or_else(|| time(writer.now), |last| last.time.clone());
    entries.0.insert(owner.clone(), Owned { fields, time: since });

    let mut merged = merge(live, &applied, structure);
    if let Some(Owned { fields: last, .. }) = last {
        remove_unowned(&mut merged, &last, &entries.union(), structure);
    }
    let comparison = Comparison::between(live, &merged, structure);
    let takes_over = last_applied::still_in_place(live, writer.manager, structure);
    take_from_others(&mut entries, &owner, &comparison, (force, &takes_over))?;
    entries.drop_empty();
    if merged == *live && entries == tracked_before {
        return Ok(merged);
    }
    if let Some(own) = entries.0.get_mut(&owner) {
        own.time = time(writer.now);
    }
    entries.write(&mut merged);
    Ok(merged)
}

/// What the applier wants, with `metadata` there and without what an applier cannot want.
fn intent(applied: &Value) -> Result<Value, Refusal> {
    let has_managed_fields = applied
        .pointer("/metadata/managedFields")
        .is_some_and(|entries| entries.as_array().is_none_or(|entries| !entries.is_empty()) && !entries.is_null());
    if has_managed_fields {
        return Err(malformed("metadata.managedFields must be nil"));
    }
    let mut intent = without_nulls(applied);
    let Some(fields) = intent.as_object_mut() else {
        return Err(malformed("an applied configuration must be an object"));
    };
    let metadata = fields.entry("metadata").or_insert_with(|| json!({}));
    let Some(metadata) = metadata.as_object_mut() else {
        return Err(malformed("metadata must be an object"));
    };
    for server_side in ["managedFields", "creationTimestamp", "generation", "selfLink"] {
        metadata.remove(server_side);
    }
    Ok(intent)
}

fn owner(applied: &Value, writer: &Writer<'_>) -> Owner {
    Owner {
        manager: writer.manager.to_owned(),
        operation: "Apply".to_owned(),
        api_version: applied.get("apiVersion").and_then(Value::as_str).unwrap_or_default().to_owned(),
        subresource: writer.subresource.to_owned(),
    }
}

/// Gives everything that `live` has to an owner that stands for the time before.
fn adopt_untracked(entries: &mut Entries, live: &Value, applied: &Value, structure: Structure<'_>) {
    let fields = ownable(Comparison::between(&json!({}), live, structure).changed);
    let api_version = applied.get("apiVersion").and_then(Value::as_str).unwrap_or_default().to_owned();
    let owner = Owner {
        manager: BEFORE_FIRST_APPLY.to_owned(),
        operation: "Update".to_owned(),
        api_version,
        subresource: String::new(),
    };
    let created = live.pointer("/metadata/creationTimestamp").and_then(Value::as_str).unwrap_or_default();
    entries.0.insert(owner, Owned { fields, time: created.to_owned() });
    entries.drop_empty();
}

/// Takes what changed from all other owners; without force, only where it may be taken over.
fn take_from_others(
    entries: &mut Entries,
    owner: &Owner,
    comparison: &Comparison,
    (force, takes_over): (bool, &FieldSet),
) -> Result<(), Refusal> {
    let others = || entries.0.iter().filter(|(other, _)| *other != owner);
    let conflicts: Vec<(Owner, FieldSet)> = others()
        .map(|(other, owned)| (other.clone(), owned.fields.intersection(&comparison.changed)))
        .filter(|(_, fields)| !fields.is_empty())
        .collect();
    if !force {
        let mut fought_over = conflicts.clone();
        for (_, fields) in &mut fought_over {
            fields.subtract(takes_over);
        }
        fought_over.retain(|(_, fields)| !fields.is_empty());
        if !fought_over.is_empty() {
            return Err(conflict(&fought_over));
        }
    }
    for (other, owned) in entries.0.iter_mut().filter(|(other, _)| *other != owner) {
        if let Some((_, taken)) = conflicts.iter().find(|(loser, _)| loser == other) {
            owned.fields.subtract(taken);
        }
        owned.fields.subtract(&comparison.removed);
    }
    Ok(())
}
