//! The columns of kinds that are stored, and that nobody here acts on.

use serde_json::Value;

use super::{
    Column,
    built_in::{NONE, joined, reference, text_or},
};

/// The columns of a kind between its name and its age; nothing for one that has none besides these.
pub(super) fn columns(plural: &str) -> Option<Vec<Column>> {
    let computed = Column::computed;
    Some(match plural {
        "rolebindings" | "clusterrolebindings" => {
            vec![computed("Role", 0, |object, _| reference(object.get("roleRef")))]
        }
        "poddisruptionbudgets" => vec![
            computed("Min Available", 0, |object, _| field_or(object, "/spec/minAvailable", "N/A")),
            computed("Max Unavailable", 0, |object, _| field_or(object, "/spec/maxUnavailable", "N/A")),
            computed("Allowed Disruptions", 0, |object, _| field_or(object, "/status/disruptionsAllowed", "0")),
        ],
        "cronjobs" => vec![
            computed("Schedule", 0, |object, _| text_or(object, "/spec/schedule", "")),
            computed("Timezone", 0, |object, _| text_or(object, "/spec/timeZone", NONE)),
            computed("Suspend", 0, |object, _| capitalized(object.pointer("/spec/suspend"))),
            computed("Active", 0, |object, _| {
                object.pointer("/status/active").and_then(Value::as_array).map_or(0, Vec::len).into()
            }),
            computed("Last Schedule", 0, |_, _| NONE.into()),
        ],
        "ingresses" => vec![
            computed("Class", 0, |object, _| text_or(object, "/spec/ingressClassName", NONE)),
            computed("Hosts", 0, |object, _| match joined(object, "/spec/rules", host) {
                Value::String(none) if none == NONE => "*".into(),
                hosts => hosts,
            }),
            computed("Address", 0, |_, _| "".into()),
            computed("Ports", 0, |object, _| {
                let is_encrypted = object.pointer("/spec/tls/0").is_some();
                if is_encrypted { "80, 443".into() } else { "80".into() }
            }),
        ],
        _ => return None,
    })
}

fn host(rule: &Value) -> String {
    rule.get("host").and_then(Value::as_str).unwrap_or("*").to_owned()
}

fn field_or(object: &Value, path: &str, otherwise: &str) -> Value {
    match object.pointer(path) {
        Some(Value::String(text)) => text.clone().into(),
        Some(value) if !value.is_null() => value.to_string().into(),
        _ => otherwise.into(),
    }
}

/// A flag as such tables show it: `True` or `False`.
fn capitalized(flag: Option<&Value>) -> Value {
    if flag == Some(&Value::Bool(true)) { "True".into() } else { "False".into() }
}
