//! What client-side apply left: the fields that it wrote last, which server-side apply takes over without a conflict.
//!
//! <https://kubernetes.io/docs/reference/using-api/server-side-apply/#upgrading-from-client-side-apply-to-server-side-apply>

use serde_json::Value;

use super::{Structure, compare::Comparison, field_set::FieldSet};

/// The program whose own older way of applying it is, and the annotation that it left.
const KUBECTL: &str = "kubectl";
const ANNOTATION: &str = "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration";

/// The fields that kubectl applied last from its side, and that are still as it left them; none for another manager.
pub fn still_in_place(live: &Value, manager: &str, structure: Structure<'_>) -> FieldSet {
    let annotation = live.pointer(ANNOTATION).and_then(Value::as_str).filter(|_| manager == KUBECTL);
    let Some(applied) = annotation.and_then(|text| serde_json::from_str::<Value>(text).ok()) else {
        return FieldSet::default();
    };
    let mut fields = FieldSet::of_value(&applied, structure);
    let since = Comparison::between(&applied, live, structure);
    fields.subtract(&since.changed);
    fields.subtract(&since.removed);
    fields
}
