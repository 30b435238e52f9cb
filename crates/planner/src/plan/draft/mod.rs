//! The next status in the making. All of `plan` reads it, and it is written here alone: one file for each group of fields,
//! so that who sets a field has one answer, and whoever calls its method why.

mod adoption;
mod contentions;
mod drain;
mod gates;
mod history;
mod reported;
mod restart;
mod routes;
mod stage;
mod versions;
mod watch;

use std::ops::Deref;

use tidegate_api::{Phase, RolloutStatus};

/// The next status in the making.
pub(super) struct Draft(RolloutStatus);

impl Deref for Draft {
    type Target = RolloutStatus;

    fn deref(&self) -> &RolloutStatus {
        &self.0
    }
}

impl Draft {
    /// Begins with what is committed.
    pub(super) fn new(committed: RolloutStatus) -> Self {
        Self(committed)
    }

    /// What is to be committed.
    pub(super) fn into_status(self) -> RolloutStatus {
        self.0
    }

    /// The Rollout is in this phase from now on.
    pub(super) fn enter_phase(&mut self, phase: Phase) {
        self.0.phase = phase;
    }
}
