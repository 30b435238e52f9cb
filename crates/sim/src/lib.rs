//! The embedded cluster: an API server in memory, the controllers and kubelets around it, a gateway, traffic, and a
//! Prometheus, all on one clock and from one seed.
//!
//! Three things stand on it: `tidegate demo`, `tidegate simulate`, and the deterministic simulation tests.

pub mod board;
pub mod cluster;
pub mod controllers;
pub mod endpoint;
pub mod metering;
pub mod operator;
pub mod report;
pub mod scenario;
pub mod simulation;
pub mod traffic;
