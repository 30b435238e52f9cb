//! What somebody should look at, although nothing waits for it: one sentence at a time, what costs most first.

use tidegate_api::{
    Transition,
    condition::{kind, reason},
};

use crate::plan::Planner;

impl Planner<'_> {
    /// Tells what is new of it. The reason and the sentence of the condition `Warning`, if there is something.
    pub(super) fn warn(&mut self) -> Option<(&'static str, String)> {
        if let Some(warning) = self.warn_of_lost_copy() {
            return Some((reason::CONFIGURATION_LOST, warning));
        }
        if let Some(warning) = self.warn_of_share() {
            return Some((reason::SHARE_OFF, warning));
        }
        if let Some(warning) = self.warn_of_bypassing_routes() {
            return Some((reason::ROUTE_NOT_NAMED, warning));
        }
        if let Some(warning) = self.warn_of_policies() {
            return Some((reason::POLICY_NOT_ATTACHED, warning));
        }
        if let Some(warning) = self.warn_of_unused_configuration() {
            return Some((reason::CONFIGURATION_NOT_USED, warning));
        }
        Some((reason::REPLICAS_IN_WORKLOAD, self.warn_of_replicas()?))
    }

    /// What the condition says by now, if it is there for that reason. While it is not known how things are, it stands.
    pub(super) fn said(&self, reason: &str) -> Option<String> {
        let mut conditions = self.status.conditions.iter();
        let said = conditions.find(|condition| condition.type_ == kind::WARNING && condition.reason == reason);
        said.map(|condition| condition.message.clone())
    }

    /// Tells a warning that is new by an event, too. It is no step of the Rollout's: the history is of those.
    pub(super) fn tell(&mut self, reason: &str, warning: String) -> String {
        if self.said(reason).as_ref() != Some(&warning) {
            self.transitions.push(Transition {
                at: self.now,
                reason: reason.to_owned(),
                message: warning.clone(),
                revision: self.status.stable.as_ref().map(|stable| stable.revision.clone()).unwrap_or_default(),
            });
        }
        warning
    }
}
