//! What a rollout does next: values in, values out.
//!
//! [`plan`] is the state machine of a rollout, of adoption and of hand-back. [`workload`] and [`traffic`] say what
//! ReplicaSets, Deployments, Services and routes mean to it, and what they are made to say; [`calendar`] when a schedule lets
//! it go on.
//!
//! Nothing here knows a clock, chance, a log, a network or a runtime: none of them is among the dependencies.

pub mod calendar;
pub mod pattern;
pub mod plan;
pub mod traffic;
pub mod workload;
