//! ConfigMaps and Secrets that a Rollout tracks, and the copies of them that the pods of each version read.
//!
//! A copy is called after the object and its content, so that the same content has the same copy whichever version reads
//! it, and can never be changed. It belongs to the ReplicaSets whose pods read it: the garbage collector takes it away with
//! the last of them.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde_json::{Map, Value, json};
use tidegate_api::{ConfigurationKind, Tracked, metadata::label::COPY_OF_LABEL};

use super::{
    ReplicaSet,
    template::{digits, is_hash, safe_hash},
};

/// The longest name of an object, and the longest value of a label.
const LONGEST_NAME: usize = 253;
const LONGEST_LABEL: usize = 63;

/// How long the hash of a content is.
const HASH: usize = 10;

/// What stands of an object beside its metadata, and what pods read of it.
const CONTENT: [&str; 2] = ["data", "binaryData"];

/// Which object: its kind and its name, in the namespace of the Rollout.
pub type ConfigurationId = (ConfigurationKind, String);

/// What the cluster has of the configuration that a Rollout tracks.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Configuration {
    /// What is tracked, in the order of the spec.
    pub tracked: Vec<TrackedObject>,
    /// The metadata of what is called as a copy should be, and of all that the ReplicaSets of the Rollout read.
    pub copies: BTreeMap<ConfigurationId, ObjectMeta>,
}

/// An object that a Rollout tracks.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackedObject {
    /// What the Rollout says of it.
    pub spec: Tracked,
    /// What is in it.
    pub found: Found,
}

/// What is known of the content of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It is there, and this is in it.
    Content(Content),
    /// There is no such object.
    Missing,
    /// The operator has no right to that verb (`list`, `get`).
    Forbidden(&'static str),
    /// The API server does not tell: why.
    Unread(String),
}

/// The content of an object as far as it counts, without what is in it: a Secret's stays with the API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Ten characters that stand for it.
    pub hash: String,
    /// The keys that count.
    pub keys: BTreeSet<String>,
}

impl Content {
    /// The content of an object by the digest of [`counted`], of which so many bits are enough to tell contents apart.
    #[must_use]
    pub fn new(spec: &Tracked, object: &Value, digest: u64) -> Self {
        let fields = CONTENT.iter().filter_map(|field| object.get(field)?.as_object());
        let keys = fields.flat_map(Map::keys).filter(|key| !spec.ignore.contains(key)).cloned();
        Self { hash: digits(digest), keys: keys.collect() }
    }
}

/// All that counts of the content of an object, in one form whatever the order of its keys.
#[must_use]
pub fn counted(spec: &Tracked, object: &Value) -> Vec<u8> {
    let sorted: Vec<_> = CONTENT.iter().map(|field| counted_field(spec, object, field)).collect();
    json!(sorted).to_string().into_bytes()
}

fn counted_field<'a>(spec: &Tracked, object: &'a Value, field: &str) -> Vec<(&'a String, &'a Value)> {
    let entries = object.get(field).and_then(Value::as_object).into_iter().flatten();
    let mut entries: Vec<_> = entries.filter(|(key, _)| !spec.ignore.contains(key)).collect();
    entries.sort_unstable_by_key(|(key, _)| *key);
    entries
}

/// The name of the copy of an object with that content: `<name>-<hash>`. Of a name that leaves no room for the hash, the
/// beginning stays, and a hash of the whole.
#[must_use]
pub fn copy_name(name: &str, content: &Content) -> String {
    format!("{}-{}", shortened(name, LONGEST_NAME - HASH - 1), content.hash)
}

fn shortened(name: &str, longest: usize) -> String {
    if name.len() <= longest {
        return name.to_owned();
    }
    let hash = safe_hash(name.as_bytes());
    let beginning: String = name.chars().take(longest - hash.len() - 1).collect();
    format!("{}-{hash}", beginning.trim_end_matches(['-', '.']))
}

/// Whether an object of that name may be a copy of `spec`'s: the name is one that [`copy_name`] gives.
#[must_use]
pub fn is_called_as_copy(spec: &Tracked, (kind, name): &ConfigurationId) -> bool {
    let (original_kind, original) = spec.object();
    let original = shortened(original, LONGEST_NAME - HASH - 1);
    let hash = name.strip_prefix(original.as_str()).and_then(|rest| rest.strip_prefix('-'));
    original_kind == *kind && hash.is_some_and(is_hash)
}

/// Whether an object of that name may be the copy of anything.
#[must_use]
pub fn may_be_copy(name: &str) -> bool {
    name.rsplit_once('-').is_some_and(|(_, hash)| is_hash(hash))
}

/// The copy `name` of `object`, with what counts of it, for the pods of `owner`. A Secret's type says what has to be in it,
/// and pods do not see it: the copy has none.
#[must_use]
pub fn copy(spec: &Tracked, object: &Value, name: &str, owner: &OwnerReference) -> Value {
    let (kind, original) = spec.object();
    let mut copy = json!({
        "apiVersion": "v1",
        "kind": kind.name(),
        "metadata": {
            "name": name,
            "namespace": object.pointer("/metadata/namespace"),
            "labels": {COPY_OF_LABEL: shortened(original, LONGEST_LABEL)},
            "ownerReferences": [owner],
        },
        "immutable": true,
    });
    for field in CONTENT {
        let entries = counted_field(spec, object, field);
        if !entries.is_empty() {
            let entries: Map<_, _> = entries.into_iter().map(|(key, value)| (key.clone(), value.clone())).collect();
            copy[field] = Value::Object(entries);
        }
    }
    copy
}

/// Whether Tidegate made the object of this metadata.
#[must_use]
pub fn is_copy(metadata: &ObjectMeta) -> bool {
    metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(COPY_OF_LABEL))
}

/// The reference by which a copy belongs to `set`. It does not keep the ReplicaSet from going.
#[must_use]
pub fn reader(set: &ReplicaSet) -> OwnerReference {
    OwnerReference {
        api_version: "apps/v1".to_owned(),
        kind: "ReplicaSet".to_owned(),
        name: set.name().to_owned(),
        uid: set.metadata.uid.clone().unwrap_or_default(),
        block_owner_deletion: None,
        controller: None,
    }
}

/// Whether the object of this metadata belongs to the one with that UID.
#[must_use]
pub fn belongs_to(metadata: &ObjectMeta, uid: Option<&str>) -> bool {
    metadata.owner_references.iter().flatten().any(|owner| Some(owner.uid.as_str()) == uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracked(ignore: &[&str]) -> Tracked {
        serde_json::from_value(json!({"configMap": "checkout", "ignore": ignore})).unwrap()
    }

    fn object(data: &Value) -> Value {
        json!({"metadata": {"name": "checkout", "namespace": "shop", "resourceVersion": "7"}, "data": data})
    }

    #[test]
    fn what_counts_is_the_content_and_neither_metadata_nor_order_nor_what_rotates() {
        let of = |data: Value| counted(&tracked(&["token"]), &object(&data));
        assert_eq!(of(json!({"a": "1", "b": "2"})), of(json!({"b": "2", "a": "1", "token": "x"})));
        assert_ne!(of(json!({"a": "1", "b": "2"})), of(json!({"a": "12", "b": ""})));
        assert_ne!(of(json!({"a": "1"})), counted(&tracked(&[]), &json!({"binaryData": {"a": "1"}})));
    }

    #[test]
    fn a_copy_is_immutable_and_says_of_what_it_is_and_who_reads_it() {
        let set: ReplicaSet =
            serde_json::from_value(json!({"metadata": {"name": "checkout-x", "uid": "u"}, "spec": {}})).unwrap();
        let copied = copy(&tracked(&["token"]), &object(&json!({"a": "1", "token": "x"})), "checkout-h", &reader(&set));
        let owner = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "checkout-x", "uid": "u"});
        let labels = json!({"tidegate.dev/copy-of": "checkout"});
        let metadata = json!({"name": "checkout-h", "namespace": "shop", "labels": labels, "ownerReferences": [owner]});
        assert_eq!(
            copied,
            json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "immutable": true, "data": {"a": "1"},
            })
        );
    }

    #[test]
    fn a_secret_of_a_type_that_demands_keys_is_copied_without_those_that_rotate() {
        let spec: Tracked = serde_json::from_value(json!({"secret": "tls", "ignore": ["tls.crt"]})).unwrap();
        let secret = json!({"type": "kubernetes.io/tls", "data": {"tls.crt": "YQ==", "ca": "Yg=="}});
        let copied = copy(&spec, &secret, "tls-h", &OwnerReference::default());
        assert_eq!((&copied["type"], &copied["data"]), (&Value::Null, &json!({"ca": "Yg=="})));
    }

    #[test]
    fn the_name_of_a_copy_has_room_for_the_content_however_long_the_objects_is() {
        let content = Content { hash: "bcdfghjklm".to_owned(), keys: BTreeSet::new() };
        assert_eq!(copy_name("checkout", &content), "checkout-bcdfghjklm");
        let called = |name: &str| is_called_as_copy(&tracked(&[]), &(ConfigurationKind::ConfigMap, name.to_owned()));
        assert!(called("checkout-bcdfghjklm") && !called("checkout") && !called("checkout-extra-bcdfghjklm"));
        assert!(!called("checkout-production"), "a word of ten letters is no hash");
        let [one, other] = ["x", "y"].map(|end| copy_name(&format!("{}{end}", "a.".repeat(125)), &content));
        assert!(one != other && one.len() <= 253 && one.ends_with("-bcdfghjklm") && !one.contains(".-"), "{one}");
    }
}
