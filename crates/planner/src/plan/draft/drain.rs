//! `status.drainingSince`: since when pods that get no traffic any more answer what they were asked before.

use jiff::Timestamp;

use super::Draft;

impl Draft {
    /// Requests drain from `now` on, unless they do already; since when they do.
    pub(in crate::plan) fn begin_drain(&mut self, now: Timestamp) -> Timestamp {
        *self.0.draining_since.get_or_insert(now)
    }

    /// Requests drain since then: what drained in the last stage drains on. Nothing where the pods had traffic until now.
    pub(in crate::plan) fn inherit_drain(&mut self, since: Option<Timestamp>) {
        self.0.draining_since = since;
    }

    /// Nothing drains, or what did drains anew.
    pub(in crate::plan) fn forget_drain(&mut self) {
        self.0.draining_since = None;
    }
}
