//! Where weights go: one file or folder for each way to split traffic, all of them a [`Router`].
//!
//! Everything here is pure: objects in, objects out. Who reads and writes them is the controller's business.

mod bypassing_routes;
mod custom;
mod gateway_api;
mod kind;
mod names;
mod policies;
pub mod replica_count;
mod router;
mod scale;
mod split;
mod weighted;

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

pub use bypassing_routes::past_the_weights;
pub use custom::{Expression, Revisions};
pub use gateway_api::{features, permits, references, services_of};
pub use kind::{GATEWAY_API, Kind, RouteId, named_twice};
pub use names::Names;
pub use policies::{POLICY_KINDS, Policy, PolicyKind, without_policies};
pub use router::{Acceptance, Router, UnusableRoute};
pub use split::{Sessions, Split};
pub use weighted::{KINDS, Reports, RouteKind, Unwritten, Weighing, find};

use tidegate_api::Route;

/// In what a gateway differs from others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quirks {
    /// It refuses a backend of weight 0: one that gets nothing is left out.
    pub refuses_zero_weights: bool,
    /// Its reports name no generation: those count that changed after this instant, at which the route was written.
    pub reports_since: Option<Timestamp>,
}

/// How `route` of a Rollout in `namespace` carries the weights between the Services `names` of these `revisions`. Whether
/// it was `accepted` is asked by an expression that somebody may have compiled before.
#[must_use]
pub fn router<'a>(
    route: &'a Route,
    namespace: &'a str,
    names: &'a Names,
    revisions: Revisions<'a>,
    accepted: Option<&'a Arc<Expression>>,
    quirks: Quirks,
) -> Box<dyn Router<Object = Value> + 'a> {
    match route {
        Route::Gateway(route) => {
            let backends = gateway_api::Backends { names, namespace, chosen: route.rules.as_deref(), quirks };
            Box::new(gateway_api::Route { backends, kind: route.kind() })
        }
        Route::Weighted(route) => {
            let kind = find(route.group.as_deref(), &route.kind);
            let chosen = route.rules.as_deref();
            match kind {
                Some(kind) => Box::new(weighted::WeightedRoute { kind, names, namespace, chosen }),
                None => Box::new(weighted::UnknownKind(route)),
            }
        }
        Route::Custom(route) => Box::new(custom::CustomRouter { route, names, revisions, accepted }),
    }
}
