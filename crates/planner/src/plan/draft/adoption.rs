//! `status.adoption`: where the walk of taking over, or of handing back, has come.

use jiff::Timestamp;
use tidegate_api::{AdoptionMode, AdoptionStatus, AdoptionStep};

use super::Draft;

impl Draft {
    /// The walk begins, or begins elsewhere.
    pub(in crate::plan) fn begin_adoption(&mut self, adoption: AdoptionStatus) {
        self.0.adoption = Some(adoption);
    }

    /// The next step, since `now`.
    pub(in crate::plan) fn step_adoption(&mut self, step: AdoptionStep, now: Timestamp) {
        if let Some(adoption) = &mut self.0.adoption {
            adoption.step = step;
            adoption.since = now;
        }
    }

    /// The pods cannot change hands: others come up beside them.
    pub(in crate::plan) fn surge(&mut self) {
        if let Some(adoption) = &mut self.0.adoption {
            adoption.mode = AdoptionMode::Surge;
        }
    }

    /// Nothing of the Deployment's is the Rollout's any more.
    pub(in crate::plan) fn end_adoption(&mut self) {
        self.0.adoption = None;
    }
}
