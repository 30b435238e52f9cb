//! What somebody should look at, although nothing waits for it: one sentence at a time, what costs most first.

use tidegate_api::{
    CheckStatus, Transition, Verdict,
    condition::{kind, reason},
};

use crate::plan::Planner;

impl Planner<'_> {
    /// Tells what is new of it. The reason and the sentence of the condition `Warning`, if there is something.
    pub(super) fn warn(&mut self) -> Option<(&'static str, String)> {
        let of_checks = self.warn_of_checks();
        if let Some(warning) = self.warn_of_lost_copy() {
            return Some((reason::CONFIGURATION_LOST, warning));
        }
        if let Some(warning) = self.warn_of_share() {
            return Some((reason::SHARE_OFF, warning));
        }
        if let Some(warning) = of_checks {
            return Some((reason::CHECK_WARNS, warning));
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

    /// The checks that are past what they warn of. Each is told by an event with its numbers when it begins; the condition
    /// names them.
    fn warn_of_checks(&mut self) -> Option<String> {
        let warns = |check: &&CheckStatus| check.warning && check.verdict != Verdict::Fail;
        let known =
            self.rollout.status.as_ref().map(|status| status.checks.iter().filter(warns).map(|check| &check.name));
        let known: Vec<&String> = known.into_iter().flatten().collect();
        let now: Vec<_> = self.status.checks.iter().filter(warns).cloned().collect();
        let revision = self.status.canary.as_ref().or(self.status.stable.as_ref());
        let revision = revision.map(|version| version.revision.clone()).unwrap_or_default();
        for check in now.iter().filter(|check| !known.contains(&&check.name)) {
            self.transitions.push(Transition {
                at: self.now,
                reason: reason::CHECK_WARNS.to_owned(),
                message: format!("check {} warns: {}", check.name, check.message),
                revision: revision.clone(),
            });
        }
        let names: Vec<_> = now.iter().map(|check| check.name.as_str()).collect();
        match names.as_slice() {
            [] => None,
            [one] => Some(format!("check {one} warns; nothing waits for it, and status.checks has its numbers")),
            several => Some(format!(
                "checks {} warn; nothing waits for them, and status.checks has their numbers",
                several.join(", ")
            )),
        }
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
