//! Routes of the Gateway API: HTTPRoute, GRPCRoute, TLSRoute and TCPRoute, whose rules have backends with weights.
//!
//! <https://gateway-api.sigs.k8s.io/reference/spec/>

mod acceptance;
mod backends;
mod grants;
mod references;
mod scale;

pub use backends::Backends;
pub use grants::permits;
pub use references::{references, services_of};
