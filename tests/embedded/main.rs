//! kubectl against the embedded API server: what people type, and what they see.
//!
//! Without kubectl on the machine these tests say so and pass; with `CI=true` they fail. With an old one they say so and
//! pass: some Linux distributions have no other.

#![expect(clippy::unwrap_used, reason = "clippy takes only #[test] functions for tests")]

mod asking;
mod explaining;
mod front;
mod ownership;
mod reading;
mod refusing;
mod waiting;
mod writing;
