//! A Kubernetes API server in memory, for tests of operators.
//!
//! Its core is synchronous: a request comes in, the store changes, a response goes out, and nothing in between waits.
//! Only a watch lasts. In front of it stand a `tower::Service` for [`kube::Client`], the same over HTTP for kubectl,
//! and plain calls for models of controllers and kubelets. [`ApiServer`] is where to begin.

mod answer;
pub mod authorization;
mod catalogue;
mod changes;
mod collection;
mod defaults;
mod definition;
mod discovery;
mod event_times;
pub mod garbage;
mod here;
pub mod http;
pub mod object;
mod openapi;
pub mod patch;
mod place;
pub mod protobuf;
mod read;
pub mod refusal;
mod request;
pub mod resource;
mod reviews;
pub mod schema;
mod selector;
pub mod server;
mod service;
mod state;
pub mod table;
#[cfg(test)]
mod tests;
mod validation;
mod views;
mod watch;
mod write;

pub use changes::{Change, Changes, What};
pub use object::Object;
pub use refusal::{Cause, Refusal};
pub use request::{Call, Verb};
pub use resource::{Resource, ScalePaths};
pub use server::ApiServer;

/// Its example is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
