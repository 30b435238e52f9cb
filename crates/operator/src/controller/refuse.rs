//! A Rollout that cannot be decoded: said on the object, and in nobody's way.

use kube::{
    Api,
    api::{DynamicObject, Patch, PatchParams},
    core::{ApiResource, error_boundary::InvalidObject},
};
use serde_json::json;
use tidegate_api::{
    Causes, Rollout,
    condition::{kind, reason},
    metadata::field_manager::STATUS_MANAGER,
};

use super::{Context, error::Error};

/// Writes what is wrong with the object into its conditions. Written anew each time, it is the same text, and the API
/// server keeps the object as it is.
pub async fn refuse(context: &Context, invalid: &InvalidObject) -> Result<(), Error> {
    let namespace = invalid.metadata.namespace.clone().unwrap_or_default();
    let name = invalid.metadata.name.clone().unwrap_or_default();
    tracing::warn!(rollout = %format!("{namespace}/{name}"), "cannot be understood: {}", invalid.error);
    let resource = ApiResource::erase::<Rollout>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(context.client.clone(), &namespace, &resource);
    let message = format!("the Rollout cannot be understood: {}", invalid.error);
    let condition = |kind: &str, status: &str| {
        json!({
            "type": kind,
            "status": status,
            "reason": reason::INVALID_SPEC,
            "message": message,
            "observedGeneration": invalid.metadata.generation,
            "lastTransitionTime": invalid.metadata.creation_timestamp,
        })
    };
    let patch = json!({"status": {
        "message": message,
        "observedGeneration": invalid.metadata.generation,
        "conditions": [condition(kind::READY, "False"), condition(kind::STALLED, "True")],
    }});
    let params = PatchParams { field_manager: Some(STATUS_MANAGER.to_owned()), ..PatchParams::default() };
    let doing = format!("say that Rollout {namespace}/{name} cannot be understood");
    let told = api.patch_status(&name, &params, &Patch::Merge(patch)).await.map_err(Error::api(doing));
    told.map(drop).inspect_err(|error| tracing::warn!(rollout = %format!("{namespace}/{name}"), "{}", Causes(error)))
}
