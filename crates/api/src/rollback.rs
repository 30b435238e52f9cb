//! Going back to a version that was stable before.

use jiff::Timestamp;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{schema, units::Span};

/// Which versions that were stable come back at once, when the Deployment asks for one of them again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = schema::absent_not_null)]
pub struct RollbackWindow {
    /// How many of the last ones. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10))]
    pub revisions: Option<i32>,

    /// For how long after another one took their place. Default: without end.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub lasting: Option<Span>,
}

impl RollbackWindow {
    /// [`Self::revisions`], or its default.
    #[must_use]
    pub fn revisions(&self) -> usize {
        self.revisions.and_then(|revisions| revisions.try_into().ok()).unwrap_or(1)
    }
}

/// A version that was stable, until another one passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FormerRevision {
    /// The value of its pods' `pod-template-hash` label.
    pub revision: String,
    /// The ReplicaSet that keeps its template, without pods.
    pub replica_set: String,
    /// Its containers' images, in order.
    #[serde(default)]
    pub images: Vec<String>,
    /// When another one took its place.
    pub until: Timestamp,
}
