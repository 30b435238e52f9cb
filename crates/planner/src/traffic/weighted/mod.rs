//! Objects of meshes and ingress controllers whose rules list Services with weights: one file in `kinds` for each maker.
//!
//! They are edited as routes of the Gateway API are: while a rollout runs, `<service>-stable` and `<service>-canary` stand where
//! the user wrote `<service>`, and what the user wrote can be read back from the weights. Many of these kinds have no default
//! weight that the API server writes, and give one without a weight what its neighbours say: see [`list`].

mod kinds;
mod list;
mod lists;
mod route;
mod unknown;
mod weights;

pub use kinds::{KINDS, Reports, RouteKind, find};
pub use route::WeightedRoute;
pub use unknown::UnknownKind;
pub use weights::{Unwritten, Weighing};
