//! For tests alone: the real operator on the embedded cluster, with every fault at every moment, and what must never come of
//! it.
//!
//! [`scenes`] say what happens to a Rollout, [`trial`] plays one of them with its faults, and holds it against the
//! invariants after every write. [`sweep`] puts every fault into every call of the operator; [`soak`] draws scene and faults
//! from a seed.

#![allow(
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    reason = "who uses it are tests, in which nothing that is left unused does harm, and whatever fails has failed"
)]
#![expect(clippy::unwrap_used, reason = "a run that cannot be set up has failed")]

mod capacity;
mod configuration;
mod drill;
mod faults;
mod gates;
mod invariants;
mod numbers;
mod objects;
pub mod scenes;
mod side_by_side;
pub mod soak;
pub mod sweep;
pub mod trial;
mod watch;
