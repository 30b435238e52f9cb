//! The dashboard: what Rollouts do, for people to look at in a browser, with their own rights.
//!
//! One watch feeds a [store](Store); everybody who looks reads from that, and sees what [`Access`] lets them see. What the
//! browser needs is in the binary.

pub mod access;
mod actions;
mod assets;
mod events;
mod follow;
pub mod pods;
mod refusal;
mod routes;
mod row;
mod series;
mod server;
mod store;
#[cfg(test)]
mod tests;

pub use access::{Access, cluster::Cluster, laptop::Laptop, proxy::Proxy};
pub use follow::{Scope, follow};
pub use refusal::Refusal;
pub use routes::{Dashboard, Explain, Now, Part};
pub use server::{ServeError, Server};
pub use store::Store;
