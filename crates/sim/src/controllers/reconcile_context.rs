//! What a model has at hand while it looks at one thing.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use serde_json::Value;
use tidegate_apiserver::{ApiServer, Object, Refusal};

use super::{
    Delay, Pace,
    cache::{Cache, Key},
    queue::{Queue, Task},
};

/// What a model has at hand while it looks at one thing. What it writes shows in the cache at its next turn.
pub(super) struct ReconcileContext<'a> {
    pub api: &'a ApiServer,
    pub cache: &'a Cache,
    pub queue: &'a mut Queue,
    pub rng: &'a mut StdRng,
    pub pace: &'a Pace,
    pub now: Timestamp,
}

impl ReconcileContext<'_> {
    /// Has `task` looked at after a delay that is drawn now, unless that comes earlier anyway.
    pub(super) fn react(&mut self, delay: Delay, task: Task) {
        let delay = delay.draw(self.rng);
        self.after(delay, task);
    }

    /// Has `task` looked at after `delay`.
    pub(super) fn after(&mut self, delay: Duration, task: Task) {
        self.queue.at(later(self.now, delay), task);
    }

    /// The time as objects carry it: whole seconds.
    pub(super) fn stamp(&self) -> String {
        stamp(self.now)
    }

    /// Merges `patch` into an object.
    pub(super) fn merge(&self, kind: &str, key: &Key, patch: Value, manager: &str) -> Result<(), Refusal> {
        self.api.merge(kind, key.namespace(), key.name(), "", patch, manager).map(drop)
    }

    /// Merges `patch` into the status of an object.
    pub(super) fn merge_status(&self, kind: &str, key: &Key, patch: Value, manager: &str) -> Result<(), Refusal> {
        self.api.merge(kind, key.namespace(), key.name(), "status", patch, manager).map(drop)
    }

    /// The whole object as it is now.
    pub(super) fn whole(&self, kind: &str, key: &Key) -> Option<std::sync::Arc<Object>> {
        self.api.get(kind, key.namespace(), key.name())
    }
}

/// The time `delay` after `time`.
pub(super) fn later(time: Timestamp, delay: Duration) -> Timestamp {
    let delay = SignedDuration::try_from(delay).unwrap_or(SignedDuration::MAX);
    time.saturating_add(delay).unwrap_or(Timestamp::MAX)
}

/// A time as objects carry it: whole seconds.
pub(super) fn stamp(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}
