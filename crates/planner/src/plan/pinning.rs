//! The route is never given to fewer pods than serve now.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Service;
use tidegate_api::{Rollout, RolloutStatus, RouteMode, Span};

use crate::{
    plan::{Guard, Observed, Planner, Route, after, guard, split::Ready},
    traffic::Names,
};

/// A gateway hears of routes, Services and EndpointSlices by a watch of each, and so in any order. A route that names a Service of
/// which it has not heard yet gets errors from it until it looks again: Traefik 3.7 answered 500 for two seconds.
const HEARD_OF: Span = Span::seconds(2);

/// When every gateway may be taken to have heard of a new Service, if that is to come. Times of creation have whole seconds; one that
/// lies ahead is of another clock, and says nothing.
pub(super) fn heard_of(service: &Service, now: Timestamp) -> Option<Timestamp> {
    let created = service.metadata.creation_timestamp.as_ref()?.0;
    let heard = after(created, HEARD_OF);
    (created <= now && now < heard).then_some(heard)
}

impl Planner<'_> {
    /// Asks to be woken when the routes may name the Services of the revisions, if they are to.
    pub(super) fn wake_when_heard_of(&mut self) {
        if self.status.route != RouteMode::Split {
            return;
        }
        let services = [&self.observed.stable_service, &self.observed.canary_service];
        if let Some(at) = services.into_iter().flatten().filter_map(|service| heard_of(service, self.now)).max() {
            self.wake_at(at);
        }
    }

    /// Whether the stable version has as many ready pods as would be shut out together with those that are nobody's.
    ///
    /// Pods that the Deployment started are of a version that nobody has judged: those are shut out, however many.
    pub(super) fn may_shut_out_strangers(&self) -> bool {
        let service = &self.rollout.spec.service;
        let strangers = self.observed.strangers_behind(service).len();
        let stable = self.status.stable.as_ref().map_or("", |stable| stable.replica_set.as_str());
        usize::try_from(self.observed.ready_behind(service, stable)).is_ok_and(|ready| ready >= strangers)
    }
}

/// Whether a route that still says the Service would lose ready pods of the stable version by being split now: its own
/// Service does not show all of them yet.
pub(super) fn is_premature(rollout: &Rollout, status: &RolloutStatus, observed: &Observed, ready: Ready) -> bool {
    let names = Names::of(&rollout.spec.service);
    let is_whole =
        |route: &Route| route.object.as_ref().is_some_and(|object| route.router(rollout, &names).is_whole(object));
    let stable = status.stable.as_ref().map_or("", |stable| stable.replica_set.as_str());
    guard::stands(Guard::ReadyBackends)
        && ready.stable < observed.ready_behind(&names.service, stable)
        && observed.routes.iter().any(is_whole)
}
