//! What must be true of a version that is watched after its promotion.

use tidegate_api::{OnWatchFailure, Rollout, RolloutStatus};

use crate::invariants::Invariants;

impl Invariants {
    /// The ReplicaSet of the version that always works: the stable one, or while that is watched the one before it.
    pub fn good(&self) -> Option<String> {
        let status = self.status()?;
        let former = status.watch.as_ref().and_then(|_| status.former.first());
        former.map(|former| former.replica_set.clone()).or(Some(status.stable?.replica_set))
    }

    /// A version is watched when it was promoted, and goes after that only since it failed, where the spec says so.
    pub fn watched(&mut self, rollout: &Rollout, last: &RolloutStatus, next: &RolloutStatus) {
        let begins = next.watch.is_some() && last.watch.is_none();
        self.hold(!begins || last.canary.is_some() && !last.rolls_back, || {
            "a version is watched that was not promoted just now".to_owned()
        });
        let Some(watch) = last.watch.as_ref().filter(|_| next.rolls_back && !last.rolls_back) else { return };
        let is_former = next.canary.as_ref().is_some_and(|back| watch.former.as_ref() == Some(&back.revision));
        let has_failed = next.failed.iter().any(|failed| failed.revision == watch.revision);
        let reverts = rollout.spec.watch.as_ref().is_some_and(|spec| spec.on_failure == Some(OnWatchFailure::Revert));
        self.hold(is_former && has_failed && reverts, || {
            format!("version {} is taken off after its promotion, and should not be", watch.revision)
        });
    }
}
