//! `tidegate lint` on files as people write them.
//!
//! Each of `cases/` begins with what is found in it, one line each: `# 9:5: error: …`. A line `# flags: …` says with
//! what else it is called. `refused.txt` says where in each of `../packaging/invalid/` the mistake stands.

#![expect(clippy::unwrap_used, clippy::panic, reason = "clippy takes only #[test] functions for tests")]

mod cases;
mod command;
mod invocation;
