//! What every write goes through: unknown fields go, missing ones are filled in, wrong ones are told.

use serde_json::Value;

use super::{Writer, metadata::normalize};
use crate::{Cause, Refusal, Resource, defaults, protobuf::known, state::State, validation};

impl State {
    /// Drops what the kind does not know, and fills in what is missing.
    pub(super) fn complete(&self, resource: &Resource, object: &mut Value, writer: &Writer) -> Result<(), Refusal> {
        let schema = self.schema(resource);
        let unknown = match &schema {
            Some(schema) => schema.prune(object),
            None if writer.is_client => known::prune(&resource.api_version(), &resource.kind, object),
            None => Vec::new(),
        };
        if writer.strict && !unknown.is_empty() {
            let unknown: Vec<String> = unknown.iter().map(|path| format!("unknown field {path:?}")).collect();
            let Resource { kind, version, .. } = resource;
            return Err(Refusal::bad_request(format!(
                "{kind} in version {version:?} cannot be handled as a {kind}: strict decoding error: {}",
                unknown.join(", ")
            )));
        }
        if let Some(schema) = schema {
            schema.fill_in(object);
        }
        defaults::fill(resource, object);
        normalize(resource, object);
        Ok(())
    }

    /// What is wrong with an object.
    pub(super) fn wrong(&self, resource: &Resource, before: Option<&Value>, object: &Value) -> Vec<Cause> {
        let mut causes = validation::check(resource, before, object);
        if let Some(schema) = self.schema(resource) {
            causes.extend(schema.validate(object, before));
        }
        causes
    }
}
