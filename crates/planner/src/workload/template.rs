//! Pod templates: when two are the same, and what a new one is called.
//!
//! A revision is recognised by [`same`], never by a hash: a hash changes with the version of whoever computes it,
//! and an upgrade must not start a rollout. The hash only names a new ReplicaSet.

use serde_json::{Map, Value};
use tidegate_api::{POD_TEMPLATE_HASH, metadata::OWN_PREFIX};

/// Selectors in which "empty" (matches everything) is not "absent" (matches nothing, or another default).
///
/// <https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#namespace-selector>
const SELECTORS: [&str; 2] = ["labelSelector", "namespaceSelector"];

/// Whether two pod templates mean the same pods.
///
/// As Kubernetes compares them: absent, `null`, empty map and empty list are alike, and quantities compare by value
/// (`1` is `1000m`). The `pod-template-hash` label, and labels and annotations under `tidegate.dev/`, do not count.
#[must_use]
pub fn same(a: &Value, b: &Value) -> bool {
    is_copy(a, b) || canonical(a) == canonical(b)
}

/// Whether two templates differ in nothing but Tidegate's own labels and annotations: most are compared with their copy
/// in a ReplicaSet, and to see that takes no canonical forms.
fn is_copy(a: &Value, b: &Value) -> bool {
    let (Some(a), Some(b)) = (a.as_object(), b.as_object()) else { return false };
    let alike = |(key, field): (&String, &Value)| match b.get(key) {
        Some(other) if key == "metadata" => is_metadata_copy(field, other),
        other => other == Some(field),
    };
    a.len() == b.len() && a.iter().all(alike)
}

fn is_metadata_copy(a: &Value, b: &Value) -> bool {
    let (Some(a), Some(b)) = (a.as_object(), b.as_object()) else { return false };
    let alike = |(key, field): (&String, &Value)| match (key.as_str(), field, b.get(key)) {
        ("labels" | "annotations", Value::Object(field), Some(Value::Object(other))) => {
            let of_user = |entry: &(&String, &Value)| !is_own(entry.0);
            field.iter().filter(of_user).eq(other.iter().filter(of_user))
        }
        (_, field, other) => other == Some(field),
    };
    a.len() == b.len() && a.iter().all(alike)
}

fn is_own(key: &str) -> bool {
    key == POD_TEMPLATE_HASH || key.starts_with(OWN_PREFIX)
}

/// The template without the labels and annotations that its user did not write.
#[must_use]
pub fn clean(template: &Value) -> Value {
    let mut template = template.clone();
    if let Some(metadata) = template.get_mut("metadata").and_then(Value::as_object_mut) {
        for kind in ["labels", "annotations"] {
            let Some(entries) = metadata.get_mut(kind).and_then(Value::as_object_mut) else { continue };
            entries.retain(|key, _| !is_own(key));
            if entries.is_empty() {
                metadata.remove(kind);
            }
        }
    }
    template
}

/// The template with `hash` as its `pod-template-hash` label.
#[must_use]
pub fn with_hash(template: &Value, hash: &str) -> Value {
    let mut template = template.clone();
    let labels = template
        .as_object_mut()
        .and_then(|template| map_at(template, "metadata"))
        .and_then(|metadata| map_at(metadata, "labels"));
    if let Some(labels) = labels {
        labels.insert(POD_TEMPLATE_HASH.to_owned(), Value::from(hash));
    }
    template
}

/// The map at `key`, made where there is none.
fn map_at<'a>(object: &'a mut Map<String, Value>, key: &str) -> Option<&'a mut Map<String, Value>> {
    let field = object.entry(key).or_insert(Value::Null);
    if field.is_null() {
        *field = Value::Object(Map::new());
    }
    field.as_object_mut()
}

/// The images of the template's containers, in their order; init containers do not serve and are left out.
#[must_use]
pub fn images(template: &Value) -> Vec<String> {
    let containers = template.pointer("/spec/containers").and_then(Value::as_array);
    let images = containers.into_iter().flatten().filter_map(|container| container["image"].as_str());
    images.map(str::to_owned).collect()
}

/// How many names a template is tried with before it has none.
const NAMES: u32 = 16;

/// The names that the revision may have which `template` is, in the order in which they are tried: the first, unless
/// another template met it.
pub fn hashes(template: &Value) -> impl Iterator<Item = String> {
    (0..NAMES).map(|collision| hash(template, collision))
}

/// What hashes are written with.
const DIGITS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// A name for the revision that `template` is: [`safe_hash`] of its canonical JSON (compact, keys sorted, without
/// what [`same`] ignores), so that two templates that are the same get the same name.
///
/// `collision` tells templates apart whose names met; 0 for the first try. The name of a template never changes
/// with Tidegate's version.
#[must_use]
pub fn hash(template: &Value, collision: u32) -> String {
    let mut text = canonical(template).to_string().into_bytes();
    if collision > 0 {
        text.extend(collision.to_be_bytes());
    }
    safe_hash(&text)
}

/// Ten characters that stand for `bytes` and are safe in a name.
///
/// FNV-1a with 64 bits, written in base 27 with the digits that Kubernetes uses for its own names (no vowels and
/// nothing that looks like one, so that no words come out), lowest digit first, cut after ten digits.
///
/// <https://datatracker.ietf.org/doc/html/draft-eastlake-fnv>
#[must_use]
pub fn safe_hash(bytes: &[u8]) -> String {
    digits(fnv1a(bytes))
}

/// A hash as [`safe_hash`] writes it.
#[must_use]
pub fn digits(hash: u64) -> String {
    let mut rest = hash;
    let digits = std::iter::repeat_with(|| {
        let digit = DIGITS[(rest % 27) as usize];
        rest /= 27;
        char::from(digit)
    });
    digits.take(10).collect()
}

/// Whether a text may be a hash as [`digits`] writes it.
#[must_use]
pub fn is_hash(text: &str) -> bool {
    text.len() == 10 && text.bytes().all(|digit| DIGITS.contains(&digit))
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

fn canonical(template: &Value) -> Value {
    canonical_field("", "", &clean(template)).unwrap_or(Value::Null)
}

/// The canonical form of the field `key` of an object that is itself the field `parent`; nothing if it is empty.
fn canonical_field(parent: &str, key: &str, value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Object(fields) => {
            // Sorted here and not left to the map, whose order depends on a feature that any dependency may enable.
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_unstable_by_key(|(name, _)| *name);
            let fields: Map<_, _> = sorted
                .into_iter()
                .filter_map(|(name, field)| {
                    let field = if holds_quantities(parent, key) {
                        quantity(field)
                    } else {
                        canonical_field(key, name, field)?
                    };
                    Some((name.clone(), field))
                })
                .collect();
            (!fields.is_empty() || SELECTORS.contains(&key)).then_some(Value::Object(fields))
        }
        // An element counts by its place, so that even an empty one stays.
        Value::Array(elements) => (!elements.is_empty()).then(|| {
            let element = |element| canonical_field(parent, key, element).unwrap_or(Value::Null);
            Value::Array(elements.iter().map(element).collect())
        }),
        scalar if is_quantity(parent, key) => Some(quantity(scalar)),
        scalar => Some(scalar.clone()),
    }
}

fn holds_quantities(parent: &str, key: &str) -> bool {
    matches!((parent, key), ("resources", "limits" | "requests") | ("spec", "overhead"))
}

fn is_quantity(parent: &str, key: &str) -> bool {
    matches!((parent, key), ("emptyDir", "sizeLimit") | ("resourceFieldRef", "divisor"))
}

/// A quantity in a form that depends on its value alone; what is not a quantity stays as it is.
fn quantity(value: &Value) -> Value {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        other => return other.clone(),
    };
    exact_decimal(&text).map_or_else(|| value.clone(), Value::String)
}

/// The value of a Kubernetes quantity as `<integer>e<power of ten>`, with no zero at the integer's end.
///
/// <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>
fn exact_decimal(text: &str) -> Option<String> {
    let (sign, number) = match text.strip_prefix('-') {
        Some(number) => ("-", number),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let end = number.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(number.len());
    let (digits, suffix) = number.split_at(end);
    let (integer, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let (binary, decimal) = suffix_value(suffix)?;

    let mut integer: i128 = format!("{integer}{fraction}").parse().ok()?;
    integer = integer.checked_mul(1_i128 << (10 * binary))?;
    if integer == 0 {
        return Some("0e0".to_owned());
    }
    let mut exponent = decimal.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    while integer % 10 == 0 {
        integer /= 10;
        exponent = exponent.checked_add(1)?;
    }
    Some(format!("{sign}{integer}e{exponent}"))
}

/// A suffix as powers of 1024 and of 10.
fn suffix_value(suffix: &str) -> Option<(u32, i32)> {
    let decimal = match suffix {
        "n" => -9,
        "u" => -6,
        "m" => -3,
        "" => 0,
        "k" => 3,
        "M" => 6,
        "G" => 9,
        "T" => 12,
        "P" => 15,
        "E" => 18,
        "Ki" => return Some((1, 0)),
        "Mi" => return Some((2, 0)),
        "Gi" => return Some((3, 0)),
        "Ti" => return Some((4, 0)),
        "Pi" => return Some((5, 0)),
        "Ei" => return Some((6, 0)),
        exponent => exponent.strip_prefix(['e', 'E'])?.parse().ok()?,
    };
    Some((0, decimal))
}

/// The JSON merge patch that turns `from` into `to`: what `to` does not have is removed.
///
/// <https://www.rfc-editor.org/rfc/rfc7386>
#[must_use]
pub fn replacing(from: &Value, to: &Value) -> Value {
    let (Value::Object(before), Value::Object(after)) = (from, to) else { return to.clone() };
    let gone = before.keys().filter(|key| !after.contains_key(*key)).map(|key| (key.clone(), Value::Null));
    let changed = after
        .iter()
        .filter(|(key, value)| before.get(*key) != Some(value))
        .map(|(key, value)| (key.clone(), before.get(key).map_or_else(|| value.clone(), |old| replacing(old, value))));
    Value::Object(gone.chain(changed).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn template() -> Value {
        json!({
            "metadata": {"labels": {"app": "checkout"}},
            "spec": {"containers": [
                {"name": "app", "image": "shop/checkout:1", "resources": {"requests": {"cpu": "1", "memory": "1Gi"}}},
                {"name": "proxy", "image": "envoy:1.30"},
            ]},
        })
    }

    fn with(pointer: &str, value: Value) -> Value {
        let mut template = template();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        template.pointer_mut(parent).unwrap()[key] = value;
        template
    }

    #[test]
    fn another_image_is_another_template() {
        assert!(same(&template(), &template()));
        assert!(!same(&template(), &with("/spec/containers/0/image", json!("shop/checkout:2"))));
    }

    #[test]
    fn containers_in_another_order_are_another_template() {
        let mut other = template();
        other["spec"]["containers"].as_array_mut().unwrap().reverse();
        assert!(!same(&template(), &other));
    }

    #[test]
    fn what_is_absent_null_or_empty_is_alike() {
        for empty in [json!(null), json!({}), json!([]), json!({"podAffinity": {"terms": []}})] {
            assert!(same(&template(), &with("/spec/affinity", empty)));
        }
        assert!(same(&template(), &with("/metadata/creationTimestamp", json!(null))));
    }

    #[test]
    fn an_empty_selector_is_not_an_absent_one() {
        let all = json!({"namespaceSelector": {}, "topologyKey": "zone"});
        let own = json!({"namespaceSelector": null, "topologyKey": "zone"});
        assert!(!same(&with("/spec/affinity", all), &with("/spec/affinity", own)));
    }

    #[test]
    fn an_empty_element_of_a_list_counts() {
        assert!(!same(&with("/spec/tolerations", json!([{}])), &template()));
    }

    #[test]
    fn the_labels_that_tidegate_and_kubernetes_add_do_not_count() {
        let mut labelled = with_hash(&template(), "7f9c6b54d");
        assert_eq!(labelled["metadata"]["labels"]["pod-template-hash"], "7f9c6b54d");
        labelled["metadata"]["labels"]["tidegate.dev/rollout"] = json!("checkout");
        labelled["metadata"]["annotations"] = json!({"tidegate.dev/revision": "2"});
        assert!(same(&template(), &labelled));
        assert_eq!(clean(&labelled), template());
        labelled["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"] = json!("2026-11-20T10:00:00Z");
        assert!(!same(&template(), &labelled));
    }

    #[test]
    fn quantities_compare_by_value() {
        for (a, b) in [
            (json!("1"), json!("1000m")),
            (json!(2), json!("2")),
            (json!("0.5"), json!("500m")),
            (json!("1Gi"), json!("1024Mi")),
            (json!("1e3"), json!("1k")),
            (json!("1E"), json!("1e18")),
            (json!("1.5Gi"), json!("1610612736")),
            (json!("0"), json!("0m")),
            (json!("+1"), json!("1.0")),
        ] {
            let path = "/spec/containers/0/resources";
            let (a, b) = (json!({"limits": {"cpu": a}}), json!({"limits": {"cpu": b}}));
            assert!(same(&with(path, a.clone()), &with(path, b.clone())), "{a} and {b}");
        }
    }

    #[test]
    fn quantities_of_another_value_are_told_apart() {
        for (a, b) in [("1", "1m"), ("1G", "1Gi"), ("1", "-1"), ("1M", "1m"), ("10", "1"), ("1..0", "1.0")] {
            let path = "/spec/containers/0/resources/requests/cpu";
            assert!(!same(&with(path, json!(a)), &with(path, json!(b))), "{a} and {b}");
        }
    }

    #[test]
    fn only_fields_that_are_quantities_compare_as_such() {
        let env = |value| with("/spec/containers/0/env", json!([{"name": "CPUS", "value": value}]));
        assert!(!same(&env("1"), &env("1000m")));
        let label = |value| with("/metadata/labels/limits", json!(value));
        assert!(!same(&label("1"), &label("1000m")));
    }

    #[test]
    fn a_label_is_added_to_a_template_without_metadata() {
        let template = json!({"spec": {}});
        assert_eq!(with_hash(&template, "x")["metadata"]["labels"], json!({"pod-template-hash": "x"}));
        assert_eq!(with_hash(&json!({"metadata": null}), "x")["metadata"]["labels"], json!({"pod-template-hash": "x"}));
    }

    #[test]
    fn images_stand_in_the_order_of_the_containers() {
        assert_eq!(images(&template()), ["shop/checkout:1", "envoy:1.30"]);
        assert!(images(&json!({})).is_empty());
    }

    #[test]
    fn the_hash_function_is_the_published_one() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn a_template_keeps_its_name_over_versions_of_tidegate() {
        assert_eq!(hash(&template(), 0), "txbqmc7bfh");
        assert_eq!(hash(&template(), 1), "k4q25p8qt4");
    }

    #[test]
    fn templates_that_are_the_same_have_the_same_name() {
        let other = with("/spec/containers/0/resources/requests/cpu", json!("1000m"));
        assert_eq!(hash(&with_hash(&other, "x"), 0), hash(&template(), 0));
    }
}
