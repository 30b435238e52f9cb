//! `status.restart`: which pods of the stable version are replaced by others of the same version.

use jiff::Timestamp;
use tidegate_api::{Command, RestartStatus};

use super::Draft;

impl Draft {
    /// It begins.
    pub(in crate::plan) fn begin_restart(&mut self, restart: RestartStatus) {
        self.0.restart = Some(restart);
    }

    /// So many pods are left. When fewer are than before, the others have their time anew.
    pub(in crate::plan) fn note_restart(&mut self, left: i32, now: Timestamp) {
        if let Some(restart) = &mut self.0.restart
            && left < restart.left
        {
            (restart.left, restart.since) = (left, now);
        }
    }

    /// It is over, with what came of it for whoever asked.
    pub(in crate::plan) fn end_restart(&mut self, message: &str) {
        self.0.restart = None;
        let mut commands = self.0.commands.iter_mut();
        if let Some(command) = commands.find(|known| known.command == Command::Restart.name() && known.done) {
            message.clone_into(&mut command.message);
        }
    }
}
