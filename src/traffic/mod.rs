//! Where weights go: one file for each way to split traffic.
//!
//! Everything here is pure: objects in, objects out. Who reads and writes them is the controller's business.

pub mod acceptance;
pub mod http_route;
mod names;
pub mod replica_count;
mod scale;

pub use names::Names;
