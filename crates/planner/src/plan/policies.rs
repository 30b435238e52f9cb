//! Policies that are for the Service, and that the requests of a rollout do without.
//!
//! A version that needs one of them may fail for it, and a good one be reverted: so they are told before the first release,
//! and as little is refused for them as for a route that passes the weights by.

use tidegate_api::condition::reason;

use crate::{plan::Planner, traffic::without_policies};

impl Planner<'_> {
    /// The warning about such policies, if there are any.
    pub(super) fn warn_of_policies(&mut self) -> Option<String> {
        let Some(policies) = &self.observed.policies_left_behind else { return self.said(reason::POLICY_NOT_ATTACHED) };
        let warning = without_policies(policies, &self.names())?;
        Some(self.tell(reason::POLICY_NOT_ATTACHED, warning))
    }
}
