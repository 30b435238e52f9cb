//! A real control plane, a real Prometheus and real pods' traffic on one machine, without a cluster.
//!
//! Kubernetes' own API server and controllers run as they are; or, by choice, the embedded cluster in their place. What
//! a cluster would add around them is played here: [`kubelet`] runs the pods as servers, [`gateway`] accepts routes,
//! [`load`] sends the requests. A world may have [`envoy`] or [`traefik`] for its gateway, through which [`customers`]
//! send real ones.
//! [`world`] is the vocabulary in which behaviours are written.

#![allow(
    clippy::missing_errors_doc,
    clippy::must_use_candidate,
    clippy::return_self_not_must_use,
    reason = "who uses it are tests, in which nothing that is left unused does harm, and whatever fails has failed"
)]

pub mod admission;
pub mod assets;
pub mod audit;
pub mod board;
pub mod certificates;
pub mod cluster;
pub mod control_plane;
pub mod customers;
pub mod diagnosis;
pub mod endpoints;
pub mod envoy;
pub mod false_prometheus;
pub mod gateway;
pub mod kubectl;
pub mod kubelet;
pub mod load;
pub mod operator;
pub mod pod_server;
pub mod policies;
pub mod ports;
pub mod process;
pub mod prometheus;
pub mod receivers;
mod route_kinds;
pub mod shop;
pub mod snapshot;
pub mod tls_server;
pub mod traefik;
pub mod wait;
pub mod world;

pub use anyhow::Result;
