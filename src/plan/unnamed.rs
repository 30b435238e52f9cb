//! Requests that pass the weights by: a route that points at the Service, and that the Rollout does not name.
//!
//! It is nobody's fault that an operator could act upon, so nothing is refused for it and nothing held.

use crate::{
    api::{
        Transition,
        condition::{kind, reason},
    },
    plan::Plan,
    traffic::past_the_weights,
};

impl Plan<'_> {
    /// The warning about such routes, if there are any; told once by an event, too.
    ///
    /// While it is not known which routes there are, what was said of them stands.
    pub(super) fn warn_of_unnamed_routes(&mut self) -> Option<String> {
        let mut known = self.status.conditions.iter();
        let known = known.find(|known| known.type_ == kind::WARNING && known.reason == reason::ROUTE_NOT_NAMED);
        let said = known.map(|condition| condition.message.clone());
        let Some(routes) = &self.observed.unnamed_routes else { return said };
        // Of two Rollouts for one Service, those are the other's.
        let routes = if self.observed.rival.is_some() { &[][..] } else { routes.as_slice() };
        let warning = past_the_weights(routes, &self.rollout.spec.service)?;
        if said.as_ref() != Some(&warning) {
            // It is no step of the Rollout's: the history is of those.
            self.transitions.push(Transition {
                at: self.now,
                reason: reason::ROUTE_NOT_NAMED.to_owned(),
                message: warning.clone(),
                revision: self.status.stable.as_ref().map(|stable| stable.revision.clone()).unwrap_or_default(),
            });
        }
        Some(warning)
    }
}
