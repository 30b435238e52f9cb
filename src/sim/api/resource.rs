//! What kinds of objects the server knows.

/// One kind of object, and where it is served.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Resource {
    /// The API group; empty for the core group.
    pub group: String,
    /// The version that is served and stored.
    pub version: String,
    /// The kind, such as `ReplicaSet`.
    pub kind: String,
    /// The name in paths, such as `replicasets`.
    pub plural: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
}
