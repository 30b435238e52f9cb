//! The API server in memory.
//!
//! Its core is synchronous: a request comes in, the store changes, a response goes out, and nothing in between waits.
//! Only a watch lasts. In front of it stand a `tower::Service` for [`kube::Client`], the same over HTTP for kubectl,
//! and plain calls for the models of [`super::world`].

pub mod authorization;
pub mod http;
pub mod object;
pub mod patch;
pub mod refusal;
pub mod resource;
pub mod schema;
pub mod server;

pub use object::Object;
pub use refusal::Refusal;
pub use resource::Resource;
pub use server::{ApiServer, Change, Changes, What};
