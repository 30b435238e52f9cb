//! ReplicaSets, Services and Deployments: what they are and what they should be.

pub mod configuration;
mod endpoints;
pub mod metadata;
pub mod naming;
mod objects;
pub mod ownership;
pub mod pinned;
mod references;
mod replica_set;
mod service;
pub mod steering;
pub mod template;

pub use endpoints::{Endpoint, EndpointConditions, EndpointSlice, TargetRef};
pub use objects::{
    Deployment, DeploymentSpec, DeploymentStatus, ReplicaSet, ReplicaSetSpec, ReplicaSetStatus, is_deleting,
};
pub use ownership::Ownership;
pub use references::references;
pub use replica_set::{forgetting, is_let_go, letting_go, new_replica_set, selector_string, selects, taking_over};
pub use service::{changed_spec, revision_service, revision_service_spec};
