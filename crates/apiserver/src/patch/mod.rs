//! The kinds of patch: JSON, merge, strategic merge, and server-side apply; and who owns which field.
//!
//! All are pure: an object and a patch in, an object or a [`Refusal`] out.

mod apply;
mod compare;
mod conflict;
mod entries;
mod field_set;
mod last_applied;
mod renew;
mod strategic;
mod structure;
mod structured_merge;
#[cfg(test)]
mod tests;
mod track;

use serde_json::{Value, json};

use super::Refusal;

pub use apply::apply;
pub use strategic::strategic_merge;
pub use structure::Structure;
pub use track::track;

/// Who writes, through what, and when.
#[derive(Debug, Clone, Copy)]
pub struct Writer<'a> {
    /// The name of the field manager.
    pub manager: &'a str,
    /// `status`, `scale`, or empty for the object itself.
    pub subresource: &'a str,
    /// The time that a new or changed entry of `managedFields` gets.
    pub now: jiff::Timestamp,
}

/// Applies the operations of `patch` (RFC 6902) to `live`.
///
/// # Errors
/// 400 if it is no JSON patch, and 422 if an operation finds nothing to work on or a `test` fails.
pub fn json_patch(live: &Value, patch: Value) -> Result<Value, Refusal> {
    let operations: json_patch::Patch =
        serde_json::from_value(patch).map_err(|error| malformed(&format!("error decoding patch: {error}")))?;
    let mut patched = live.clone();
    json_patch::patch(&mut patched, &operations).map_err(|error| Refusal {
        code: 422,
        reason: "Invalid",
        message: format!("the server rejected our request due to an error in our request: {error}"),
        details: json!({}),
    })?;
    Ok(patched)
}

/// Merges `patch` (RFC 7396) into `live`.
///
/// # Errors
/// 400 if the patch is not an object.
pub fn merge_patch(live: &Value, patch: &Value) -> Result<Value, Refusal> {
    if !patch.is_object() {
        return Err(malformed("a merge patch of an object must be an object"));
    }
    let mut merged = live.clone();
    json_patch::merge(&mut merged, patch);
    Ok(merged)
}

/// The strategic merge patch is only defined for the kinds that the server itself knows.
#[must_use]
pub fn strategic_is_unsupported() -> Refusal {
    Refusal {
        code: 415,
        reason: "UnsupportedMediaType",
        message: "the body of the request was in an unknown format - accepted media types include: \
                  application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
            .to_owned(),
        details: Value::Null,
    }
}

fn malformed(message: &str) -> Refusal {
    Refusal { code: 400, reason: "BadRequest", message: message.to_owned(), details: Value::Null }
}
