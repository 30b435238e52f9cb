//! `status.message`, `status.history`, `status.commands` and `status.failed`: what people read of what was, and what is not tried again.

use jiff::Timestamp;
use tidegate_api::{CommandStatus, FailedRevision, ReleaseCount, Transition};

use super::Draft;
use crate::plan::{Guard, guard};

/// How many transitions and failed revisions a status keeps.
const HISTORY: usize = 10;

/// So many commands of a kind are known again when a tool writes an old manifest anew.
const COMMANDS: usize = 8;

impl Draft {
    /// Where the Rollout stands, in a sentence.
    pub(in crate::plan) fn say(&mut self, message: String) {
        self.0.message = message;
    }

    /// Records a step.
    pub(in crate::plan) fn record(&mut self, transition: Transition) {
        self.0.message.clone_from(&transition.message);
        self.0.history.insert(0, transition);
        cap(&mut self.0.history);
    }

    /// Remembers what came of a command, in the place of the last one of its kind.
    pub(in crate::plan) fn record_command(&mut self, mut command: CommandStatus) {
        let last = self.0.commands.iter().position(|known| known.command == command.command);
        if let Some(last) = last.map(|place| self.0.commands.remove(place)) {
            command.earlier = [last.text].into_iter().chain(last.earlier).take(COMMANDS - 1).collect();
        }
        self.0.commands.insert(0, command);
    }

    /// A revision that failed may be tried again.
    pub(in crate::plan) fn forget_failure(&mut self, revision: &str) {
        self.0.failed.retain(|known| known.revision != revision);
        self.0.taken_back.take_if(|known| known.revision == revision);
    }

    /// Remembers a revision that failed, if it did not before.
    pub(in crate::plan) fn record_failure(&mut self, failed: FailedRevision) {
        if !self.0.failed.iter().any(|known| known.revision == failed.revision) {
            self.releases(failed.at).failed += 1;
            self.0.failed.insert(0, failed);
            cap(&mut self.0.failed);
        }
    }
}

impl Draft {
    /// Counts a version that was promoted.
    pub(in crate::plan) fn count_promoted(&mut self, now: Timestamp) {
        self.releases(now).promoted += 1;
    }

    /// One that was counted so is not: it failed after its promotion.
    pub(in crate::plan) fn uncount_promoted(&mut self) {
        if let Some(releases) = &mut self.0.releases {
            releases.promoted = releases.promoted.saturating_sub(1);
        }
    }

    /// Counts a version that failed, and is not remembered as failed, since it stays.
    pub(in crate::plan) fn count_failed(&mut self, now: Timestamp) {
        self.releases(now).failed += 1;
    }

    fn releases(&mut self, now: Timestamp) -> &mut ReleaseCount {
        self.0.releases.get_or_insert(ReleaseCount { since: now, promoted: 0, failed: 0 })
    }
}

/// Forgets what is oldest.
fn cap<T>(newest_first: &mut Vec<T>) {
    if newest_first.len() > HISTORY && guard::stands(Guard::BoundedHistories) {
        newest_first.truncate(HISTORY);
    }
}
