//! What somebody should look at, although nothing waits for it: one sentence at a time, what costs most first.

use tidegate_api::{
    CheckStatus, RevisionStatus, Transition, Verdict,
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
        if self.status.stage.is_none() && self.status.watch.is_none() {
            return None;
        }
        let warns = |check: &&CheckStatus| check.warning && check.verdict != Verdict::Fail;
        let known = self.rollout.status.iter().flat_map(|status| &status.checks).filter(warns);
        let known: Vec<_> = known.map(|check| &check.name).collect();
        let now: Vec<_> = self.status.checks.iter().filter(warns).cloned().collect();
        let judged = self.status.canary.clone().or_else(|| self.status.stable.clone());
        for check in now.iter().filter(|check| !known.contains(&&check.name)) {
            let message = format!("check {} warns: {}", check.name, check.message);
            self.tell_by_event(reason::CHECK_WARNS, message, judged.as_ref());
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

    /// Tells a warning that is new by an event, too.
    pub(super) fn tell(&mut self, reason: &str, warning: String) -> String {
        if self.said(reason).as_ref() != Some(&warning) {
            let stable = self.status.stable.clone();
            self.tell_by_event(reason, warning.clone(), stable.as_ref());
        }
        warning
    }

    /// An event that is about a version. It is no step of the Rollout's: the history is of those.
    fn tell_by_event(&mut self, reason: &str, message: String, version: Option<&RevisionStatus>) {
        self.transitions.push(Transition {
            at: self.now,
            reason: reason.to_owned(),
            message,
            revision: version.map(|version| version.revision.clone()).unwrap_or_default(),
            ..Transition::default()
        });
    }
}
