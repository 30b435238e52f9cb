//! `spec.rollbackWindow`: a version that was stable a moment ago has been judged, and comes back at once.

use tidegate_api::{FormerRevision, Phase, RevisionStatus, RollbackWindow, RouteMode, condition::reason};

use crate::plan::{Planner, capacity};

impl Planner<'_> {
    /// Whether `version` was stable, and may come back without being judged again.
    pub(super) fn was_stable(&self, version: &RevisionStatus) -> bool {
        let Some(window) = &self.rollout.spec.rollback_window else { return false };
        let mut former = self.status.former.iter().take(window.revisions());
        let known = former.find(|former| former.revision == version.revision);
        known.is_some_and(|known| window.lasting.is_none_or(|lasting| !self.has_elapsed(known.until, lasting)))
    }

    /// Brings it back: all of its pods, then all of the traffic.
    pub(super) fn roll_back(&mut self, version: RevisionStatus) {
        let message =
            format!("version {version} was stable before, within spec.rollbackWindow: it comes back at once, unjudged");
        self.come_back(version);
        self.record(reason::ROLLED_BACK, message);
    }

    /// A version comes back that was stable before: all of it in one stage, the last one, which is not judged.
    pub(super) fn come_back(&mut self, version: RevisionStatus) {
        let stages = self.rollout.spec.stages();
        let Some(last) = stages.last() else { return };
        self.begin(version);
        self.status.roll_back();
        self.enter(last, stages.len() - 1, None);
    }

    /// Whether a version comes back since the one that serves failed after its promotion. That is a way back like others:
    /// neither `spec.paused` nor a version that is pushed meanwhile holds it.
    pub(super) fn flees(&self) -> bool {
        self.status.rolls_back && self.status.stable.as_ref().is_some_and(|stable| self.failed(stable).is_some())
    }

    /// Another version takes the place of the stable one, which may be wanted back.
    pub(super) fn remember_stable(&mut self) {
        let of_window = self.rollout.spec.rollback_window.as_ref().map(RollbackWindow::revisions);
        let Some(most) = of_window.or(self.rollout.spec.watch.as_ref().map(|_| 1)) else {
            return self.status.forget_former();
        };
        let Some(stable) = self.status.stable.clone() else { return };
        let former = FormerRevision {
            revision: stable.revision,
            replica_set: stable.replica_set,
            images: stable.images,
            until: self.now,
        };
        let promoted = self.status.canary.as_ref().map(|canary| canary.revision.clone()).unwrap_or_default();
        self.status.remember_former(former, &promoted, most);
    }

    /// A rollout of `version` begins.
    pub(super) fn begin(&mut self, version: RevisionStatus) {
        self.begin_gates(&version.revision);
        self.status.begin_rollout(version, capacity::wanted(self.rollout));
        self.status.enter_phase(Phase::Progressing);
        if self.is_routed() {
            self.status.lead_routes(RouteMode::Split);
        }
    }
}
