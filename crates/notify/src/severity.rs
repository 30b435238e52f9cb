//! How much a transition matters to people: one table for all reasons.

use std::fmt;

use serde::{Deserialize, Serialize};
use tidegate_api::condition::reason;

/// How much a notice matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Severity {
    /// It goes as it was meant to.
    Info,
    /// Somebody should look, by day.
    Warn,
    /// A check failed, or a version went back: somebody should look now.
    Page,
    /// What was warned of, or paged for, is over.
    Resolve,
}

impl Severity {
    /// All of them, in the order of the table in `docs/notifications.md`.
    pub const ALL: [Self; 4] = [Self::Info, Self::Warn, Self::Page, Self::Resolve];
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// What an incident is about. A Rollout may have one of each at the same time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Topic {
    /// A version on its way, or what holds it.
    #[default]
    Release,
    /// The version that serves.
    Stable,
}

/// What a reason does to incidents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bearing {
    /// Nothing.
    Informs,
    /// It opens one that can wait.
    Warns(Topic),
    /// It opens one that cannot.
    Pages(Topic),
    /// It ends those of one topic, or of all.
    Ends(Option<Topic>),
}

impl Bearing {
    /// What a transition with that reason does. A word that this version does not know informs.
    #[must_use]
    pub fn of(word: &str) -> Self {
        known(word).unwrap_or(Self::Informs)
    }

    /// The severity, if an incident is open that it could end.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::Informs => Severity::Info,
            Self::Warns(_) => Severity::Warn,
            Self::Pages(_) => Severity::Page,
            Self::Ends(_) => Severity::Resolve,
        }
    }
}

/// The table.
fn known(word: &str) -> Option<Bearing> {
    Some(match word {
        reason::ADOPTING
        | reason::APPROVED
        | reason::AUTOSCALER_ON_WORKLOAD
        | reason::DRILL_PASSED
        | reason::DRILL_STARTED
        | reason::GATE_PASSED
        | reason::GATE_WAITS
        | reason::PAUSED
        | reason::PODS_NOT_READY
        | reason::PODS_READY
        | reason::REPLICAS_IN_WORKLOAD
        | reason::RESTARTED
        | reason::RESTARTING
        | reason::RECEIVER_RECOVERED
        | reason::ROLLED_BACK
        | reason::STABLE
        | reason::STAGE_ENTERED
        | reason::STAGE_PASSED
        | reason::STAGE_SKIPPED
        | reason::STARTED
        | reason::VERSION_WAITS
        | reason::WORKLOAD_BEHIND
        | reason::WORKLOAD_INCOMPLETE
        | reason::WRITE_REFUSED => Bearing::Informs,
        reason::ABORTED
        | reason::ADOPTION_REFUSED
        | reason::CANARY_LOST
        | reason::CHECK_UNUSABLE
        | reason::CHECK_WARNS
        | reason::COMMAND_IGNORED
        | reason::CONFIGURATION_LOST
        | reason::CONFIGURATION_NOT_FOUND
        | reason::CONFIGURATION_NOT_USED
        | reason::CONFIGURATION_UNUSABLE
        | reason::CONFLICT
        | reason::CONTENTION
        | reason::ENDPOINT_NOT_FOUND
        | reason::FOREIGN_PODS
        | reason::GATE_STOPPED
        | reason::GATE_TIMED_OUT
        | reason::GATE_UNUSABLE
        | reason::INCONCLUSIVE
        | reason::INVALID_SPEC
        | reason::POLICY_NOT_ATTACHED
        | reason::NOTIFICATION_REFUSED
        | reason::RECEIVER_FAILS
        | reason::RESTART_STOPPED
        | reason::ROUTE_BROKEN
        | reason::ROUTE_KIND_MISSING
        | reason::ROUTE_NOT_CONFIRMED
        | reason::ROUTE_NOT_FOUND
        | reason::ROUTE_NOT_NAMED
        | reason::ROUTE_REFUSED
        | reason::ROUTE_UNUSABLE
        | reason::SERVICE_NOT_FOUND
        | reason::SERVICE_UNUSABLE
        | reason::SHARE_OFF
        | reason::SUSPECT_POD_REPLACED
        | reason::WORKLOAD_CHANGED
        | reason::WORKLOAD_NOT_FOUND => Bearing::Warns(Topic::Release),
        reason::STABLE_UNWELL => Bearing::Warns(Topic::Stable),
        reason::CHECK_FAILED
        | reason::DEGRADED
        | reason::DRILL_FAILED
        | reason::PROGRESS_DEADLINE_EXCEEDED
        | reason::REVERTED
        | reason::STEPPED_BACK
        | reason::WATCH_FAILED => Bearing::Pages(Topic::Release),
        reason::STABLE_LOST | reason::STABLE_NOT_READY => Bearing::Pages(Topic::Stable),
        reason::STABLE_UNWELL_OVER => Bearing::Ends(Some(Topic::Stable)),
        reason::ADOPTED
        | reason::BACK_TO_STABLE
        | reason::CAME_BACK
        | reason::HANDING_BACK
        | reason::PROMOTED
        | reason::RETRIED
        | reason::SUPERSEDED
        | reason::WATCHED => Bearing::Ends(None),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use tidegate_api::EventType;

    use super::*;

    #[test]
    fn every_reason_is_in_the_table() {
        for reason in reason::ALL {
            assert!(known(reason.word).is_some(), "{} has no severity", reason.word);
        }
    }

    #[test]
    fn whatever_people_get_a_warning_event_for_at_least_warns() {
        for reason in reason::ALL {
            let is_warning = reason.event == Some(EventType::Warning);
            let warns = matches!(Bearing::of(reason.word), Bearing::Warns(_) | Bearing::Pages(_));
            assert_eq!(is_warning, warns, "{}", reason.word);
        }
    }

    #[test]
    fn a_failed_check_and_a_revert_page_and_a_promotion_ends_it() {
        for word in [reason::CHECK_FAILED, reason::REVERTED, reason::WATCH_FAILED] {
            assert_eq!(Bearing::of(word), Bearing::Pages(Topic::Release), "{word}");
        }
        assert_eq!(Bearing::of(reason::CHECK_WARNS), Bearing::Warns(Topic::Release));
        assert_eq!(Bearing::of(reason::PROMOTED), Bearing::Ends(None));
    }

    #[test]
    fn a_word_of_another_version_informs() {
        assert_eq!(Bearing::of("FromTheFuture"), Bearing::Informs);
    }
}
