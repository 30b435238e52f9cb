//! What people ask of a rollout: done once, for the revision and the stage that they name, or ignored with a sentence.

use tidegate_api::{
    ALL_STAGES, Asked, Command, CommandStatus, FailedRevision, Phase, Stage, Verdict, condition::reason,
};

use crate::plan::{Planner, outcome::Outcome};

impl Planner<'_> {
    /// Does what was asked for since, but for leaving a stage, which waits until the stage has been looked at.
    pub(super) fn take_commands(&mut self) {
        for asked in self.asked() {
            match asked.command {
                Command::Abort => self.abort(&asked),
                Command::Retry => self.retry(&asked),
                Command::Restart if self.was_aborted(&asked) => {
                    self.ignore(&asked, "an abort of it was asked for, too");
                }
                Command::Restart => self.begin_restart(&asked),
                Command::Promote if self.is_under_way() => {}
                Command::Promote => self.ignore(&asked, &format!("version {} is not on its way", asked.revision)),
            }
        }
    }

    /// What is decided about a stage that somebody asks to leave, instead of `outcome`: a failure stands, and so does whatever
    /// else is in the way of traffic.
    pub(super) fn promoted_by_hand(&mut self, stage: &Stage, outcome: Outcome) -> Outcome {
        let Some(asked) = self.asked().into_iter().find(|asked| asked.command == Command::Promote) else {
            return outcome;
        };
        if let Some(why) = self.cannot_leave(stage, &asked) {
            self.ignore(&asked, &why);
            return outcome;
        }
        let is_in_force = self.status.stage.as_ref().is_some_and(|stage| stage.since.is_some());
        let may_be_skipped = match &outcome {
            Outcome::Wait(_) => self.is_fit_to_leave(stage),
            Outcome::Hold(refusal) => refusal.reason == reason::INCONCLUSIVE,
            Outcome::Advance => true,
            _ => false,
        };
        if !is_in_force || !may_be_skipped {
            return outcome;
        }
        // A gate is asked all the same: the command waits for it.
        if let Some(held) = self.held_by_gates(stage) {
            return held;
        }
        let message = format!("stage {} is left as {} asked, whatever is known by now", stage.name, who(&asked));
        let is_last = self.rollout.spec.stages().last().is_some_and(|last| last.name == stage.name);
        if asked.stage != ALL_STAGES || is_last {
            self.remember(&asked, true, &message);
        }
        Outcome::Skip(message)
    }

    fn is_under_way(&self) -> bool {
        matches!(self.status.phase, Phase::Progressing | Phase::Held)
    }

    /// Why the stage that `asked` names is not the one to leave.
    fn cannot_leave(&self, stage: &Stage, asked: &Asked) -> Option<String> {
        let version = self.status.canary.as_ref().map_or("", |canary| canary.revision.as_str());
        if asked.revision != version {
            return Some(format!("version {} is not on its way, but {version}", asked.revision));
        }
        if asked.stage.is_empty() {
            return Some(format!("it names no stage: write {version}/{}", stage.name));
        }
        if asked.stage == ALL_STAGES && !self.status.stepped_back.is_empty() {
            return Some("a stage has failed since the version started: leave one stage after the other".to_owned());
        }
        if asked.stage != stage.name && asked.stage != ALL_STAGES {
            return Some(format!("the rollout is in stage {}, and not in {}", stage.name, asked.stage));
        }
        self.is_paused().then(|| "spec.paused is set: set it to false first".to_owned())
    }

    /// Whether nothing but time, evidence or the schedule is missing.
    fn is_fit_to_leave(&self, spec: &Stage) -> bool {
        let stage = self.status.stage.as_ref();
        let is_disturbed = stage.is_some_and(|stage| stage.disturbance.is_some());
        let has_failed = self.checks.iter().any(|check| check.verdict == Verdict::Fail);
        !is_disturbed && !has_failed && !self.is_degrading(spec) && self.refusal.is_none()
    }

    /// Whether somebody who asks for a restart is not the only one: abort wins over all that is asked at the same time.
    fn was_aborted(&self, asked: &Asked) -> bool {
        let is_its =
            |known: &CommandStatus| known.at == self.now && known.text.split(' ').next() == Some(&*asked.revision);
        self.status.commands.iter().any(|known| known.command == Command::Abort.name() && is_its(known))
    }

    fn abort(&mut self, asked: &Asked) {
        if self.status.restart.as_ref().is_some_and(|restart| restart.revision == asked.revision) {
            self.remember(asked, true, "the restart stops");
            return self.stop_restart(&format!("{} asked for it", who(asked)));
        }
        let under_way = self.is_under_way();
        let canary = self.status.canary.clone().filter(|canary| under_way && canary.revision == asked.revision);
        let Some(canary) = canary else {
            return self.ignore(asked, &format!("version {} is not on its way", asked.revision));
        };
        let message = format!("version {canary} is aborted, as {} asked; all traffic goes back to stable", who(asked));
        self.status.record_failure(FailedRevision {
            revision: canary.revision,
            replica_set: canary.replica_set,
            at: self.now,
            message: format!("aborted, as {} asked", who(asked)),
        });
        self.remember(asked, true, &message);
        self.turn_back(reason::ABORTED, message);
    }

    /// A failure is forgotten; whatever else a start needs is looked at as ever.
    fn retry(&mut self, asked: &Asked) {
        let has_failed = self.status.failed.iter().any(|failed| failed.revision == asked.revision);
        let was_taken_back = self.status.taken_back.as_ref().is_some_and(|known| known.revision == asked.revision);
        if matches!(self.status.phase, Phase::Progressing | Phase::Held | Phase::Reverting | Phase::Promoting) {
            return self.ignore(asked, "a rollout is under way: ask again when it is over");
        }
        if !has_failed && !was_taken_back {
            return self.ignore(asked, &format!("version {} has not failed", asked.revision));
        }
        self.status.forget_failure(&asked.revision);
        self.forget_gates();
        let message = format!("version {} may be tried again, as {} asked", asked.revision, who(asked));
        self.remember(asked, true, &message);
        self.record(reason::RETRIED, message);
    }

    /// The commands that nobody has decided on.
    fn asked(&self) -> Vec<Asked> {
        let asked = Asked::all(self.rollout.metadata.annotations.as_ref());
        asked.filter(|asked| !self.status.is_decided(asked)).collect()
    }

    pub(super) fn ignore(&mut self, asked: &Asked, why: &str) {
        let message = format!("{} of {} is ignored: {why}", asked.command.name(), asked.text);
        self.remember(asked, false, &message);
        self.record_aside(reason::COMMAND_IGNORED, message);
    }

    pub(super) fn remember(&mut self, asked: &Asked, done: bool, message: &str) {
        self.status.record_command(CommandStatus {
            command: asked.command.name().to_owned(),
            text: asked.text.clone(),
            earlier: Vec::new(),
            by: asked.by.clone(),
            at: self.now,
            done,
            message: message.to_owned(),
        });
    }
}

/// Whoever asked. Nobody has checked the name.
pub(super) fn who(asked: &Asked) -> String {
    asked.by.as_ref().map_or_else(|| "somebody".to_owned(), |by| format!("{by} (by their own account)"))
}
