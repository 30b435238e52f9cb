//! The operator: what runs in a pod.
//!
//! [`controller`] watches, reconciles, commits and applies; [`serve`] has the operator's own metrics and probes.

pub mod controller;
pub mod serve;
