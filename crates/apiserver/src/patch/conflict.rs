//! The refusal of an apply that would take fields away from somebody.

use serde_json::{Value, json};

use super::{entries::Owner, field_set::FieldSet};
use crate::Refusal;

/// Tells which fields belong to whom.
pub fn conflict(conflicts: &[(Owner, FieldSet)]) -> Refusal {
    let causes: Vec<(String, String)> = conflicts
        .iter()
        .flat_map(|(owner, fields)| fields.paths().into_iter().map(move |path| (in_words(owner), path)))
        .collect();
    let message = if let [(owner, path)] = causes.as_slice() {
        format!("Apply failed with 1 conflict: conflict with {owner}: {path}")
    } else {
        let lines: Vec<String> = conflicts.iter().flat_map(|(owner, fields)| lines(owner, fields)).collect();
        format!("Apply failed with {} conflicts: {}", causes.len(), lines.join("\n"))
    };
    let causes: Vec<Value> = causes
        .into_iter()
        .map(|(owner, field)| {
            json!({"reason": "FieldManagerConflict", "message": format!("conflict with {owner}"), "field": field})
        })
        .collect();
    Refusal { code: 409, reason: "Conflict", message, details: json!({"causes": causes}) }
}

fn lines(owner: &Owner, fields: &FieldSet) -> Vec<String> {
    let fields = fields.paths().into_iter().map(|path| format!("- {path}"));
    std::iter::once(format!("conflicts with {}:", in_words(owner))).chain(fields).collect()
}

fn in_words(owner: &Owner) -> String {
    let subresource = match owner.subresource.as_str() {
        "" => String::new(),
        name => format!(" with subresource {name:?}"),
    };
    let version = if owner.applies() { String::new() } else { format!(" using {}", owner.api_version) };
    format!("{:?}{subresource}{version}", owner.manager)
}
