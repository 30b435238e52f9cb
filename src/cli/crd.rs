//! `tidegate crd`: the definitions of the resources, as `crds/` and the chart carry them.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Number, Value};
use tidegate_api::definitions;

/// Why the definitions could not be printed.
#[derive(Debug, thiserror::Error)]
pub enum CrdError {
    /// The types have no JSON form.
    #[error("a definition has no JSON form")]
    Json(#[from] serde_json::Error),
    /// The JSON form has no YAML form.
    #[error("a definition cannot be written as YAML")]
    Yaml(#[from] serde_saphyr::SerializeError),
}

/// The definitions of all resources as YAML: the same text for the same types, ready for `kubectl apply`.
///
/// # Errors
/// [`CrdError`].
pub fn yaml() -> Result<String, CrdError> {
    let written: Vec<_> = files()?.into_iter().map(|(_, text)| text).collect();
    Ok(written.join("---\n"))
}

/// The same, each with the name of the file that it is in.
///
/// # Errors
/// [`CrdError`].
pub fn files() -> Result<Vec<(String, String)>, CrdError> {
    definitions().iter().map(file).collect()
}

fn file(definition: &CustomResourceDefinition) -> Result<(String, String), CrdError> {
    let name = format!("{}_{}.yaml", definition.spec.group, definition.spec.names.plural);
    let mut definition = serde_json::to_value(definition)?;
    whole(&mut definition);
    Ok((name, serde_saphyr::to_string(&definition)?))
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
