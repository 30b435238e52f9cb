//! `tidegate simulate`: what it answers, what it ends with, and that every example does what it says.

#![expect(clippy::unwrap_used, clippy::panic, reason = "clippy takes only #[test] functions for tests")]

mod answers;
mod bad_input;
mod command;
mod examples;
mod incident;
mod library;
mod long_names;
mod origin;
mod runbooks;
mod shares;
mod variants;
mod weather;
