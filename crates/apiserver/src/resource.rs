//! What kinds of objects the server knows.

/// One kind of object, and where it is served.
#[expect(clippy::struct_excessive_bools, reason = "each is a property that Kubernetes gives to kinds")]
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Resource {
    /// The API group; empty for the core group.
    pub group: String,
    /// The version that is stored.
    pub version: String,
    /// The kind, such as `ReplicaSet`.
    pub kind: String,
    /// The name in paths, such as `replicasets`.
    pub plural: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// All versions that are served, the preferred one first.
    pub versions: Vec<String>,
    /// The name of one, such as `replicaset`.
    pub singular: String,
    /// What kubectl also calls it, such as `rs`.
    pub short_names: Vec<String>,
    /// The sets that it belongs to, such as `all`.
    pub categories: Vec<String>,
    /// Whether the status is written through a subresource of its own.
    pub status: bool,
    /// Where the scale subresource finds its numbers, if it has one.
    pub scale: Option<ScalePaths>,
    /// Whether it was defined by a `CustomResourceDefinition`.
    pub custom: bool,
    /// Whether its objects are questions, which are answered and not kept: they can only be created.
    pub transient: bool,
}

/// Where the scale subresource finds its numbers: paths such as `.spec.replicas`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct ScalePaths {
    /// The wanted count.
    pub spec: String,
    /// The count that there is.
    pub status: String,
    /// The selector of the pods, as text; empty where there is none.
    pub selector: String,
}

impl Resource {
    /// The plural with the group behind a dot, such as `replicasets.apps`: unique in the cluster.
    #[must_use]
    pub fn full_name(&self) -> String {
        full_name(&self.plural, &self.group)
    }

    /// What stands in `apiVersion`, such as `apps/v1`.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }
}

/// The plural with the group behind a dot; the plural alone in the core group.
pub(super) fn full_name(plural: &str, group: &str) -> String {
    if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") }
}
