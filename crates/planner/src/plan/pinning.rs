//! The route is never given to fewer pods than serve now.

use tidegate_api::{Rollout, RolloutStatus};

use crate::{
    plan::{Guard, Observed, Planner, Route, guard, split::Ready},
    traffic::Names,
};

impl Planner<'_> {
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
