//! Whether the routes say what they should, and the data plane has confirmed it.

use jiff::Timestamp;
use tidegate_api::{Acceptance, Rollout, RouteMode};

use crate::{
    plan::{
        Guard, Observed, Route, Served, guard, hand_back,
        split::{Goal, says},
    },
    traffic::{Acceptance as Accepted, Names},
};

/// Whether a goal has been reached.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum InForce {
    /// Written, and confirmed by the data plane.
    Yes,
    /// Not written yet, or not confirmed: a sentence.
    Waiting(String),
    /// Written, and refused by the data plane: a sentence.
    Rejected(String),
    /// Written, and naming something that the data plane does not find, or not yet: a sentence, and since when, as far as
    /// the data plane tells.
    Unresolved(String, Option<Timestamp>),
}

impl InForce {
    /// Why it is not, if it is not.
    pub(super) fn missing(self) -> Option<String> {
        match self {
            Self::Yes => None,
            Self::Waiting(sentence) | Self::Rejected(sentence) | Self::Unresolved(sentence, _) => Some(sentence),
        }
    }
}

/// Whether every route says `goal` and the data plane has confirmed it.
pub(super) fn in_force(rollout: &Rollout, observed: &Observed, goal: Goal<'_>) -> InForce {
    let names = Names::of(&rollout.spec.service);
    let is_under_way =
        rollout.status.as_ref().is_some_and(|status| status.canary.is_some() || status.route != RouteMode::Service);
    for route in &observed.routes {
        // A server that does not know the kind at this moment says nothing of where those lead that were split.
        if route.kind != Served::Yes && is_under_way {
            return InForce::Waiting(format!("the cluster does not serve {}s to the operator", route.id.kind));
        }
        let Some(object) = &route.object else { continue };
        if !says(rollout, &names, route, goal) {
            return InForce::Waiting(format!("{} does not carry the weight yet", route.id));
        }
        if is_ignored(rollout, route) || !guard::stands(Guard::Acceptance) {
            continue;
        }
        match route.router(rollout, &names).acceptance(object) {
            Accepted::Accepted => {}
            Accepted::Waiting(sentence) => return InForce::Waiting(sentence),
            Accepted::Rejected(sentence) => return InForce::Rejected(sentence),
            Accepted::Unresolved(sentence, since) => return InForce::Unresolved(sentence, since),
        }
    }
    InForce::Yes
}

/// The same at `now`, where the Rollout is deleted and the gateway has had its time to answer: then what is written
/// counts.
pub(super) fn in_force_at(rollout: &Rollout, observed: &Observed, goal: Goal<'_>, now: Timestamp) -> InForce {
    let names = Names::of(&rollout.spec.service);
    let said = |route: &Route| says(rollout, &names, route, goal);
    if !hand_back::waits_for_the_gateway(rollout, now) && observed.routes.iter().all(said) {
        return InForce::Yes;
    }
    in_force(rollout, observed, goal)
}

/// Whether its gateway is not waited for.
fn is_ignored(rollout: &Rollout, route: &Route) -> bool {
    let gateway = rollout.spec.traffic.as_ref().and_then(|traffic| traffic.gateway_api.as_ref());
    let acceptance = gateway.and_then(|gateway| gateway.acceptance);
    route.id.kind.is_of_gateway_api() && acceptance == Some(Acceptance::Ignored)
}
