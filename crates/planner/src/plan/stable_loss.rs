//! The stable version is down, entirely: after a while it is no way back any more.

use tidegate_api::Span;

use crate::plan::{Planner, capacity};

/// How long the stable version may be down, entirely, before a new one whose pods are ready takes its place.
pub(super) const STABLE_LOST: Span = Span::seconds(60);

impl Planner<'_> {
    /// Takes in whether the stable version is down, or without its ReplicaSet, and since when.
    pub(super) fn track_stable_loss(&mut self) {
        if !self.is_stable_down() {
            self.status.note_stable_up();
            return;
        }
        let since = self.status.note_stable_down(self.now);
        self.wake_after(since, STABLE_LOST);
    }

    /// Whether the stable version has been down for so long that it is no way back any more.
    pub(super) fn is_stable_lost(&self) -> bool {
        let lost = self.status.stable_lost_since.is_some_and(|since| self.has_elapsed(since, STABLE_LOST));
        lost && !self.is_paused()
    }

    fn is_stable_down(&self) -> bool {
        let stable = self.status.stable.as_ref().and_then(|stable| self.observed.replica_set(&stable.replica_set));
        // One pod of those that its share needs is soon gone: what counts is that none of all comes.
        let all = if self.rollout.may_lack_stable_pods() { capacity::wanted(self.rollout).max(1) } else { 1 };
        stable.is_none_or(|set| set.replicas() >= all && set.status.ready_replicas == 0)
    }
}
