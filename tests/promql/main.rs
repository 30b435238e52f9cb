//! The embedded Prometheus against the real one: the same samples, the same questions, the same answers.

#![allow(clippy::unwrap_used, clippy::panic, reason = "support code of tests is test code")]

mod answers;
mod compare;
mod expressions;
mod random;
mod real;
mod remote_write;
mod samples;
