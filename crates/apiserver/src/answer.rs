//! What goes back: objects, lists and lines in the form that was asked for.

use axum::body::{Body, Bytes};
use http::{
    HeaderValue, Response, StatusCode,
    header::{ACCEPT, CONTENT_TYPE},
    request::Parts,
};
use serde_json::{Value, json};

use super::{Object, place::Place, read::Page};

/// The form in which objects are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As they are.
    Whole,
    /// Their metadata alone.
    Metadata,
}

impl Form {
    /// Reads the header `Accept`.
    pub(super) fn of(parts: &Parts) -> Self {
        let accept = parts.headers.get(ACCEPT).and_then(|it| it.to_str().ok()).unwrap_or_default();
        let first = accept.split(',').next().unwrap_or_default();
        if first.contains("as=PartialObjectMetadata") { Self::Metadata } else { Self::Whole }
    }

    /// One object in this form.
    pub(super) fn object(self, object: &Object) -> Bytes {
        match self {
            Self::Whole => object.json().clone(),
            Self::Metadata => metadata_only(object.value()).to_string().into(),
        }
    }

    /// A list in this form.
    pub(super) fn list(self, place: &Place, page: &Page) -> Bytes {
        let mut metadata = json!({"resourceVersion": page.version.to_string()});
        if let Some(fields) = metadata.as_object_mut()
            && !page.continued.is_empty()
        {
            fields.insert("continue".to_owned(), page.continued.clone().into());
            fields.insert("remainingItemCount".to_owned(), page.remaining.into());
        }
        let resource = &place.resource;
        let (kind, version) = match self {
            Self::Whole => {
                let version = place.view.api_version().map_or_else(|| resource.api_version(), str::to_owned);
                (format!("{}List", resource.kind), version)
            }
            Self::Metadata => ("PartialObjectMetadataList".to_owned(), "meta.k8s.io/v1".to_owned()),
        };
        let mut text = json!({"kind": kind, "apiVersion": version, "metadata": metadata}).to_string().into_bytes();
        text.pop();
        text.extend_from_slice(b",\"items\":[");
        for (index, object) in page.objects.iter().enumerate() {
            if index > 0 {
                text.push(b',');
            }
            match self {
                Self::Whole => text.extend_from_slice(object.json()),
                Self::Metadata => text.extend_from_slice(&self.object(object)),
            }
        }
        text.extend_from_slice(b"]}");
        text.into()
    }
}

fn metadata_only(object: &Value) -> Value {
    let metadata = object.get("metadata").cloned().unwrap_or_default();
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata})
}

/// The `Status` that tells that an object is gone.
pub(super) fn gone(place: &Place, object: &Object) -> Value {
    let resource = &place.resource;
    let mut details = json!({"name": object.name(), "kind": resource.plural, "uid": object.uid()});
    if let Some(fields) = details.as_object_mut()
        && !resource.group.is_empty()
    {
        fields.insert("group".to_owned(), resource.group.clone().into());
    }
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}

/// The `Status` of something that was done and leaves nothing to show.
pub(super) fn done(code: u16) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": code})
}

/// A response with a body of JSON.
pub(super) fn respond(code: u16, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
