//! `status.watch`: the version that is judged on after its promotion.

use jiff::Timestamp;
use tidegate_api::WatchStatus;

use super::Draft;

impl Draft {
    /// The version that is watched from now on, or that none is.
    pub(in crate::plan) fn set_watch(&mut self, watch: Option<WatchStatus>) {
        self.0.watch = watch;
    }

    /// It is watched in this time.
    pub(in crate::plan) fn keep_watch(&mut self, since: Timestamp, until: Timestamp) {
        if let Some(watch) = &mut self.0.watch {
            (watch.since, watch.until) = (Some(since), Some(until));
        }
    }

    /// It failed, and stays where it is.
    pub(in crate::plan) fn fail_watch(&mut self, failed: String) {
        if let Some(watch) = &mut self.0.watch {
            watch.failed = Some(failed);
        }
    }
}
