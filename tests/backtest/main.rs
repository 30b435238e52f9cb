//! What `tidegate plan` and `tidegate backtest` say of a past that a real Prometheus holds.

#![allow(clippy::unwrap_used, clippy::panic, reason = "support code of tests is test code")]

mod agreement;
mod backtest;
mod command;
mod console;
#[allow(dead_code, reason = "the pods of the past are written, not scraped")]
#[path = "../metrics/exponential.rs"]
mod exponential;
mod past;
mod plan;
#[path = "../packaging/printed.rs"]
mod printed;
#[path = "../promql/remote_write.rs"]
mod remote_write;
#[allow(dead_code, unused_imports, unused_macros, reason = "one server for all")]
#[path = "../metrics/store.rs"]
mod store;
#[allow(dead_code, reason = "the pods of the past are written, not scraped")]
#[path = "../metrics/support.rs"]
mod support;
