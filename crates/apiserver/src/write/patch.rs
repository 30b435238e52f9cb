//! Changing objects by a patch.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Writer, metadata::has_shape};
use crate::{
    Object, Refusal,
    patch::{self, Structure},
    place::Place,
    state::{State, set_metadata},
};

/// What to do to an object.
#[derive(Debug, Clone)]
pub(crate) enum Patch {
    /// Operations (RFC 6902).
    Json(Value),
    /// Fields that replace others (RFC 7396).
    Merge(Value),
    /// The same, with lists merged by their keys.
    Strategic(Value),
    /// The fields that this manager wants: server-side apply.
    Apply {
        /// The fields.
        wanted: Value,
        /// Take them from other managers.
        force: bool,
    },
}

impl Patch {
    /// Reads the body of a request.
    pub(crate) fn parse(media_type: &str, body: &[u8], force: bool) -> Result<Self, Refusal> {
        let json = || -> Result<Value, Refusal> {
            serde_json::from_slice(body).map_err(|error| Refusal::bad_request(format!("error decoding patch: {error}")))
        };
        match media_type.split(';').next().unwrap_or_default().trim() {
            "application/json-patch+json" => Ok(Self::Json(json()?)),
            "application/merge-patch+json" => Ok(Self::Merge(json()?)),
            "application/strategic-merge-patch+json" => Ok(Self::Strategic(json()?)),
            "application/apply-patch+yaml" => {
                let wanted = serde_json::from_slice(body).or_else(|_| {
                    let text = std::str::from_utf8(body).unwrap_or_default();
                    serde_saphyr::from_str(text)
                        .map_err(|error| Refusal::bad_request(format!("error decoding YAML: {error}")))
                })?;
                Ok(Self::Apply { wanted, force })
            }
            other => Err(Refusal::unsupported_media_type(format!(
                "the body of the request was in an unknown format - accepted media types include: \
                 application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml, \
                 application/strategic-merge-patch+json (it was {other:?})"
            ))),
        }
    }
}

impl State {
    /// Patches the object; an apply makes it if it is not there, which the answer tells.
    pub(crate) fn patch(
        &mut self,
        place: &Place,
        patch: Patch,
        writer: &Writer,
    ) -> Result<(Arc<Object>, bool), Refusal> {
        let changed = match patch {
            Patch::Json(operations) => self.edit(place, writer, |live| patch::json_patch(live, operations)),
            Patch::Merge(fields) => self.edit(place, writer, |live| patch::merge_patch(live, &fields)),
            Patch::Strategic(_) if place.resource.custom => Err(patch::strategic_is_unsupported()),
            Patch::Strategic(fields) => self.edit(place, writer, |live| patch::strategic_merge(live, &fields)),
            Patch::Apply { wanted, force } => return self.apply(place, wanted, force, writer),
        };
        changed.map(|object| (object, false))
    }

    fn apply(
        &mut self,
        place: &Place,
        mut wanted: Value,
        force: bool,
        writer: &Writer,
    ) -> Result<(Arc<Object>, bool), Refusal> {
        if place.subresource == "scale" {
            return Err(Refusal::bad_request("the scale subresource cannot be applied here: patch it"));
        }
        has_shape(place, &mut wanted)?;
        if let Some(fields) = wanted.as_object_mut()
            && place.resource.status
        {
            match place.subresource.as_str() {
                "status" => {
                    fields.retain(|name, _| ["apiVersion", "kind", "metadata", "status"].contains(&name.as_str()));
                }
                _ => drop(fields.remove("status")),
            }
        }
        let live = self.object(&place.resource, &place.namespace, &place.name);
        let schema = self.schema(&place.resource);
        let structure = schema.as_ref().map_or(Structure::built_in(), |schema| schema.structure());
        let tracked = patch::Writer { manager: &writer.manager, subresource: &place.subresource, now: writer.now };
        let applied = patch::apply(live.as_ref().map(|it| it.value()), &wanted, &tracked, force, structure)?;
        let writer = Writer { applies: true, ..writer.clone() };
        if let Some(live) = live {
            return Ok((self.change(place, &live, applied, &writer)?, false));
        }
        if !place.subresource.is_empty() {
            return Err(Refusal::not_found(&place.resource, &place.name));
        }
        let mut applied = applied;
        set_metadata(&mut applied, "name", json!(place.name));
        self.create(place, applied, &writer).map(|object| (object, true))
    }

    /// Writes down who owns the fields that an update or another kind of patch changed; an apply has done so itself.
    pub(super) fn track(&self, place: &Place, before: Option<&Value>, after: &mut Value, writer: &Writer) {
        if writer.applies {
            return;
        }
        let schema = self.schema(&place.resource);
        let structure = schema.as_ref().map_or(Structure::built_in(), |schema| schema.structure());
        let tracked = patch::Writer { manager: &writer.manager, subresource: &place.subresource, now: writer.now };
        patch::track(before, after, &tracked, structure);
    }
}
