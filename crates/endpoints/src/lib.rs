//! The HTTP services that the platform team configured: Prometheus, and what gates ask. A Rollout names one, and never says an
//! address.
//!
//! [`Endpoints`] is the file; a [`Connection`] reaches one of them, with its credentials, and goes no further than there: no
//! redirect is followed, and no more of an answer is read than was asked for.

mod connection;
mod endpoints;
pub mod fields;
mod provider;
mod store;

pub use connection::{Answer, Connection, Fault, Head, secret};
pub use endpoints::{BasicAuth, Endpoint, Endpoints, EndpointsError};
pub use provider::ProviderKind;
pub use store::Store;
