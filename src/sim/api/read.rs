//! Reading objects: one, many, and many in pages.

use std::sync::Arc;

use axum::body::Bytes;
use serde_json::{Value, json};

use super::{
    Object, Refusal, Resource,
    request::{Query, Target},
    selector::Selector,
    state::State,
};

/// Objects, and where they were read.
#[derive(Debug)]
pub(super) struct Page {
    pub objects: Vec<Arc<Object>>,
    pub version: u64,
    /// What to ask for the rest with; empty at the end.
    pub continued: String,
    pub remaining: usize,
}

impl State {
    /// The objects that a request selects.
    pub(super) fn page(&self, resource: &Resource, target: &Target, query: &Query) -> Result<Page, Refusal> {
        let selector = Selector::parse(query.labels.as_deref(), query.fields.as_deref())?;
        let collection = self.collections.get(&resource.full_name()).ok_or_else(Refusal::unknown_path)?;
        if let Some(asked) = query.version.filter(|asked| *asked > self.version) {
            return Err(Refusal::too_new(asked, self.version));
        }
        let namespace = Some(target.namespace.as_str()).filter(|it| !it.is_empty() || !resource.namespaced);
        let mut page = Page { objects: Vec::new(), version: self.version, continued: String::new(), remaining: 0 };
        for object in collection.iter(namespace) {
            let object = Object::lend(object);
            if selector.is_empty() || selector.selects(object.value()) {
                page.objects.push(object);
            }
        }
        Ok(page)
    }
}

/// The JSON of a list.
pub(super) fn list_json(resource: &Resource, page: &Page) -> Bytes {
    let mut metadata = json!({"resourceVersion": page.version.to_string()});
    if let Some(fields) = metadata.as_object_mut()
        && !page.continued.is_empty()
    {
        fields.insert("continue".to_owned(), page.continued.clone().into());
        fields.insert("remainingItemCount".to_owned(), page.remaining.into());
    }
    let head =
        json!({"kind": format!("{}List", resource.kind), "apiVersion": resource.api_version(), "metadata": metadata});
    let mut text = head.to_string().into_bytes();
    text.pop();
    text.extend_from_slice(b",\"items\":[");
    for (index, object) in page.objects.iter().enumerate() {
        if index > 0 {
            text.push(b',');
        }
        text.extend_from_slice(object.json());
    }
    text.extend_from_slice(b"]}");
    text.into()
}

/// An object with nothing but its metadata.
pub(super) fn metadata_only(object: &Value) -> Value {
    let metadata = object.get("metadata").cloned().unwrap_or_default();
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata})
}
