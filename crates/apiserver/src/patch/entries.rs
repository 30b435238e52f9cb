//! The entries of `metadata.managedFields`.

use std::{cmp::Ordering, collections::BTreeMap};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::field_set::FieldSet;

/// Fields that nobody owns: they name the object, or the server sets them.
///
/// <https://github.com/kubernetes/apimachinery/blob/master/pkg/util/managedfields/internal/stripmeta.go>
const NOBODYS: &[&[&str]] = &[
    &["f:apiVersion"],
    &["f:kind"],
    &["f:metadata", "f:name"],
    &["f:metadata", "f:namespace"],
    &["f:metadata", "f:creationTimestamp"],
    &["f:metadata", "f:deletionTimestamp"],
    &["f:metadata", "f:deletionGracePeriodSeconds"],
    &["f:metadata", "f:selfLink"],
    &["f:metadata", "f:uid"],
    &["f:metadata", "f:generation"],
    &["f:metadata", "f:resourceVersion"],
    &["f:metadata", "f:managedFields"],
];

/// What tells one entry from another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// The field manager.
    pub manager: String,
    /// `Apply` or `Update`.
    pub operation: String,
    /// The version of the API that it wrote by.
    pub api_version: String,
    /// The subresource that it wrote through; empty for the object itself.
    pub subresource: String,
}

impl Owner {
    /// Whether it owns by server-side apply.
    pub fn applies(&self) -> bool {
        self.operation == "Apply"
    }
}

/// What one owner owns, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    /// The fields.
    pub fields: FieldSet,
    /// The time of the last write that changed this entry, in RFC 3339.
    pub time: String,
}

/// All entries of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entries(pub BTreeMap<Owner, Owned>);

impl Entries {
    /// Reads the entries of `object`.
    pub fn of(object: &Value) -> Self {
        let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array);
        Self(entries.into_iter().flatten().filter_map(parse).collect())
    }

    /// Writes the entries to `object`, oldest first.
    pub fn write(self, object: &mut Value) {
        let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
        let mut entries: Vec<_> = self.0.iter().map(|(owner, owned)| encode(owner, owned)).collect();
        entries.sort_by(in_order);
        if entries.is_empty() {
            metadata.remove("managedFields");
        } else {
            metadata.insert("managedFields".to_owned(), Value::Array(entries));
        }
    }

    /// All fields that anybody owns.
    pub fn union(&self) -> FieldSet {
        let mut union = FieldSet::default();
        self.0.values().for_each(|owned| union.add(&owned.fields));
        union
    }

    /// Drops entries that own nothing.
    pub fn drop_empty(&mut self) {
        self.0.retain(|_, owned| !owned.fields.is_empty());
    }
}

/// The set without the fields that nobody owns.
pub fn ownable(mut fields: FieldSet) -> FieldSet {
    for path in NOBODYS {
        fields.cut(path);
    }
    if let Some(metadata) = fields.children.get_mut("f:metadata") {
        metadata.is_member = false;
        if metadata.is_empty() {
            fields.children.remove("f:metadata");
        }
    }
    fields.is_member = false;
    fields
}

/// The time as `managedFields` has it: to the second.
pub fn time(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Appliers come first, as in the API server's own order, and then who wrote earlier.
pub fn in_order(one: &Value, other: &Value) -> Ordering {
    let applies = |entry| text(entry, "operation") == "Apply";
    let fields = ["time", "manager", "operation", "apiVersion", "subresource"];
    let later = fields.map(|field| text(one, field)).cmp(&fields.map(|field| text(other, field)));
    applies(other).cmp(&applies(one)).then(later)
}

/// A field of an entry that is text; empty if it is not there.
pub fn text<'a>(entry: &'a Value, field: &str) -> &'a str {
    entry.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn parse(entry: &Value) -> Option<(Owner, Owned)> {
    let text = |field: &str| text(entry, field).to_owned();
    let fields = FieldSet::parse(entry.get("fieldsV1").filter(|fields| fields.is_object())?);
    let owner = Owner {
        manager: text("manager"),
        operation: text("operation"),
        api_version: text("apiVersion"),
        subresource: text("subresource"),
    };
    Some((owner, Owned { fields, time: text("time") }))
}

fn encode(owner: &Owner, own: &Owned) -> Value {
    let mut entry = json!({
        "manager": owner.manager, "operation": owner.operation, "apiVersion": owner.api_version,
        "time": own.time, "fieldsType": "FieldsV1", "fieldsV1": own.fields.encode(),
    });
    if let (false, Some(entry)) = (owner.subresource.is_empty(), entry.as_object_mut()) {
        entry.insert("subresource".to_owned(), Value::from(owner.subresource.as_str()));
    }
    entry
}
