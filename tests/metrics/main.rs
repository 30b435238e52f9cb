//! What the analyzer says when it asks a real Prometheus, and servers that mean no good.

#![allow(clippy::unwrap_used, clippy::panic, reason = "support code of tests is test code")]

mod auto;
mod balancer;
mod credentials;
mod derived;
mod disturbed;
mod doubled;
mod exclude;
mod fuzzed;
mod hostile;
mod names;
mod native;
mod parameters;
mod pods;
mod providers;
#[path = "../promql/remote_write.rs"]
mod remote_write;
mod store;
mod stores;

mod support;
mod unmeasured;
mod volume;
mod warm_up;
