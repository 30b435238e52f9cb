//! What the analyst says when it asks a real Prometheus, and servers that mean no good.

#![allow(clippy::unwrap_used, clippy::panic, reason = "support code of tests is test code")]

mod credentials;
mod hostile;
mod prometheus;
mod support;
