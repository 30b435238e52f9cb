//! The models around the API server: controllers, scheduler and kubelets, and a gateway.
//!
//! One task drives them all, by the changes that the API server tells and by timers on the one clock. A change is put
//! into the `cache`; `event_handlers` says who cares, and puts that into the `queue` at a time drawn from the seed; when
//! the time has come, a model looks at the one thing, compares what is with what should be, and writes.

mod autoscaler;
mod cache;
mod claim;
mod delay;
mod deployment;
mod endpoint_slices;
mod event_handlers;
mod gateway;
mod handle;
mod job;
mod kubelet;
mod queue;
mod reconcile_context;
mod replica_set;
mod run;
mod settings;

#[cfg(test)]
mod tests;

pub use delay::Delay;
pub use gateway::{Entry, GatewayMode, Share, To};
pub use handle::{Handle, PodView};
pub use kubelet::{Ending, PodBehaviour};
pub use run::Controllers;
pub use settings::{ModelSettings, Models, Pace};

use reconcile_context::ReconcileContext;
