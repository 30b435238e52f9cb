//! Requests that pass the weights by: a route that points at the Service, and that the Rollout does not name.
//!
//! It is nobody's fault that an operator could act upon, so nothing is refused for it and nothing held.

use tidegate_api::condition::reason;

use crate::{plan::Planner, traffic::past_the_weights};

impl Planner<'_> {
    /// The warning about such routes, if there are any.
    pub(super) fn warn_of_bypassing_routes(&mut self) -> Option<String> {
        let Some(routes) = &self.observed.bypassing_routes else { return self.said(reason::ROUTE_NOT_NAMED) };
        // Of two Rollouts for one Service, those are the other's.
        let routes = if self.observed.rival.is_some() { &[][..] } else { routes.as_slice() };
        let warning = past_the_weights(routes, &self.rollout.spec.service)?;
        Some(self.tell(reason::ROUTE_NOT_NAMED, warning))
    }
}
