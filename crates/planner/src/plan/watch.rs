//! `spec.watch`: a version is judged on for a while when it has been promoted, with the way back at hand.

use tidegate_api::{
    FailedRevision, OnWatchFailure, RevisionStatus, Rollout, Stage, StageBegun, Watch, WatchStatus, condition::reason,
};

use crate::plan::{Planner, after, in_seconds};

/// A version that is watched at this moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Watched {
    /// What the checks are asked in.
    pub stage: Stage,
    /// The version.
    pub version: RevisionStatus,
    /// The one before it, which serves nobody any more.
    pub former: RevisionStatus,
    /// From when on its requests count.
    pub begun: StageBegun,
}

/// The version that is watched, if one is: the checks are asked then, although no rollout is under way.
#[must_use]
pub fn watched(rollout: &Rollout) -> Option<Watched> {
    let (spec, status) = (rollout.spec.watch.as_ref()?, rollout.status.as_ref()?);
    let watch = status.watch.as_ref().filter(|watch| watch.failed.is_none() && status.stage.is_none())?;
    let version = status.stable.clone().filter(|stable| stable.revision == watch.revision)?;
    let begun = StageBegun::first(Stage::WATCH, watch.since?);
    let former = status.former.iter().find(|former| Some(&former.revision) == watch.former.as_ref());
    let former = former.map(|former| RevisionStatus {
        revision: former.revision.clone(),
        replica_set: former.replica_set.clone(),
        ..RevisionStatus::default()
    });
    Some(Watched { stage: spec.stage(), version, former: former.unwrap_or_default(), begun })
}

impl Planner<'_> {
    /// The version on its way is promoted, and will be watched when its rollout is over, if the spec asks for it.
    pub(super) fn plan_watch(&mut self) {
        let is_asked_for = self.rollout.spec.watch.is_some() && !self.status.rolls_back;
        let watch = self.status.canary.clone().filter(|_| is_asked_for).map(|canary| WatchStatus {
            revision: canary.revision,
            former: self.status.stable.as_ref().map(|stable| stable.revision.clone()),
            ..WatchStatus::default()
        });
        self.status.set_watch(watch);
    }

    /// The version that serves is looked at on, also while another one waits to start. What there is to say of it, unless that
    /// was said: that the version before it comes back, or that nobody looks any more.
    pub(super) fn watch(&mut self, stable: &RevisionStatus) -> Option<String> {
        let watch = self.status.watch.clone().filter(|watch| watch.revision == stable.revision);
        let Some((spec, watch)) = self.rollout.spec.watch.as_ref().zip(watch) else {
            self.end_watch();
            return None;
        };
        let since = watch.since.unwrap_or(self.now);
        self.status.keep_watch(since, after(since, spec.lasting));
        let stage = spec.stage();
        let failing = self.failing(&stage).next().map(|check| format!("{}: {}", check.name, check.message));
        match (&watch.failed, failing) {
            (None, Some(failed)) => {
                self.keep_checks();
                self.fail_watch(spec, &watch, stable, &failed);
                None
            }
            _ if self.has_elapsed(since, spec.lasting) => {
                self.pass_watch(spec, stable);
                None
            }
            (Some(failed), _) => {
                self.wake_after(since, spec.lasting);
                Some(format!("; it failed after its promotion: {failed}"))
            }
            (None, None) => {
                self.keep_checks();
                self.wake_after(since, spec.lasting);
                Some(format!(", and is watched until {}", in_seconds(after(since, spec.lasting))))
            }
        }
    }

    fn pass_watch(&mut self, spec: &Watch, stable: &RevisionStatus) {
        if self.status.watch.as_ref().is_some_and(|watch| watch.failed.is_none()) {
            let numbers = self.evidence();
            self.record(
                reason::WATCHED,
                format!(
                    "version {stable} was watched for {} after its promotion: nothing speaks against it{numbers}",
                    spec.lasting
                ),
            );
        }
        self.end_watch();
    }

    fn end_watch(&mut self) {
        if self.status.watch.is_some() {
            self.status.set_watch(None);
            self.status.forget_checks();
        }
    }

    fn fail_watch(&mut self, spec: &Watch, watch: &WatchStatus, stable: &RevisionStatus, failed: &str) {
        let known = self.status.former.iter().find(|known| Some(&known.revision) == watch.former.as_ref()).cloned();
        let known = known.filter(|known| self.observed.replica_set(&known.replica_set).is_some());
        let reverts = spec.on_failure == Some(OnWatchFailure::Revert);
        let story = format!("version {stable} fails after its promotion: {failed}");
        self.status.uncount_promoted();
        let Some(known) = known.filter(|_| reverts) else {
            let lost = if reverts { "; the version before it is gone, so that nothing can come back" } else { "" };
            self.status.count_failed(self.now);
            self.status.fail_watch(failed.to_owned());
            return self.record(reason::WATCH_FAILED, format!("{story}{lost}"));
        };
        self.status.record_failure(FailedRevision {
            revision: stable.revision.clone(),
            replica_set: stable.replica_set.clone(),
            at: self.now,
            message: failed.to_owned(),
        });
        let version = RevisionStatus {
            revision: known.revision,
            replica_set: known.replica_set,
            images: known.images,
            ..RevisionStatus::default()
        };
        self.record(
            reason::WATCH_FAILED,
            format!("{story}; version {version}, which was stable before it, comes back"),
        );
        self.come_back(version);
    }
}
