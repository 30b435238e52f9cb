//! What must be true of gates and commands.

use serde_json::Value;
use tidegate_api::{Command, GATE_LABEL, Gate, GateState, GateStatus, Phase, Rollout, RolloutStatus};
use tidegate_apiserver::Object;

use crate::invariants::Invariants;

/// How often a gate is asked anew in one stage: once more where a failure was answered meanwhile.
const OPENED_AT_MOST: usize = 2;

impl Invariants {
    /// What a gate has said stays said.
    pub fn answers(&mut self, last: &RolloutStatus, next: &RolloutStatus) {
        self.opened(last, next);
        for before in last.gates.iter().filter(|gate| !gate.state.is_open()) {
            let is_same = |gate: &&GateStatus| {
                gate.name == before.name && gate.revision == before.revision && gate.since == before.since
            };
            let changed = next.gates.iter().find(is_same).is_some_and(|gate| gate.state != before.state);
            self.hold(!changed, || format!("gate {} was {:?}, and now says something else", before.name, before.state));
        }
    }

    /// A gate that waits keeps its time, whatever else is asked beside it.
    fn opened(&mut self, last: &RolloutStatus, next: &RolloutStatus) {
        if last.phase == Phase::Reverted && next.phase != Phase::Reverted {
            // A version that went back, for whatever reason, begins anew, and so do its gates.
            self.opened.clear();
        }
        let entered = next.stage.as_ref().map(|stage| stage.entered_at);
        for gate in next.gates.iter().filter(|gate| gate.state.is_open()) {
            let is_same = |known: &GateStatus| {
                (&known.name, &known.revision, known.since) == (&gate.name, &gate.revision, gate.since)
            };
            if last.gates.iter().any(is_same) {
                continue;
            }
            let times = self.opened.entry((gate.revision.clone(), gate.name.clone(), entered)).or_default();
            *times += 1;
            let often = *times;
            self.hold(often <= OPENED_AT_MOST, || format!("gate {} begins to wait for the {often}th time", gate.name));
        }
    }

    /// A Job is made for a gate that waits for it. That of a version which was superseded goes a moment later.
    pub fn started_job(&mut self, job: &Object) {
        let labels = &job.value()["metadata"]["labels"];
        let gate = labels[GATE_LABEL].as_str().unwrap_or_default();
        let waiting = self.status().unwrap_or_default().gates.into_iter().filter(|gate| gate.state.is_open());
        let asked = waiting.filter(|known| known.name == gate).count();
        self.hold(asked == 1, || format!("a Job is made for gate {gate}, which does not wait"));
    }

    fn jobs(&self) -> impl Iterator<Item = &Value> {
        let jobs = self.mirror.iter().filter(|((kind, _), job)| kind == "Job" && !job.is_deleting());
        jobs.map(|(_, job)| job.value())
    }

    /// When a rollout is over, its Jobs are gone, but for one that said no, and one that a gate still waits for.
    pub fn jobs_at_rest(&mut self, status: &RolloutStatus) {
        let needed = status.gates.iter().filter(|gate| gate.state != GateState::Passed).count();
        let left = self.jobs().count();
        self.hold(left <= needed, || format!("{left} Jobs are left, and {needed} are needed"));
    }

    /// What is done is done for the version that it names.
    pub fn commands(&mut self, last: &RolloutStatus, next: &RolloutStatus) {
        let new = next.commands.iter().filter(|command| !last.commands.contains(command) && command.done);
        for done in new {
            let of = |revision: &String| revision == meant(&done.text);
            let is_a = |command: Command| done.command == command.name();
            let is_meant = last.canary.as_ref().is_some_and(|canary| of(&canary.revision));
            let restarts = last.stable.as_ref().is_some_and(|stable| of(&stable.revision));
            let is_stopped = last.restart.as_ref().is_some_and(|known| of(&known.revision));
            let has_failed = last.failed.iter().any(|failed| of(&failed.revision));
            let was_taken_back = last.taken_back.as_ref().is_some_and(|known| of(&known.revision));
            let fits = is_meant
                || is_a(Command::Restart) && restarts
                || is_a(Command::Abort) && is_stopped
                || is_a(Command::Retry) && (has_failed || was_taken_back);
            self.hold(fits, || format!("{} of {} is done for another version", done.command, done.text));
        }
    }

    /// A version starts when the gates in front of it have passed.
    pub fn started(&mut self, rollout: &Rollout, last: &RolloutStatus, next: &RolloutStatus) {
        let was_under_way = last.canary.is_some();
        let canary = next.canary.as_ref().map(|canary| &canary.revision);
        let was_stable = last.former.iter().any(|former| Some(&former.revision) == canary);
        self.hold(!next.rolls_back || last.rolls_back || was_stable, || {
            "a version comes back unjudged that was not stable".to_owned()
        });
        if was_under_way || next.phase != Phase::Progressing || next.rolls_back {
            return;
        }
        let stages = rollout.spec.stages();
        let first = stages.first().map(|stage| stage.before.clone()).unwrap_or_default();
        let start = rollout.spec.gates.as_ref().map(|gates| gates.start.clone()).unwrap_or_default();
        self.have_passed(&[start, first].concat(), next);
    }

    /// A stage is left when the gates behind it, and in front of the next, have passed.
    pub fn passed_gates(&mut self, rollout: &Rollout, left: &str, next: &RolloutStatus) {
        let stages = rollout.spec.stages();
        let Some(place) = stages.iter().position(|stage| stage.name == left) else { return };
        let promote = rollout.spec.gates.as_ref().map(|gates| gates.promote.clone()).unwrap_or_default();
        let then = stages.get(place + 1).map_or(promote, |stage| stage.before.clone());
        self.have_passed(&[stages[place].after.clone(), then].concat(), next);
    }

    fn have_passed(&mut self, gates: &[Gate], next: &RolloutStatus) {
        let version = next.canary.as_ref().or(next.stable.as_ref()).map_or("", |version| version.revision.as_str());
        for gate in gates {
            let known = next.gates.iter().find(|known| known.name == gate.name && known.revision == version);
            let has_passed = known.is_some_and(|known| known.state == GateState::Passed);
            self.hold(has_passed, || format!("version {version} goes past gate {}, which says {known:?}", gate.name));
        }
    }
}

/// The revision that a command names.
fn meant(text: &str) -> &str {
    text.split([' ', '/']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::meant;

    #[test]
    fn a_command_is_meant_for_the_revision_that_it_names_and_for_none_that_begins_like_it() {
        for text in ["7f9c", "7f9c/half", "7f9c/* by jane at noon", "7f9c by jane"] {
            assert_eq!(meant(text), "7f9c");
        }
        assert_ne!(meant("7f9c6b by jane"), "7f9c");
    }
}
