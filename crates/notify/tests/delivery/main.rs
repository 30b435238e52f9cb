//! Notices on their way to receivers that listen on this machine.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "support code of tests is test code")]

mod mail;
mod payloads;
mod receiver;
mod sending;
