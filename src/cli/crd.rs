//! `tidegate crd`: the definition of the `Rollout` resource, as `crds/` and the chart carry it.

use kube::CustomResourceExt;
use serde_json::{Number, Value};

use crate::api::Rollout;

/// Why the definition could not be printed.
#[derive(Debug, thiserror::Error)]
pub enum CrdError {
    /// The types have no JSON form.
    #[error("the definition of Rollout has no JSON form: {0}")]
    Json(#[from] serde_json::Error),
    /// The JSON form has no YAML form.
    #[error("the definition of Rollout cannot be written as YAML: {0}")]
    Yaml(#[from] serde_saphyr::SerializeError),
}

/// The definition of the `Rollout` resource as YAML: the same text for the same types, ready for `kubectl apply`.
pub fn yaml() -> Result<String, CrdError> {
    let mut definition = serde_json::to_value(Rollout::crd())?;
    whole(&mut definition);
    Ok(serde_saphyr::to_string(&definition)?)
}

/// Writes `100` where the typed schema, whose bounds are floats, would write `100.0`.
fn whole(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(whole),
        Value::Object(fields) => fields.values_mut().for_each(whole),
        Value::Number(number) => {
            if let Some(integer) = number.as_f64().and_then(|float| format!("{float}").parse::<i64>().ok()) {
                *number = Number::from(integer);
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}
