//! `status.stable`, `status.canary` and what is remembered of them while a rollout lasts: the count that an autoscaler may
//! not lower, the pod that was replaced, since when stable has been down.

use jiff::Timestamp;
use tidegate_api::{FormerRevision, ReplacedPod, RevisionStatus};

use super::Draft;

impl Draft {
    /// A rollout begins, with nothing of the one before.
    pub(in crate::plan) fn begin_rollout(&mut self, canary: RevisionStatus, wanted: i32) {
        self.0.canary = Some(canary);
        self.0.taken_back = None;
        self.0.rolls_back = false;
        self.0.watch = None;
        self.0.presets.clear();
        self.0.replaced_pod = None;
        self.0.stable_lost_since = None;
        self.0.replicas_floor = Some(wanted);
        self.forget_checks();
        self.forget_begun();
        self.forget_drain();
    }

    /// A rollout is over, and nothing of it is left.
    pub(in crate::plan) fn end_rollout(&mut self) {
        self.0.canary = None;
        self.0.rolls_back = false;
        self.0.replaced_pod = None;
        self.0.replicas_floor = None;
        self.leave_stage();
        self.forget_drain();
    }

    /// What was the canary is the stable version.
    pub(in crate::plan) fn promote(&mut self) {
        self.0.stable = self.0.canary.take();
        self.0.stable_lost_since = None;
    }

    /// The version on its way was stable before.
    pub(in crate::plan) fn roll_back(&mut self) {
        self.0.rolls_back = true;
    }

    /// Remembers a version that was stable, and that `promoted` is not former any more.
    pub(in crate::plan) fn remember_former(&mut self, former: FormerRevision, promoted: &str, most: usize) {
        self.0.former.retain(|known| known.revision != former.revision && known.revision != promoted);
        self.0.former.insert(0, former);
        self.0.former.truncate(most);
    }

    /// Nobody wants any of them back.
    pub(in crate::plan) fn forget_former(&mut self) {
        self.0.former.clear();
    }

    /// The version that serves, since it is the one that was found.
    pub(in crate::plan) fn set_stable(&mut self, stable: RevisionStatus) {
        self.0.stable = Some(stable);
    }

    /// Another version in the place of one that is lost.
    pub(in crate::plan) fn replace_stable(&mut self, stable: RevisionStatus) {
        self.0.stable = Some(stable);
        self.0.stable_lost_since = None;
    }

    /// No version is known to serve.
    pub(in crate::plan) fn forget_stable(&mut self) {
        self.0.stable = None;
    }

    /// The version that somebody else had on its way, if there is one.
    pub(in crate::plan) fn inherit_canary(&mut self, canary: Option<RevisionStatus>) {
        self.0.canary = canary;
    }

    /// The pod that is replaced.
    pub(in crate::plan) fn replace_pod(&mut self, pod: ReplacedPod) {
        self.0.replaced_pod = Some(pod);
    }

    /// So many pods were asked for: fewer are not, while the rollout lasts.
    pub(in crate::plan) fn raise_replicas_floor(&mut self, asked: i32) {
        self.0.replicas_floor = self.0.replicas_floor.max(Some(asked));
    }

    /// The stable version is down; since when it has been.
    pub(in crate::plan) fn note_stable_down(&mut self, now: Timestamp) -> Timestamp {
        *self.0.stable_lost_since.get_or_insert(now)
    }

    /// The stable version is there.
    pub(in crate::plan) fn note_stable_up(&mut self) {
        self.0.stable_lost_since = None;
    }
}
