//! ReplicaSets, Services and Deployments: what they are and what they should be.

pub mod template;
