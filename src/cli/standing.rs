//! What a status says in one word to whoever has to decide whether to get up.

use tidegate_api::{Phase, RolloutStatus, condition::kind};

/// How a Rollout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The version that the Deployment asks for is the one that serves.
    Serves,
    /// Something is on its way, or waits, and nobody has to do anything.
    GoesOn,
    /// The version failed, and the one before it serves.
    Failed,
    /// Nothing goes on until somebody acts.
    Stalled,
}

impl Standing {
    /// How `status` says that it stands.
    pub fn of(status: &RolloutStatus) -> Self {
        if status.phase == Phase::Reverted {
            Self::Failed
        } else if holds(status, kind::READY) {
            Self::Serves
        } else if holds(status, kind::STALLED) {
            Self::Stalled
        } else {
            Self::GoesOn
        }
    }
}

/// Whether the status has a condition of that kind which is true.
fn holds(status: &RolloutStatus, kind: &str) -> bool {
    status.conditions.iter().any(|condition| condition.type_ == kind && condition.status == "True")
}
