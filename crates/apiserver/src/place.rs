//! Which object a call is about.

use std::sync::Arc;

use super::{Refusal, Resource, request::Target, views::View};

/// Which object a call is about, and as what it is read and written.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub resource: Arc<Resource>,
    pub view: View,
    /// Empty for an object of the whole cluster.
    pub namespace: String,
    /// Empty where the call is about many objects, or the name is not yet known.
    pub name: String,
    /// `status`, `scale`, another one, or empty for the object itself.
    pub subresource: String,
}

impl Place {
    /// The object itself in the version that is stored.
    pub(super) fn stored(resource: Arc<Resource>, namespace: &str, name: &str) -> Self {
        let [namespace, name] = [namespace, name].map(str::to_owned);
        Self { resource, view: View::Stored, namespace, name, subresource: String::new() }
    }

    /// What a request names, if the kind has such a subresource.
    pub(super) fn of(target: Target, resource: Arc<Resource>, view: View) -> Result<Self, Refusal> {
        let served = match target.subresource.as_str() {
            "" => true,
            "status" => resource.status,
            "scale" => resource.scale.is_some(),
            "binding" | "eviction" => resource.full_name() == "pods",
            "finalize" => resource.full_name() == "namespaces",
            _ => false,
        };
        let in_scope = resource.namespaced || target.namespace.is_empty();
        if !served || !in_scope {
            return Err(Refusal::unknown_path());
        }
        let Target { namespace, name, subresource, .. } = target;
        Ok(Self { resource, view, namespace, name, subresource })
    }

    /// The namespace to look into; nothing for all.
    pub(super) fn scope(&self) -> Option<&str> {
        Some(self.namespace.as_str()).filter(|namespace| !namespace.is_empty() || !self.resource.namespaced)
    }
}
