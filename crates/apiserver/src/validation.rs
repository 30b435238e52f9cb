//! What the built-in kinds refuse, as far as anybody runs into it.

use serde_json::{Value, json};

use super::{Cause, Resource};

/// The longest name of an object, and of one whose name is a DNS label.
const LONGEST: (usize, usize) = (253, 63);

/// What is wrong with `object`, which takes the place of `before`.
pub(super) fn check(resource: &Resource, before: Option<&Value>, object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    if before.is_none() {
        causes.extend(name(resource, object));
    }
    if resource.custom {
        return causes;
    }
    if resource.scale.is_some() {
        causes.extend(not_negative(object, "/spec/replicas", "spec.replicas"));
    }
    if resource.group == "apps" && object.pointer("/spec/template").is_some() {
        causes.extend(selector(before, object));
        if resource.kind != "ControllerRevision" {
            causes.extend(containers(object));
        }
    }
    causes
}

fn name(resource: &Resource, object: &Value) -> Option<Cause> {
    let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let is_word = |word: &str| {
        let allowed = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit();
        let bytes = word.as_bytes();
        bytes.first().copied().is_some_and(allowed)
            && bytes.last().copied().is_some_and(allowed)
            && bytes.iter().all(|it| allowed(*it) || *it == b'-')
    };
    let path_only = resource.group == "rbac.authorization.k8s.io";
    let is_label = ["Namespace", "Service"].contains(&resource.kind.as_str());
    let (longest, longest_label) = LONGEST;
    let wrong = if path_only {
        (name.contains('/') || name.contains('%')).then_some("may not contain '/' or '%'")
    } else if is_label {
        let fits = is_word(name) && name.len() <= longest_label;
        (!fits).then_some(
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and \
             end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
             '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
        )
    } else {
        let fits = name.split('.').all(is_word) && name.len() <= longest;
        (!fits).then_some(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
             start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
             '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
        )
    };
    wrong.map(|why| Cause::invalid("metadata.name", &json!(name), why))
}

fn not_negative(object: &Value, pointer: &str, field: &str) -> Option<Cause> {
    let value = object.pointer(pointer)?;
    value
        .as_i64()
        .is_some_and(|count| count < 0)
        .then(|| Cause::invalid(field, value, "must be greater than or equal to 0"))
}

/// The selector of a workload selects its own pods, and stays.
fn selector(before: Option<&Value>, object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let Some(selector) = object.pointer("/spec/selector") else {
        return vec![Cause::required("spec.selector", "")];
    };
    let labels = object.pointer("/spec/template/metadata/labels").cloned().unwrap_or_else(|| json!({}));
    let wanted = selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten();
    if !wanted.into_iter().all(|(name, value)| labels.get(name) == Some(value)) {
        let why = "`selector` does not match template `labels`";
        causes.push(Cause::invalid("spec.template.metadata.labels", &labels, why));
    }
    if before.and_then(|before| before.pointer("/spec/selector")).is_some_and(|old| old != selector) {
        causes.push(Cause::invalid("spec.selector", selector, "field is immutable"));
    }
    causes
}

fn containers(object: &Value) -> Vec<Cause> {
    let field = "spec.template.spec.containers";
    let containers = object.pointer("/spec/template/spec/containers").and_then(Value::as_array);
    let Some(containers) = containers.filter(|containers| !containers.is_empty()) else {
        return vec![Cause::required(field, "")];
    };
    let mut causes = Vec::new();
    for (index, container) in containers.iter().enumerate() {
        for required in ["name", "image"] {
            if container.get(required).and_then(Value::as_str).is_none_or(str::is_empty) {
                causes.push(Cause::required(&format!("{field}[{index}].{required}"), ""));
            }
        }
    }
    causes
}
