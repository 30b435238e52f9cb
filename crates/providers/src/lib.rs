//! Services that are no Prometheus, and know a number that a release depends on: each is asked in its own language, and its
//! newest values are what counts. There are no counters in them, so no statistics: a value is held against a limit.
//!
//! [`Provider`] is one service of the platform team's. Each kind has a file of its own, which is pure: what a question
//! looks like on the wire, and what an answer says.

mod cloud_watch;
mod datadog;
mod graphite;
mod influx_db;
mod kind;
mod new_relic;
mod open_search;
mod provider;
mod sig_v4;
mod web;

pub use provider::{Fault, Provider};
