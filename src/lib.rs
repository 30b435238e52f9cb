//! Tidegate: progressive delivery for Kubernetes.
//!
//! A `Rollout` moves a new version's traffic through stages, asks Prometheus at every moment whether the new
//! version is worse, advances only with evidence that it is not, and reverts by itself when it is.

pub mod cli;
