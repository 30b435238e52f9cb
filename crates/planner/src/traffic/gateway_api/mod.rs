//! Routes of the Gateway API: HTTPRoute, GRPCRoute, TLSRoute and TCPRoute, whose rules have backends with weights.
//!
//! <https://gateway-api.sigs.k8s.io/reference/spec/>

mod acceptance;
mod additions;
mod backends;
pub mod features;
mod grants;
mod matches;
mod references;
mod route;
mod rules;
mod sessions;

pub use backends::Backends;
pub use grants::permits;
pub use references::{references, services_of};
pub use route::Route;
