//! Creating, changing and deleting objects.

mod allocated;
mod change;
mod complete;
mod create;
pub(super) mod delete;
mod metadata;
pub(super) mod patch;
mod pods;
mod scale;

pub(super) use metadata::{finalizers, owner_references};
pub(super) use scale::scale_of;

use std::sync::Arc;

use jiff::Timestamp;

/// Who writes, when, and whether it is only a rehearsal.
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own about a write")]
#[derive(Debug, Clone)]
pub(super) struct Writer {
    pub manager: Arc<str>,
    pub now: Timestamp,
    pub dry_run: bool,
    /// Unknown fields are an error.
    pub strict: bool,
    /// Unknown fields of built-in kinds are looked for: the writer is none of this process's own.
    pub is_client: bool,
    /// The object comes with the `managedFields` that server-side apply gave it.
    pub applies: bool,
}

impl Writer {
    /// The time of the write as Kubernetes tells it: whole seconds.
    pub(super) fn seconds(&self) -> String {
        Timestamp::from_second(self.now.as_second()).unwrap_or_default().to_string()
    }
}
